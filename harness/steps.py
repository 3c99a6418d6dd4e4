# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of step, carried out on a machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness import breaking, calls, damage, faults, freesteps, leaks, listing, refusals
from harness.actions import Action, Damage, End, Fault, Measure, Memory, Parallel, Step
from harness.boxactions import List
from harness.calls import SimpleAction
from harness.carriers import Op
from harness.commandactions import Qmp, Selftest, Ssh
from harness.errors import HarnessError
from harness.evidence import Evidence
from harness.fdactions import Guest, Open, Verify
from harness.fds import Fds, StepFailedError
from harness.generations import Generations
from harness.kernelactions import Jump, Kexec, Load, LoadKernel
from harness.kinds import KINDS
from harness.plan import Plan
from harness.result import Oracle
from harness.verbs import VERB_OF
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine


@dataclass
class Executor:
    """Carries out a plan's steps; what it keeps is the host's memory of the run."""

    plan: Plan
    machine: Machine
    evidence: Evidence
    fds: Fds
    generations: Generations
    memory: leaks.Memory | None = None
    # Seconds that the kernel took for the calls of a step, by the guest's clock.
    spent: float = 0.0

    def step(self, step: Step) -> None:
        """Carry out one step; raises StepFailedError, MachineLostError or HarnessError."""
        verb = VERB_OF[type(step.core.action)]
        events, generation = self.evidence.events, self.machine.generation
        self.evidence.step = step.number
        events.emit("step", step=step.number, verb=verb, generation=generation)
        try:
            done = self._do(step.core)
        finally:
            self.machine.acting = None
            self.machine.meanwhile = None
        what = "step done" if done else "step refused"
        events.emit(what, step=step.number, verb=verb, generation=self.machine.generation)
        if isinstance(step.action, Measure):
            freesteps.measure(self.machine, step.action, step, self.spent, self.evidence)
        self.evidence.step = None

    def arrive(self, step: Step, hello: dict[str, Any]) -> None:
        """Carry out what is left of a step by which another case has jumped. hello: the next agent's."""
        assert isinstance(step.action, Kexec | Jump)
        self.evidence.step = step.number
        self.generations.land(hello, step.action.handover)
        done = {
            "step": step.number,
            "verb": VERB_OF[type(step.action)],
            "generation": self.machine.generation,
        }
        self.evidence.events.emit("step done", **done)
        self.evidence.step = None

    def _do(self, step: Step) -> bool:
        """Do what a step says, and break what it says meanwhile; whether the kernel did it, or refused it as
        it may."""
        self.machine.acting, self.spent = step.process, 0.0
        with breaking.beside(self.machine, step.action, step.fault, self.evidence) as meanwhile:
            done = self._try(step, meanwhile)
            # On a carrier that has nothing to do there was no call.
            if meanwhile is not None and self.machine.meanwhile is meanwhile:
                meanwhile()
            return done

    def _try(self, step: Step, meanwhile: Callable[[], None] | None) -> bool:
        """Carry out a step and judge what it comes to; whether it was done, and not refused, as it may be."""
        try:
            if step.restarts:
                self.generations.restart(step)
            else:
                self._act(step, meanwhile)
        except AgentErrnoError as error:
            refusals.refused(step, error, self._own_ops(step.action), self.evidence)
            return False
        if not step.restarts:
            refusals.granted(step, self.evidence)
        return True

    def _own_ops(self, action: Action) -> tuple[str, ...]:
        """The agent's operations that are what the step is about."""
        match action:
            case Open():
                return (KINDS[action.kind].op,)
            case Guest():
                return ("guest_start", "guest_resume", "guest_run")
            case Kexec():
                return ("kexec_load", "kexec")
            case LoadKernel():
                return ("kexec_load",)
            case Jump():
                return ("kexec",)
            case List():
                return ("fdbox_list",)
            case (
                Verify()
                | Parallel()
                | End()
                | Ssh()
                | Selftest()
                | Qmp()
                | Damage()
                | Memory()
                | Measure()
                | Fault()
            ):
                return ()
            case _:
                return tuple(op for op, _ in self._operations(action))

    def _operations(self, action: SimpleAction) -> list[Op]:
        return calls.operations(self.plan.carrier, action, self.machine.process_dir)

    def _act(self, step: Step, meanwhile: Callable[[], None] | None) -> None:
        action = step.action
        if not isinstance(action, SimpleAction | Kexec | Jump | Parallel):
            self.machine.meanwhile = meanwhile
        match action:
            case Open():
                self.fds.create(action)
            case Guest():
                self.fds.run_guest(action)
            case Kexec():
                self.generations.load(step.number, action)
                self.generations.jump(action.handover, action.at_once, meanwhile)
            case LoadKernel():
                self.generations.load(step.number, action)
            case Jump():
                self.generations.jump(action.handover, action.at_once, meanwhile)
            case Fault(what):
                self._break(what)
            case Verify(fd):
                self.fds.verify(self.fds.record(fd))
            case List():
                self._list(action)
            case Parallel():
                self._parallel(action, meanwhile)
            case End(process):
                self.machine.end_process(process)
                self.fds.end(process)
            case Ssh():
                freesteps.ssh(self.machine, action, self.evidence)
            case Selftest():
                log = self.generations.out / f"selftest.{step.number}.log"
                freesteps.selftest(self.machine, action, log, self.evidence)
            case Qmp():
                freesteps.qmp(self.machine, action, self.evidence)
            case Memory():
                self._memory(action)
            case Measure():
                pass  # the step in it is done, the number is taken after it
            case Damage():
                sizes = {key: record.contents.size for key, record in self.fds.boxed.items()}
                done = damage.apply(self.machine, action, sizes)
                self.evidence.prove(Oracle.STEP, f"damaged: {done}")
            case _:
                self._call(step, action, meanwhile)

    def _call(self, step: Step, action: SimpleAction, meanwhile: Callable[[], None] | None) -> None:
        """What is done by calls of the agent alone."""
        if isinstance(action, Load):
            action = breaking.with_parameters(action, step.fault)
        self.fds.before(action)
        self.machine.meanwhile = meanwhile
        for op, arguments in self._operations(action):
            self._timed(op, arguments | breaking.arguments(step.fault))
        self.fds.after(action)

    def _break(self, fault: faults.Fault) -> None:
        armed = breaking.strike(self.machine, fault, self.evidence)
        if armed is not None:
            self.generations.armed.append(armed)
        if isinstance(fault, faults.Kill):
            self.fds.leave(self.fds.open)

    def _timed(self, op: str, arguments: Mapping[str, object]) -> None:
        try:
            self.machine.call(op, **arguments)
        finally:
            self.spent += self.machine.took

    def _list(self, action: List) -> None:
        given = {key: getattr(action, key) for key in ("box", "via") if getattr(action, key) is not None}
        reply = self.machine.call("fdbox_list", **given)
        if not listing.judge(action, reply["entries"], self.evidence):
            raise StepFailedError

    def _parallel(self, action: Parallel, meanwhile: Callable[[], None] | None) -> None:
        """Send every step's call before any answer is read; then each is judged by itself. A step for which
        the carrier has nothing to do has no call, and is done."""
        calls = []
        for step in action.steps:
            assert isinstance(step.action, SimpleAction)
            self.fds.before(step.action)
            operations = self._operations(step.action)
            if len(operations) > 1:
                raise HarnessError(f"'{VERB_OF[type(step.action)]}' is {len(operations)} calls, not one")
            calls.append([(step.process, operation) for operation in operations])
        self.machine.meanwhile = meanwhile
        requests = [call for of_step in calls for call in of_step]
        answers = iter(self.machine.at_once(requests) if requests else ())
        replies = [next(answers) if of_step else {} for of_step in calls]
        for step, reply in zip(action.steps, replies, strict=True):
            if isinstance(reply, AgentErrnoError):
                refusals.refused(step, reply, self._own_ops(step.action), self.evidence)
            else:
                assert isinstance(step.action, SimpleAction)
                refusals.granted(step, self.evidence)
                self.machine.acting = step.process
                self.fds.after(step.action)
        self.machine.acting = None
        succeeded = sum(not isinstance(reply, AgentErrnoError) for reply in replies)
        if action.succeed is not None and succeeded != action.succeed:
            expected = f"{action.succeed} of {len(replies)}"
            what = "another number of the steps succeeded"
            self.evidence.find(Oracle.STEP, what, expected, f"{succeeded} of {len(replies)}")
            raise StepFailedError

    def _memory(self, action: Memory) -> None:
        now = leaks.take(self.machine, self.generations.kernel)
        if action.at == "baseline":
            self.memory = now
        elif self.memory is None:
            raise HarnessError("'memory: check' without a 'memory: baseline' before it")
        elif not leaks.check(self.memory, now, self.evidence):
            raise StepFailedError
