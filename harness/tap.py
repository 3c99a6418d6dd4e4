# SPDX-License-Identifier: GPL-2.0-only
"""KTAP, the format in which the kernel's own tests report (Documentation/dev-tools/ktap.rst): a pure parser.

Only the outermost level counts: what is indented explains the result that follows it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*(?:SKIP\b)?\s*(.*))?$", re.IGNORECASE)
_DIRECTIVES = "SKIP|TODO|XFAIL|XPASS|ERROR|TIMEOUT"
# The directive can stand in the name's place: ksft_test_result_skip() prints no name.
_RESULT = re.compile(rf"(not )?ok (\d+)\b[ -]*([^#]*)(?:#\s*(?:({_DIRECTIVES})\b)?\s*(.*))?$", re.IGNORECASE)
_BAIL = "Bail out!"


class Status(StrEnum):
    """What a result is."""

    OK = "ok"
    FAILED = "not ok"
    SKIPPED = "skipped"
    # It fails, and its author knows that.
    XFAIL = "fails, as its author knows"


@dataclass(frozen=True)
class Result:
    """One test's result."""

    number: int
    name: str
    status: Status
    # Why it was skipped, or is as it is.
    reason: str
    # What was printed on the way to it, the result itself included.
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that a program has printed."""

    # How many results it said that there will be, each time it said so.
    plans: tuple[int, ...]
    # Why it skips everything, if it says so with its plan.
    reason: str
    results: tuple[Result, ...]
    # Why it gave up; None: it did not.
    bail: str | None
    # What was printed after the last result.
    rest: tuple[str, ...]


def parse(text: str) -> Report:
    """Take the output of a program apart; whatever is not KTAP in it is something that it said."""
    plans: list[int] = []
    results: list[Result] = []
    said: list[str] = []
    reason, bail = "", None
    for line in text.splitlines():
        if found := _PLAN.match(line):
            plans.append(int(found[1]))
            reason = reason or (found[2] or "").strip()
        elif found := _RESULT.match(line):
            results.append(_result(found, (*said, line)))
            said.clear()
        elif line:
            said.append(line)
            if line.startswith(_BAIL):
                bail = line.removeprefix(_BAIL).strip()
    return Report(tuple(plans), reason, tuple(results), bail, tuple(said))


def _result(found: re.Match[str], lines: tuple[str, ...]) -> Result:
    bad, number, name, directive, reason = found.groups()
    match (directive or "").upper():
        case "SKIP":
            status = Status.SKIPPED
        case "TODO" | "XFAIL":
            status = Status.XFAIL
        case "ERROR" | "TIMEOUT":
            status = Status.FAILED
        case _:
            status = Status.FAILED if bad else Status.OK
    return Result(int(number), name.strip(), status, (reason or "").strip(), lines)


def disorder(report: Report) -> str | None:
    """Why a report cannot be believed; None: it can. Fewer results than planned is another thing."""
    if len(report.plans) > 1:
        return f"it has {len(report.plans)} plans"
    numbers = [result.number for result in report.results]
    if numbers != list(range(1, len(numbers) + 1)):
        return f"its results have the numbers {', '.join(map(str, numbers))}"
    if report.plans and len(numbers) > report.plans[0]:
        return f"it has {len(numbers)} results and planned {report.plans[0]}"
    return None
