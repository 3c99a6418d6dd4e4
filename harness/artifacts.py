# SPDX-License-Identifier: GPL-2.0-only
"""What a plan runs on, built or taken from the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import modules
from harness.build.guest import Guest, obtain_guest
from harness.build.kernel import Kernel, images, obtain_kernel
from harness.build.kmod import KMOD, obtain_modules
from harness.build.selftests import MODULES, Selftests, obtain_selftests
from harness.build.spec import kernel_parameters, smallest_machine
from harness.build.store import Store
from harness.commandactions import Selftest
from harness.errors import UsageError
from harness.kernelactions import Load
from harness.kinds import Carrier
from harness.plan import MachineSpec, Plan, large_enough
from harness.scenario import Requires
from harness.vm.accel import Accel, choose
from harness.vm.qemu import Hardware
from harness.vm.snapshot import Snapshots


@dataclass(frozen=True)
class Artifacts:
    """Kernels by the names that the plan has for them, the guest image, and the accelerator."""

    kernels: Mapping[str | None, Kernel]
    # Names of the modules in the guest image, by kernel.
    modules: Mapping[str | None, tuple[str, ...]]
    guest: Guest
    accel: Accel
    # The user's tree that stands in for the kernel without a name.
    tree: Path | None = None
    # The kernels' own tests, by release, if the guest image has them.
    selftests: Mapping[str, Selftests] = field(default_factory=dict)
    # Where machines are saved that are booted and ready; None: every case boots its own.
    snapshots: Snapshots | None = None

    def programs(self, kernel: str | None) -> tuple[str, ...]:
        """Names of the programs of a kernel's own tests."""
        found = self.selftests.get(self.kernels[kernel].release)
        return tuple(program.name for program in found.programs) if found else ()

    def loads(self, kernel: str | None, cmdline: str) -> tuple[str, ...]:
        """The modules that init has to load on a kernel with that command line."""
        default = [name for name in self.guest.load if name in self.modules[kernel]]
        return modules.loaded(default, cmdline)

    def describe(self, plan: Plan) -> dict[str, str]:
        """What a result says about how it came about."""
        names = dict.fromkeys((plan.kernel, *plan.next_kernels))
        kernels = [f"{self.kernels[name].release} ({self.kernels[name].build_id[:12]})" for name in names]
        about = {
            "carrier": str(plan.carrier),
            "kernel": ", ".join(kernels),
            "accelerator": f"{self.accel.name} ({self.accel.reason})",
        }
        return about | ({"tree": str(self.tree)} if self.tree else {})


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


def obtain_for(
    store: Store,
    kernels: Mapping[str | None, Kernel],
    first: str | None,
    selftests: bool = False,
    kmod: Mapping[str | None, Path] | None = None,
) -> Artifacts:
    """What runs on these kernels: modules for each, one guest image for all; first: the one that boots.

    selftests: with the kernels' own tests in the image; kmod: the sources of our modules, by kernel, where
    they are not those of this checkout.
    """
    sources = kmod or {}
    built = {name: obtain_modules(store, kernel, sources.get(name, KMOD)) for name, kernel in kernels.items()}
    distinct = {kernel.key: (kernel, built[name]) for name, kernel in kernels.items()}
    tests = {k.release: obtain_selftests(store, k) for k, _ in distinct.values()} if selftests else {}
    guest = obtain_guest(store, list(distinct.values()), tests)
    names = {
        name: built[name].names + (tests[kernel.release].module_names if tests else ())
        for name, kernel in kernels.items()
    }
    snapshots = Snapshots(store)
    accel = choose(store, kernels[first], guest)
    return Artifacts(kernels, names, guest, accel, selftests=tests, snapshots=snapshots)


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
