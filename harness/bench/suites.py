# SPDX-License-Identifier: GPL-2.0-only
"""All scenarios, as CI runs them, with so many workers."""

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
GOOD = {Verdict.PASS, Verdict.XFAIL, Verdict.SKIP}


def suite(name: str, workers: int) -> Subject:
    """The scenarios that `make test` runs; once, for it takes minutes."""

    def measure(out: Path) -> Mapping[str, float]:
        start = time.monotonic()
        proc.run(command(out / "runs", workers), cwd=ROOT, log=out / "pytest.log")
        seconds = time.monotonic() - start
        check(out / "runs", name)
        return {name: seconds}

    return Subject(name, measure, most=1)


def command(runs: Path, workers: int) -> list[str]:
    """pytest with workers, even if there is only one."""
    words = [sys.executable, "-m", "pytest", "-q", "scenarios", "-m", "not slow", "-p", "no:cacheprovider"]
    return [*words, "-n", str(workers), "--dist", "worksteal", "--runs", str(runs)]


def check(runs: Path, name: str) -> None:
    """See that every case of the session ran and was good. Raises NotDoneError."""
    outcomes = read(runs).outcomes
    bad = [outcome.case for outcome in outcomes if outcome.verdict not in GOOD]
    if bad or not outcomes:
        raise NotDoneError(f"{name}: {json.dumps(bad[:5]) if bad else 'no case ran'}; see {runs}")
