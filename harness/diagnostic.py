# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a scenario, as compilers say it: place, fault, and the nearest valid word."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError

# So many valid words can still be listed in a message.
FEW = 40


@dataclass(frozen=True, order=True)
class Where:
    """A place in a YAML file; line and column count from 1, line 0 is the file as a whole."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        """Write it as compilers do."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One thing that is wrong."""

    where: Where
    message: str
    # The line of the file that where points into.
    source: str = ""

    def __str__(self) -> str:
        """Give the place and the message, in one line."""
        return f"{self.where}: {self.message}"

    def render(self) -> str:
        """Give the message, and below it the line of the file with a caret at the place."""
        if not self.source.strip():
            return str(self)
        margin = "".join("\t" if char == "\t" else " " for char in self.source[: self.where.column - 1])
        source = "".join(char if char.isprintable() or char == "\t" else "?" for char in self.source)
        return f"{self}\n    {source}\n    {margin}^"


class ScenarioError(UsageError):
    """Scenarios are not valid; the message has every fault of every file, in the order of the files."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        count = len(self.diagnostics)
        total = [f"{count} errors"] if count > 1 else []
        super().__init__("\n".join([*(one.render() for one in self.diagnostics), *total]))


def nearest(word: str, words: Collection[str]) -> str:
    """The end of a message: the nearest valid word, or all of them if none is near and they are few."""
    near = guess(word, words)
    if near:
        return f"; did you mean '{near}'?"
    return f"; valid: {', '.join(sorted(words))}" if 0 < len(words) <= FEW else ""


def guess(word: str, words: Collection[str]) -> str | None:
    """The valid word that was probably meant."""
    by_form = {plain(valid): valid for valid in sorted(words)}
    close = difflib.get_close_matches(plain(word), by_form, n=1, cutoff=0.6)
    return by_form[close[0]] if close else None


def plain(word: str) -> str:
    """A word without what people get wrong first."""
    return word.strip().lower().replace("-", "_")
