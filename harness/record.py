# SPDX-License-Identifier: GPL-2.0-only
"""What the host remembers of every fd: the guest is the thing under test and is never asked to remember."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from harness import pattern
from harness.kinds import Carrier

PAGE = 4096
O_ACCMODE = 0o3
O_APPEND = 0o2000


class Property(StrEnum):
    """What an fd is, besides its contents. Each is judged by itself."""

    SIZE = "size"
    POSITION = "position"
    ACCESS = "access mode"
    APPEND = "O_APPEND"
    MODE = "mode"
    OWNER = "owner"
    SEALS = "seals"
    HOLES = "holes"


# What each carrier promises to keep of each kind, besides contents. fdbox: docs/fdbox.md. luo: in the tree,
# Documentation/mm/memfd_preservation.rst; holes are filled, mode, owner and status flags are not kept.
PROMISES: Mapping[tuple[str, Carrier], frozenset[Property]] = MappingProxyType(
    {
        ("memfd", Carrier.FDBOX): frozenset(Property),
        ("memfd", Carrier.LUO): frozenset({Property.SIZE, Property.POSITION, Property.SEALS}),
    }
)


@dataclass(frozen=True)
class Run:
    """Pages that follow each other in the file and in memory: first index, first page frame, how many."""

    index: int
    pfn: int
    count: int


@dataclass(frozen=True)
class Record:
    """One fd: what was written into it, what it was like, and where its memory was."""

    name: str
    kind: str
    size: int
    # Seed of the pattern in it; None: it was never written.
    seed: int | None
    # As they were when the host last looked, which is before it went into a box.
    properties: Mapping[Property, object] = field(default_factory=dict)
    frames: tuple[Run, ...] = ()
    # The generation in which the host last looked.
    generation: int = 0
    # It has been in a box and came out, and nobody has verified it since.
    unverified: bool = False

    def seen(
        self, properties: Mapping[Property, object], frames: tuple[Run, ...], generation: int
    ) -> "Record":
        """The same fd after another look."""
        return replace(self, properties=properties, frames=frames, generation=generation)

    @property
    def whole(self) -> bool:
        """Whether the frames are those of every page; a file that was written has no hole."""
        indices = [run.index + n for run in self.frames for n in range(run.count)]
        return self.seed is None or indices == list(range(-(-self.size // PAGE)))

    def pages(self, offset: int, length: int) -> bytes:
        """What memory must hold from offset on: the contents, and zeros behind the file's end."""
        inside = max(0, min(length, self.size - offset))
        contents = bytes(inside) if self.seed is None else pattern.expected(self.seed, offset, inside)
        return contents.ljust(length, b"\0")

    def digest(self) -> list[str]:
        """The CRC-32 of each MiB, as the agent's `digest` reports it."""
        if self.seed is not None:
            return list(pattern.chunk_crcs(self.seed, 0, self.size))
        chunks = range(0, self.size, pattern.CHUNK)
        return [f"{zlib.crc32(bytes(min(pattern.CHUNK, self.size - at))):08x}" for at in chunks]


def properties(stat: Mapping[str, Any], extents: Mapping[str, Any]) -> dict[Property, object]:
    """The properties in the agent's replies to `stat` and `extents`."""
    return {
        Property.SIZE: stat["size"],
        Property.POSITION: stat["pos"],
        Property.ACCESS: ("O_RDONLY", "O_WRONLY", "O_RDWR")[stat["flags"] & O_ACCMODE],
        Property.APPEND: bool(stat["flags"] & O_APPEND),
        Property.MODE: f"{stat['mode'] & 0o7777:04o}",
        Property.OWNER: f"{stat['uid']}:{stat['gid']}",
        Property.SEALS: stat["seals"],
        Property.HOLES: [list(extent) for extent in extents["data"]],
    }


def runs(pages: Mapping[str, Any]) -> tuple[Run, ...]:
    """The page frames in the agent's reply to `pages`."""
    return tuple(Run(*run) for run in pages["runs"])
