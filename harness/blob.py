# SPDX-License-Identifier: GPL-2.0-only
"""What FDBox hands to the next kernel, as bytes in physical memory: found, decoded, and damaged on purpose.

Pure: the caller reads and writes the memory. What is decoded may be damaged already, so nothing here
believes it.
"""

import contextlib
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.kho import PAGE, Read, subtree
from harness.layout import BOX_SIZE, ENTRY_SIZE, HEAD, HEAD_SIZE, LINK, ROOT, SUBTREE, Fields, place, text

SUBTREE_NAME = "fdbox"


class BlobError(Exception):
    """There is no such thing in what is handed over."""


@dataclass(frozen=True)
class Change:
    """Bytes to be written into physical memory."""

    address: int
    data: bytes


@dataclass(frozen=True)
class Blob:
    """A chain of pages with a head and data."""

    pages: tuple[int, ...]
    magic: int
    version: int
    length: int
    # All that the pages have room for: more than length bytes.
    room: bytes

    @property
    def address(self) -> int:
        """Where it starts: what others call it by."""
        return self.pages[0]

    @property
    def data(self) -> bytes:
        """What the blob says."""
        return self.room[: self.length]

    def place(self, offset: int) -> int:
        """The physical address of a byte of data."""
        page, skip = divmod(offset + HEAD_SIZE - LINK, PAGE - LINK)
        if page >= len(self.pages):
            raise BlobError(f"byte {offset} is outside a blob of {len(self.pages)} pages")
        return self.pages[page] + LINK + skip

    def write(self, offset: int, data: bytes) -> list[Change]:
        """Put bytes over the data, whatever pages they are on."""
        changes = []
        while data:
            address = self.place(offset)
            part = data[: PAGE - address % PAGE]
            changes.append(Change(address, part))
            data, offset = data[len(part) :], offset + len(part)
        return changes


def read_blob(read: Read, address: int) -> Blob:
    """The blob at an address. Raises BlobError where there is none."""
    pages: list[int] = []
    room, head, following = b"", b"", address
    while following and following not in pages:
        page = read(following, PAGE)
        if len(page) < PAGE:
            break
        pages.append(following)
        room += page[HEAD_SIZE if len(pages) == 1 else LINK :]
        head = head or page[:HEAD_SIZE]
        (following,) = struct.unpack_from("<Q", page)
    if not pages:
        raise BlobError(f"no blob at {address:#x}")
    _, magic, version, length, _, _ = struct.unpack("<QIIQII", head)
    return Blob(tuple(pages), magic, version, length, room)


def checksum(magic: int, version: int, length: int, data: bytes) -> int:
    """What the head must have as checksum: CRC-32 without the final inversion, as the kernel's crc32_le()."""
    return zlib.crc32(data + struct.pack("<IIQ", magic, version, length)) ^ 0xFFFFFFFF


def find_root(read: Read, pages: Iterable[int], content: bytes) -> int:
    """The address of the root: of those pages the one that begins as it does. Raises BlobError."""
    for address in pages:
        if read(address, len(content)) == content:
            return address
    raise BlobError("FDBox' root is not among what is preserved")


def find_fdt(read: Read, pages: Iterable[int]) -> tuple[int, bytes]:
    """KHO's FDT, which has FDBox' subtree, and its address: one of those pages. Raises BlobError."""
    for address in pages:
        with contextlib.suppress(ValueError):
            fdt = read(address, PAGE)
            subtree(fdt, SUBTREE_NAME)
            return address, fdt
    raise BlobError("KHO's FDT is not among what is preserved")


def set_subtree(address: int, fdt: bytes, field: str, value: int | str) -> list[Change]:
    """Change what KHO's FDT, at an address, says of the root: `address` or `size`."""
    place = dict(zip(SUBTREE, subtree(fdt, SUBTREE_NAME), strict=True))[field]
    return [Change(address + place, encode(SUBTREE[field][1], value))]


def find_box(read: Read, directory: Blob, name: str) -> Blob:
    """The box of that name that is handed over. Raises BlobError."""
    found = []
    for (address,) in struct.iter_unpack("<Q", directory.data[8 : len(directory.data) // 8 * 8]):
        with contextlib.suppress(BlobError):
            box = read_blob(read, address)
            found.append(text(box.data[:256]))
            if found[-1] == name:
                return box
    raise BlobError(f"no box '{name}' is handed over, only {', '.join(found) or 'none'}")


def entry(box: Blob, name: str) -> int:
    """The offset of an fd's entry in the data of its box."""
    for offset in range(BOX_SIZE, len(box.data) - ENTRY_SIZE + 1, ENTRY_SIZE):
        if text(box.data[offset : offset + 256]) == name:
            return offset
    raise BlobError(f"no fd '{name}' in the box")


def encode(kind: str, value: int | str) -> bytes:
    """A value as it is stored; text that is too long is cut, and then has no NUL. Raises BlobError."""
    if isinstance(value, str) != kind.endswith("s"):
        raise BlobError(f"{'text' if kind.endswith('s') else 'a number'} is needed, not {value!r}")
    if isinstance(value, str):
        room = struct.calcsize(kind)
        return value.encode()[:room].ljust(room, b"\0")
    try:
        return struct.pack(f"<{kind}", value)
    except struct.error as error:
        raise BlobError(f"{value} does not fit into {struct.calcsize(kind)} bytes") from error


def set_root(address: int, field: str, value: int | str) -> list[Change]:
    """Change a field of the root, which has no checksum."""
    offset, kind = place(ROOT, field)
    return [Change(address + offset, encode(kind, value))]


def set_head(blob: Blob, field: str, value: int | str) -> tuple[Blob, list[Change]]:
    """Change a field of the head of a blob: the blob as it is then, and how to get there."""
    offset, kind = HEAD[field]
    changes = [Change(blob.address + offset, encode(kind, value))]
    match field, value:
        case "magic", int():
            blob = replace(blob, magic=value)
        case "version", int():
            blob = replace(blob, version=value)
        case "length", int():
            blob = replace(blob, length=value)
    return blob, changes


def set_data(
    blob: Blob, base: int, fields: Fields, field: str, value: int | str
) -> tuple[Blob, list[Change]]:
    """Change a field of the record at offset base of a blob's data: the blob as it is then, and how.

    Raises BlobError where its data ends before: nobody would read what was changed.
    """
    offset, kind = place(fields, field)
    data = encode(kind, value)
    if base + offset + len(data) > blob.length:
        raise BlobError(f"there is no {field} in {blob.length} bytes of data")
    room = blob.room[: base + offset] + data + blob.room[base + offset + len(data) :]
    return replace(blob, room=room), blob.write(base + offset, data)


def mend(blob: Blob) -> list[Change]:
    """Make the checksum of a blob right again, whatever it says."""
    right = checksum(blob.magic, blob.version, blob.length, blob.data)
    return set_head(blob, "checksum", right)[1]
