# SPDX-License-Identifier: GPL-2.0-only
"""KHO's notes, built here by hand as kho_radix_add_key() does it."""

import struct

import pytest

from harness import kho

ROOT = 0x7000


class Notes:
    """Pages by address; a new one for each table."""

    def __init__(self) -> None:
        self.pages = {ROOT: bytearray(kho.PAGE)}

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.pages[address][:length])

    def add(self, phys: int, order: int) -> None:
        key = 1 << (64 - kho.PAGE_SHIFT - order) | phys >> (kho.PAGE_SHIFT + order)
        node = ROOT
        for level in range(kho.LEVELS, 0, -1):
            index = key >> ((level - 1) * 9 + 15) & 511
            (below,) = struct.unpack_from("<Q", self.pages[node], index * 8)
            if not below:
                below = 0x100000 + len(self.pages) * kho.PAGE
                self.pages[below] = bytearray(kho.PAGE)
                struct.pack_into("<Q", self.pages[node], index * 8, below)
            node = below
        bit = key % (1 << 15)
        self.pages[node][bit // 8] |= 1 << bit % 8


def fdt(address: int) -> bytes:
    """As debugfs shows it: cut off in the middle of a node."""
    structure = struct.pack(">2I", 1, 0)
    structure += struct.pack(">3I", 3, 7, 0) + b"kho-v4\0\0"
    structure += struct.pack(">3I", 3, 8, 11) + struct.pack("<Q", address)
    return struct.pack(">4I", 0xD00DFEED, 400, 56, 300) + bytes(40) + structure + struct.pack(">I", 1) + b"LU"


def test_all_folios_and_no_others() -> None:
    folios = {(0x1000, 0), (0x2000, 0), (0xFFFFF000, 0), (0x40000000, 9), (0x200000, 9), (0x7FFFFFFFE000, 1)}
    notes = Notes()
    for folio in folios:
        notes.add(*folio)
    assert set(kho.preserved(notes.read, fdt(ROOT))) == folios


def test_nothing() -> None:
    assert list(kho.preserved(Notes().read, fdt(ROOT))) == []


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def whole_fdt(*nodes: str) -> bytes:
    """As KHO hands it over: a node for each subtree."""
    strings = b"compatible\0preserved-data\0blob-size\0"
    structure = struct.pack(">2I", 1, 0) + struct.pack(">3I", 3, 7, 0) + b"kho-v4\0\0"
    for number, node in enumerate(nodes):
        structure += struct.pack(">I", 1) + padded(node.encode() + b"\0")
        structure += struct.pack(">3I", 3, 8, 11) + struct.pack("<Q", 0x1000 * number)
        structure += struct.pack(">3I", 3, 8, 26) + struct.pack("<Q", 16 + number) + struct.pack(">I", 2)
    structure += struct.pack(">2I", 2, 9)
    head = struct.pack(">4I", 0xD00DFEED, 40 + len(structure) + len(strings), 40, 40 + len(structure))
    return head + bytes(24) + structure + strings


@pytest.mark.parametrize("number", [0, 1, 2])
def test_where_the_fdt_has_a_subtree(number: int) -> None:
    names = ["LUO", "fdbox", "kexec-metadata"]
    text = whole_fdt(*names)
    address, size = kho.subtree(text, names[number])
    assert struct.unpack_from("<Q", text, address) == (0x1000 * number,)
    assert struct.unpack_from("<Q", text, size) == (16 + number,)


@pytest.mark.parametrize("text", [b"", bytes(4096), whole_fdt(), whole_fdt("LUO"), whole_fdt("fdbox")[:90]])
def test_a_subtree_that_is_not_there(text: bytes) -> None:
    with pytest.raises(ValueError, match="no subtree 'fdbox'"):
        kho.subtree(text, "fdbox")


@pytest.mark.parametrize("text", [b"", bytes(100), fdt(1)[:80], fdt(1).replace(b"\xd0\x0d", b"\0\0")])
def test_what_is_no_fdt(text: bytes) -> None:
    with pytest.raises(ValueError, match="KHO's FDT"):
        kho.memory_map(text)
