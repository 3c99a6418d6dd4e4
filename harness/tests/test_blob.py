# SPDX-License-Identifier: GPL-2.0-only
"""What FDBox hands over, built here by hand as kmod/ does it, and damaged."""

import struct

import pytest

from harness import blob, layout
from harness.kho import PAGE
from harness.tests.test_kho import whole_fdt

NAME = struct.Struct("256s")


class Memory:
    """Pages by address."""

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}

    def read(self, address: int, length: int) -> bytes:
        page = self.pages.get(address & -PAGE, bytearray())
        return bytes(page[address % PAGE :][:length])

    def add(self, address: int, magic: int, data: bytes) -> None:
        """A blob on pages from address on, not in a row."""
        step = 2 * PAGE
        right = blob.checksum(magic, 1, len(data), data)
        head = struct.pack("<QIIQII", 0, magic, 1, len(data), right, 0)
        stream = bytes(head + data)
        while True:
            page = bytearray(PAGE)
            page[: len(stream[:PAGE])] = stream[:PAGE]
            self.pages[address] = page
            if len(stream) <= PAGE:
                return
            page[:8] = struct.pack("<Q", address + step)
            stream = bytes(8) + stream[PAGE:]
            address += step

    def write(self, changes: list[blob.Change]) -> None:
        for change in changes:
            page, start = self.pages[change.address & -PAGE], change.address % PAGE
            assert start + len(change.data) <= PAGE
            page[start : start + len(change.data)] = change.data


def entry(name: bytes, data: int) -> bytes:
    return struct.pack("<256s48sQ", name, b"memfd-v1", data)


@pytest.fixture
def memory() -> Memory:
    made = Memory()
    fds = b"".join(entry(b"fd%d" % n, 0x70000 + n) for n in range(30))
    made.add(0x10000, 0x42444246, struct.pack("<256sQ", b"vm0", 30) + fds)
    made.add(0x50000, 0x44444246, struct.pack("<3Q", 2, 0x999000, 0x10000))
    return made


def find(memory: Memory) -> blob.Blob:
    return blob.find_box(memory.read, blob.read_blob(memory.read, 0x50000), "vm0")


def sound(box: blob.Blob, memory: Memory) -> bool:
    stored = layout.value_at(memory.read(box.address, PAGE), layout.HEAD["checksum"])
    return stored == blob.checksum(box.magic, box.version, box.length, box.data)


def test_a_box_is_found_past_one_that_cannot_be_read(memory: Memory) -> None:
    box = find(memory)
    assert box.pages == (0x10000, 0x12000, 0x14000)
    assert layout.value_at(box.data, layout.BOX["nr_fds"]) == 30
    with pytest.raises(blob.BlobError, match="no box 'vm1' is handed over, only vm0"):
        blob.find_box(memory.read, blob.read_blob(memory.read, 0x50000), "vm1")


def test_the_checksum_is_the_kernels() -> None:
    """crc32_le(~0, ...) as kmod/blob.c calls it, computed bit by bit."""
    data = b"fdbox" + struct.pack("<IIQ", 1, 2, 5)
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    assert blob.checksum(1, 2, 5, b"fdbox") == register


@pytest.mark.parametrize("number", [0, 11, 12, 29])
def test_text_over_the_border_of_a_page(memory: Memory, number: int) -> None:
    box = find(memory)
    assert sound(box, memory)
    base = blob.entry(box, f"fd{number}")
    after, changes = blob.set_data(box, base, layout.ENTRY, "name", "x" * 300)
    memory.write(changes)
    assert not sound(find(memory), memory)
    memory.write(blob.mend(after))
    damaged = find(memory)
    assert sound(damaged, memory)
    assert damaged.data[base : base + 256] == b"x" * 256
    assert damaged.data[:base] == box.data[:base]
    assert damaged.data[base + 256 :] == box.data[base + 256 :]


@pytest.mark.parametrize(("field", "value"), [("magic", 7), ("version", 2), ("length", 300)])
def test_the_head_with_its_checksum(memory: Memory, field: str, value: int) -> None:
    after, changes = blob.set_head(find(memory), field, value)
    memory.write(changes + blob.mend(after))
    damaged = find(memory)
    assert getattr(damaged, field) == value
    assert sound(damaged, memory)


def test_a_loop_ends(memory: Memory) -> None:
    memory.write(blob.set_head(find(memory), "next", 0x10000)[1])
    assert find(memory).pages == (0x10000,)


def test_values_of_the_wrong_kind() -> None:
    with pytest.raises(blob.BlobError, match="text is needed, not 7"):
        blob.encode("256s", 7)
    with pytest.raises(blob.BlobError, match="a number is needed, not 'x'"):
        blob.encode("Q", "x")

    with pytest.raises(blob.BlobError, match="-1 does not fit into 4 bytes"):
        blob.encode("I", -1)


def test_a_field_beyond_the_data_is_refused(memory: Memory) -> None:
    """Nobody would read it: a damage that damages nothing."""
    box = find(memory)
    with pytest.raises(blob.BlobError, match=f"there is no data in {box.length} bytes"):
        blob.set_data(box, box.length - 8, layout.ENTRY, "data", 0)


def test_the_root_is_among_what_is_preserved(memory: Memory) -> None:
    content = struct.pack("<IIQ", 0x52444246, 1, 0x50000)
    memory.pages[0x80000] = bytearray(content + bytes(100))
    assert blob.find_root(memory.read, [0x10000, 0x80000], content) == 0x80000
    with pytest.raises(blob.BlobError, match="not among"):
        blob.find_root(memory.read, [0x10000], content)


def test_the_fdt_is_among_what_is_preserved(memory: Memory) -> None:
    """LUO hands over an FDT too: it has no such node."""
    for address, text in ((0x80000, whole_fdt("session")), (0x90000, whole_fdt("LUO", "fdbox"))):
        memory.pages[address] = bytearray(text.ljust(PAGE, b"\0"))
    address, fdt = blob.find_fdt(memory.read, [0x10000, 0x80000, 0x90000])
    assert address == 0x90000
    memory.write(blob.set_subtree(address, fdt, "size", 7) + blob.set_subtree(address, fdt, "address", 9))
    assert bytes(memory.pages[0x90000]).count(struct.pack("<Q", 7)) == 1
    assert bytes(memory.pages[0x90000]).count(struct.pack("<Q", 9)) == 1
    with pytest.raises(blob.BlobError, match="KHO's FDT is not among"):
        blob.find_fdt(memory.read, [0x10000, 0x80000])
