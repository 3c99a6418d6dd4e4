# SPDX-License-Identifier: GPL-2.0-only
"""What is measured, and what was: rounds of all subjects, in turns, so that none has a better hour."""

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


def rounds(
    subjects: Sequence[Subject], count: int, folder: Path, tell: Callable[[str], None]
) -> tuple[tuple[Series, ...], dict[str, str]]:
    """Measure every subject in every round; the series, and why a subject has none.

    What cannot be measured on this host is left out, with the reason. Raises NotDoneError.
    """
    values: dict[str, list[float]] = {}
    absent: dict[str, str] = {}
    for turn in range(-1, count):
        for subject in subjects:
            if subject.name in absent or turn >= subject.most:
                continue
            out = folder / ("before" if turn < 0 else f"round.{turn + 1}") / subject.name.replace(" ", "-")
            out.mkdir(parents=True)
            try:
                if turn < 0 and subject.prepare:
                    tell(f"preparing {subject.name}")
                    subject.prepare(out)
                if turn >= 0:
                    tell(f"round {turn + 1}: {subject.name}")
                    for name, seconds in subject.measure(out).items():
                        values.setdefault(name, []).append(seconds)
            except NotDoneError:
                raise
            except HarnessError as error:
                absent[subject.name] = f"{error}"
                tell(f"{subject.name} cannot be measured here: {error}")
    return tuple(Series(name, tuple(seen)) for name, seen in values.items()), absent
