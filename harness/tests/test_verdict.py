# SPDX-License-Identifier: GPL-2.0-only
"""Exit codes: what git bisect is told."""

import pytest

from harness.verdict import Verdict, exit_code


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
