# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of step, carried out on a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from harness import carriers, checks, identity
from harness.build.kernel import Kernel
from harness.evidence import Evidence
from harness.plan import Plan
from harness.record import Record
from harness.result import Blame, Oracle
from harness.scenario import (
    VERB_OF,
    Close,
    CreateBox,
    DeleteBox,
    Finish,
    Get,
    Kexec,
    Open,
    Put,
    Qmp,
    Seal,
    Ssh,
    Step,
    Unseal,
    Verify,
)
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine
from harness.vm.monitor import MonitorError


class StepFailedError(Exception):
    """A step did not do what the scenario says; the finding is in the evidence, later steps make no sense."""


@dataclass
class Executor:
    """Carries out a plan's steps; what it keeps is the host's memory of the run."""

    plan: Plan
    kernels: Mapping[str | None, Kernel]
    machine: Machine
    evidence: Evidence
    out: Path
    outside: checks.Outside
    now: identity.Identity
    fds: dict[str, Record] = field(default_factory=dict)
    boxed: dict[tuple[str, str], Record] = field(default_factory=dict)

    def step(self, step: Step) -> None:
        """Carry out one step; raises StepFailedError, MachineLostError or HarnessError."""
        verb = VERB_OF[type(step.action)]
        self.evidence.step = step.number
        self.evidence.events.emit("step", step=step.number, verb=verb, generation=self.machine.generation)
        try:
            self._act(step)
        except AgentErrnoError as error:
            self._refused(step, verb, error)
        else:
            if step.expect:
                seen = "it succeeded"
                self.evidence.find(
                    Oracle.STEP, f"'{verb}' succeeded, and must not", f"it fails with {step.expect}", seen
                )
                raise StepFailedError
        self.evidence.events.emit(
            "step done", step=step.number, verb=verb, generation=self.machine.generation
        )
        self.evidence.step = None

    def _refused(self, step: Step, verb: str, error: AgentErrnoError) -> None:
        if step.expect == error.errno and error.call:
            self.evidence.prove(Oracle.STEP, f"'{verb}' was refused with {error.errno}, as it must be")
            return
        # Without the name of a call it is the agent that refused, not the kernel.
        blame = Blame.KERNEL if error.call else Blame.HARNESS
        expected = f"it fails with {step.expect}" if step.expect else "it succeeds"
        seen = f"{error.errno} from {error.call or 'the agent'}: {error.text}"
        self.evidence.find(Oracle.STEP, f"'{verb}' failed", expected, seen, blame=blame)
        raise StepFailedError

    def _act(self, step: Step) -> None:
        action = step.action
        match action:
            case CreateBox() | DeleteBox() | Seal() | Unseal() | Finish():
                self._carry(action)
            case Open():
                self._open(action)
            case Put():
                self._put(action)
            case Get():
                self._get(action)
            case Kexec():
                self._kexec(action)
            case Verify(fd):
                self._verify(self.fds[fd])
            case Close(fd):
                self.machine.call("close", fd=fd)
                del self.fds[fd]
            case Ssh():
                self._ssh(action)
            case Qmp():
                self._qmp(action)
            case _:
                assert_never(action)

    def _carry(self, action: carriers.BoxAction) -> None:
        operation = carriers.operation(self.plan.carrier, action)
        if operation is not None:
            op, arguments = operation
            self.machine.call(op, **arguments)

    def _open(self, action: Open) -> None:
        self.machine.call("memfd", fd=action.fd, size=action.size)
        seed = action.fill.seed if action.fill else None
        if seed is not None:
            self.machine.call("fill", fd=action.fd, seed=seed)
        self.fds[action.fd] = Record(action.fd, action.kind, action.size, seed)

    def _put(self, action: Put) -> None:
        """Look at the fd for the last time before it leaves: this is what it must be when it is back."""
        record = checks.look(self.machine, self.fds[action.fd])
        self.outside.check(self.machine, record, self.evidence)
        self._carry(action)
        del self.fds[action.fd]
        self.boxed[action.box, action.name] = record

    def _get(self, action: Get) -> None:
        self._carry(action)
        record = self.boxed.pop((action.box, action.name))
        self.fds[action.fd] = Record(**{**record.__dict__, "name": action.fd})

    def _verify(self, record: Record) -> None:
        found = len(self.evidence.findings)
        checks.contents(self.machine, record, self.evidence)
        if record.properties:
            now = checks.look(self.machine, record)
            checks.fidelity(record, now, self.plan.carrier, self.evidence)
            travelled = record.generation < now.generation
            self.outside.check(self.machine, now, self.evidence, before=record if travelled else None)
        if len(self.evidence.findings) > found:
            raise StepFailedError

    def _kexec(self, action: Kexec) -> None:
        kernel = self.kernels[action.kernel]
        disk = self.plan.next_kernels.index(action.kernel)
        cmdline = self.plan.next_cmdlines[disk]
        self.machine.call("kexec_load", disk=disk, size=kernel.image.stat().st_size, cmdline=cmdline)
        self.evidence.events.emit("loaded", generation=self.machine.generation)
        checks.log_is_whole(self.machine, self.evidence, self.out)
        before, hello = self.now, self.machine.jump()
        self.evidence.generation = self.machine.generation
        # Open fds and unsealed boxes ended with the kernel that held them.
        self.fds.clear()
        for module in checks.failed_modules(self.machine):
            self.evidence.find(
                Oracle.MACHINE, f"{module} did not load in the next kernel", "it loads", "init says: failed"
            )
        self.now = checks.who(self.machine, hello)
        checks.identify(
            identity.check_live_update(before, self.now, kernel.build_id),
            f"another boot ({self.now.boot_id[:8]}), KHO kexec count {self.now.kho_count}, build id "
            f"{self.now.build_id[:12]} as intended, QEMU saw no reset",
            self.evidence,
        )

    def _ssh(self, action: Ssh) -> None:
        result = self.machine.run(action.command)
        expected = f"status {action.status}" + (f", output with '{action.stdout}'" if action.stdout else "")
        if result.status != action.status or (action.stdout or "") not in result.stdout:
            output = tuple((result.stdout + result.stderr).splitlines()[-15:])
            self.evidence.find(
                Oracle.STEP,
                f"the command did something else: {action.command}",
                expected,
                f"status {result.status}",
                detail=output,
            )
            raise StepFailedError
        self.evidence.prove(Oracle.STEP, f"{action.command}: {expected}")

    def _qmp(self, action: Qmp) -> None:
        try:
            self.machine.monitor.execute(action.execute, action.arguments)
        except MonitorError as error:
            # QEMU answers before it tears the machine down; a connection lost on the way is its end.
            self.machine.watch()
            self.evidence.find(
                Oracle.STEP, str(error), "the command succeeds", "an error", blame=Blame.HARNESS
            )
            raise StepFailedError from error
        self.machine.watch()
