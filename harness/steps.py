# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of step, carried out on a machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from harness import carriers, checks, damage, identity
from harness.actions import (
    Action,
    Close,
    CreateBox,
    Damage,
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
from harness.build.kernel import Kernel
from harness.evidence import Evidence
from harness.kinds import KINDS
from harness.plan import Plan
from harness.record import PROMISES, Property, Record
from harness.result import Blame, Oracle
from harness.verbs import VERB_OF
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
    # Names of the modules that init loads, by kernel and command line.
    loads: Callable[[str | None, str], tuple[str, ...]]
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
        events, generation = self.evidence.events, self.machine.generation
        self.evidence.step = step.number
        events.emit("step", step=step.number, verb=verb, generation=generation)
        try:
            self._act(step)
        except AgentErrnoError as error:
            self._refused(step, verb, error)
            events.emit("step refused", step=step.number, verb=verb, generation=generation)
        else:
            if step.expect:
                self._granted(step, verb)
            events.emit("step done", step=step.number, verb=verb, generation=self.machine.generation)
        self.evidence.step = None

    def _granted(self, step: Step, verb: str) -> None:
        what, expected = f"'{verb}' succeeded, and must not", f"it fails with {step.expect}"
        self.evidence.find(Oracle.STEP, what, expected, "it succeeded")
        raise StepFailedError

    def _refused(self, step: Step, verb: str, error: AgentErrnoError) -> None:
        # Only the step's own call can be what the scenario expects, not a look at the fd on the way to it.
        # Without the name of a call it is the agent that refused, not the kernel.
        if step.expect == error.errno and error.op in self._own_ops(step.action) and error.call:
            self.evidence.prove(Oracle.STEP, f"'{verb}' was refused with {error.errno}, as it must be")
            return
        blame = Blame.KERNEL if error.call else Blame.HARNESS
        expected = f"it fails with {step.expect}" if step.expect else "it succeeds"
        seen = f"{error.errno} from {error.call or 'the agent'}: {error.text}"
        self.evidence.find(Oracle.STEP, f"'{verb}' failed", expected, seen, blame=blame)
        raise StepFailedError

    def _own_ops(self, action: Action) -> tuple[str, ...]:
        """The agent's operations that are what the step is about."""
        match action:
            case CreateBox() | DeleteBox() | Put() | Get() | Seal() | Unseal() | Finish():
                operation = carriers.operation(self.plan.carrier, action)
                return (operation[0],) if operation else ()
            case Open():
                return (KINDS[action.kind].op,)
            case Kexec():
                return ("kexec_load", "kexec")
            case Verify() | Close() | Ssh() | Qmp() | Damage():
                return ()
            case _:
                assert_never(action)

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
                self._kexec(step.number)
            case Verify(fd):
                self._verify(self.fds[fd])
            case Close(fd):
                self.machine.call("close", fd=fd)
                del self.fds[fd]
            case Ssh():
                self._ssh(action)
            case Qmp():
                self._qmp(action)
            case Damage():
                self.evidence.prove(Oracle.STEP, f"damaged: {damage.apply(self.machine, action)}")
            case _:
                assert_never(action)

    def _carry(self, action: carriers.BoxAction) -> None:
        operation = carriers.operation(self.plan.carrier, action)
        if operation is not None:
            op, arguments = operation
            self.machine.call(op, **arguments)

    def _open(self, action: Open) -> None:
        arguments = {name: getattr(action, name) for name in ("size", "flags", "vm", "device")}
        given = {name: value for name, value in arguments.items() if value is not None}
        self.machine.call(KINDS[action.kind].op, fd=action.fd, **given)
        seed = action.fill.seed if action.fill else None
        if seed is not None:
            self.machine.call("fill", fd=action.fd, seed=seed)
        self.fds[action.fd] = Record(action.fd, action.kind, action.size or 0, seed)

    def _put(self, action: Put) -> None:
        """Look at the fd for the last time before it leaves: this is what it must be when it is back."""
        record = self.fds[action.fd]
        if record.unverified:
            self._verify(record)
        now = checks.look(self.machine, record)
        # A difference here is our own: we could not read memory that nothing has touched yet.
        self.outside.check(self.machine, now, self.evidence, Blame.HARNESS)
        self._carry(action)
        del self.fds[action.fd]
        self.boxed[action.box, action.name] = replace(now, unverified=False)

    def _get(self, action: Get) -> None:
        self._carry(action)
        record = self.boxed.pop((action.box, action.name), None)
        if record is not None:  # else the kernel made one up, and the step must fail
            self.fds[action.fd] = replace(record, name=action.fd, unverified=True)

    def _verify(self, record: Record) -> None:
        found = len(self.evidence.findings)
        checks.contents(self.machine, record, self.evidence)
        if record.properties:
            now = checks.look(self.machine, record)
            checks.fidelity(record, now, self.plan.carrier, self.evidence)
            self.outside.check(self.machine, now, self.evidence, Blame.KERNEL)
            if record.generation < now.generation:
                holes_stay = Property.HOLES in PROMISES[record.kind, self.plan.carrier]
                self.outside.in_place(record, now, holes_stay, self.evidence)
        if len(self.evidence.findings) > found:
            raise StepFailedError
        self.fds[record.name] = replace(record, unverified=False)

    def _kexec(self, number: int) -> None:
        jump = next(jump for jump in self.plan.jumps if jump.step == number)
        kernel = self.kernels[jump.kernel]
        disk, size = self.plan.next_kernels.index(jump.kernel), kernel.image.stat().st_size
        self.machine.call("kexec_load", disk=disk, size=size, cmdline=jump.cmdline)
        self.evidence.events.emit("loaded", generation=self.machine.generation)
        checks.log_is_whole(self.machine, self.evidence, self.out)
        before, hello = self.now, self.machine.jump()
        self.evidence.generation = self.machine.generation
        # Open fds and unsealed boxes ended with the kernel that held them.
        self.fds.clear()
        for module, said in checks.missing_modules(self.machine, self.loads(jump.kernel, jump.cmdline)):
            what = f"{module} did not load in the next kernel"
            self.evidence.find(Oracle.MACHINE, what, "init says: loaded", "it does not", detail=said)
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
