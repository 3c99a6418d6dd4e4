# SPDX-License-Identifier: GPL-2.0-only
"""What a case comes to, and the exit code that `git bisect run` understands."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """FAIL: the kernel broke an expectation. ERROR: we could not test. SKIP: a requirement is absent.

    XFAIL: the known bugs of this kernel, and nothing else. XPASS: a bug is known, and not there.
    """

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIP = "SKIP"
    XFAIL = "XFAIL"
    XPASS = "XPASS"


EXIT_CODES = {
    Verdict.PASS: 0,
    Verdict.SKIP: 0,
    Verdict.XFAIL: 0,
    Verdict.FAIL: 1,
    Verdict.XPASS: 1,
    Verdict.ERROR: 125,
}
EXIT_ERROR = EXIT_CODES[Verdict.ERROR]
EXIT_USAGE = 129
EXIT_INTERRUPTED = 130


def exit_code(verdicts: Iterable[Verdict], part: bool = False) -> int:
    """The exit code of several cases: 1 if any kernel is bad, else 125 if any could not be tested, else 0.

    Where all are skipped nothing was tested: 125. Of a part of the cases (a shard) that may be so by chance.
    """
    found = set(verdicts)
    if found == {Verdict.SKIP} and not part:
        return EXIT_ERROR
    codes = {EXIT_CODES[verdict] for verdict in found}
    return 1 if 1 in codes else max(codes, default=EXIT_ERROR)
