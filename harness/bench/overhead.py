# SPDX-License-Identifier: GPL-2.0-only
"""What the harness takes where there is nothing to test: its help, collecting, builds with nothing to do."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.build.store import Store

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("harness")
HELP = "harness --help"
COLLECT = "collecting all scenarios"
NOTHING = "make setup and harness build, nothing to do"
# Where entries come and go without anything being built.
PASSING = {"lock", "tmp", "runs", "log", "work", "renew"}


def overhead(store: Store) -> Iterator[Subject]:
    """Each of them, by the clock."""
    yield timed(HELP, [[PROGRAM, "--help"]], helped)
    yield timed(
        COLLECT,
        [[sys.executable, "-m", "pytest", "scenarios", "--collect-only", "-q", "-p", "no:cacheprovider"]],
        collected,
    )
    idle = timed(NOTHING, [["make", "-s", "setup"], [PROGRAM, "build"]], built)

    def measure(out: Path) -> Mapping[str, float]:
        before = entries(store)
        seconds = idle.measure(out)
        if new := entries(store) - before:
            raise NotDoneError(f"{NOTHING}: there was something to do: {min(new)}")
        return seconds

    yield Subject(NOTHING, measure, prepare=idle.measure)


def timed(name: str, commands: Sequence[Sequence[str | Path]], check: Callable[[str], bool]) -> Subject:
    """Commands, one after the other; check: whether they said what they say when they did their work."""

    def measure(out: Path) -> Mapping[str, float]:
        start = time.monotonic()
        try:
            said = "".join(proc.run(argv, cwd=ROOT) for argv in commands)
        except proc.ProcessError as error:
            raise NotDoneError(f"{name}: {error}") from error
        seconds = time.monotonic() - start
        if not check(said):
            raise NotDoneError(f"{name}: it said something else: {said[-200:]}")
        return {name: seconds}

    return Subject(name, measure)


def helped(said: str) -> bool:
    """Whether this is the help."""
    return said.startswith("usage: harness ")


def collected(said: str) -> bool:
    """Whether cases were found."""
    return re.search(r"^[1-9]\d*(/\d+)? tests collected", said, re.MULTILINE) is not None


def built(said: str) -> bool:
    """Whether there is all that is built."""
    return all(re.search(rf"^{what} .*: ", said, re.MULTILINE) for what in ("kernel", "accelerator"))


def entries(store: Store) -> set[Path]:
    """What was built and is kept."""
    kinds = (kind for kind in store.root.iterdir() if kind.is_dir() and kind.name not in PASSING)
    return {entry for kind in kinds for entry in kind.iterdir()}
