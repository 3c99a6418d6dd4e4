# SPDX-License-Identifier: GPL-2.0-only
"""Results as KTAP version 1 (Documentation/dev-tools/ktap.rst): each file a test, its cases the subtests."""

import re
from collections.abc import Iterator, Sequence

from harness.digest import Digest, count_text, is_green
from harness.plaintext import clean, one_line, short, unique
from harness.report import finding_lines, measured, reason
from harness.result import Outcome
from harness.verdict import Verdict

INDENT = "  "
# Characters of a name and of any other text, and lines about one case.
NAME_MAX = 200
TEXT_MAX = 400
LINES_MAX = 80
# kunit_parser.py takes a line with one of these for the end of all tests: "reboot: System halted".
ENDS = re.compile(r"(List of all partitions|Kernel panic - not syncing: VFS|reboot)(?=:)")


def render(digest: Digest) -> str:
    """The whole report."""
    files = digest.by_file()
    lines = ["KTAP version 1", f"1..{len(files)}", *(f"# {_text(note)}" for note in digest.notes)]
    names = unique(map(_name, files))
    for number, (name, outcomes) in enumerate(zip(names, files.values(), strict=True), 1):
        lines += [INDENT + line for line in _subtests(outcomes)]
        skipped = {outcome.verdict for outcome in outcomes} == {Verdict.SKIP}
        directive = " # SKIP all of its cases" if skipped else ""
        lines.append(f"{_result(outcomes)} {number} {name}{directive}")
    lines.append(f"# {count_text(digest)}")
    return "".join(ENDS.sub(r"\1 ", line) + "\n" for line in lines)


def _subtests(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The cases of one file."""
    yield "KTAP version 1"
    yield f"1..{len(outcomes)}"
    names = unique(_name(outcome.case) for outcome in outcomes)
    for number, (name, outcome) in enumerate(zip(names, outcomes, strict=True), 1):
        yield from (f"# {_text(line)}".rstrip() for line in _diagnostics(outcome))
        yield f"{_result([outcome])} {number} {name}{_directive(outcome)}"


def _result(outcomes: Sequence[Outcome]) -> str:
    return "ok" if all(is_green(outcome.verdict) for outcome in outcomes) else "not ok"


def _directive(outcome: Outcome) -> str:
    """What stands behind a case's name: a directive where KTAP has one, or what failed."""
    # "# SKIP" anywhere on the line is a directive for kunit_parser.py.
    why = _text(reason(outcome)).replace("#", "\\x23")
    match outcome.verdict:
        case Verdict.PASS:
            return ""
        case Verdict.SKIP | Verdict.XFAIL | Verdict.ERROR:
            return f" # {outcome.verdict} {why}".rstrip()
        case _:
            return f" # {outcome.verdict.lower()}: {why}"


def _diagnostics(outcome: Outcome) -> list[str]:
    """What is known of a case, a line each. '|' keeps a line of the kernel from being one of KTAP's."""
    lines = [f"| {line}" for finding in outcome.findings for line in finding_lines(finding)]
    if len(lines) > LINES_MAX:
        lines[LINES_MAX:] = [f"| ... {len(lines) - LINES_MAX} more lines, see {outcome.directory}"]
    lines += [f"blackout {seconds:.3f} s" for seconds in outcome.blackouts]
    lines += [f"measured {measured(number)}" for number in outcome.numbers]
    if outcome.directory and not is_green(outcome.verdict):
        lines.append(f"logs {outcome.directory}")
    return lines


def _name(name: str) -> str:
    """A name without what ends one."""
    return short(one_line(name).replace("#", "\\x23"), NAME_MAX) or "nameless"


def _text(text: str) -> str:
    return short(one_line(clean(text)), TEXT_MAX)
