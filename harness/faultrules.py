# SPDX-License-Identifier: GPL-2.0-only
"""What can be wrong with what a step breaks, and with loading a kernel apart from the jump into it."""

from collections.abc import Iterator
from typing import assert_never

from harness import faults
from harness.actions import Fault, Measure, Parallel, Step
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, OnBox, Prepare, Put, Seal, Unseal
from harness.boxrules import Problem, meant
from harness.diagnostic import nearest
from harness.fdactions import Use
from harness.kernelactions import Jump, Kexec, Load, LoadKernel, NextKernel
from harness.kinds import Carrier
from harness.world import World

# What begins with one call that can be cut short.
CUT_SHORT = CreateBox | DeleteBox | Put | Get | Prepare | Seal | Unseal | Finish | Use | NextKernel | Jump
# The module whose handler can be told to fail.
MOCK = "vfio_mock"


def fault_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with what a step breaks."""
    if isinstance(step.action, Fault):
        word = faults.word_of(step.action.what)
        if not faults.FAULTS[word].alone:
            yield "fault", f"'{word}' is about a call: write it beside the step that makes it"
    if step.fault is not None:
        word = faults.word_of(step.fault)
        if isinstance(step.action, Fault | Parallel | Measure):
            yield "fault", "no fault can stand beside this: write it as a step of its own"
        elif not faults.FAULTS[word].beside:
            yield "fault", f"'{word}' is a step of its own: write '- fault: {word}'"
        else:
            yield from beside_problems(world, step, step.fault)


def beside_problems(world: World, step: Step, fault: faults.Fault) -> Iterator[Problem]:
    """What is wrong with a fault beside the verb of a step."""
    action = step.action
    match fault:
        case faults.Panic() | faults.PowerCut():
            if not isinstance(action, CUT_SHORT):
                yield "fault", "this step is not one call that could be cut short: break it before or after"
            elif nothing_to_do(world, step):
                yield (
                    "fault",
                    "on luo there is no call here that could be cut short: break it before or after",
                )
            elif step.expect:
                yield "expect", "the machine ends while the step is done: it comes to nothing"
            if isinstance(fault, faults.Panic) and isinstance(action, Kexec | Jump):
                yield (
                    "fault",
                    "when a kernel jumps nobody is there to make it panic: 'reset', or panic before",
                )
        case faults.Nmi():
            if isinstance(action, Kexec | Jump):
                yield "fault", "between two kernels nobody takes an NMI: the machine hangs or resets"
        case faults.Allocation():
            if not isinstance(action, OnBox) or nothing_to_do(world, step):
                yield "fault", "only a call on a box can be told to fail by its n-th allocation"
        case faults.Handler():
            if isinstance(action, Load) and action.module != MOCK:
                yield "fault", f"only {MOCK} can be told to fail"
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
        yield "expect", "whether there was a kexec must be known: it fails, or it does not"
    if isinstance(action, NextKernel) and world.kernels is not None:
        kernel = action.kernel
        if kernel is not None and kernel not in world.kernels:
            yield "kernel", f"no kernel '{kernel}'{nearest(kernel, world.kernels)}"
    if isinstance(action, Kexec) and action.syscall == "kexec_load" and action.handover:
        yield "syscall", "kexec_load(2) hands nothing over: write 'handover: false' too"
    if isinstance(action, Jump) and world.loaded is None and not step.expect:
        yield "jump", f"no kernel is loaded: 'load_kernel' before, or 'kexec' for both; or {meant('EINVAL')}"
    if step.expect and isinstance(action, Kexec | LoadKernel | Jump) and action.at_once > 1:
        yield "at_once", "of several that do it at once each may be refused: one must not be"
