# SPDX-License-Identifier: GPL-2.0-only
"""What LUO hands over of a memfd, built here by hand as mm/memfd_luo.c does it, and damaged."""

import struct
from typing import Any, cast

import pytest

from harness import blob, damage, layout, luo
from harness.actions import Damage
from harness.errors import HarnessError
from harness.kho import PAGE
from harness.tests.test_blob import Memory
from harness.vm.machine import Machine

# Both flags of a folio: dirty and up to date.
FLAGS = 3 << 52
# Pages that a chunk of the list names.
IN_A_CHUNK = 511


def add(memory: Memory, address: int, size: int) -> None:
    """A memfd of that size without huge pages: its record at an address, behind it its list."""
    folios = size // PAGE
    listing = b"".join(struct.pack("<2Q", FLAGS | 0x1000 + n, n) for n in range(folios))
    pages = [address + PAGE * (2 + 2 * n) for n in range(-(-len(listing) // PAGE))]
    for number, page in enumerate(pages):
        memory.pages[page] = bytearray(listing[number * PAGE :][:PAGE].ljust(PAGE, b"\0"))
    chunks = [pages[start : start + IN_A_CHUNK] for start in range(0, len(pages), IN_A_CHUNK)]
    for number, chunk in enumerate(chunks):
        at, following = address + PAGE * (1 + 2 * number), address + PAGE * (3 + 2 * number)
        last = number == len(chunks) - 1
        head = struct.pack("<Q", 0 if last else following)
        memory.pages[at] = bytearray((head + struct.pack(f"<{len(chunk)}Q", *chunk)).ljust(PAGE, b"\0"))
    record = struct.pack("<2Q2I2QI2H", 7, size, 15, 0, folios, address + PAGE, len(pages), 0, 0)
    memory.pages[address] = bytearray(record.ljust(PAGE, b"\0"))


@pytest.fixture
def memory() -> Memory:
    made = Memory()
    add(made, 0x100000, 16 * PAGE)
    add(made, 0x200000, 300 * PAGE)
    return made


def find(memory: Memory, size: int = 300 * PAGE) -> luo.Memfd:
    return luo.find_memfd(memory.read, memory.pages, size)


@pytest.mark.parametrize(("size", "address", "pages"), [(16, 0x100000, 1), (300, 0x200000, 2)])
def test_a_memfd_is_found_by_its_size(memory: Memory, size: int, address: int, pages: int) -> None:
    found = find(memory, size * PAGE)
    assert (found.address, len(found.pages), found.size) == (address, pages, size * PAGE)
    last = layout.place(layout.LUO_MEMFD, f"index[{size - 1}]")
    assert layout.value_at(found.data, last) == size - 1


def test_which_memfd_must_be_plain(memory: Memory) -> None:
    add(memory, 0x300000, 16 * PAGE)
    with pytest.raises(blob.BlobError, match="2 memfds have 65536 bytes"):
        find(memory, 16 * PAGE)
    with pytest.raises(blob.BlobError, match="no record of a memfd of 4096 bytes"):
        find(memory, PAGE)


def test_a_list_of_more_than_a_chunk(memory: Memory) -> None:
    """256 folios on a page of the list: 512 pages."""
    size = (IN_A_CHUNK * 256 + 1) * PAGE
    add(memory, 0x10000000, size)
    found = find(memory, size)
    assert len(found.pages) == IN_A_CHUNK + 1
    assert luo.value_of(found, f"index[{IN_A_CHUNK * 256}]") == IN_A_CHUNK * 256
    (change,) = luo.change(found, f"index[{IN_A_CHUNK * 256}]", 5)
    assert change.address == found.pages[-1] + 8


def planned(memory: Memory, monkeypatch: pytest.MonkeyPatch, **keys: Any) -> list[blob.Change]:
    """What `damage` writes, of the memfd of 16 pages."""
    monkeypatch.setattr(damage, "reader", lambda _: memory.read)
    monkeypatch.setattr(damage, "single_pages", lambda *_: iter(memory.pages))
    action = Damage("memfd", box="vm0", fd="ram", **keys)
    return damage.plan_luo(cast(Machine, None), action, 16 * PAGE)


@pytest.mark.parametrize(
    ("keys", "place", "value"),
    [
        ({"field": "seals", "value": 64}, 0x100000 + 16, struct.pack("<I", 64)),
        ({"field": "pfn[3]", "address": "beyond"}, 0x102000 + 48, struct.pack("<Q", FLAGS | 1 << 34)),
        ({"field": "pfn[3]", "like": "pfn[2]"}, 0x102000 + 48, struct.pack("<Q", FLAGS | 0x1002)),
        ({"field": "index[3]", "like": "index[2]"}, 0x102000 + 56, struct.pack("<Q", 2)),
    ],
)
def test_what_is_written_where(
    keys: dict[str, object], place: int, value: bytes, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(memory, monkeypatch, **keys) == [blob.Change(place, value)]


def test_like_what_is_not_there(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(blob.BlobError, match=r"there is no pfn\[16\] in 16 folios"):
        planned(memory, monkeypatch, field="pfn[3]", like="pfn[16]")


def test_a_damage_of_what_is_in_no_box() -> None:
    action = Damage("memfd", field="size", box="vm0", fd="rma", value=1)
    with pytest.raises(HarnessError, match="no fd 'rma' is in box 'vm0'"):
        damage.apply(cast(Machine, None), action, {("vm0", "ram"): 16 * PAGE})


@pytest.mark.parametrize(
    ("field", "value", "now"),
    [
        ("size", 5, 5),
        ("seals", 64, 64),
        ("nr_folios", 301, 301),
        ("pfn[0]", 9, FLAGS | 9),
        ("pfn[255]", 9, FLAGS | 9),
        ("pfn[256]", FLAGS << 1 | 9, FLAGS | 9),
        ("index[299]", 3, 3),
    ],
)
def test_a_field_and_nothing_else_is_changed(memory: Memory, field: str, value: int, now: int) -> None:
    before = {address: bytes(page) for address, page in memory.pages.items()}
    found = find(memory)
    (change,) = luo.change(found, field, value)
    memory.write([change])
    offset, kind = layout.place(layout.LUO_MEMFD, field)
    length = struct.calcsize(kind)
    page, start = change.address & -PAGE, change.address % PAGE
    assert layout.value_at(bytes(memory.pages[page]), (start, kind)) == now
    assert layout.value_at(found.data, (offset, kind)) == layout.value_at(before[page], (start, kind))
    memory.pages[page][start : start + length] = before[page][start : start + length]
    assert memory.pages == {address: bytearray(content) for address, content in before.items()}


def test_a_folio_that_is_not_there(memory: Memory) -> None:
    with pytest.raises(blob.BlobError, match=r"there is no pfn\[300\] in 300 folios"):
        luo.change(find(memory), "pfn[300]", 1)


@pytest.mark.parametrize("lost", [0x201000, 0x202000, 0x204000])
def test_a_record_whose_list_cannot_be_read_is_none(memory: Memory, lost: int) -> None:
    del memory.pages[lost]
    assert luo.read_memfd(memory.read, 0x200000) is None


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (20, b"\1"),
        (24, bytes(8)),
        (24, b"\1\2"),
        (32, bytes(8)),
        (40, bytes(4)),
        (46, b"\1"),
        (48, b"\1"),
        (4095, b"\1"),
    ],
)
def test_what_looks_otherwise_is_no_record(memory: Memory, offset: int, data: bytes) -> None:
    memory.pages[0x200000][offset : offset + len(data)] = data
    assert luo.read_memfd(memory.read, 0x200000) is None
