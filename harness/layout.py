# SPDX-License-Identifier: GPL-2.0-only
"""The layout of what is handed to the next kernel: where each field of each record is.

By FDBox: as kmod/ has it (fdbox.h, blob.c, memfd_ser.c, vfio_mock.h, gmem.c, gmem_vm.c), described in
docs/fdbox.md. By LUO, of a memfd: see luo.py.
"""

import re
import struct
from collections.abc import Mapping
from types import MappingProxyType

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
# Not a record: the properties of the root in KHO's FDT, wherever they are there.
SUBTREE: Fields = MappingProxyType({"address": (0, "Q"), "size": (8, "Q")})
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
# LUO's, as luo.Memfd has it, with the list of folios behind it. No position: the jump writes that once more.
LUO_MEMFD: Fields = MappingProxyType(
    {
        "size": (8, "Q"),
        "seals": (16, "I"),
        "flags": (20, "I"),
        "nr_folios": (24, "Q"),
        "pfn[]": (48, "Q"),
        "index[]": (56, "Q"),
    }
)
# From one element of an array to the next.
STRIDES: Mapping[str, int] = MappingProxyType(
    {"boxes[]": 8, "phys[]": 16, "pfn[]": 16, "index[]": 16, "scratch[]": 4}
    | dict.fromkeys(("iova[]", "token[]", "offset[]", "length[]"), 32)
)
INDEX = re.compile(r"\[([0-9]+)\]$")
# What can be damaged: the fields of its record. What is a blob of its own has those of HEAD besides.
OWN: Mapping[str, Fields] = MappingProxyType(
    {"subtree": SUBTREE, "root": ROOT, "directory": DIRECTORY, "box": BOX, "entry": ENTRY}
    | {"fd": MEMFD, "device": DEVICE, "vm": VM, "memory": MEMORY, "memfd": LUO_MEMFD}
)
# What handlers wrote, and with it what there is of each fd.
WRITTEN = frozenset({"fd", "device", "vm", "memory"})
# LUO hands this over, FDBox all else.
OF_LUO = frozenset({"memfd"})
OF_FDS = WRITTEN | OF_LUO | {"entry"}
BLOBS = WRITTEN | {"directory", "box"}


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
