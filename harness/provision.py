# SPDX-License-Identifier: GPL-2.0-only
"""What the machines of a plan are made of: its artifacts, and the hardware."""

from dataclasses import replace
from pathlib import Path

from harness import modules
from harness.artifacts import Artifacts, obtain_for
from harness.build.kernel import images, obtain_kernel
from harness.build.selftests import MODULES
from harness.build.spec import kernel_parameters, smallest_machine
from harness.build.store import Store
from harness.commandactions import Selftest
from harness.errors import UsageError
from harness.kernelactions import Load
from harness.kinds import Carrier
from harness.machinespec import MachineSpec, large_enough
from harness.plan import Plan
from harness.scenario import Requires
from harness.vm.qemu import Hardware


def obtain(plan: Plan, store: Store, tree: Path | None = None, cold: bool = False) -> Artifacts:
    """Everything that a plan needs; builds what is missing.

    tree: stands in for the kernel without a name; cold: every machine is booted.
    """
    names = dict.fromkeys((plan.kernel, *plan.next_kernels))
    if tree and None not in names:
        raise UsageError(f"{plan.case} names its kernels, so {tree} would not be tested")
    kernels = {name: obtain_kernel(store, name, tree if name is None else None) for name in names}
    made = replace(obtain_for(store, kernels, plan.kernel, needs_selftests(plan)), tree=tree)
    return replace(made, snapshots=None) if cold else made


def needs(plan: Plan) -> tuple[object, ...]:
    """What tells the artifacts of one plan from those of another."""
    return (needs_selftests(plan), plan.kernel, *plan.next_kernels)


def needs_selftests(plan: Plan) -> bool:
    """Whether a plan runs tests of the kernel's own, so that the guest image has to have them."""
    actions = [step.action for step in plan.steps]
    named = {action.module for action in actions if isinstance(action, Load)} | {*plan.requires.modules}
    for line in (plan.cmdline, *(jump.cmdline for jump in plan.jumps)):
        named |= {*modules.loaded((), line)}
    return not named.isdisjoint(MODULES) or any(isinstance(action, Selftest) for action in actions)


def bare_plan(kernel: str | None) -> Plan:
    """A machine and no steps."""
    cmdline = " ".join(kernel_parameters(kernel))
    return Plan(
        case="shell",
        source=Path("-"),
        summary="a booted machine",
        tags=(),
        carrier=Carrier.FDBOX,
        kernel=kernel,
        next_kernels=(kernel,),
        cmdline=cmdline,
        jumps=(),
        needed=(),
        requires=Requires(),
        machine=large_enough(MachineSpec(), [smallest_machine(kernel)]),
        steps=(),
        dmesg=(),
    )


def with_parameters(plan: Plan, parameters: tuple[str, ...]) -> Plan:
    """The plan with boot parameters that the host needs, in all generations; the plan's own overrule them."""

    def line(cmdline: str) -> str:
        return " ".join((*parameters, cmdline))

    jumps = tuple(replace(jump, cmdline=line(jump.cmdline)) for jump in plan.jumps)
    return replace(plan, cmdline=line(plan.cmdline), jumps=jumps)


def hardware(plan: Plan, artifacts: Artifacts) -> Hardware:
    """The machine that a plan asks for, made of artifacts."""
    machine = plan.machine
    return Hardware(
        accel=artifacts.accel.name,
        cpu=machine.cpu,
        cpus=machine.cpus,
        memory=machine.memory,
        kernel=artifacts.kernels[plan.kernel].image,
        initramfs=artifacts.guest.initramfs,
        cmdline=plan.cmdline,
        disks=images(artifacts.kernels),
        nodes=machine.nodes,
    )
