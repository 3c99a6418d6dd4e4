# SPDX-License-Identifier: GPL-2.0-only
"""What FDBox hands to the next kernel, as bytes in physical memory: found, decoded, and damaged on purpose.

The layout is that of kmod/ (fdbox.h, blob.c, memfd_ser.c, vfio_mock.h, gmem.c, gmem_vm.c), described in
docs/fdbox.md. Pure: the caller reads and writes the memory. What is decoded may be damaged already, so
nothing here believes it.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from harness.kho import PAGE, Read

# Where a field is, and what: "Q" and "I" are numbers as struct has them, "256s" is text.
Field = tuple[int, str]
Fields = Mapping[str, Field]

# A page of a blob: the address of the next one, then data. The first page has the rest of the head in front.
LINK = 8
HEAD_SIZE = 32
HEAD: Fields = MappingProxyType(
    {
        "next": (0, "Q"),
        "magic": (8, "I"),
        "version": (12, "I"),
        "length": (16, "Q"),
        "checksum": (24, "I"),
        "reserved": (28, "I"),
    }
)
ROOT: Fields = MappingProxyType({"magic": (0, "I"), "version": (4, "I"), "directory": (8, "Q")})
DIRECTORY: Fields = MappingProxyType({"count": (0, "Q"), "boxes[]": (8, "Q")})
BOX: Fields = MappingProxyType({"name": (0, "256s"), "nr_fds": (256, "Q")})
BOX_SIZE = 264
ENTRY: Fields = MappingProxyType({"name": (0, "256s"), "kind": (256, "48s"), "data": (304, "Q")})
ENTRY_SIZE = 312
MEMFD: Fields = MappingProxyType(
    {
        "name": (0, "256s"),
        "size": (256, "Q"),
        "position": (264, "Q"),
        "flags": (272, "I"),
        "seals": (276, "I"),
        "mode": (280, "I"),
        "uid": (284, "I"),
        "gid": (288, "I"),
        "reserved": (292, "I"),
        "nr_folios": (296, "Q"),
        "phys[]": (304, "Q"),
        "index[]": (312, "Q"),
    }
)
DEVICE: Fields = MappingProxyType(
    {
        "number": (0, "I"),
        "flags": (4, "I"),
        "generation": (8, "I"),
        "control": (12, "I"),
        "irq_every": (16, "I"),
        "nr_buffers": (20, "I"),
        "counter": (24, "Q"),
        "scratch[]": (32, "I"),
        "iova[]": (96, "Q"),
        "token[]": (104, "Q"),
        "offset[]": (112, "Q"),
        "length[]": (120, "Q"),
    }
)
VM: Fields = MappingProxyType({"type": (0, "Q")})
MEMORY: Fields = MappingProxyType(
    {
        "vm": (0, "Q"),
        "size": (8, "Q"),
        "flags": (16, "Q"),
        "nr_folios": (24, "Q"),
        "phys[]": (32, "Q"),
        "index[]": (40, "Q"),
    }
)
# From one element of an array to the next.
STRIDES: Mapping[str, int] = MappingProxyType(
    {"boxes[]": 8, "phys[]": 16, "index[]": 16, "scratch[]": 4}
    | dict.fromkeys(("iova[]", "token[]", "offset[]", "length[]"), 32)
)
INDEX = re.compile(r"\[([0-9]+)\]$")


# What can be damaged: the fields of its record. What is a blob of its own has those of HEAD besides.
OWN: Mapping[str, Fields] = MappingProxyType(
    {"root": ROOT, "directory": DIRECTORY, "box": BOX, "entry": ENTRY}
    | {"fd": MEMFD, "device": DEVICE, "vm": VM, "memory": MEMORY}
)
# What handlers wrote, and with it what there is of each fd.
WRITTEN = frozenset({"fd", "device", "vm", "memory"})
OF_FDS = WRITTEN | {"entry"}
BLOBS = WRITTEN | {"directory", "box"}


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


def text(data: bytes) -> str:
    """A name as it is stored."""
    return data.partition(b"\0")[0].decode("utf-8", "replace")


def value_at(data: bytes, field: Field) -> int | str:
    """What a field is."""
    offset, kind = field
    (value,) = struct.unpack_from(f"<{kind}", data, offset)
    return text(value) if isinstance(value, bytes) else int(value)


def has(fields: Fields, field: str) -> bool:
    """Whether a record has a field of that name."""
    return INDEX.sub("[]", field) in fields


def known(part: str, field: str) -> bool:
    """Whether a part has a field of that name."""
    return has(OWN[part], field) or (part in BLOBS and has(HEAD, field))


def place(fields: Fields, field: str) -> Field:
    """Where a field of a record is: `size`, `phys[3]`."""
    index = INDEX.search(field)
    key = INDEX.sub("[]", field)
    offset, kind = fields[key]
    return offset + int(index[1]) * STRIDES[key] if index else offset, kind


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
