# SPDX-License-Identifier: GPL-2.0-only
"""From one kernel to the next: a live update, a kexec that hands nothing over, a start from nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import breaking, calls, checks, faults, identity
from harness.actions import Fault, Step
from harness.build.kernel import Kernel, images
from harness.calls import SimpleAction
from harness.evidence import Evidence
from harness.fds import Fds
from harness.kernelactions import Jump, Kexec, LoadKernel, NextKernel
from harness.plan import Plan
from harness.result import Oracle
from harness.vm import outage
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine


class _CutError(Exception):
    """The machine was ended while it jumped, and is there again."""

    def __init__(self, hello: dict[str, Any]) -> None:
        super().__init__()
        self.hello = hello


@dataclass
class Generations:
    """The kernels of a run, one after the other."""

    plan: Plan
    kernels: Mapping[str | None, Kernel]
    # Names of the modules that init loads, by kernel and command line.
    modules: Callable[[str | None, str], tuple[str, ...]]
    machine: Machine
    evidence: Evidence
    out: Path
    fds: Fds
    now: identity.Identity
    # The name of the kernel that runs.
    running: str | None
    # The step that loaded a kernel last.
    loaded: int | None = None
    # What handlers were told and have not been seen to do yet.
    armed: list[breaking.Armed] = field(default_factory=list)

    @property
    def kernel(self) -> Kernel:
        """The kernel that runs."""
        return self.kernels[self.running]

    def load(self, number: int, action: NextKernel) -> None:
        """Load the next kernel, for the step of that number."""
        args, at_once = self._loading(number, action), action.at_once
        if at_once == 1:
            self.machine.call("kexec_load", **args)
        else:
            replies = self.machine.at_once([(None, ("kexec_load", args))] * at_once)
            refused = [reply for reply in replies if isinstance(reply, AgentErrnoError)]
            odd = [error for error in refused if error.errno != "EBUSY"]
            if odd or len(refused) == at_once:
                raise (odd or refused)[0]
            self.evidence.prove(Oracle.STEP, f"{len(refused)} of {at_once} loads were refused with EBUSY")
        self.loaded = number
        self.evidence.events.emit("loaded", generation=self.machine.generation)

    def _loading(self, number: int, action: NextKernel) -> dict[str, object]:
        """What the agent has to know to load the kernel of a step."""
        jump = self.plan.jump_of(number)
        image = self.kernels[jump.kernel].image
        disk = images(self.kernels).index(image)
        return {"disk": disk, "size": image.stat().st_size, "cmdline": jump.cmdline} | {
            "syscall": action.syscall,
            "padding": action.padding,
        }

    def _leave(self) -> None:
        """What must be known of a kernel before it ends."""
        checks.look_for_leaks(self.machine, self.evidence)
        checks.log_is_whole(self.machine, self.evidence, self.out)

    def jump(self, handover: bool, at_once: int, meanwhile: Callable[[], None] | None) -> None:
        """Jump into the kernel that was loaded last."""
        self._leave()
        self.land(self.machine.jump(at_once, meanwhile), handover)

    def land(self, hello: dict[str, Any], handover: bool) -> None:
        """See what kernel it is that was jumped into. hello: its agent's."""
        before = self.now
        assert self.loaded is not None
        jump = self.plan.jump_of(self.loaded)
        build_id = self.kernels[jump.kernel].build_id
        self._arrived(hello, jump.kernel, jump.cmdline)
        check = identity.check_live_update if handover else identity.check_kexec
        checks.identify(
            check(before, self.now, build_id),
            f"another boot ({self.now.boot_id[:8]}), KHO kexec count {self.now.kho_count}, build id "
            f"{self.now.build_id[:12]} as intended, QEMU saw no reset",
            self.evidence,
        )

    def _arrived(self, hello: dict[str, object], kernel: str | None, cmdline: str) -> None:
        """Another kernel runs: open fds and unsealed boxes ended with the one that held them."""
        self.fds.leave(self.fds.open)
        self.evidence.generation = self.machine.generation
        self.loaded, self.running = None, kernel
        self.now, missing = checks.who(self.machine, hello, self.modules(kernel, cmdline))
        for module, said in missing:
            what = f"{module} did not load in the next kernel"
            self.evidence.find(Oracle.MACHINE, what, "in /proc/modules", "not there", detail=said)
        self.settle_armed()

    def restart(self, step: Step) -> None:
        """The machine starts again from nothing, while a step is done or between two."""
        fault = step.action.what if isinstance(step.action, Fault) else step.fault
        self._leave()
        before = self.now
        if isinstance(fault, faults.Panic):
            self.evidence.panics.add(self.machine.generation)
        cut = outage.panic if isinstance(fault, faults.Panic) else outage.power_cut
        hello = self._cut_short(step, cut)
        self.fds.boxed.clear()
        self._arrived(hello, self.plan.kernel, self.plan.cmdline)
        self.fds.outside.learn_scratch(self.machine)
        checks.identify(
            identity.check_restart(before, self.now, self.kernels[self.plan.kernel].build_id),
            f"a boot from nothing ({self.now.boot_id[:8]}) after one reset, as ordered",
            self.evidence,
        )

    def _cut_short(self, step: Step, cut: Callable[[Machine], dict[str, Any]]) -> dict[str, Any]:
        """End the machine while a step is done."""
        match step.action:
            case Fault():
                return cut(self.machine)
            case Kexec() | Jump():
                if isinstance(step.action, Kexec):
                    self.load(step.number, step.action)
                return self._cut_jump(step.action.at_once, cut)
            case LoadKernel():
                self.machine.ask("kexec_load", **self._loading(step.number, step.action))
                return cut(self.machine)
            case action:
                assert isinstance(action, SimpleAction)
                self.fds.before(action)
                ((op, arguments), *_) = calls.operations(self.plan.carrier, action, self.machine.process_dir)
                self.machine.ask(op, **arguments)
                return cut(self.machine)

    def _cut_jump(self, at_once: int, cut: Callable[[Machine], dict[str, Any]]) -> dict[str, Any]:
        """End the machine between two kernels."""

        def meanwhile() -> None:
            self.evidence.events.emit("cut", generation=self.machine.generation)
            raise _CutError(cut(self.machine))

        try:
            self.machine.jump(at_once, meanwhile)
        except _CutError as end:
            return end.hello
        raise AssertionError("unreachable")

    def settle_armed(self) -> None:
        """What was to happen in the kernels that are gone has happened, or nothing was tested."""
        armed, self.armed = self.armed, []
        for one in armed:
            breaking.struck(self.machine, one, self.evidence)
