# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts and exit codes: what git bisect is told."""

import pytest

from harness.result import Blame, Finding, Oracle, judge, reasons
from harness.scenario import Xfail
from harness.verdict import Verdict, exit_code


def finding(blame: Blame, what: str = "what", seen: str = "seen") -> Finding:
    return Finding(Oracle.STEP, blame, 0, 1, what, "expected", seen)


def bug(message: str, reason: str = "known") -> Xfail:
    return Xfail(kernels=("7.3",), pattern=message, reason=reason)


def test_judge() -> None:
    ours, theirs = finding(Blame.HARNESS), finding(Blame.KERNEL)
    assert judge([]) is Verdict.PASS
    assert judge([ours]) is Verdict.ERROR
    assert judge([theirs]) is Verdict.FAIL
    assert judge([ours, theirs]) is Verdict.FAIL


def test_a_known_bug_and_nothing_else_is_xfail() -> None:
    theirs, other = finding(Blame.KERNEL, "the seals changed"), finding(Blame.KERNEL, "the mode changed")
    assert judge([theirs], [bug("seals")]) is Verdict.XFAIL
    assert judge([finding(Blame.KERNEL, seen="EPERM from ioctl")], [bug("^EPERM")]) is Verdict.XFAIL
    assert judge([theirs, other], [bug("seals"), bug("mode")]) is Verdict.XFAIL
    # The message is of what was found: not of what was expected, not of a fault of ours.
    assert judge([finding(Blame.KERNEL)], [bug("expected")]) is Verdict.FAIL
    assert judge([theirs, other], [bug("seals")]) is Verdict.FAIL
    assert judge([theirs, finding(Blame.HARNESS, "the seals")], [bug("seals")]) is Verdict.ERROR
    assert judge([finding(Blame.NOBODY, "requires seals")], [bug("seals")]) is Verdict.SKIP


def test_a_known_bug_that_is_not_there_is_xpass() -> None:
    assert judge([], [bug("seals")]) is Verdict.XPASS


def test_the_reasons_are_those_of_the_bugs_that_were_seen() -> None:
    both = [bug("seals", "late seals"), bug("mode", "no mode")]
    assert reasons(Verdict.XFAIL, [finding(Blame.KERNEL, "the mode changed")], both) == ("no mode",)
    assert reasons(Verdict.XPASS, [], both) == ("late seals", "no mode")
    assert reasons(Verdict.FAIL, [finding(Blame.KERNEL, "the mode changed")], both) == ()


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.PASS, Verdict.XFAIL], 0),
        ([Verdict.PASS, Verdict.XPASS, Verdict.ERROR], 1),
        ([Verdict.PASS, Verdict.SKIP], 0),
        ([Verdict.PASS, Verdict.FAIL, Verdict.ERROR], 1),
        ([Verdict.PASS, Verdict.ERROR], 125),
        ([], 125),
    ],
)
def test_exit_code(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code
