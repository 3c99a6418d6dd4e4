# SPDX-License-Identifier: GPL-2.0-only
"""What can be wrong with what a step breaks, and with loading a kernel apart from the jump into it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import assert_never

from harness import faults
from harness.actions import Fault, Measure, Step
from harness.boxactions import OnBox, Prepare, Seal
from harness.boxrules import Problem, meant
from harness.diagnostic import nearest
from harness.fdactions import Guest, Use
from harness.kernelactions import Jump, Kexec, Load, LoadKernel, NextKernel, Unload
from harness.kinds import Carrier
from harness.world import World, no_module

# What begins with one call that can be cut short.
CUT_SHORT = OnBox | Use | Load | Unload | NextKernel | Jump
# The module whose handler can be told to fail.
MOCK = "vfio_mock"
# What is said of a fault, or of a kernel, that cannot be there.
ABOUT_A_CALL = "'{word}' is about a call: write it beside the step that makes it"
NOT_BESIDE = "no fault can stand beside this: write it as a step of its own"
OF_ITS_OWN = "'{word}' is a step of its own: write '- fault: {word}'"
NOT_ONE_CALL = "this step is not one call that could be cut short: break it before or after"
NO_CALL = "on luo there is no call here that could be cut short: break it before or after"
ENDED = "the machine ends while the step is done: it comes to nothing"
NO_PANIC = "when a kernel jumps nobody is there to make it panic: 'reset', or panic before"
NO_NMI = "between two kernels nobody takes an NMI: the machine hangs or resets"
NO_BOX = "only a call on a box can be told to fail by its n-th allocation"
NO_MOCK = f"only {MOCK} can be told to fail"
EITHER = "whether there was a kexec must be known: it fails, or it does not"
SEVERAL = "of several that do it at once each may be refused: one must not be"
# And why: the manual has it.
WHY: Mapping[str, str] = MappingProxyType(
    {
        ABOUT_A_CALL: "The agent tells the kernel right before its call which allocation of that one thread "
        "is to fail; between two steps there is none.",
        NOT_BESIDE: "`fault` breaks something by itself, and `measure` would take the time of the fault.",
        OF_ITS_OWN: "Who does the step is killed too, and nobody is left to say what it came to.",
        NOT_ONE_CALL: "The machine ends while the answer to a call is waited for. In a step of several "
        "calls, or of none, that would be between two of them, where a step of its own is clearer.",
        NO_CALL: "LUO freezes in the jump; `seal` and `prepare` do nothing there.",
        ENDED: "The call is never answered, so it has no errno.",
        NO_PANIC: "The panic is ordered by a command in the guest; the old kernel has said its last line.",
        NO_NMI: "relocate_kernel() has no interrupt table any more, and the next kernel has none yet: an "
        "interrupt is a triple fault.",
        NO_BOX: "Only the agent's requests on boxes are made so that an allocation can fail in them.",
        NO_MOCK: "No other handler has a parameter for it.",
        EITHER: "The steps after it are for the old kernel, or for the next one.",
        SEVERAL: "Which of them is refused depends on the moment.",
    }
)


def fault_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with what a step breaks."""
    if isinstance(step.action, Fault):
        word = faults.word_of(step.action.what)
        if not faults.FAULTS[word].alone:
            yield "fault", ABOUT_A_CALL.format(word=word)
    if step.fault is not None:
        word = faults.word_of(step.fault)
        if isinstance(step.action, Fault | Measure):
            yield "fault", NOT_BESIDE
        elif not faults.FAULTS[word].beside:
            yield "fault", OF_ITS_OWN.format(word=word)
        else:
            yield from beside_problems(world, step, step.fault)


def beside_problems(world: World, step: Step, fault: faults.Fault) -> Iterator[Problem]:
    """What is wrong with a fault beside the verb of a step."""
    action = step.action
    match fault:
        case faults.Panic() | faults.PowerCut():
            if not isinstance(action, CUT_SHORT) or isinstance(action, Guest):
                yield "fault", NOT_ONE_CALL
            elif nothing_to_do(world, step):
                yield "fault", NO_CALL
            elif step.expect:
                yield "expect", ENDED
            if isinstance(fault, faults.Panic) and isinstance(action, Kexec | Jump):
                yield "fault", NO_PANIC
        case faults.Nmi():
            if isinstance(action, Kexec | Jump):
                yield "fault", NO_NMI
        case faults.Allocation():
            if not isinstance(action, OnBox) or nothing_to_do(world, step):
                yield "fault", NO_BOX
        case faults.Handler():
            if isinstance(action, Load) and action.module != MOCK:
                yield "fault", NO_MOCK
        case faults.Pause() | faults.Pressure() | faults.Kill():
            pass
        case _:
            assert_never(fault)


def nothing_to_do(world: World, step: Step) -> bool:
    """Whether the carrier has nothing to do in a step."""
    return world.carrier is Carrier.LUO and isinstance(step.action, Seal | Prepare)


def kernel_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with loading a kernel, or jumping into it."""
    action = step.action
    if step.expect and step.may_succeed:
        yield "expect", EITHER
    if isinstance(action, NextKernel) and world.known is not None:
        kernel = action.kernel
        if kernel is not None and kernel not in world.known.kernels:
            yield "kernel", f"no kernel '{kernel}'{nearest(kernel, world.known.kernels)}"
        yield from (("modules", said) for name in action.modules if (said := no_module(world.known, name)))
    if isinstance(action, Kexec) and action.syscall == "kexec_load" and action.handover:
        yield "syscall", "kexec_load(2) hands nothing over: write 'handover: false' too"
    if isinstance(action, Jump) and world.loaded is None and not step.expect:
        yield "jump", f"no kernel is loaded: 'load_kernel' before, or 'kexec' for both; or {meant('EINVAL')}"
    if step.expect and isinstance(action, Kexec | LoadKernel | Jump) and action.at_once > 1:
        yield "at_once", SEVERAL
