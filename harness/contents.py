# SPDX-License-Identifier: GPL-2.0-only
"""What must be in a file, as the host knows it from what was done to the file."""

import zlib
from dataclasses import dataclass, replace

from harness import pattern
from harness.pattern import CHUNK, PAGE


@dataclass(frozen=True)
class Piece:
    """Part of a file, and the seed of the pattern in it; None: zeros, without memory of their own."""

    offset: int
    length: int
    seed: int | None

    def read(self, offset: int, length: int) -> bytes:
        """What is in it from an offset of the file on."""
        return bytes(length) if self.seed is None else pattern.expected(self.seed, offset, length)


@dataclass(frozen=True)
class Touched:
    """Part of a file that somebody else writes: of every page in it the first bytes, so many."""

    offset: int
    length: int
    head: int


@dataclass(frozen=True)
class Contents:
    """The contents of a file; later pieces cover earlier ones."""

    size: int = 0
    pieces: tuple[Piece, ...] = ()
    # What is not known, because a device or a guest writes it.
    touched: tuple[Touched, ...] = ()

    def write(self, offset: int, length: int, seed: int | None) -> "Contents":
        """The contents after part of them was written, or, with the seed None, punched out."""
        return replace(self, pieces=(*self.pieces, Piece(offset, length, seed)))

    def truncate(self, size: int) -> "Contents":
        """The contents after the file's size was changed."""
        longest = max(size, self.size)
        cut = self.write(size, -(-longest // PAGE) * PAGE - size, None)
        return replace(cut, size=size)

    def touch(self, offset: int, length: int, head: int) -> "Contents":
        """The contents when somebody else writes into them from now on."""
        return replace(self, touched=tuple(dict.fromkeys((*self.touched, Touched(offset, length, head)))))

    def pages(self) -> set[int]:
        """The indices of the pages that were written: these have memory."""
        found: set[int] = set()
        for piece in self.pieces:
            first, end = piece.offset, min(piece.offset + piece.length, -(-self.size // PAGE) * PAGE)
            if piece.seed is None:
                found -= set(range(-(-first // PAGE), end // PAGE))
            elif first < end:
                found |= set(range(first // PAGE, -(-end // PAGE)))
        return found

    def read(self, offset: int, length: int) -> bytes:
        """What must be there from offset on: the contents, and zeros behind the file's end."""
        data = bytearray(length)
        for piece in self.pieces:
            start, end = max(offset, piece.offset), min(offset + length, piece.offset + piece.length)
            end = min(end, self.size)
            if start < end:
                data[start - offset : end - offset] = piece.read(start, end - start)
        return bytes(data)

    def masked(self, offset: int, data: bytes) -> bytes:
        """Data of the file with zeros for everything that somebody else writes; offset: of its first page."""
        if not self.touched:
            return data
        found = bytearray(data)
        for part in self.touched:
            first = max(part.offset, offset)
            for page in range(first - first % PAGE, min(part.offset + part.length, offset + len(data)), PAGE):
                at = page - offset
                found[at : at + part.head] = bytes(len(found[at : at + part.head]))
        return bytes(found)

    def is_touched(self, offset: int, length: int) -> bool:
        """Whether somebody else writes into that part."""
        return any(t.offset < offset + length and offset < t.offset + t.length for t in self.touched)

    def digest(self) -> list[str]:
        """The CRC-32 of each MiB, as the agent's `digest` reports it."""
        starts = range(0, self.size, CHUNK)
        return [f"{zlib.crc32(self.read(at, min(CHUNK, self.size - at))):08x}" for at in starts]

    def __str__(self) -> str:
        """Say what they are, in words."""
        seeds = list(dict.fromkeys(piece.seed for piece in self.pieces if piece.seed is not None))
        if not seeds or not self.size:
            text = f"{size(self.size)} of zeros"
        elif len(self.pieces) == 1:
            text = f"{size(self.size)} of the pattern of seed {seeds[0]}"
        else:
            text = f"{size(self.size)} in {len(self.pieces)} pieces of the seeds {', '.join(map(str, seeds))}"
        left_out = sum(-(-part.length // PAGE) * part.head for part in self.touched)
        return text + (f", without the {left_out} bytes that are written meanwhile" if left_out else "")


def size(count: int) -> str:
    """Bytes for people: '16 MiB', '4097 bytes'."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"
