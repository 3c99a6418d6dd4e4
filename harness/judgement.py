# SPDX-License-Identifier: GPL-2.0-only
"""The verdict that findings come to, with the bugs that are known of the kernels of a run.

Each of these has to be seen: one that is there does not hide that another is gone.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from harness.actions import Step
from harness.result import Blame, Finding
from harness.scenario import Xfail
from harness.verdict import Verdict


def judge(findings: Collection[Finding], bugs: Collection[Xfail] = ()) -> Verdict:
    """The verdict of findings: a fault of the kernel outweighs a fault of ours, none is a PASS.

    bugs: what these kernels are known to do wrong. Only a finding that is none of these is a FAIL.
    """
    rest = [finding for finding in findings if not any(explains(bug, finding) for bug in bugs)]
    verdict = by_blame(finding.blame for finding in rest)
    if verdict is not Verdict.PASS or not bugs:
        return verdict
    return Verdict.XPASS if unseen(findings, bugs) else Verdict.XFAIL


def explains(bug: Xfail, finding: Finding) -> bool:
    """Whether a known bug of the kernel is what was found."""
    said = (finding.what, finding.seen)
    return finding.blame is Blame.KERNEL and any(re.search(bug.pattern, text) for text in said)


def unseen(findings: Collection[Finding], bugs: Iterable[Xfail]) -> tuple[Xfail, ...]:
    """The known bugs that nothing was found of."""
    return tuple(bug for bug in bugs if not any(explains(bug, finding) for finding in findings))


def hidden(
    findings: Collection[Finding],
    bugs: Collection[Xfail],
    steps: Sequence[Step],
    events: Iterable[Mapping[str, object]],
) -> tuple[Xfail, ...]:
    """The known bugs of which nothing can be said, as another one ended the run before its last step."""
    begun = {event["step"] for event in events if event["event"] == "step"}
    whole = not steps or steps[-1].number in begun
    return () if whole or judge(findings, bugs) is not Verdict.XPASS else unseen(findings, bugs)


def reasons(verdict: Verdict, findings: Collection[Finding], bugs: Iterable[Xfail]) -> tuple[str, ...]:
    """The reasons for XFAIL: the bugs, which were all seen; and for XPASS: those that were not."""
    match verdict:
        case Verdict.XFAIL:
            told = tuple(bugs)
        case Verdict.XPASS:
            told = unseen(findings, bugs)
        case _:
            told = ()
    return tuple(dict.fromkeys(bug.reason for bug in told))


def by_blame(found: Iterable[Blame]) -> Verdict:
    """The verdict of who is to blame."""
    blames = set(found)
    for blame, verdict in (
        (Blame.KERNEL, Verdict.FAIL),
        (Blame.HARNESS, Verdict.ERROR),
        (Blame.NOBODY, Verdict.SKIP),
    ):
        if blame in blames:
            return verdict
    return Verdict.PASS
