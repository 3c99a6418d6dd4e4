# SPDX-License-Identifier: GPL-2.0-only
"""The little of ELF that identifies a kernel: the GNU build id, as /sys/kernel/notes also has it."""

import struct
from pathlib import Path

from harness.errors import HarnessError

_SHT_NOTE = 7
_NT_GNU_BUILD_ID = 3


def build_id(file: Path) -> str:
    """The GNU build id of a 64-bit little-endian ELF file, in hex. Raises HarnessError when it has none."""
    data = file.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise HarnessError(f"{file} is not a 64-bit ELF file")
    (sections,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    for i in range(count):
        kind, offset, length = struct.unpack_from("<4xI16xQQ", data, sections + i * size)
        if kind == _SHT_NOTE and (found := find_build_id(data[offset : offset + length])):
            return found
    raise HarnessError(f"{file} has no GNU build id")


def find_build_id(notes: bytes) -> str:
    """The GNU build id among ELF notes, in hex; empty when it is not there."""
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        start = at + 12 + (name_size + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[at + 12 : at + 12 + name_size] == b"GNU\0":
            return notes[start : start + size].hex()
        at = start + (size + 3 & ~3)
    return ""
