# SPDX-License-Identifier: GPL-2.0-only
"""What a plan runs on, built or taken from the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness import modules
from harness.build.guest import Guest, obtain_guest
from harness.build.kernel import Kernel
from harness.build.kmod import KMOD, obtain_modules
from harness.build.selftests import Selftests, obtain_selftests
from harness.build.store import Store
from harness.vm.accel import Accel, choose
from harness.vm.snapshot import Snapshots

if TYPE_CHECKING:
    # With the models of all steps, which building takes no part of.
    from harness.plan import Plan


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

    def describe(self, plan: "Plan") -> dict[str, str]:
        """What a result says about how it came about."""
        names = dict.fromkeys((plan.kernel, *plan.next_kernels))
        kernels = [f"{self.kernels[name].release} ({self.kernels[name].build_id[:12]})" for name in names]
        about = {
            "carrier": str(plan.carrier),
            "kernel": ", ".join(kernels),
            "accelerator": f"{self.accel.name} ({self.accel.reason})",
        }
        return about | ({"tree": str(self.tree)} if self.tree else {})


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
