# SPDX-License-Identifier: GPL-2.0-only
"""File contents that follow from a seed, recomputed here to judge what the guest holds.

A seed gives one stream of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
OOPSLA 2014). Every page of a file begins with its index and the seed, and goes on with a window of the stream
that depends on the index: a page in the wrong place, or of another file, shows. guests/agent/pattern.c is the
same in C.
"""

import functools
import struct
import zlib
from collections.abc import Iterator

PAGE = 4096
CHUNK = 1 << 20
"""One checksum stands for so many bytes."""
_WORDS = 8704
_MASK = (1 << 64) - 1


@functools.lru_cache(maxsize=64)
def _stream(seed: int) -> bytes:
    words = []
    for step in range(1, _WORDS + 1):
        z = (seed + step * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        words.append(z ^ (z >> 31))
    return struct.pack(f"<{_WORDS}Q", *words)


def page(seed: int, index: int) -> bytes:
    """Page index of a file that was filled from seed: 4096 bytes."""
    start = (index * 2654435761) & 0xFFF8
    return struct.pack("<QQ", index, seed) + _stream(seed)[start + 16 : start + PAGE]


def expected(seed: int, offset: int, length: int) -> bytes:
    """The bytes of that file from offset on."""
    first, last = offset // PAGE, (offset + length + PAGE - 1) // PAGE
    whole = b"".join(page(seed, index) for index in range(first, last))
    skip = offset - first * PAGE
    return whole[skip : skip + length]


def chunk_crcs(seed: int, offset: int, length: int) -> Iterator[str]:
    """CRC-32 (zlib's), as 8 hex digits, of each 1 MiB of that range, the last one of what is left."""
    for start in range(offset, offset + length, CHUNK):
        yield f"{zlib.crc32(expected(seed, start, min(CHUNK, offset + length - start))):08x}"
