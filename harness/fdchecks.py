# SPDX-License-Identifier: GPL-2.0-only
"""The oracles of a single fd: what it is like, what is in it, and whether that is what it must be."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.calls import STATUS_FLAGS
from harness.deadline import Deadline
from harness.evidence import Evidence
from harness.kinds import Carrier, Kind
from harness.pattern import CHUNK, PAGE
from harness.record import PROMISES, Dma, Property, Record, Run
from harness.result import Oracle
from harness.vm.agent import AgentErrnoError, granted
from harness.vm.machine import Machine

O_ACCMODE = 0o3
# The most that the agent reads at once.
READ_MAX = 1 << 16
# One operation of the agent.
Call = Callable[..., dict[str, Any]]


def look(machine: Machine, record: Record) -> Record:
    """The record with what the fd is like and where its memory is, now."""
    match record.kind:
        case Kind.MEMFD:
            with reader(machine.call, record) as name:
                requests = ((op, {"fd": record.name}) for op in ("stat", "extents", "mappings"))
                *replies, pages = granted(machine.in_a_row(*requests, ("pages", {"fd": name})))
            return record.seen(properties(*replies), machine.generation, runs(pages))
        case Kind.GUEST_MEMFD:
            found = gmem_properties(machine.call, record)
            reply = machine.call("pages", fd=record.name) if record.readable else {"runs": []}
            return record.seen(found, machine.generation, runs(reply))
        case Kind.VFIO_MOCK:
            info = machine.call("vfio_info", fd=record.name)
            found = type_of(machine.call, record) | device_properties(info)
            return record.seen(found, machine.generation, counter=info["counter"])
        case _:
            return record.seen(type_of(machine.call, record), machine.generation)


@contextlib.contextmanager
def reader(call: Call, record: Record) -> Iterator[str]:
    """A name under which the file can be read: its own, or one more where it is open for writing only."""
    if not record.write_only:
        yield record.name
        return
    with opened_anew(call, record, "O_RDONLY") as name:
        yield name


@contextlib.contextmanager
def opened_anew(call: Call, record: Record, access: object) -> Iterator[str]:
    """A name of one more open file of the same file."""
    name = f"{record.name}.{access}"
    call("dup", fd=record.name, **{"as": name})
    call("reopen", fd=name, access=access)
    yield name
    call("close", fd=name)


def mappings_as(call: Call, record: Record, other: Record) -> str:
    """How the file of an fd can be mapped by an fd that was opened as another one."""
    with opened_anew(call, record, other.properties[Property.ACCESS]) as name:
        return ways_to_map(call("mappings", fd=name))


def runs(pages: Mapping[str, Any]) -> tuple[Run, ...]:
    """The page frames in the agent's reply to `pages`."""
    return tuple(Run(*run) for run in pages["runs"])


def type_of(call: Call, record: Record) -> dict[Property, object]:
    """What the kernel calls a file."""
    return {Property.TYPE: call("stat", fd=record.name)["link"]}


def properties(
    stat: Mapping[str, Any], extents: Mapping[str, Any], mappings: Mapping[str, str]
) -> dict[Property, object]:
    """The properties in the agent's replies to `stat`, `extents` and `mappings`."""
    return {
        Property.SIZE: stat["size"],
        Property.POSITION: stat["pos"],
        Property.ACCESS: ("O_RDONLY", "O_WRONLY", "O_RDWR")[stat["flags"] & O_ACCMODE],
        Property.STATUS: status_flags(stat["flags"]),
        Property.MODE: f"{stat['mode'] & 0o7777:04o}",
        Property.OWNER: f"{stat['uid']}:{stat['gid']}",
        Property.SEALS: stat["seals"],
        Property.HOLES: [list(extent) for extent in extents["data"]],
        Property.NAME: stat["link"],
        Property.MAPPINGS: ways_to_map(mappings),
    }


def status_flags(flags: int) -> str:
    """The status flags in what F_GETFL gives, by their names."""
    return "|".join(name for name, flag in STATUS_FLAGS.items() if flags & flag) or "none"


def ways_to_map(mappings: Mapping[str, str]) -> str:
    """The agent's reply to `mappings`: what each way to map the file comes to."""
    return ", ".join(f"{way}: {result}" for way, result in mappings.items())


def gmem_properties(call: Call, record: Record) -> dict[Property, object]:
    """What a guest_memfd is like; looking at one that the host may not read changes nothing."""
    stat = call("stat", fd=record.name)
    try:
        extents = [list(extent) for extent in call("extents", fd=record.name)["data"]]
        accessible = "readable" if record.readable else refusal(call, record)
    except AgentErrnoError as error:
        extents, accessible = [], f"{error.call} says {error.errno}"
    return {
        Property.SIZE: stat["size"],
        Property.TYPE: stat["link"],
        Property.HOLES: extents,
        Property.MAPPINGS: ways_to_map(call("mappings", fd=record.name)),
        Property.ACCESSIBLE: accessible,
    }


def refusal(call: Call, record: Record) -> str:
    """What happens when the host reads memory that is the guest's alone."""
    try:
        call("digest", fd=record.name, offset=0, length=1)
    except AgentErrnoError as error:
        return f"{error.call} says {error.errno}"
    return "readable"


def device_properties(info: Mapping[str, Any]) -> dict[Property, object]:
    """The properties in the agent's reply to `vfio_info`."""
    return {
        Property.INFORMATION: {name: info[name] for name in ("id", "flags", "regions", "irqs")},
        Property.GENERATION: info["generation"],
        Property.CONTROL: info["control"],
        Property.REGISTERS: [info["irq_every"], *info["registers"]],
        Property.BUFFERS: info["buffers"],
    }


def contents(machine: Machine, record: Record, evidence: Evidence) -> None:
    """Oracle 1: what the guest reads from the fd against the host's own idea of what was written."""
    with reader(machine.call, record) as name:
        read_contents(machine, record, name, evidence)


def read_contents(machine: Machine, record: Record, name: str, evidence: Evidence) -> None:
    """The same; name: by which the file can be read."""
    reply = machine.call("digest", fd=name)
    expected, size = record.contents.digest(), record.contents.size
    if reply["size"] != size:
        evidence.find(
            Oracle.CONTENTS, f"'{record.name}' has another size", f"{size}", f"{reply['size']} bytes"
        )
        return
    for chunk, pair in enumerate(zip(reply["chunks"], expected, strict=True)):
        at = chunk * CHUNK
        length = min(CHUNK, size - at)
        seen, wanted = (f"CRC-32 {crc}" for crc in pair)
        if record.contents.is_touched(at, length):
            seen, wanted = parts(machine, record, name, at, length)
        if seen != wanted:
            evidence.find(
                Oracle.CONTENTS,
                f"the contents of '{record.name}' changed",
                f"{record.contents}: {wanted} of the MiB at {at:#x}",
                seen,
            )
            return
    evidence.prove(
        Oracle.CONTENTS, f"'{record.name}': {record.contents}, read in the guest: the CRC-32 of each MiB"
    )


def parts(machine: Machine, record: Record, name: str, start: int, length: int) -> tuple[str, str]:
    """What is read, and what must be, where somebody else writes too: the first that differs."""
    known = record.contents
    for at in range(start, start + length, READ_MAX):
        part = min(READ_MAX, start + length - at)
        data = bytes.fromhex(machine.call("read", fd=name, offset=at, length=part)["hex"])
        seen, wanted = known.masked(at, data), known.masked(at, known.read(at, part))
        if seen != wanted:
            byte = next(n for n, (a, b) in enumerate(zip(seen, wanted, strict=True)) if a != b)
            return f"byte {at + byte:#x} is {seen[byte]:#04x}", f"byte {at + byte:#x} is {wanted[byte]:#04x}"
    return "", ""


def fidelity(record: Record, now: Record, carrier: Carrier, evidence: Evidence) -> None:
    """Oracle 1: every promised property of the fd is what it was; each has a finding of its own."""
    promised = sorted(PROMISES[record.kind, carrier])
    changed = [p for p in promised if now.properties[p] != record.properties[p]]
    for name in changed:
        evidence.find(
            Oracle.FIDELITY,
            f"the {name} of '{record.name}' changed",
            f"{record.properties[name]}",
            f"{now.properties[name]}",
        )
    if now.counter < record.counter:
        evidence.find(
            Oracle.FIDELITY,
            f"the counter of '{record.name}' went back",
            f"at least {record.counter}",
            f"{now.counter}",
        )
    elif not changed:
        evidence.prove(Oracle.FIDELITY, f"'{record.name}': {', '.join(promised)} as before")


def writes(machine: Machine, record: Record, buffers: Mapping[str, str], evidence: Evidence) -> None:
    """The device writes into its buffers: what it writes now is what is read there now.

    buffers: the names by which the fds are open now, by those as which they were given to the device.
    """
    for dma in record.dma:
        if dma.buffer not in buffers:
            continue
        before = machine.call("vfio_info", fd=record.name)["counter"]
        limit, seen, late = Deadline(machine.limits.count), 0, False
        while seen <= before and not late:
            # A virtual CPU may stand still: one more look after the limit.
            late = limit.expired
            time.sleep(0.02)
            seen = first_word(machine, buffers[dma.buffer], dma)
        after = machine.call("vfio_info", fd=record.name)["counter"]
        expected = f"a count after {before}, by now at most {after}"
        if before < seen <= after:
            evidence.prove(
                Oracle.DEVICE,
                f"'{record.name}' writes into '{buffers[dma.buffer]}' at {dma.offset:#x}: {seen}, {expected}",
            )
        else:
            what = f"'{record.name}' does not write into '{buffers[dma.buffer]}' from {dma.offset:#x} on"
            evidence.find(Oracle.DEVICE, what, expected, f"{seen}")


def first_word(machine: Machine, buffer: str, dma: Dma) -> int:
    """What the device has written into the last page of a buffer."""
    last = dma.offset + dma.length - 1
    reply = machine.call("read", fd=buffer, offset=last - last % PAGE, length=8)
    return int.from_bytes(bytes.fromhex(reply["hex"]), "little")
