# SPDX-License-Identifier: GPL-2.0-only
"""The answer as Markdown for a mail or a merge request: the verdict first, then all that a reader needs.

It is read as plain text in a mail. So there is no HTML, no table and no backslash in it: whatever comes from
elsewhere (a name, a step, the kernel's log) is in an indented block or between backticks, where nothing of it
means anything.
"""

import re
from collections.abc import Iterable, Sequence

from harness.gate import words
from harness.gate.answers import NAME, Gate
from harness.gate.cells import Cell, Metric, State, Trend
from harness.markdown import section

# What becomes of whom: heading, and its share of a page (harness/markdown.py).
CELLS: Sequence[tuple[State, str, float]] = (
    (State.COULD_NOT_TEST, "Could not be tested", 0.1),
    (State.FLAKY, "Flaky: these block nothing", 0.08),
    (State.FIXED, "Fixed", 0.08),
    (State.STILL_FAILING, "Still failing", 0.08),
)
METRICS: Sequence[tuple[Trend, str, float]] = (
    (Trend.WORSE, "Slower, or larger", 0.08),
    (Trend.BETTER, "Faster, or smaller", 0.04),
    (Trend.CHANGED, "Other numbers that changed", 0.04),
    (Trend.UNSETTLED, "Numbers of which there are too few values", 0.02),
)
# Characters that mean nothing inside of a line; an underscore only within a word.
HARMLESS = re.compile(r"([A-Za-z0-9 .,:;()/%+'=>-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*")
# Of so many cells not run with the same reason each is named.
NAMED = 40


def render(gate: Gate) -> str:
    """The whole answer."""
    page = [f"## {_inline(words.headline(gate))}\n\n{words.summary(gate)}.\n\n", _block(words.setting(gate))]
    page += _section("What the reader has to know", (f"- {_code(note)}\n" for note in gate.notes), 0.02)
    broken = [cell for cell in gate.cells if cell.blocks]
    page += _section("Broken by head", map(_cell, broken), 0.3)
    page += _metrics(gate, *METRICS[0])
    messages = (_block(words.message(one)) for one in gate.messages)
    page += _section("New kernel messages", messages, 0.1)
    for state, title, share in CELLS:
        page += _section(title, map(_cell, gate.of(state)), share)
    for trend, title, share in METRICS[1:]:
        page += _metrics(gate, trend, title, share)
    new = (f"- {_code(cell.name)}\n" for cell in gate.of(State.NEW) if not cell.blocks)
    page += _section("New: base cannot run these, and nothing is wrong with them", new, 0.02)
    page += _section("Same", (f"    {line}\n" for line in words.same(gate)), 0.04)
    page += _section("Not run", _not_run(gate), 0.05)
    return re.sub("\n{3,}", "\n\n", "".join(page)).rstrip() + "\n"


def _section(title: str, items: Iterable[str], share: float) -> Iterable[str]:
    return section(title, items, share, file=NAME)


def _metrics(gate: Gate, trend: Trend, title: str, share: float) -> Iterable[str]:
    found = [one for one in gate.metrics if one.trend is trend]
    return _section(title, map(_metric, sorted(found, key=lambda one: -abs(one.change or 0))), share)


def _metric(one: Metric) -> str:
    where = f"{one.case} on {one.route}"
    return f"{_code(words.metric(one))}, {_code(where)}\n\n{_block([words.spread(one)])}"


def _cell(cell: Cell) -> str:
    return f"{_code(cell.case)} {_inline(words.about(cell))}\n\n{_block(words.evidence(cell))}"


def _not_run(gate: Gate) -> Iterable[str]:
    for reason, names in words.not_run(gate.not_run).items():
        more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
        yield f"{len(names)}: {_inline(reason)}\n\n{_block([*names[:NAMED], *more])}"


def _block(lines: Iterable[str]) -> str:
    """Lines as they are."""
    return "".join(f"    {line}".rstrip() + "\n" for line in lines) + "\n"


def _code(text: str) -> str:
    """Text between as many backticks as it needs."""
    inner = words.line(text)
    ticks = "`" * (1 + max([0, *(len(run) for run in re.findall("`+", inner))]))
    space = " " if inner.startswith("`") or inner.endswith("`") or not inner else ""
    return f"{ticks}{space}{inner}{space}{ticks}"


def _inline(text: str) -> str:
    """Text as it is where nothing in it means anything, or else as code."""
    return text if HARMLESS.fullmatch(text) else _code(text)
