# SPDX-License-Identifier: GPL-2.0-only
"""What is measured, and what was: rounds of all subjects, in turns, so that none has a better hour."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

# In an empty folder, what each number is called, and the numbers.
Measure = Callable[[Path], Mapping[str, float]]


class NotDoneError(HarnessError):
    """A run did not do its work: its time means nothing, and there is no result without it."""


@dataclass(frozen=True)
class Subject:
    """Something that is measured."""

    name: str
    measure: Measure
    # How often, at most; what takes minutes is measured once or twice.
    most: int = 1000
    # Before the first round, not measured: what is built, or saved for later.
    prepare: Callable[[Path], object] | None = None


@dataclass(frozen=True)
class Series:
    """All values of one number, in seconds."""

    name: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.values), max(self.values)


@dataclass(frozen=True)
class Measured:
    """What a benchmark came to."""

    series: tuple[Series, ...]
    # Subjects that this host cannot measure, and those of which a run did not do its work, with the reasons.
    absent: Mapping[str, str]
    undone: Mapping[str, str]


def rounds(subjects: Sequence[Subject], count: int, folder: Path, tell: Callable[[str], None]) -> Measured:
    """Measure every subject in every round.

    What cannot be measured on this host is left out, with the reason. A subject of which one run did not do
    its work has no figure at all; the others go on.
    """
    values: dict[str, dict[str, list[float]]] = {subject.name: {} for subject in subjects}
    absent: dict[str, str] = {}
    undone: dict[str, str] = {}
    for turn in range(-1, count):
        for subject in subjects:
            if subject.name in absent or subject.name in undone or turn >= subject.most:
                continue
            out = (
                folder / ("before" if turn < 0 else f"round.{turn + 1}") / re.sub(r"[ /]", "-", subject.name)
            )
            try:
                for name, seconds in once(subject, turn, out, tell).items():
                    values[subject.name].setdefault(name, []).append(seconds)
            except NotDoneError as error:
                undone[subject.name] = f"{error}"
                tell(f"{subject.name} did not do its work: {error}")
            except HarnessError as error:
                absent[subject.name] = f"{error}"
                tell(f"{subject.name} cannot be measured here: {error}")
    whole = [numbers for name, numbers in values.items() if name not in absent and name not in undone]
    series = tuple(Series(name, tuple(seen)) for numbers in whole for name, seen in numbers.items())
    return Measured(series, absent, undone)


def once(subject: Subject, turn: int, out: Path, tell: Callable[[str], None]) -> Mapping[str, float]:
    """Prepare a subject (turn -1), or measure it once."""
    if turn < 0 and subject.prepare is None:
        return {}
    # What a run of an earlier benchmark left must not be taken for one of this.
    out.mkdir(parents=True)
    if turn < 0 and subject.prepare:
        tell(f"preparing {subject.name}")
        subject.prepare(out)
        return {}
    tell(f"round {turn + 1}: {subject.name}")
    return subject.measure(out)
