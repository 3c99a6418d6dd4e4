# SPDX-License-Identifier: GPL-2.0-only
"""The verb `selftest`: how a program of the kernel's own tests is called, and what came of it.

What a program reports is believed only as a whole: a plan, a result for everything that was planned, and an
exit status that agrees. A stage of a test has no results; it has to end well and to say what it must.
"""

import shlex
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness import tap
from harness.build.staging import PROGRAMS
from harness.commandactions import Selftest
from harness.result import Blame
from harness.tap import Report, Status
from harness.vm.shell import Result

# Exit statuses: of kselftest.h, and of a shell that cannot start a program, or whose program a signal ends.
SKIPPED = 4
NOT_STARTED = (126, 127)
SIGNAL = 128
# So many of the last lines explain a fault that has none of its own.
LAST = 15


@dataclass(frozen=True)
class Fault:
    """Something that is not as it must be."""

    what: str
    expected: str
    seen: str
    blame: Blame = Blame.KERNEL
    detail: tuple[str, ...] = ()


def command(action: Selftest) -> str:
    """The shell command; all that the program prints comes in one stream, in its order."""
    words = [shlex.quote(action.program)]
    words += ["-t", shlex.quote(action.case)] if action.case is not None else []
    words += ["-s", str(action.stage)] if action.stage is not None else []
    return f"exec 2>&1; cd /tmp; {PROGRAMS}/$(uname -r)/{' '.join(words)}; exit $?"


def title(action: Selftest) -> str:
    """What is run, for people."""
    part = f" {action.case}" if action.case is not None else ""
    return action.program + part + (f" stage {action.stage}" if action.stage is not None else "")


def judge(action: Selftest, result: Result) -> tuple[list[Fault], list[str]]:
    """What is wrong with what a program came to, and what it proves."""
    report = tap.parse(result.stdout)
    faults = list(faults_of(action, report, result))
    proofs = [
        f"{action.program}: {one.name or one.number}: {one.status}"
        for one in report.results
        if one.status in {Status.OK, Status.XFAIL}
    ]
    if action.says is not None and not faults:
        proofs.append(f"{title(action)}: status 0, '{action.says}'")
    return faults, proofs


def faults_of(action: Selftest, report: Report, result: Result) -> Iterator[Fault]:
    """Everything that is wrong; of the whole only what its results do not say already."""
    name, last = title(action), tuple(result.stdout.splitlines()[-LAST:])
    if result.status in NOT_STARTED:
        yield Fault(f"{name} cannot be run", "it runs", ended(result.status), Blame.HARNESS, last)
        return
    yield from faults_of_results(action, report)
    if report.bail is not None:
        yield Fault(f"{name} gave up", "it runs to its end", report.bail, detail=last)
    elif (trouble := tap.disorder(report)) is not None:
        expected = "one plan, and results that are numbered from 1"
        yield Fault(f"the report of {name} cannot be believed", expected, trouble, Blame.HARNESS, last)
    elif report.plans == (0,) and result.status in {0, SKIPPED}:
        yield nothing_planned(action, report, last)
    elif action.says is not None:
        yield from faults_of_stage(action, result, last)
    else:
        yield from faults_of_whole(name, report, result, last)


def faults_of_results(action: Selftest, report: Report) -> Iterator[Fault]:
    """Each result that is not ok."""
    for one in report.results:
        name = f"{action.program}: {one.name or one.number}"
        if one.status is Status.FAILED:
            yield Fault(f"{name} failed", "ok", one.reason or "not ok", detail=one.lines)
        elif one.status is Status.SKIPPED:
            reason = one.reason or "it does not say why"
            yield Fault(f"{name} was skipped", "what it needs", reason, Blame.NOBODY, one.lines)


def nothing_planned(action: Selftest, report: Report, last: tuple[str, ...]) -> Fault:
    """The fault of a program that tests nothing."""
    name = title(action)
    if report.reason:
        return Fault(f"{name} skips everything", "what it needs", report.reason, Blame.NOBODY)
    if action.case is not None:
        expected = f"a kernel whose {action.program} has {action.case}"
        return Fault(f"there is no {name}", expected, "it planned nothing", Blame.NOBODY)
    return Fault(f"{name} tests nothing", "a plan of at least one", "1..0", Blame.HARNESS, last)


def faults_of_stage(action: Selftest, result: Result, last: tuple[str, ...]) -> Iterator[Fault]:
    """What is wrong with a program whose last words say that all is well."""
    name, expected = title(action), f"status 0, and it says '{action.says}'"
    if result.status != 0:
        yield Fault(f"{name} failed", expected, ended(result.status), detail=last)
    elif str(action.says) not in result.stdout:
        seen = f"status 0, and {len(result.stdout)} characters without that"
        yield Fault(f"no evidence that {name} passed", expected, seen, Blame.HARNESS, last)


def faults_of_whole(name: str, report: Report, result: Result, last: tuple[str, ...]) -> Iterator[Fault]:
    """What is wrong with a program that should have kept to its plan."""
    # Without a plan: whether a program failed or is no such test, only its status can say.
    blame = Blame.KERNEL if result.status else Blame.HARNESS
    if not report.plans:
        expected = "a plan; of a program that has none, 'says' tells when all is well"
        yield Fault(f"{name} has no plan", expected, ended(result.status), blame, last)
    elif len(report.results) < report.plans[0]:
        seen = f"{len(report.results)}, then {ended(result.status)}"
        yield Fault(f"{name} did not come to its end", f"{report.plans[0]} results", seen, blame, last)
    elif not explained(result.status, {one.status for one in report.results}):
        what = f"{name} failed, and none of its results did"
        yield Fault(what, "status 0", ended(result.status), detail=last)


def explained(status: int, results: Collection[Status]) -> bool:
    """Whether an exit status says no more than the results do."""
    return not status or Status.FAILED in results or (status == SKIPPED and Status.SKIPPED in results)


def ended(status: int) -> str:
    """An exit status in words."""
    if status > SIGNAL and status - SIGNAL in {int(number) for number in signal.Signals}:
        return f"ended by {signal.Signals(status - SIGNAL).name}"
    return f"status {status}"
