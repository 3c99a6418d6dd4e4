# SPDX-License-Identifier: GPL-2.0-only
"""Long work shows what it does, how far it is, and how long it will take: a live line on a terminal, a
line now and then in a log."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as RemainingColumn

LOG_INTERVAL_SECONDS = 15.0


class Output(Console):
    """A console whose reader may leave (`harness run ... | head`): BrokenPipeError, as everywhere else.

    rich would raise SystemExit(1), and 1 is for a bad kernel.
    """

    def on_broken_pipe(self) -> NoReturn:
        """Pass it on."""
        raise BrokenPipeError


def say(text: str) -> None:
    """A line for the user, on standard error."""
    Output(stderr=True, highlight=False).print(text, soft_wrap=True, markup=False)


class Stage(Protocol):
    """One piece of long work."""

    def advance(self, amount: float = 1) -> None:
        """So much more of the stage's total is done."""

    def total(self, total: float) -> None:
        """The size of the whole, once it is known."""


@dataclass
class LogStage:
    """A stage in a log: a line at the start, one every LOG_INTERVAL_SECONDS, one at the end."""

    console: Console
    title: str
    whole: float | None = None
    done: float = 0
    start: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def advance(self, amount: float = 1) -> None:
        """See Stage."""
        self.done += amount
        now = time.monotonic()
        if now - self.last >= LOG_INTERVAL_SECONDS:
            self.last = now
            self.console.print(f"{self.title}: {describe(self.done, self.whole, now - self.start)}")

    def total(self, total: float) -> None:
        """See Stage."""
        self.whole = total


@dataclass
class BarStage:
    """A stage on a terminal."""

    bars: Progress
    task: int

    def advance(self, amount: float = 1) -> None:
        """See Stage."""
        self.bars.advance(self.bars.task_ids[self.task], amount)

    def total(self, total: float) -> None:
        """See Stage."""
        self.bars.update(self.bars.task_ids[self.task], total=total)


def describe(done: float, whole: float | None, seconds: float) -> str:
    """How far a stage is, in words: '40 %, 1 min 12 s so far, about 1 min 48 s left'."""
    so_far = f"{duration(seconds)} so far"
    if not whole or not done:
        return so_far
    share = min(done / whole, 0.99)
    return f"{share:.0%}, {so_far}, about {duration(seconds * (1 - share) / share)} left"


def duration(seconds: float) -> str:
    """Seconds for people: '0.4 s', '12 s', '3 min 5 s'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextlib.contextmanager
def stage(title: str, total: float | None = None, console: Console | None = None) -> Iterator[Stage]:
    """Show a stage of long work while the context lasts; says at its end how long it took."""
    console = console or Output(stderr=True, highlight=False)
    start = time.monotonic()
    if console.is_terminal and not os.environ.get("CI"):
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            RemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bars:
            bars.add_task(title, total=total)
            yield BarStage(bars, 0)
    else:
        console.print(f"{title} ...", soft_wrap=True)
        yield LogStage(console, title, total)
    console.print(f"{title}: done in {duration(time.monotonic() - start)}", soft_wrap=True)
