# SPDX-License-Identifier: GPL-2.0-only
"""The virtual machine that a plan asks for, and the smallest one that a kernel is meant for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.kinds import KINDS, Kind

# Under TCG an old CPU halves the time of everything: it has less for the kernel to probe and to patch.
CPU_MODEL = "Nehalem"
# One that can run virtual machines itself: SVM with nested paging, the only way under TCG. Seconds of host
# CPU for a boot and a kexec with KVM loaded: EPYC 6.3, qemu64 and Nehalem with SVM added 6.5, phenom 6.8,
# max 7.9 (Nehalem without KVM: 5.1). Opteron_G4 and G5 were not ready after 90 s.
CPU_MODEL_VIRTUALISATION = "EPYC"
# The smallest machine for the kernel of that name.
Smallest = Callable[[str | None], "Least"]


@dataclass(frozen=True)
class MachineSpec:
    """The virtual machine of a plan."""

    # RAM in MiB.
    memory: int = 1024
    cpus: int = 2
    # QEMU's name of the CPU model.
    cpu: str = CPU_MODEL
    # NUMA nodes.
    nodes: int = 1


@dataclass(frozen=True)
class Least:
    """The smallest machine that a kernel is meant for: memory in MiB, and NUMA nodes."""

    memory: int = 0
    nodes: int = 1


def any_machine(kernel: str | None) -> Least:
    """For kernels that are content with any machine."""
    return Least()


def large_enough(machine: MachineSpec, kernels: Iterable[Least]) -> MachineSpec:
    """The machine, or a larger one where one of the kernels needs that."""
    needs = tuple(kernels)
    memory, nodes = max(least.memory for least in needs), max(least.nodes for least in needs)
    return replace(machine, memory=max(machine.memory, memory), nodes=max(machine.nodes, nodes))


def cpu_model(kinds: Iterable[Kind]) -> str:
    """The CPU that a machine for fds of these kinds has."""
    return CPU_MODEL_VIRTUALISATION if any(KINDS[kind].virtualisation for kind in kinds) else CPU_MODEL
