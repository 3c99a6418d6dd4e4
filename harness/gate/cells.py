# SPDX-License-Identifier: GPL-2.0-only
"""What the gate finds out: runs of each case on each route, and what they come to. Plain data."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.verdict import Verdict


class Route(StrEnum):
    """Which kernels a case runs on: one for all generations, or from one side to the other by live update."""

    BASE = "base"
    HEAD = "head"
    FORWARD = "base -> head"
    BACK = "head -> base"

    @property
    def folder(self) -> str:
        """As a part of a file's name: artifact stores refuse some characters."""
        return self.replace(" -> ", "-to-")


class State(StrEnum):
    """What became of a cell, from base to head."""

    SAME = "same"
    REGRESSION = "regression"
    FIXED = "fixed"
    STILL_FAILING = "still failing"
    FLAKY = "flaky"
    # There is nothing to compare with: base cannot run it.
    NEW = "new"
    COULD_NOT_TEST = "could not test"


class Trend(StrEnum):
    """What became of a number, from base to head."""

    SAME = "same"
    WORSE = "worse"
    BETTER = "better"
    # It is another one, and nobody has said which is better.
    CHANGED = "changed"
    # Too few values to say anything.
    UNSETTLED = "unsettled"


@dataclass(frozen=True)
class Measure:
    """One number of an attempt: what a `measure` step recorded, or the blackout."""

    name: str
    value: float
    # s, bytes; empty: none.
    unit: str


@dataclass(frozen=True)
class Attempt:
    """One run of a case on one route."""

    route: Route
    verdict: Verdict
    # The first finding on one line: what is wrong. Empty: nothing.
    finding: str
    # Place of the step in the YAML file, and the step in words; empty outside of steps.
    where: str
    doing: str
    expected: str
    seen: str
    # The run directory; None: it did not come to that.
    directory: Path | None
    seconds: float
    measures: tuple[Measure, ...] = ()
    # Kernel messages at warning level and above, without times and addresses, each once.
    warnings: tuple[str, ...] = ()
    # The machine did not come up: ERROR for a run alone. Where base comes up, it is head's fault.
    boots: bool = True
    # Lines that explain the finding: a kernel report, the end of the console.
    detail: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """The kernel was tested and broke an expectation, known or not, or does not come up."""
        return self.verdict in {Verdict.FAIL, Verdict.XFAIL} or not self.boots

    @property
    def tested(self) -> bool:
        """Whether it says anything about the kernel."""
        return self.broken or self.verdict in {Verdict.PASS, Verdict.XPASS}


@dataclass(frozen=True)
class Cell:
    """A case on a route that head is in, compared with the same case on base alone."""

    case: str
    # The YAML file.
    source: Path
    summary: str
    tags: tuple[str, ...]
    carrier: str
    # HEAD, FORWARD or BACK.
    route: Route
    # The attempts on base, and those on the route.
    base: tuple[Attempt, ...]
    head: tuple[Attempt, ...]
    state: State
    # One-sided, Fisher's exact test: that a difference like this is chance. None: nothing to compare.
    p: float | None
    # One sentence: 0 of 4 failed on base, 4 of 4 on head.
    reason: str

    @property
    def name(self) -> str:
        """The case with its route, unique in an answer."""
        return f"{self.case} {self.route}"

    @property
    def blocks(self) -> bool:
        """Whether it is a regression, or something new that does not work."""
        new = self.state is State.NEW and any(attempt.verdict is Verdict.FAIL for attempt in self.head)
        return self.state is State.REGRESSION or new

    @property
    def shown(self) -> Attempt | None:
        """The attempt that explains the state best: the first bad one, of head before base."""
        every = (*self.head, *self.base)
        bad = [one for one in every if one.broken] + [one for one in every if not one.tested]
        return next(iter([*bad, *every]), None)


@dataclass(frozen=True)
class Metric:
    """One number of one case on one route, as distributions."""

    case: str
    route: Route
    name: str
    unit: str
    base: tuple[float, ...]
    head: tuple[float, ...]
    base_median: float
    head_median: float
    # From base to head, as a part of base: 0.38 is +38 %. None: base is 0.
    change: float | None
    # Cliff's delta: -1 all of head are smaller, 0 no difference, 1 all are larger.
    effect: float
    # Permutation test, two-sided.
    p: float
    # A smaller change says nothing: what base's own values spread, as a part of their median.
    noise: float
    trend: Trend

    @property
    def blocks(self) -> bool:
        """Whether it is a regression."""
        return self.trend is Trend.WORSE


@dataclass(frozen=True)
class Message:
    """A kernel message at warning level or above that head has and base has not."""

    text: str
    # In how many attempts, and the case, route and run directory of the first.
    count: int
    case: str
    route: Route
    directory: Path | None


@dataclass(frozen=True)
class NotRun:
    """A case on a route that was not run, and why: the budget, a requirement, a side that is not there."""

    case: str
    route: Route
    reason: str
    # It was to be run: this is evidence that is missing. Else it is not for these kernels.
    missing: bool = False


def count_text(cells: Iterable[Cell]) -> str:
    """How many cells of each state: '1 regression, 7 same of 8 cells'."""
    states = [cell.state for cell in cells]
    parts = [f"{states.count(state)} {state}" for state in (*list(State)[1:], State.SAME) if state in states]
    return f"{', '.join(parts)} of {len(states)} cell{'s' * (len(states) > 1)}" if parts else "no cells"
