# SPDX-License-Identifier: GPL-2.0-only
"""The verb `memory`: what the guest has of it, and what KHO would carry; later it must be the same again."""

import re
from dataclasses import dataclass

from harness import checks, damage, kho
from harness.evidence import Evidence
from harness.result import Oracle
from harness.vm.machine import Machine

MEMINFO = re.compile(r"^(\w+): +(\d+) kB$", re.MULTILINE)
FDT = "/sys/kernel/debug/kho/out/fdt"
# What can be dropped is dropped before anything is counted: caches, empty slabs, with them what KASAN has in
# its quarantine. What each CPU has counted is added up.
SETTLE = """
echo 3 > /proc/sys/vm/drop_caches
for cache in /sys/kernel/slab/*/shrink; do [ -e $cache ] && echo 1 > $cache; done
cat /proc/sys/vm/stat_refresh
"""
# In KiB. Pages and objects that a CPU keeps at hand are not counted as free: up to some MiB for two CPUs. A
# storm that leaked a page at each turn would leak tens of MiB in seconds.
TOLERANCE = {"MemFree": 6144, "Shmem": 0, "SUnreclaim": 2048}


@dataclass(frozen=True)
class Memory:
    """What a guest has, at one moment."""

    # /proc/meminfo, in KiB.
    counts: dict[str, int]
    # Address and order of everything that KHO would carry; None: the kernel does not show its notes.
    preserved: frozenset[kho.Folio] | None


def take(machine: Machine) -> Memory:
    """The memory of the guest, now."""
    machine.run(SETTLE)
    text = (checks.read(machine, "/proc/meminfo") or b"").decode()
    counts = {name: int(count) for name, count in MEMINFO.findall(text)}
    fdt = checks.read(machine, FDT)
    return Memory(counts, None if fdt is None else frozenset(kho.preserved(damage.reader(machine), fdt)))


def compare(before: Memory, now: Memory) -> list[str]:
    """What is not back."""
    found = []
    for name, tolerance in TOLERANCE.items():
        lost = now.counts[name] - before.counts[name]
        lost = -lost if name == "MemFree" else lost
        if lost > tolerance:
            found.append(f"{name} was {before.counts[name]} KiB and is {now.counts[name]} KiB")
    if before.preserved is not None and now.preserved is not None:
        more = sorted(now.preserved - before.preserved)
        if more:
            pages = sum(1 << order for _, order in more)
            found.append(f"KHO would carry {pages} pages more, the first at {more[0][0]:#x}")
    return found


def check(before: Memory, machine: Machine, evidence: Evidence) -> bool:
    """Whether everything is back; leaves a proof or a finding."""
    now = take(machine)
    found = compare(before, now)
    if found:
        evidence.find(
            Oracle.STEP,
            "memory was not given back",
            "as much memory, and as much preserved by KHO, as at the baseline",
            "; ".join(found),
        )
        return False
    counts = ", ".join(f"{name} {now.counts[name] - before.counts[name]:+} KiB" for name in TOLERANCE)
    kho = "not shown" if now.preserved is None else f"{len(now.preserved)} folios, none more"
    evidence.prove(Oracle.STEP, f"memory is back: {counts}; preserved by KHO: {kho}")
    return True
