# SPDX-License-Identifier: GPL-2.0-only
"""The answer for a terminal: a table of what changed, then what explains it, the verdict last."""

import io
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.gate import words
from harness.gate.answers import Answer, Gate
from harness.gate.cells import Cell, Metric, State, Trend

WIDTH = 110
STYLES = {
    State.REGRESSION: "bold red",
    State.NEW: "cyan",
    State.COULD_NOT_TEST: "bold yellow",
    State.FLAKY: "yellow",
    State.FIXED: "bold green",
    State.STILL_FAILING: "magenta",
    State.SAME: "green",
}
TRENDS = {
    Trend.WORSE: "bold red",
    Trend.UNSETTLED: "bold yellow",
    Trend.BETTER: "bold green",
    Trend.CHANGED: "yellow",
}
ANSWERS = {
    Answer.NO_REGRESSION: "bold green",
    Answer.REGRESSION: "bold red",
    Answer.COULD_NOT_TEST: "bold yellow",
    Answer.INTERRUPTED: "bold yellow",
}
# Of so many cells not run with the same reason each is named.
NAMED = 4


def render(gate: Gate, width: int = WIDTH, colour: bool = False) -> str:
    """The whole answer."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        color_system="standard" if colour else None,
        force_terminal=colour,
        highlight=False,
    )
    _lines(console, words.setting(gate))
    changed = [cell for state in words.STATES for cell in gate.of(state) if state is not State.SAME]
    if changed:
        console.print(_cells(changed))
    metrics = [one for trend in TRENDS for one in gate.metrics if one.trend is trend]
    if metrics:
        console.print(_metrics(metrics))
    for cell in changed:
        if cell.blocks or cell.state is State.COULD_NOT_TEST:
            _lines(console, ["", words.line(f"{cell.case} {words.about(cell)}")], "bold")
            _lines(console, (f"  {line}" for line in words.evidence(cell)))
    for message in gate.messages:
        _lines(console, ["", "new kernel message"], "bold")
        _lines(console, (f"  {line}" for line in words.message(message)))
    for reason, names in words.not_run(gate.not_run).items():
        more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
        _lines(console, ["", f"not run: {reason}"], "bold")
        _lines(console, (f"  {name}" for name in [*names[:NAMED], *more]))
    _lines(console, ["", *(words.line(f"note: {note}") for note in gate.notes)])
    _lines(console, [words.headline(gate)], ANSWERS[gate.answer])
    _lines(console, [words.summary(gate)])
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def _lines(console: Console, lines: Iterable[str], style: str = "") -> None:
    """Lines as they are: none is wrapped, nothing in them is markup."""
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def _cells(cells: Iterable[Cell]) -> Table:
    table = Table("cell", "on", "is", "because", box=SIMPLE_HEAD, pad_edge=False)
    for cell in cells:
        state = Text(cell.state, style=STYLES[cell.state])
        table.add_row(Text(words.line(cell.case)), Text(cell.route), state, Text(words.reason(cell)))
    return table


def _metrics(metrics: Iterable[Metric]) -> Table:
    table = Table("number of", "on", "is", "by", box=SIMPLE_HEAD, pad_edge=False)
    for one in metrics:
        trend = Text(one.trend, style=TRENDS[one.trend])
        table.add_row(Text(words.line(one.case)), Text(one.route), trend, Text(words.metric(one)))
    return table
