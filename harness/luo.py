# SPDX-License-Identifier: GPL-2.0-only
"""What LUO hands to the next kernel of a memfd, as bytes in physical memory: found, and damaged on purpose.

As "memfd-v2" has it: struct memfd_luo_ser in include/linux/kho/abi/memfd.h (v7.3), its list of folios in a
struct kho_vmalloc of include/linux/kho/abi/kexec_handover.h. Pure: the caller reads and writes the memory.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from harness.blob import BlobError, Change, encode
from harness.kho import PAGE, Read
from harness.layout import LUO_MEMFD, Field, place, value_at

# pos, size, seals, flags, nr_folios; folios: first, total_pages, flags, order. Zeros fill the page.
RECORD = struct.Struct("<2Q2I2QI2H")
FOLIO_SIZE = 16
# What `folios` begins with: where more of it is, then where its pages are.
CHUNK = struct.Struct(f"<{PAGE // 8}Q")
# Above the number of its page frame a folio has flags.
PFN = (1 << 52) - 1


def is_pfn(field: str) -> bool:
    """Whether a field is a number of a page frame: what can have an address."""
    return field.startswith("pfn[")


@dataclass(frozen=True)
class Memfd:
    """The record of a memfd."""

    address: int
    # The pages that list its folios.
    pages: tuple[int, ...]
    # The record, and behind it the list.
    data: bytes

    @property
    def size(self) -> int:
        """Of the memfd, in bytes."""
        return int(RECORD.unpack_from(self.data)[1])

    def place(self, offset: int) -> int:
        """The physical address of a byte of data."""
        if offset < RECORD.size:
            return self.address + offset
        page, skip = divmod(offset - RECORD.size, PAGE)
        return self.pages[page] + skip


def find_memfd(read: Read, pages: Iterable[int], size: int) -> Memfd:
    """The record of the memfd of that size, on one of those pages; BlobError unless just one is."""
    found = [memfd for page in pages if (memfd := read_memfd(read, page)) and memfd.size == size]
    if not found:
        raise BlobError(f"no record of a memfd of {size} bytes: has another damage made it unlike one?")
    if len(found) > 1:
        raise BlobError(f"{len(found)} memfds have {size} bytes: give this one a size of its own")
    return found[0]


def read_memfd(read: Read, address: int) -> Memfd | None:
    """The record on a page, if it looks like one that has folios."""
    page = read(address, PAGE)
    if len(page) < PAGE or any(page[RECORD.size :]):
        return None
    _, _, _, flags, folios, first, total, _, order = RECORD.unpack_from(page)
    listed = -(-folios * FOLIO_SIZE // PAGE)
    if flags or order or not 0 < folios <= total * PAGE // FOLIO_SIZE:
        return None
    pages: list[int] = []
    while first and len(pages) < listed:
        chunk = read(first, PAGE)
        if len(chunk) < PAGE:
            return None
        first, *more = CHUNK.unpack(chunk)
        pages += more
    listing = b"".join(read(page, PAGE) for page in pages[:listed])[: folios * FOLIO_SIZE]
    if len(listing) < folios * FOLIO_SIZE:
        return None
    return Memfd(address, tuple(pages[:listed]), page[: RECORD.size] + listing)


def value_of(memfd: Memfd, field: str) -> int | str:
    """What a field of the record, or of a folio, is. Raises BlobError without such a folio."""
    return value_at(memfd.data, find_field(memfd, field))


def find_field(memfd: Memfd, name: str) -> Field:
    """Where a field is in the data. Raises BlobError without such a folio."""
    offset, kind = place(LUO_MEMFD, name)
    if offset >= len(memfd.data):
        raise BlobError(f"there is no {name} in {(len(memfd.data) - RECORD.size) // FOLIO_SIZE} folios")
    return offset, kind


def change(memfd: Memfd, field: str, value: int | str) -> list[Change]:
    """Change a field of the record, or of a folio; its flags stay. Raises BlobError without such a folio."""
    offset, kind = find_field(memfd, field)
    if is_pfn(field) and isinstance(value, int):
        (now,) = struct.unpack_from("<Q", memfd.data, offset)
        value = now & ~PFN | value & PFN
    return [Change(memfd.place(offset), encode(kind, value))]
