# SPDX-License-Identifier: GPL-2.0-only
"""Results as Markdown for the page of a CI job: what matters first, and never more than such a page takes."""

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain
from urllib.parse import quote

from harness import drawing, journal
from harness.digest import Digest, count_text
from harness.plaintext import clean, cut, one_line, short
from harness.progress import duration
from harness.report import finding_lines, measured, reason
from harness.result import Outcome, Update
from harness.timeline import LOST, by_name, milliseconds
from harness.verdict import Verdict

# GitHub takes 1 MiB from each step of a job. What is left is for others that write into the same summary.
SIZE_MAX = 960 * 1024
# Bytes of each section's heading, and of the note about what was left out.
NOTE = 400
# Characters of a name, of a text on one line, and of what explains a case; the number of the slowest cases.
NAME_MAX = 160
CELL_MAX = 300
DETAIL_MAX = 8000
SLOWEST = 10
SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~&])")
WHOLE = {
    Verdict.PASS: "every expectation held",
    Verdict.FAIL: "a kernel is wrong",
    Verdict.ERROR: "could not test",
}
# The columns of the table of blackouts: what they sum up, and the parts in them.
BEFORE = {"put": "put", "prepare": "prepare", "seal": "seal", "load": "load"}
COLUMNS = {
    "jump": ("old kernel shuts down", "jump into the next kernel"),
    "next kernel": ("next kernel boots",),
    "modules": ("modules",),
    "login": ("network, SSH server", "SSH login, agent"),
    "recover": ("identity checks", "unseal", "other steps"),
    "get": ("get",),
    "lost": (LOST,),
}


def render(digest: Digest) -> str:
    """The whole report. Each section has a share of the page, so that none can push out those below it."""
    page = [f"## {digest.verdict}: {count_text(digest)}\n\n", f"{WHOLE[digest.verdict]}{_where(digest)}\n"]
    page += section("What could not be read", (f"- {_text(note)}\n" for note in digest.notes), 0.03)
    for title, share, verdict in (
        ("Broken by the kernel", 0.4, Verdict.FAIL),
        ("Known bugs that are gone", 0.05, Verdict.XPASS),
        ("Could not be tested", 0.2, Verdict.ERROR),
    ):
        page += section(title, (_case(one, digest) for one in digest.of(verdict)), share)
    flaky = (_row(case, ", ".join(verdicts)) for case, verdicts in digest.flaky().items())
    page += section("Not always the same", flaky, 0.05, _head("case", "verdicts"))
    for title, verdict in (("Known bugs", Verdict.XFAIL), ("Skipped", Verdict.SKIP)):
        rows = (_row(one.case, reason(one)) for one in digest.of(verdict))
        page += section(title, rows, 0.04, _head("case", "reason"))
    names = ("case", "live update", *BEFORE.values(), "blackout", *COLUMNS)
    rows = (_blackout(one, update) for one in digest.outcomes for update in one.updates)
    page += section("Live updates, in seconds", rows, 0.12, _head(*names))
    rows = (_row(one.case, measured(number)) for one in digest.outcomes for number in one.numbers)
    page += section("Measured", rows, 0.05, _head("case", "number"))
    slowest = sorted(digest.outcomes, key=lambda one: one.seconds, reverse=True)[:SLOWEST]
    rows = (_row(one.case, duration(one.seconds)) for one in slowest)
    page += section("Slowest", rows, 0.02, _head("case", "time"))
    return "".join(page)


def section(
    title: str, items: Iterable[str], share: float, head: str = "", file: str = journal.NAME
) -> Iterator[str]:
    """A heading and the items that fit into a share of the page; nothing at all if there are none.

    file: what has them all.
    """
    rest = iter(items)
    first = next(rest, None)
    if first is None:
        return
    yield f"\n### {title}\n\n{head}"
    room, left_out = int(share * SIZE_MAX) - NOTE - len(head), 0
    for item in chain([first], rest):
        size = len(item.encode())
        if size <= room and not left_out:
            room -= size
            yield item
        else:
            left_out += 1
    if left_out:
        yield f"\n*{left_out} more are left out: a page takes no more. {file} has them all.*\n"


def _where(digest: Digest) -> str:
    return f"; results in {_code(str(digest.path.parent))}" if digest.path else ""


def _case(outcome: Outcome, digest: Digest) -> str:
    """A case that is not as it should be: one line, and what was found to be unfolded."""
    found = outcome.findings[:1]
    what = f"{outcome.case}: {found[0].what if found else reason(outcome)}"
    place = f", at {found[0].where}" if found and found[0].where else ""
    more = f", and {len(outcome.findings) - 1} more" if len(outcome.findings) > 1 else ""
    lines = [line for finding in outcome.findings for line in finding_lines(finding)]
    text = cut(clean("\n".join(lines)), DETAIL_MAX)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    block = f"{fence}text\n{text}\n{fence}\n\n" if text else ""
    links = [_link("timeline", outcome, digest)] if outcome.updates else []
    links += [f"logs {_code(str(outcome.directory))}"] if outcome.directory else []
    return (
        f"<details><summary>{escape(short(one_line(what + place + more), CELL_MAX))}</summary>\n\n"
        f"{block}{', '.join(links)}\n\n</details>\n\n"
    )


def _link(text: str, outcome: Outcome, digest: Digest) -> str:
    """A link to a run's drawing, from the run folder if it is in there."""
    assert outcome.directory is not None
    path, folder = outcome.directory / drawing.NAME, digest.path.absolute().parent if digest.path else None
    if folder and path.is_relative_to(folder):
        path = path.relative_to(folder)
    return f"[{text}]({quote(str(path), errors='replace')})"


def _blackout(outcome: Outcome, update: Update) -> str:
    """A row of the table of blackouts; the columns behind the blackout add up to it."""
    before, lengths = by_name(update.before), milliseconds(update.parts)
    cells = [f"{before[name]:.3f}" if name in before else "" for name in BEFORE]
    whole = sum(lengths)
    cells.append(f"{whole / 1000:.3f}" if update.arrived else "did not end")
    for names in COLUMNS.values():
        parts = [ms for part, ms in zip(update.parts, lengths, strict=True) if part.name in names]
        cells.append(f"{sum(parts) / 1000:.3f}" if parts else "")
    return _row(outcome.case, str(update.generation), *cells)


def _head(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"


def _row(case: str, *cells: str) -> str:
    return f"| {' | '.join([_text(short(case, NAME_MAX)), *map(_text, cells)])} |\n"


def _text(text: str) -> str:
    """Text on one line that nothing in it makes anything else."""
    return SPECIAL.sub(r"\\\1", short(one_line(text), CELL_MAX))


def _code(text: str) -> str:
    """Text as code, whatever is in it."""
    return f"<code>{_text(text)}</code>"
