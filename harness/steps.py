# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of step, carried out on a machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from harness import calls, carriers, checks, damage, identity
from harness.actions import (
    Action,
    Close,
    CreateBox,
    Damage,
    DeleteBox,
    Finish,
    Get,
    Kexec,
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
from harness.fdactions import Bind, Change, Guest, Interrupts, Map, Open, Register, Reset, Unmap
from harness.fds import Fds, StepFailedError
from harness.kinds import KINDS
from harness.plan import Plan
from harness.result import Blame, Oracle
from harness.verbs import VERB_OF
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine
from harness.vm.monitor import MonitorError


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
    fds: Fds
    now: identity.Identity

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
            case Change() | Bind() | Map() | Unmap() | Interrupts() | Reset() | Register():
                return tuple(op for op, _ in calls.operations(action))
            case Guest():
                return ("guest_start", "guest_resume", "guest_run")
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
                self.fds.carry(action)
            case Open():
                self.fds.create(action)
            case Put():
                self.fds.put(action)
            case Get():
                self.fds.get(action)
            case Change() | Bind() | Map() | Unmap() | Interrupts() | Reset() | Register():
                self.fds.change(action)
            case Guest():
                self.fds.run_guest(action)
            case Kexec():
                self._kexec(step.number)
            case Verify(fd):
                self.fds.verify(self.fds.record(fd))
            case Close(fd):
                self.fds.close(fd)
            case Ssh():
                self._ssh(action)
            case Qmp():
                self._qmp(action)
            case Damage():
                self.evidence.prove(Oracle.STEP, f"damaged: {damage.apply(self.machine, action)}")
            case _:
                assert_never(action)

    def _kexec(self, number: int) -> None:
        jump = next(jump for jump in self.plan.jumps if jump.step == number)
        kernel = self.kernels[jump.kernel]
        disk, size = self.plan.next_kernels.index(jump.kernel), kernel.image.stat().st_size
        self.machine.call("kexec_load", disk=disk, size=size, cmdline=jump.cmdline)
        self.evidence.events.emit("loaded", generation=self.machine.generation)
        checks.look_for_leaks(self.machine, self.evidence)
        checks.log_is_whole(self.machine, self.evidence, self.out)
        before, hello = self.now, self.machine.jump()
        self.evidence.generation = self.machine.generation
        # Open fds and unsealed boxes ended with the kernel that held them.
        self.fds.end()
        for module, said in checks.missing_modules(self.machine, self.loads(jump.kernel, jump.cmdline)):
            what = f"{module} did not load in the next kernel"
            self.evidence.find(Oracle.MACHINE, what, "in /proc/modules", "not there", detail=said)
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
