# SPDX-License-Identifier: GPL-2.0-only
"""Free steps, carried out and judged: what others run for a scenario, and what is measured."""

from collections.abc import Sequence
from pathlib import Path

from harness import answers, selftests, timeline
from harness.actions import BLACKOUT, Measure, Step
from harness.commandactions import Qmp, Selftest, Ssh
from harness.evidence import Evidence
from harness.fds import StepFailedError
from harness.result import SECONDS, Blame, Oracle
from harness.verdict import EXIT_ERROR
from harness.vm.machine import Machine
from harness.vm.monitor import MonitorError, MonitorRefusedError

# So many lines of what a command printed explain a finding.
LAST = 15


def ssh(machine: Machine, action: Ssh, evidence: Evidence) -> None:
    """Run a command in the guest. Raises StepFailedError when it comes to something else than it must."""
    result = machine.run(action.command)
    differences = tuple(answers.command(action, result))
    if differences:
        output = tuple((result.stdout + result.stderr).splitlines()[-LAST:])
        blame = Blame.HARNESS if result.status == EXIT_ERROR else Blame.KERNEL
        differ(f"the command did something else: {action.command}", differences, evidence, output, blame)
    evidence.prove(Oracle.STEP, f"{action.command}: {answers.expectations(action)}")


def selftest(machine: Machine, action: Selftest, log: Path, evidence: Evidence) -> None:
    """Run a test program of the kernel's; log: for what it prints. Raises StepFailedError when it fails."""
    result = machine.run(selftests.command(action))
    log.write_text(result.stdout, encoding="utf-8")
    faults, proofs = selftests.judge(action, result)
    for proof in proofs:
        evidence.prove(Oracle.SELFTEST, proof)
    for fault in faults:
        said = (fault.what, fault.expected, fault.seen)
        evidence.find(Oracle.SELFTEST, *said, blame=fault.blame, detail=fault.detail)
    if faults:
        raise StepFailedError


def qmp(machine: Machine, action: Qmp, evidence: Evidence) -> None:
    """Run a command of QEMU's. Raises StepFailedError when it comes to something else than it must."""
    try:
        returned = machine.order(action.execute, action.arguments)
    except MonitorError as error:
        qmp_failed(action, error, evidence)
        return
    # QEMU answers before it tears the machine down.
    machine.watch()
    if differences := tuple(answers.answer(action, returned)):
        differ(f"QMP {action.execute} came to something else", differences, evidence)
    if action.returns is not None:
        evidence.prove(Oracle.STEP, f"QMP {action.execute}: the answer has what it must have")


def qmp_failed(action: Qmp, error: MonitorError, evidence: Evidence) -> None:
    """A QMP command failed: see whether it must."""
    if action.error is None or not isinstance(error, MonitorRefusedError):
        what = (str(error), "the command succeeds", "an error")
        evidence.find(Oracle.STEP, *what, blame=Blame.HARNESS)
        raise StepFailedError from error
    if error.kind != action.error:
        seen = f"{error.kind}: {error.text}"
        differ(f"QMP {action.execute} failed in another way", [(action.error, seen)], evidence)
    evidence.prove(Oracle.STEP, f"QMP {action.execute} failed with {error.kind}, as it must")


def measure(machine: Machine, action: Measure, step: Step, spent: float, evidence: Evidence) -> None:
    """Record a number; what the step in it was has been done, in so many seconds of the guest's clock."""
    if action.ssh is None:
        blackout = action.of == BLACKOUT
        value = timeline.blackouts(evidence.events.entries)[-1] if blackout else spent
        evidence.measure(action.name, value, SECONDS, step)
        return
    result = machine.run(action.ssh)
    number = answers.number(result)
    if number is None:
        seen = f"status {result.status}, {result.stdout.strip() or 'nothing'}"
        what = f"nothing to measure: {action.ssh}"
        said = tuple(result.stderr.splitlines()[-LAST:])
        evidence.find(Oracle.STEP, what, "status 0, and a number", seen, blame=Blame.HARNESS, detail=said)
        raise StepFailedError
    evidence.measure(action.name, number, action.unit or "", step)


def differ(
    what: str,
    differences: Sequence[answers.Difference],
    evidence: Evidence,
    detail: tuple[str, ...] = (),
    blame: Blame = Blame.KERNEL,
) -> None:
    """A free step came back with something else than the scenario says."""
    expected, seen = (", ".join(dict.fromkeys(side)) for side in zip(*differences, strict=True))
    evidence.find(Oracle.STEP, what, expected, seen, detail=detail, blame=blame)
    raise StepFailedError
