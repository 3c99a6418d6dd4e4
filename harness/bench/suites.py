# SPDX-License-Identifier: GPL-2.0-only
"""A part of the scenarios, as CI runs them, with so many workers.

The part is a shard: chosen by the plans alone, so it is the same in every run, and its cases are as long and
as short as those of the whole, which takes half an hour with one worker.
"""

import functools
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.digest import read
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]
SHARD = "1/6"
GOOD = {Verdict.PASS, Verdict.XFAIL, Verdict.SKIP}


def suites(names: Mapping[int, str]) -> Iterator[Subject]:
    """A shard of the scenarios that `make test` runs, by so many workers; once, for it takes minutes.

    It runs once before, unmeasured: none of them is to be the one that has to make the snapshots.
    """
    warmed: list[Path] = []

    def prepare(out: Path) -> None:
        if not warmed:
            warmed.append(out)
            play(out, max(names), "before the suite is measured")

    for workers, name in names.items():
        yield Subject(name, functools.partial(timed, workers=workers, name=name), most=1, prepare=prepare)


def timed(out: Path, workers: int, name: str) -> Mapping[str, float]:
    """How long it takes."""
    start = time.monotonic()
    play(out, workers, name)
    return {name: time.monotonic() - start}


def play(out: Path, workers: int, name: str) -> None:
    """Run the shard. Raises NotDoneError when not every case ran and was good."""
    try:
        proc.run(command(out / "runs", workers), cwd=ROOT, log=out / "pytest.log")
    except proc.ProcessError as error:
        raise NotDoneError(f"{name}: {error}") from error
    check(out / "runs", name)


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
