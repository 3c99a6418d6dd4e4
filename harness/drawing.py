# SPDX-License-Identifier: GPL-2.0-only
"""timeline.svg: the live updates of a run, drawn; one file without scripts, for light and dark pages."""

from collections.abc import Iterator, Sequence
from html import escape

from harness.plaintext import one_line, short
from harness.result import Outcome, Update
from harness.timeline import LOST, by_name, ending, milliseconds

NAME = "timeline.svg"
# Lengths in pixels.
WIDTH = 860
LABEL = 210
VALUE = 80
ROW = 22
MARGIN = 16
PLOT = WIDTH - LABEL - VALUE - 2 * MARGIN
# So many live updates are drawn, and about so many lines of the time axis.
MOST = 20
TICKS = 6
TITLE_MAX = 110
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff } .title { font-weight: 600; font-size: 15px }
.muted { fill: #59636e; font-size: 12px }
.head { font-weight: 600 } .number { text-anchor: end; font-variant-numeric: tabular-nums }
.label, .tick { text-anchor: end } .tick { text-anchor: middle }
.part { fill: #0969da } .before { fill: #8c959f } .lost { fill: #cf222e } .grid { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .paper { fill: #0d1117 } .muted { fill: #9198a1 }
  .part { fill: #4493f8 } .before { fill: #6e7681 } .lost { fill: #f85149 } .grid { stroke: #3d444d }
}
"""


def svg(outcome: Outcome) -> str:
    """The drawing of a run's live updates."""
    shown = outcome.updates[:MOST]
    whole = max(
        [1, *(sum(lengths) for one in shown for lengths in (_before(one)[1], milliseconds(one.parts)))]
    )
    body: list[str] = []
    top = MARGIN + ROW
    body.append(_text(MARGIN, top - 6, f"{outcome.verdict} {outcome.case}", "title"))
    body.append(_text(MARGIN, top + 12, outcome.summary, "muted"))
    top += ROW
    for update in shown:
        lines, top = _update(update, whole, top)
        body += lines
    if len(outcome.updates) > MOST:
        top += ROW
        body.append(_text(MARGIN, top - 6, f"and {len(outcome.updates) - MOST} more live updates", "muted"))
    height = top + MARGIN
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{_plain(outcome.case)}: live updates in time</title>",
            f"<style>\n{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *body,
            "</svg>\n",
        ]
    )


def _update(update: Update, whole: int, top: int) -> tuple[list[str], int]:
    """One live update below `top`, and where it ends; whole: milliseconds that the plot is wide."""
    parts, lengths = update.parts, milliseconds(update.parts)
    names, before = _before(update)
    lines: list[str] = []
    if names:
        top += ROW + 6
        lines.append(
            _text(
                MARGIN, top - 6, f"before live update {update.generation}, while the old kernel works", "head"
            )
        )
        more, top = _rows(names, before, ["before"] * len(names), whole, top)
        lines += more
    top += ROW + 6
    title = f"blackout of live update {update.generation}: {sum(lengths) / 1000:.3f} s, {ending(update)}"
    lines.append(_text(MARGIN, top - 6, title, "head"))
    kinds = ["lost" if part.name == LOST else "part" for part in parts]
    more, bottom = _rows([part.name for part in parts], lengths, kinds, whole, top)
    return [*lines, *_axis(whole, top, bottom), *more], bottom + ROW - 4


def _before(update: Update) -> tuple[list[str], list[int]]:
    """What was done before the jump, by name, and for how many milliseconds."""
    found = by_name(update.before)
    return list(found), [round(seconds * 1000) for seconds in found.values()]


def _rows(
    names: Sequence[str], lengths: Sequence[int], kinds: Sequence[str], whole: int, top: int
) -> tuple[list[str], int]:
    """A row for each part, its bar where the one before it ended; and where the rows end."""
    lines, at = [], 0
    for name, length, kind in zip(names, lengths, kinds, strict=True):
        left = MARGIN + LABEL + at * PLOT / whole
        width = max(1.5, length * PLOT / whole)
        lines.append(_text(MARGIN + LABEL - 8, top + 15, name, "label"))
        bar = f'x="{left:.1f}" y="{top + 4}" width="{width:.1f}" height="{ROW - 8}" rx="2"'
        lines.append(f'<rect class="{kind}" {bar}/>')
        lines.append(_text(WIDTH - MARGIN, top + 15, f"{length / 1000:.3f} s", "number"))
        at += length
        top += ROW
    return lines, top


def _axis(whole: int, top: int, bottom: int) -> list[str]:
    """Lines at round times, with their seconds below."""
    step = next(size for size in _steps() if whole / size <= TICKS)
    lines = []
    for at in range(0, whole + 1, step):
        x = MARGIN + LABEL + at * PLOT / whole
        lines.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>')
        lines.append(_text(x, bottom + 14, f"{at / 1000:g} s", "tick muted"))
    return lines


def _steps() -> Iterator[int]:
    """Round numbers of milliseconds: 1, 2, 5, 10, ..."""
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{_plain(text)}</text>'


def _plain(text: str) -> str:
    return escape(short(one_line(text), TITLE_MAX))
