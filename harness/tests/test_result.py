# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts and exit codes: what git bisect is told."""

import pytest

from harness.result import Blame, Finding, Oracle, Verdict, exit_code, judge


def finding(blame: Blame) -> Finding:
    return Finding(Oracle.STEP, blame, 0, 1, "what", "expected", "seen")


def test_judge() -> None:
    ours, theirs = finding(Blame.HARNESS), finding(Blame.KERNEL)
    assert judge([]) is Verdict.PASS
    assert judge([ours]) is Verdict.ERROR
    assert judge([theirs]) is Verdict.FAIL
    assert judge([ours, theirs]) is Verdict.FAIL


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.PASS, Verdict.SKIP], 0),
        ([Verdict.PASS, Verdict.FAIL, Verdict.ERROR], 1),
        ([Verdict.PASS, Verdict.ERROR], 125),
        ([], 125),
    ],
)
def test_exit_code(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code
