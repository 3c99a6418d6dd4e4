# SPDX-License-Identifier: GPL-2.0-only
"""Oracle 4: what the guest has of memory, and what KHO would carry; later it must be the same again."""

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness import checks, kho
from harness.build.kernel import Kernel
from harness.errors import HarnessError
from harness.evidence import Evidence
from harness.result import Oracle
from harness.vm.agent import AgentErrnoError, Reply, granted
from harness.vm.machine import Machine

MEMINFO = re.compile(r"^(\w+): +(\d+) kB$", re.MULTILINE)
# Free pages of each zone, and those that each CPU keeps at hand, which MemFree does not count: many MiB.
FREE_PAGES = re.compile(r"^ +(?:nr_free_pages|count:) +(\d+)$", re.MULTILINE)
# What is read of a guest's memory: its counts, its zones, and where its kernel is.
FILES = ("/proc/meminfo", "/proc/zoneinfo", "/proc/iomem")
# In KiB: objects that a CPU keeps at hand are not free. Of 100 cases the worst had lost 1.1 MiB.
TOLERANCE = {"free": 2048, "Shmem": 0, "SUnreclaim": 2048}
# From one generation to another: the next kernel lays out its own memory anew. What arrived and nobody took
# is missing in MemTotal, to the page; the first kernel is not laid out like one that KHO starts.
AFTER_UPDATE = {"free": 3072, "Shmem": 0, "MemTotal": 0}
AFTER_FIRST = AFTER_UPDATE | {"MemTotal": 64}
# In KiB: by less than this, free memory goes up and down by itself.
STANDS_STILL = 1024
# What a kernel takes for itself, more of it if it watches itself: KASAN keeps the stack of every allocation.
ITS_OWN = {"free", "SUnreclaim"}
# The first field of `struct kho_out` is the address of KHO's FDT (kernel/liveupdate/kexec_handover.c, 7.2 and
# 7.3).
KHO_OUT = "kho_out"
KERNEL_CODE = re.compile(r"^ *([0-9a-f]+)-[0-9a-f]+ : Kernel code$", re.MULTILINE)
# Linux' map of all memory: Documentation/arch/x86/x86_64/mm.rst.
DIRECT_MAP = 0xFFFF888000000000


@dataclass(frozen=True)
class Memory:
    """What a guest has, at one moment."""

    generation: int
    # In KiB: /proc/meminfo, and what is free.
    counts: dict[str, int]
    # Address and order of everything that KHO would carry; None: KHO is off.
    preserved: frozenset[kho.Folio] | None
    # How many times as much as the lean kernel it may take for itself.
    own: float = 1.0


def take(machine: Machine, kernel: Kernel, shrink: bool = True) -> Memory:
    """The memory of the guest, now.

    kernel: the one that runs; shrink: have the slabs give up what they keep at hand too, which takes a while.
    """
    settled, *files = machine.in_a_row(
        ("settle", {"shrink": shrink}), *(("file", {"path": path}) for path in FILES)
    )
    granted([settled])
    text, zones, areas = ((content or b"").decode() for content in checks.contents(files))
    counts = {name: int(count) for name, count in MEMINFO.findall(text)}
    counts["free"] = sum(map(int, FREE_PAGES.findall(zones))) * (kho.PAGE >> 10)
    preserved = carried(machine, kernel.symbols, areas)
    return Memory(machine.generation, counts, preserved, kernel.slowness)


def carried(machine: Machine, symbols: Path, areas: str) -> frozenset[kho.Folio] | None:
    """Everything that KHO would carry, read from outside, in any generation; None when KHO is off.

    areas: the guest's /proc/iomem.

    debugfs shows KHO's FDT only to a kernel that was not handed anything (7.2, 7.3).
    """
    start, out = (address(symbols, name) for name in ("_text", KHO_OUT))
    found = KERNEL_CODE.search(areas)
    if not found:
        raise HarnessError("/proc/iomem does not say where the kernel is")
    (fdt,) = struct.unpack("<Q", machine.memory(int(found[1], 16) + out - start, 8))
    if not fdt:
        return None
    return frozenset(kho.preserved(machine.memory, machine.memory(fdt - DIRECT_MAP, kho.PAGE)))


def address(symbols: Path, name: str) -> int:
    """The virtual address of a symbol of the kernel."""
    # One line of 40,000, by its end: a search for all of it takes twenty times as long.
    before, found, _ = f"\n{symbols.read_text()}".partition(f" {name}\n")
    if not found:
        raise HarnessError(f"{symbols}: no {name}")
    return int(before.rpartition("\n")[2].split()[0], 16)


def compare(before: Memory, now: Memory) -> list[str]:
    """What is not back."""
    found = []
    for name, tolerance in tolerances(before, now).items():
        lost = lost_of(name, before, now)
        if lost > tolerance:
            found.append(f"{name} was {before.counts[name]} KiB and is {now.counts[name]} KiB")
    more = carried_more(before, now)
    if more:
        pages = sum(1 << order for _, order in more)
        found.append(f"KHO would carry {pages} pages more, the first at {more[0][0]:#x}")
    return found


def tolerances(before: Memory, now: Memory) -> dict[str, int]:
    """What is compared, and how much of it may be gone, in KiB."""
    if before.generation == now.generation:
        allowed = TOLERANCE
    else:
        allowed = AFTER_UPDATE if before.generation else AFTER_FIRST
    return {name: round(kib * (now.own if name in ITS_OWN else 1)) for name, kib in allowed.items()}


def lost_of(name: str, before: Memory, now: Memory) -> int:
    """How much of something is gone, in KiB."""
    more = now.counts[name] - before.counts[name]
    return -more if name in {"free", "MemTotal"} else more


def carried_more(before: Memory, now: Memory) -> list[kho.Folio]:
    """What KHO would carry now and not before. In another generation the same things have other addresses."""
    if before.preserved is None or now.preserved is None:
        return []
    if before.generation == now.generation:
        return sorted(now.preserved - before.preserved)
    expected = [order for _, order in before.preserved]
    more = []
    for address, order in sorted(now.preserved):
        if order in expected:
            expected.remove(order)
        else:
            more.append((address, order))
    return more


def settled(before: Memory, look: Callable[[bool], Memory]) -> Memory:
    """What the guest has when all is back, or when nothing more comes back.

    look: the memory now, with or without having the slabs shrunk.
    """
    now = look(False)
    while compare(before, now):
        # Freed, and kept at hand? KASAN keeps many MiB.
        last, now = now, look(True)
        if not coming_back(last, now):
            break
    return now


def coming_back(before: Memory, now: Memory) -> bool:
    """Whether memory is still being freed: a large file goes when its last user does, and takes a while."""
    return now.counts["free"] - before.counts["free"] > STANDS_STILL


def check(before: Memory, now: Memory, evidence: Evidence) -> bool:
    """Whether everything is back; leaves a proof or a finding."""
    found = compare(before, now)
    if found:
        evidence.find(
            Oracle.LEAKS,
            "memory was not given back",
            "as much memory, and as much preserved by KHO, as at the baseline",
            "; ".join(found),
        )
        return False
    changes = ((name, now.counts[name] - before.counts[name]) for name in tolerances(before, now))
    counts = ", ".join(f"{name} {change:+} KiB" for name, change in changes)
    preserved = "KHO is off" if now.preserved is None else f"{len(now.preserved)} folios, none more"
    evidence.prove(Oracle.LEAKS, f"memory is back: {counts}; preserved by KHO: {preserved}")
    return True


def let_go(machine: Machine, sessions: Iterable[str], evidence: Evidence) -> bool:
    """End everything that the scenario has left: processes with what they hold, boxes, sessions.

    sessions: names that LUO may have sessions of. Returns whether all of it could be ended.
    """
    machine.restart_agent()
    unloaded, deleted = machine.in_a_row(("kexec_unload", {}), ("fdbox_delete_all", {}))
    kept = [*refusal("the kernel that is loaded", unloaded), *refusal("the boxes", deleted)]
    if isinstance(deleted, dict):
        kept += [f"box '{box['name']}': {box['errno']}" for box in deleted["kept"]]
    for name in sessions:
        try:
            machine.call("luo_retrieve", session=name)
            machine.call("luo_finish", session=name)
            machine.call("luo_close", session=name)
        except AgentErrnoError as error:
            if error.op != "luo_retrieve" or error.errno != "ENOENT":
                kept.append(f"session '{name}': {error.errno} from {error.call}")
    if kept:
        what = "something cannot be let go of at the end"
        evidence.find(Oracle.LEAKS, what, "boxes are deleted, sessions finished", "; ".join(kept))
    return not kept


def refusal(what: str, reply: Reply) -> list[str]:
    """That the kernel refuses to let something go, if it does. Raises AgentErrnoError when the agent does."""
    if not isinstance(reply, AgentErrnoError):
        return []
    if not reply.call:
        raise reply
    return [f"{what}: {reply.errno} from {reply.call}"]
