# SPDX-License-Identifier: GPL-2.0-only
"""What can be done to a single fd as operations of the agent, and what that makes of the host's record."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

from harness import carriers
from harness.carriers import BoxAction, Op
from harness.contents import Contents
from harness.fdactions import Bind, Change, Close, Dup, Interrupts, Map, Open, Register, Reset, Unmap
from harness.kernelactions import Load, Unload
from harness.kinds import KINDS, Carrier, Kind
from harness.pattern import PAGE
from harness.record import Dma, Record

FdAction = Change | Bind | Map | Unmap | Interrupts | Reset | Register
# What is done by calls of the agent alone.
SimpleAction = BoxAction | FdAction | Close | Dup | Load | Unload
SEALS = {"SEAL": 1, "SHRINK": 2, "GROW": 4, "WRITE": 8, "FUTURE_WRITE": 16, "EXEC": 32}
# What fcntl(2) can set of what shmem heeds, as x86 has them.
STATUS_FLAGS = {"O_APPEND": 0o2000, "O_NONBLOCK": 0o4000, "O_NOATIME": 0o1000000}
# What a device writes into every page that it was given.
DMA_BYTES = 8
# What the small guest (guests/agent/guest.c) has in its first page, and the counter in its second.
PROGRAM_BYTES, COUNTER_BYTES = 32, 4


def opening(action: Open) -> Op:
    """The operation that creates a file."""
    facts = KINDS[action.kind]
    keys = [key for key in (*facts.needs, *facts.takes) if key != "fill"]
    given = {key: getattr(action, key) for key in keys if getattr(action, key) is not None}
    if action.kind is Kind.VFIO_MOCK:
        given.setdefault("device", 0)
    return facts.op, {"fd": action.fd, **given}


def is_readable(action: Open) -> bool:
    """Whether the host can read what is in the file; a guest_memfd may be the guest's alone."""
    return action.kind is not Kind.GUEST_MEMFD or action.flags is None or len(set(action.flags)) == 2


def operations(carrier: Carrier, action: SimpleAction, process_dir: Callable[[str], str]) -> list[Op]:
    """What the agent has to do, in order; process_dir: the folder in the guest of a process by name."""
    match action:
        case Load(module, parameters):
            return [("module_load", {"name": module, "parameters": " ".join(parameters)})]
        case Unload(module):
            return [("module_unload", {"name": module})]
        case Close(fd):
            return [("close", {"fd": fd})]
        case Dup(fd, name, process):
            if process is None:
                return [("dup", {"fd": fd, "as": name})]
            return [("pass", {"fd": fd, "as": name, "to": process_dir(process)})]
        case Change() | Bind() | Map() | Unmap() | Interrupts() | Reset() | Register():
            return fd_operations(action)
        case _:
            operation = carriers.operation(carrier, action)
            return [operation] if operation is not None else []


def fd_operations(action: FdAction) -> list[Op]:
    """What is done to a single fd."""
    match action:
        case Change():
            return list(changes(action))
        case Bind(fd):
            return [("vfio_bind", {"fd": fd})]
        case Map(fd, buffer, length, iova, offset):
            where = {"buffer": buffer, "offset": offset, "length": length, "iova": iova}
            return [("vfio_map", {"fd": fd, **where})]
        case Unmap(fd, iova):
            return [("vfio_unmap", {"fd": fd, "iova": iova})]
        case Interrupts(fd, enable):
            return [("vfio_irq", {"fd": fd, "enable": enable})]
        case Reset(fd):
            return [("vfio_reset", {"fd": fd})]
        case Register(fd, index, value):
            return [("vfio_reg", {"fd": fd, "index": index, "value": value})]
        case _:
            assert_never(action)


def changes(action: Change) -> Iterator[Op]:
    """A change as operations, in the order in which they do not hinder each other."""
    fd: dict[str, object] = {"fd": action.fd}
    if action.truncate is not None:
        yield "truncate", fd | {"size": action.truncate}
    if action.allocate is not None:
        yield "allocate", fd | vars(action.allocate)
    if action.write is not None:
        yield "fill", fd | vars(action.write)
    if action.punch is not None:
        yield "punch", fd | vars(action.punch)
    if action.mode is not None:
        yield "chmod", fd | {"mode": action.mode}
    if action.owner is not None:
        uid, gid = map(int, action.owner.split(":"))
        yield "chown", fd | {"uid": uid, "gid": gid}
    if action.seals is not None:
        yield "seal_add", fd | {"seals": sum({SEALS[name] for name in action.seals})}
    if action.access is not None:
        yield "reopen", fd | {"access": action.access}
    if action.status is not None:
        yield "status", fd | {"flags": sum({STATUS_FLAGS[name] for name in action.status})}
    if action.position is not None:
        yield "seek", fd | {"pos": action.position}


def after(action: FdAction, record: Record) -> Record:
    """The record of the fd when that has been done."""
    match action:
        case Change():
            contents = record.contents
            if action.truncate is not None:
                contents = contents.truncate(action.truncate)
            if action.write is not None:
                contents = contents.write(action.write.offset, action.write.length, action.write.seed)
            if action.punch is not None:
                contents = contents.write(action.punch.offset, action.punch.length, None)
            write_only = record.write_only if action.access is None else action.access == "O_WRONLY"
            return replace(record, contents=contents, write_only=write_only)
        case Map(_, buffer, length, iova, offset):
            return replace(record, dma=(*record.dma, Dma(buffer, offset, length, iova)))
        case Unmap(_, iova):
            return replace(record, dma=tuple(dma for dma in record.dma if dma.iova != iova))
        case Reset():
            return replace(record, dma=(), counter=0)
        case Bind():
            return replace(record, bound=True)
        case Interrupts() | Register():
            return record
        case _:
            assert_never(action)


def run_by_guest(memory: Contents) -> Contents:
    """The contents of memory in which the small guest runs."""
    return memory.touch(0, PAGE, PROGRAM_BYTES).touch(PAGE, PAGE, COUNTER_BYTES)


def touched(action: Map, buffer: Record) -> Record:
    """The record of memory that a device writes into from now on."""
    length = -(-action.length // PAGE) * PAGE
    return replace(buffer, contents=buffer.contents.touch(action.offset, length, DMA_BYTES))
