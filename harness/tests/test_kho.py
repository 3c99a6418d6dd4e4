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


@pytest.mark.parametrize("text", [b"", bytes(100), fdt(1)[:80], fdt(1).replace(b"\xd0\x0d", b"\0\0")])
def test_what_is_no_fdt(text: bytes) -> None:
    with pytest.raises(ValueError, match="KHO's FDT"):
        kho.memory_map(text)
