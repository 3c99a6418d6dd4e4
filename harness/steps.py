# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of step, carried out on a machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness import answers, breaking, calls, damage, faults, leaks, listing, selftests, timeline
from harness.actions import BLACKOUT, Action, Damage, End, Fault, Measure, Memory, Parallel, Step
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
from harness.result import SECONDS, Blame, Oracle
from harness.scalars import OK
from harness.verbs import VERB_OF
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine
from harness.vm.monitor import MonitorError, MonitorRefusedError


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
            self._measure(step, step.action)
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
            self._refused(step, error)
            return False
        if not step.restarts:
            self._granted(step)
        return True

    def _granted(self, step: Step) -> None:
        """A step has succeeded: see whether it may."""
        verb = VERB_OF[type(step.action)]
        if not step.may_succeed:
            expected = f"it fails with {' or '.join(step.expect)}"
            self.evidence.find(Oracle.STEP, f"'{verb}' succeeded, and must not", expected, "it succeeded")
            raise StepFailedError
        if step.expect:
            self.evidence.prove(Oracle.STEP, f"'{verb}' succeeded, as it may")

    def _refused(self, step: Step, error: AgentErrnoError) -> None:
        """A step was refused: see whether it may be."""
        verb = VERB_OF[type(step.action)]
        # Only the step's own call can be what the scenario expects, not a look at the fd on the way to it.
        # Without the name of a call it is the agent that refused, not the kernel.
        if error.errno in step.expect and error.op in self._own_ops(step.action) and error.call:
            end = "as it may be" if step.may_succeed else "as it must be"
            self.evidence.prove(
                Oracle.STEP, f"'{verb}'{about(step.action)} was refused with {error.errno}, {end}"
            )
            return
        blame = Blame.KERNEL if error.call else Blame.HARNESS
        failures = " or ".join(name for name in step.expect if name != OK)
        expected = f"it fails with {failures}" if failures else "it succeeds"
        if step.expect and step.may_succeed:
            expected = f"it succeeds, or {expected}"
        seen = f"{error.errno} from {error.call or 'the agent'}: {error.text}"
        self.evidence.find(Oracle.STEP, f"'{verb}' failed", expected, seen, blame=blame)
        raise StepFailedError

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
        if not isinstance(action, SimpleAction | Kexec | Jump):
            self.machine.meanwhile = meanwhile
        match action:
            case Open():
                self.fds.create(action)
            case Guest():
                self.fds.run_guest(action)
            case Kexec():
                self.generations.load(step.number, action.at_once)
                self.generations.jump(action.handover, action.at_once, meanwhile)
            case LoadKernel():
                self.generations.load(step.number, action.at_once)
            case Jump():
                self.generations.jump(action.handover, action.at_once, meanwhile)
            case Fault(what):
                self._break(what)
            case Verify(fd):
                self.fds.verify(self.fds.record(fd))
            case List():
                self._list(action)
            case Parallel():
                self._parallel(action)
            case End(process):
                self.machine.end_process(process)
                self.fds.end(process)
            case Ssh():
                self._ssh(action)
            case Selftest():
                self._selftest(action, step.number)
            case Qmp():
                self._qmp(action)
            case Memory():
                self._memory(action)
            case Measure():
                pass  # the step in it is done, the number is taken after it
            case Damage():
                self.evidence.prove(Oracle.STEP, f"damaged: {damage.apply(self.machine, action)}")
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
            self.fds.open.clear()

    def _timed(self, op: str, arguments: Mapping[str, object]) -> None:
        try:
            self.machine.call(op, **arguments)
        finally:
            self.spent += self.machine.took

    def _measure(self, step: Step, action: Measure) -> None:
        """Record a number; what the step in it was has been done."""
        if action.ssh is None:
            blackout = action.of == BLACKOUT
            value = timeline.blackouts(self.evidence.events.entries)[-1] if blackout else self.spent
            self.evidence.measure(action.name, value, SECONDS, step)
            return
        result = self.machine.run(action.ssh)
        number = answers.number(result)
        if number is None:
            seen = f"status {result.status}, {result.stdout.strip() or 'nothing'}"
            what = f"nothing to measure: {action.ssh}"
            said = tuple(result.stderr.splitlines()[-15:])
            self.evidence.find(
                Oracle.STEP, what, "status 0, and a number", seen, blame=Blame.HARNESS, detail=said
            )
            raise StepFailedError
        self.evidence.measure(action.name, number, action.unit or "", step)

    def _list(self, action: List) -> None:
        given = {key: getattr(action, key) for key in ("box", "via") if getattr(action, key) is not None}
        reply = self.machine.call("fdbox_list", **given)
        if not listing.judge(action, reply["entries"], self.evidence):
            raise StepFailedError

    def _parallel(self, action: Parallel) -> None:
        """Send every step's call before any answer is read; then each is judged by itself."""
        requests = []
        for step in action.steps:
            assert isinstance(step.action, SimpleAction)
            self.fds.before(step.action)
            operations = self._operations(step.action)
            if len(operations) != 1:
                raise HarnessError(f"'{VERB_OF[type(step.action)]}' is {len(operations)} calls, not one")
            requests.append((step.process, *operations[0]))
        replies = self.machine.at_once(requests)
        for step, reply in zip(action.steps, replies, strict=True):
            if isinstance(reply, AgentErrnoError):
                self._refused(step, reply)
            else:
                assert isinstance(step.action, SimpleAction)
                self._granted(step)
                self.machine.acting = step.process
                self.fds.after(step.action)
        self.machine.acting = None
        succeeded = sum(not isinstance(reply, AgentErrnoError) for reply in replies)
        if action.succeed is not None and succeeded != action.succeed:
            expected = f"{action.succeed} of {len(replies)}"
            what = "another number of the steps succeeded"
            self.evidence.find(Oracle.STEP, what, expected, f"{succeeded} of {len(replies)}")
            raise StepFailedError

    def _ssh(self, action: Ssh) -> None:
        result = self.machine.run(action.command)
        differences = tuple(answers.command(action, result))
        if differences:
            output = tuple((result.stdout + result.stderr).splitlines()[-15:])
            self._differ(f"the command did something else: {action.command}", differences, output)
        self.evidence.prove(Oracle.STEP, f"{action.command}: {answers.expectations(action)}")

    def _selftest(self, action: Selftest, number: int) -> None:
        result = self.machine.run(selftests.command(action))
        (self.generations.out / f"selftest.{number}.log").write_text(result.stdout, encoding="utf-8")
        faults, proofs = selftests.judge(action, result)
        for proof in proofs:
            self.evidence.prove(Oracle.SELFTEST, proof)
        for fault in faults:
            said = (fault.what, fault.expected, fault.seen)
            self.evidence.find(Oracle.SELFTEST, *said, blame=fault.blame, detail=fault.detail)
        if faults:
            raise StepFailedError

    def _differ(
        self, what: str, differences: Sequence[answers.Difference], detail: tuple[str, ...] = ()
    ) -> None:
        """A free step came back with something else than the scenario says."""
        expected, seen = (", ".join(dict.fromkeys(side)) for side in zip(*differences, strict=True))
        self.evidence.find(Oracle.STEP, what, expected, seen, detail=detail)
        raise StepFailedError

    def _memory(self, action: Memory) -> None:
        now = leaks.take(self.machine, self.generations.kernel, self.generations.out / leaks.SCRATCH)
        if action.at == "baseline":
            self.memory = now
        elif self.memory is None:
            raise HarnessError("'memory: check' without a 'memory: baseline' before it")
        elif not leaks.check(self.memory, now, self.evidence):
            raise StepFailedError

    def _qmp(self, action: Qmp) -> None:
        try:
            returned = self.machine.monitor.execute(action.execute, action.arguments)
        except MonitorError as error:
            # QEMU answers before it tears the machine down; a connection lost on the way is its end.
            self.machine.watch()
            self._qmp_failed(action, error)
            return
        self.machine.watch()
        if differences := tuple(answers.answer(action, returned)):
            self._differ(f"QMP {action.execute} came to something else", differences)
        if action.returns is not None:
            self.evidence.prove(Oracle.STEP, f"QMP {action.execute}: the answer has what it must have")

    def _qmp_failed(self, action: Qmp, error: MonitorError) -> None:
        """A QMP command failed: see whether it must."""
        if action.error is None or not isinstance(error, MonitorRefusedError):
            what = (str(error), "the command succeeds", "an error")
            self.evidence.find(Oracle.STEP, *what, blame=Blame.HARNESS)
            raise StepFailedError from error
        if error.kind != action.error:
            seen = f"{error.kind}: {error.text}"
            self._differ(f"QMP {action.execute} failed in another way", [(action.error, seen)])
        self.evidence.prove(Oracle.STEP, f"QMP {action.execute} failed with {error.kind}, as it must")


def about(action: Action) -> str:
    """What an action is about, for people: ' of fd 'ram', box 'vm0''."""
    said = [f"{name} '{value}'" for name in ("fd", "box") if (value := getattr(action, name, None))]
    return f" of {', '.join(said)}" if said else ""
