# SPDX-License-Identifier: GPL-2.0-only
"""What Kexec Handover would carry: its notes in physical memory, decoded. Pure: the caller reads the memory.

Tables on five levels, below them bitmaps: "kho-v4" in include/linux/kho/abi/kexec_handover.h.
"""

import struct
from collections.abc import Callable, Iterator

PAGE_SHIFT = 12
PAGE = 1 << PAGE_SHIFT
LEVELS, TABLE_BITS, BITMAP_BITS, KEY_BITS = 5, 9, 15, 64
# Tokens of a flattened device tree.
BEGIN_NODE, END_NODE, PROPERTY = 1, 2, 3
# What KHO says of a subtree.
PROPERTIES = ("preserved-data", "blob-size")

# Bytes of physical memory; fewer than asked for where there is no memory.
Read = Callable[[int, int], bytes]
# The address and the order of a folio.
Folio = tuple[int, int]


def memory_map(fdt: bytes) -> int:
    """The address of the topmost table, from the FDT that debugfs shows.

    It shows only as much as there was at first, without the names of properties: it is the one of 8 bytes in
    the root node. Raises ValueError.
    """
    try:
        magic, _, at = struct.unpack_from(">3I", fdt)
        (token,) = struct.unpack_from(">I", fdt, at)
        at += 8  # with the empty name of the root node
        while magic == 0xD00DFEED and token in {BEGIN_NODE, PROPERTY}:
            token, size, _ = struct.unpack_from(">3I", fdt, at)
            if token == PROPERTY and size == 8:
                # The kernel stores it in its own byte order.
                return int.from_bytes(fdt[at + 12 : at + 20], "little")
            at += 12 + (size + 3) // 4 * 4
    except struct.error:
        pass
    raise ValueError("KHO's FDT does not say where it notes what it carries")


def subtree(fdt: bytes, name: str) -> tuple[int, int]:
    """Where in KHO's FDT the address and the size of a subtree are. Raises ValueError without it."""
    places: dict[str, int] = {}
    path: list[str] = []
    try:
        magic, _, at, strings = struct.unpack_from(">4I", fdt)
        (token,) = struct.unpack_from(">I", fdt, at)
        while magic == 0xD00DFEED and token in {BEGIN_NODE, END_NODE, PROPERTY}:
            at += 4
            if token == BEGIN_NODE:
                path.append(c_string(fdt, at))
                at += len(path[-1]) // 4 * 4 + 4
            elif token == END_NODE:
                path.pop()
            else:
                size, key = struct.unpack_from(">2I", fdt, at)
                if path == ["", name]:
                    places[c_string(fdt, strings + key)] = at + 8
                at += 8 + (size + 3) // 4 * 4
            (token,) = struct.unpack_from(">I", fdt, at)
        address, length = (places[key] for key in PROPERTIES)
    except (struct.error, KeyError, IndexError):
        raise ValueError(f"KHO's FDT has no subtree '{name}'") from None
    return address, length


def c_string(data: bytes, at: int) -> str:
    """The text that begins there."""
    return data[at:].partition(b"\0")[0].decode("ascii", "replace")


def preserved(read: Read, fdt: bytes) -> Iterator[Folio]:
    """All folios that would be carried."""
    for key in walk(read, memory_map(fdt), LEVELS, 0):
        # The highest bit says the order, what is below it the number of the folio.
        highest = key.bit_length() - 1
        order = KEY_BITS - PAGE_SHIFT - highest
        yield (key ^ 1 << highest) << PAGE_SHIFT + order, order


def walk(read: Read, address: int, level: int, key: int) -> Iterator[int]:
    """The keys below a table, or in a bitmap; key: what is known of them already."""
    page = read(address, PAGE)
    if level == 0:
        for place, byte in enumerate(page):
            yield from (key | place * 8 + bit for bit in range(8) if byte >> bit & 1)
        return
    shift = (level - 1) * TABLE_BITS + BITMAP_BITS
    for place, (below,) in enumerate(struct.iter_unpack("<Q", page)):
        if below:
            yield from walk(read, below, level - 1, key | place << shift)
