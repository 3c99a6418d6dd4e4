# SPDX-License-Identifier: GPL-2.0-only
"""A part of the scenarios, as CI runs them, with so many workers.

The part is a shard: chosen by the plans alone, so it is the same in every run, and its cases are as long and
as short as those of the whole, which takes half an hour with one worker.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.digest import read
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]
SHARD = "1/5"
GOOD = {Verdict.PASS, Verdict.XFAIL, Verdict.SKIP}


def suite(name: str, workers: int) -> Subject:
    """A shard of the scenarios that `make test` runs; once, for it takes minutes."""

    def measure(out: Path) -> Mapping[str, float]:
        start = time.monotonic()
        try:
            proc.run(command(out / "runs", workers), cwd=ROOT, log=out / "pytest.log")
        except proc.ProcessError as error:
            raise NotDoneError(f"{name}: {error}") from error
        seconds = time.monotonic() - start
        check(out / "runs", name)
        return {name: seconds}

    return Subject(name, measure, most=1)


def command(runs: Path, workers: int) -> list[str]:
    """pytest with workers, even if there is only one."""
    words = [sys.executable, "-m", "pytest", "-q", "scenarios", "-m", "not slow", "-p", "no:cacheprovider"]
    return [*words, "-n", str(workers), "--dist", "worksteal", "--shard", SHARD, "--runs", str(runs)]


def check(runs: Path, name: str) -> None:
    """See that every case of the session ran and was good. Raises NotDoneError."""
    outcomes = read(runs).outcomes
    bad = [outcome.case for outcome in outcomes if outcome.verdict not in GOOD]
    if bad or not outcomes:
        raise NotDoneError(f"{name}: {json.dumps(bad[:5]) if bad else 'no case ran'}; see {runs}")
