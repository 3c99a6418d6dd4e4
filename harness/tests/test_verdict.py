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
        ([Verdict.SKIP, Verdict.SKIP], 125),
    ],
)
def test_exit_code(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code


def test_a_shard_may_have_nothing_but_what_is_skipped() -> None:
    assert exit_code([Verdict.SKIP], part=True) == 0
    assert exit_code([Verdict.SKIP, Verdict.ERROR], part=True) == 125
    assert exit_code([], part=True) == 125
