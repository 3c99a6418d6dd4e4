# SPDX-License-Identifier: GPL-2.0-only
"""A strict reader of KTAP version 1, by the kernel's Documentation/dev-tools/ktap.rst; no unknown lines."""

import re
from dataclasses import dataclass, field

VERSION = "KTAP version 1"
PLAN = re.compile(r"1\.\.(0|[1-9][0-9]*)")
RESULT = re.compile(r"(ok|not ok) ([1-9][0-9]*) ([^#\n]*[^#\n ])(?: # (.+))?")
DIRECTIVES = {"SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR"}


@dataclass
class Test:
    """A test, its result, and the tests in it."""

    # pytest must not collect it.
    __test__ = False

    name: str
    ok: bool
    directive: str = ""
    text: str = ""
    subtests: list["Test"] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)


class KtapError(Exception):
    """A line that KTAP does not have there."""


def parse(text: str) -> list[Test]:
    """The tests of a whole report. Raises KtapError."""
    if not text.endswith("\n"):
        raise KtapError("the last line has no end")
    lines = text[:-1].split("\n")
    for number, line in enumerate(lines, 1):
        if re.search(r"[\x00-\x1f\x7f-\x9f]", line):
            raise KtapError(f"{number}: a control character")
    tests, end = _group(lines, 0, "")
    if any(not line.startswith("# ") for line in lines[end:]):
        raise KtapError(f"{end + 1}: more than was planned")
    return tests


def _group(lines: list[str], at: int, indent: str) -> tuple[list[Test], int]:
    """A version line, a plan, and as many results; and where they end."""
    if lines[at] != indent + VERSION:
        raise KtapError(f"{at + 1}: no version line: {lines[at]!r}")
    plan = PLAN.fullmatch(lines[at + 1].removeprefix(indent))
    if not plan:
        raise KtapError(f"{at + 2}: no plan: {lines[at + 1]!r}")
    at += 2
    tests: list[Test] = []
    inner: list[Test] = []
    said: list[str] = []
    while len(tests) < int(plan[1]):
        if at >= len(lines):
            raise KtapError("less than was planned")
        line = lines[at].removeprefix(indent)
        if lines[at].startswith(f"{indent}  {VERSION}"):
            inner, at = _group(lines, at, indent + "  ")
            continue
        if line == "#" or line.startswith("# "):
            said.append(line[2:])
        elif result := RESULT.fullmatch(line):
            test = _test(result, len(tests) + 1, at)
            test.subtests, test.diagnostics = inner, said
            if inner and test.ok is not all(sub.ok for sub in inner):
                raise KtapError(f"{at + 1}: not what its subtests say")
            tests.append(test)
            inner, said = [], []
        else:
            raise KtapError(f"{at + 1}: unknown: {lines[at]!r}")
        at += 1
    return tests, at


def _test(result: "re.Match[str]", number: int, at: int) -> Test:
    if int(result[2]) != number:
        raise KtapError(f"{at + 1}: number {result[2]}, expected {number}")
    first, _, rest = (result[4] or "").partition(" ")
    if first in DIRECTIVES:
        if first in {"TIMEOUT", "ERROR"} and result[1] == "ok":
            raise KtapError(f"{at + 1}: {first} is not ok")
        return Test(result[3], result[1] == "ok", first, rest)
    return Test(result[3], result[1] == "ok", "", result[4] or "")
