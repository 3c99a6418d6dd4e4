# SPDX-License-Identifier: GPL-2.0-only
"""What the agent is asked for, and what the host remembers afterwards."""

import os
from dataclasses import replace

import pytest

from harness.boxactions import Prepare, Put, Seal
from harness.calls import after, is_readable, opening, operations, run_by_guest, touched
from harness.contents import Contents
from harness.fdactions import (
    Bind,
    Change,
    Close,
    Dup,
    Fill,
    Interrupts,
    Map,
    Open,
    Register,
    Reset,
    Span,
    Unmap,
    Write,
)
from harness.kernelactions import Load, Unload
from harness.kinds import Carrier, Kind
from harness.record import Dma, Record

RECORD = Record("ram", Kind.MEMFD, Contents(1 << 20).write(0, 1 << 20, 7))
DEVICE = Record("dev", Kind.VFIO_MOCK)


def test_opening() -> None:
    assert opening(Open("a", 4096, fill=Fill(1))) == ("memfd", {"fd": "a", "size": 4096})
    assert opening(Open("a", 0, flags=())) == ("memfd", {"fd": "a", "size": 0, "flags": ()})
    assert opening(Open("a", kind=Kind.VM)) == ("vm", {"fd": "a"})
    assert opening(Open("a", kind=Kind.VFIO_MOCK)) == ("vfio_open", {"fd": "a", "device": 0})
    file = Open("a", kind=Kind.FILE, path="/x", access="O_RDONLY")
    assert opening(file) == ("open", {"fd": "a", "path": "/x", "access": "O_RDONLY"})


@pytest.mark.parametrize(
    ("flags", "readable"), [(None, True), (("mmap", "init_shared"), True), (("mmap",), False), ((), False)]
)
def test_whether_the_host_can_read_a_guests_memory(flags: tuple[str, ...] | None, readable: bool) -> None:
    assert is_readable(Open("a", 4096, Kind.GUEST_MEMFD, flags=flags, vm="vm")) is readable


def test_operations() -> None:
    def ops(action: object, carrier: Carrier = Carrier.FDBOX) -> list[tuple[str, dict[str, object]]]:
        return operations(carrier, action, lambda name: f"/run/process/{name}")  # type: ignore[arg-type]

    assert ops(Put("b", "f", via="v")) == [("fdbox_put", {"box": "b", "fd": "f", "name": "f", "via": "v"})]
    assert ops(Prepare("b")) == [("fdbox_prepare", {"box": "b"})]
    assert ops(Prepare("b"), Carrier.LUO) == ops(Seal("b"), Carrier.LUO) == []
    assert ops(Dup("f", "g")) == [("dup", {"fd": "f", "as": "g"})]
    assert ops(Dup("f", "g", "p")) == [("pass", {"fd": "f", "as": "g", "to": "/run/process/p"})]
    assert ops(Load("m", ("a=1", "b=2"))) == [("module_load", {"name": "m", "parameters": "a=1 b=2"})]
    assert ops(Unload("m")) == [("module_unload", {"name": "m"})]
    assert ops(Close("f")) == [("close", {"fd": "f"})]
    assert ops(Bind("d")) == [("vfio_bind", {"fd": "d"})]
    assert ops(Interrupts("d", False)) == [("vfio_irq", {"fd": "d", "enable": False})]
    assert ops(Register("d", 1, 2)) == [("vfio_reg", {"fd": "d", "index": 1, "value": 2})]


def test_a_change_is_done_in_an_order_in_which_nothing_hinders_the_next() -> None:
    change = Change(
        "f",
        truncate=8192,
        allocate=Span(0, 1),
        write=Write(0, 1, 2),
        punch=Span(3, 4),
        mode=0o640,
        owner="1:2",
        seals=("WRITE", "GROW", "WRITE"),
        access="O_RDONLY",
        status=("O_APPEND", "O_NOATIME"),
        position=5,
    )
    found = operations(Carrier.FDBOX, change, str)
    assert [op for op, _ in found] == [
        *("truncate", "allocate", "fill", "punch", "chmod", "chown"),
        *("seal_add", "reopen", "status", "seek"),
    ]
    assert found[6][1] == {"fd": "f", "seals": 8 | 4}
    assert found[8][1] == {"fd": "f", "flags": os.O_APPEND | os.O_NOATIME}


def test_the_record_follows() -> None:
    changed = after(Change("ram", truncate=4096, write=Write(5, 6, 9), punch=Span(0, 1)), RECORD)
    assert changed.contents == RECORD.contents.truncate(4096).write(5, 6, 9).write(0, 1, None)
    assert after(Change("ram", access="O_WRONLY"), RECORD).write_only
    assert not after(Change("ram", access="O_RDWR"), replace(RECORD, write_only=True)).write_only
    assert after(Change("ram", status=()), replace(RECORD, write_only=True)).write_only


def test_a_device_and_its_memory() -> None:
    action = Map("dev", "ram", 8192, 4096, 16384)
    mapped = after(action, DEVICE)
    assert mapped.dma == (Dma("ram", 16384, 8192, 4096),)
    assert after(Unmap("dev", 4096), mapped).dma == ()
    assert after(Unmap("dev", 0), mapped).dma == mapped.dma
    assert after(Reset("dev"), mapped).dma == ()
    buffer = touched(action, RECORD).contents
    assert buffer.masked(16384, bytes([1] * 8192)) == (bytes(8) + bytes([1] * 4088)) * 2
    assert not buffer.is_touched(0, 16384)


def test_the_memory_of_a_guest() -> None:
    memory = run_by_guest(RECORD.contents)
    assert memory.masked(0, bytes([1] * 8192)) == bytes(32) + bytes([1] * 4064) + bytes(4) + bytes([1] * 4092)
