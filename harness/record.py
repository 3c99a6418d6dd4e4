# SPDX-License-Identifier: GPL-2.0-only
"""What the host remembers of every fd: the guest is the thing under test and is never asked to remember."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from harness.contents import Contents
from harness.kinds import KINDS, Carrier, Kind
from harness.pattern import PAGE


class Property(StrEnum):
    """What an fd is, besides its contents. Each is judged by itself."""

    SIZE = "size"
    POSITION = "position"
    ACCESS = "access mode"
    STATUS = "status flags"
    MODE = "mode"
    OWNER = "owner"
    SEALS = "seals"
    HOLES = "holes"
    # As /proc/PID/fd shows it.
    NAME = "name"
    # What mmap(2) and mprotect(2) allow.
    MAPPINGS = "mapping behaviour"
    # What /proc/PID/fd says that it is.
    TYPE = "type"
    # Whether the host can map a guest_memfd, and read what is in it.
    ACCESSIBLE = "accessibility"
    # Of a device: what VFIO says about it, and what it says itself.
    INFORMATION = "information"
    GENERATION = "generation counter"
    CONTROL = "control register"
    REGISTERS = "registers"
    BUFFERS = "buffers"


MEMFD = frozenset(
    {
        *(Property.SIZE, Property.POSITION, Property.ACCESS, Property.STATUS),
        *(Property.MODE, Property.OWNER, Property.SEALS, Property.HOLES),
        *(Property.NAME, Property.MAPPINGS),
    }
)
GUEST_MEMFD = frozenset(
    {Property.SIZE, Property.HOLES, Property.TYPE, Property.ACCESSIBLE, Property.MAPPINGS}
)
VFIO_MOCK = frozenset(
    {
        *(Property.TYPE, Property.INFORMATION, Property.GENERATION),
        *(Property.CONTROL, Property.REGISTERS, Property.BUFFERS),
    }
)
# What each carrier promises to keep of each kind, besides contents; of a kind that is not here, nothing.
# fdbox: docs/fdbox.md. luo: the head of mm/memfd_luo.c in the tree. Holes are filled; name, mode, owner and
# status flags are reset. "File Status Flags: memfds are always opened with O_RDWR and O_LARGEFILE. This
# property is maintained" says of these only the access mode. How a memfd can be mapped follows from access
# mode and seals, which are kept.
PROMISES: Mapping[tuple[Kind, Carrier], frozenset[Property]] = MappingProxyType(
    {
        (Kind.MEMFD, Carrier.FDBOX): MEMFD,
        (Kind.MEMFD, Carrier.LUO): frozenset(
            {Property.SIZE, Property.POSITION, Property.ACCESS, Property.SEALS, Property.MAPPINGS},
        ),
    }
    | {(Kind.VM, carrier): frozenset({Property.TYPE}) for carrier in Carrier}
    | {(Kind.GUEST_MEMFD, carrier): GUEST_MEMFD for carrier in Carrier}
    | {(Kind.VFIO_MOCK, carrier): VFIO_MOCK for carrier in Carrier}
)


# What belongs to the file, whichever fd of it is asked; how it can be mapped depends on the open() too.
OF_FILE = frozenset(
    {Property.SIZE, Property.MODE, Property.OWNER, Property.SEALS, Property.HOLES, Property.NAME}
)


@dataclass(frozen=True)
class Run:
    """Pages that follow each other in the file and in memory: first index, first page frame, how many."""

    index: int
    pfn: int
    count: int


@dataclass(frozen=True)
class GuestState:
    """The guest of a virtual machine when it was run last."""

    # Name of the virtual machine for the agent, when it was started or resumed, and when that was.
    vm: str
    generation: int
    # Its counter, and the state of its CPU in the agent's words.
    counter: int
    state: str


@dataclass(frozen=True)
class Dma:
    """Memory that a device writes into: which fd it was given as, and where."""

    buffer: str
    offset: int
    length: int
    iova: int


@dataclass(frozen=True)
class Record:
    """One fd: what was written into it, what it was like, and where its memory was."""

    name: str
    kind: Kind
    contents: Contents = field(default_factory=Contents)
    # As they were when the host last looked, which is before it went into a box.
    properties: Mapping[Property, object] = field(default_factory=dict)
    frames: tuple[Run, ...] = ()
    # The generation in which the host last looked.
    generation: int = 0
    # It has been in a box and came out, and nobody has verified it since.
    unverified: bool = False
    # The process that holds it; None: the first one.
    process: str | None = None
    # It is open for writing only, so that it has to be opened once more to be looked at.
    write_only: bool = False
    # Of a guest_memfd: whether the host can read it.
    readable: bool = True
    # Of a virtual machine.
    guest: GuestState | None = None
    # Of a device: the memory that it was given, and its counter when the host last looked.
    dma: tuple[Dma, ...] = ()
    counter: int = 0
    # Of a device: VFIO says nothing about one that no iommufd is bound to.
    bound: bool = False
    # Which file it is, and which open() of that: fds that `dup` made have both in common.
    file: int = 0
    opened: int = 0

    def seen(
        self,
        properties: Mapping[Property, object],
        generation: int,
        frames: tuple[Run, ...] = (),
        counter: int = 0,
    ) -> "Record":
        """The same fd after another look."""
        return replace(self, properties=properties, frames=frames, generation=generation, counter=counter)

    def follow(self, other: "Record") -> "Record":
        """The same fd, of which the file was changed by another fd, as that one is now.

        What belongs to an open() alone, as the position, follows another fd of the same open() only.
        """
        same = OF_FILE if other.opened != self.opened else frozenset(Property)
        properties = {name: (other if name in same else self).properties[name] for name in self.properties}
        return replace(self, contents=other.contents, properties=properties, frames=other.frames)

    @property
    def has_contents(self) -> bool:
        """Whether there are contents that can be looked at."""
        return KINDS[self.kind].memory and self.readable

    @property
    def visible(self) -> bool:
        """Whether it can be looked at."""
        return self.kind is not Kind.VFIO_MOCK or self.bound

    @property
    def whole(self) -> bool:
        """Whether the frames are those of every page that was written."""
        indices = {run.index + n for run in self.frames for n in range(run.count)}
        return self.contents.pages() <= indices


def pages(size: int) -> int:
    """How many pages so many bytes take."""
    return -(-size // PAGE)
