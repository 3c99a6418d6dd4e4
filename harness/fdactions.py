# SPDX-License-Identifier: GPL-2.0-only
"""What a step can do to a single fd, as data: open it, change it, use it, look at it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from harness.kinds import Kind
from harness.scalars import FdName, Mode, OneOrMore, Owner, Size, Strictly, Text, Whole

Access = Literal["O_RDONLY", "O_WRONLY", "O_RDWR"]
SealName = Literal["SEAL", "SHRINK", "GROW", "WRITE", "FUTURE_WRITE", "EXEC"]
StatusFlag = Literal["O_APPEND", "O_NONBLOCK", "O_NOATIME"]
Seed = Annotated[Whole, Field(ge=0, lt=1 << 64)]


class Use(Strictly):
    """Base of what is done with open fds that leaves them open."""


@dataclass(frozen=True)
class Fill(Strictly):
    """What is written into an fd's memory."""

    seed: Annotated[
        Seed,
        Field(description="Seed of the pattern that fills the whole file; no two pages of it are equal."),
    ]


@dataclass(frozen=True)
class Open(Strictly):
    """Create a file, fill its memory, and hold it open under a name."""

    fd: Annotated[FdName, Field(description="Name by which later steps speak of the fd.")]
    size: Annotated[
        Size | None, Field(description="Size of the file in bytes, or with K, M, G: 4096, 16M, 2M+1.")
    ] = None
    kind: Annotated[Kind, Field(description="Kind of file: see kinds of files.")] = Kind.MEMFD
    fill: Annotated[
        Fill | None,
        Field(description="What to write into it; without it the file is one hole, which reads as zeros."),
    ] = None
    flags: Annotated[
        tuple[Text, ...] | None,
        OneOrMore,
        Field(description="Flags of the call that creates it; what is usual for the kind if left out."),
    ] = None
    vm: Annotated[
        FdName | None, Field(description="Name of the open fd of the virtual machine that it belongs to.")
    ] = None
    device: Annotated[
        Whole | None, Field(ge=0, description="Number N of the device /dev/vfio/devices/vfioN.")
    ] = None
    path: Annotated[Text | None, Field(description="Path of the file in the guest.")] = None
    access: Annotated[
        Access | None, Field(description="What the file is opened for: O_RDONLY, O_WRONLY or O_RDWR.")
    ] = None


@dataclass(frozen=True)
class Span(Strictly):
    """Part of a file."""

    offset: Annotated[Size, Field(description="Where it begins, in bytes, or with K, M, G.")]
    length: Annotated[Size, Field(description="How long it is, in bytes, or with K, M, G.")]


@dataclass(frozen=True)
class Write(Strictly):
    """Part of a file, and what is written into it."""

    offset: Annotated[Size, Field(description="Where it begins, in bytes, or with K, M, G.")]
    length: Annotated[Size, Field(description="How long it is, in bytes, or with K, M, G.")]
    seed: Annotated[Seed, Field(description="Seed of the pattern that it becomes part of.")]


@dataclass(frozen=True)
class Change(Use):
    """Change an open file, in this order; the host's record of it follows."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]
    truncate: Annotated[Size | None, Field(description="Its new size in bytes, or with K, M, G.")] = None
    allocate: Annotated[
        Span | None, Field(description="Part that gets memory, as {offset: 1M, length: 64K}.")
    ] = None
    write: Annotated[
        Write | None, Field(description="Part that is written, as {offset: 0, length: 4K, seed: 3}.")
    ] = None
    punch: Annotated[
        Span | None, Field(description="Part that becomes a hole, as {offset: 0, length: 4K}.")
    ] = None
    mode: Annotated[Mode | None, Field(description="Its permissions, as 0o640.")] = None
    owner: Annotated[Owner | None, Field(description="Its user and group, as 1000:1000.")] = None
    seals: Annotated[
        tuple[SealName, ...] | None, OneOrMore, Field(description="Seals that are added: WRITE, GROW, ...")
    ] = None
    access: Annotated[
        Access | None, Field(description="The file is opened anew for this, and the old fd closed.")
    ] = None
    status: Annotated[
        tuple[StatusFlag, ...] | None,
        OneOrMore,
        Field(description="The status flags that it has from now on, as [O_APPEND]; [] is none."),
    ] = None
    position: Annotated[
        Size | None, Field(description="Where the next read or write begins, in bytes from its start.")
    ] = None


@dataclass(frozen=True)
class Guest(Use):
    """Run a small guest on a virtual machine, which counts in its memory and in a register.

    The host remembers the count and the state of the CPU: in another kernel the guest goes on from there, or
    the step fails.
    """

    vm: Annotated[FdName, Field(description="Name of the open fd of the virtual machine.")]
    memory: Annotated[FdName, Field(description="Name of the open fd of its memory.")]
    count: Annotated[Whole, Field(ge=1, le=1 << 32, description="By how much the guest has to count on.")]


@dataclass(frozen=True)
class Bind(Use):
    """Bind a device to a new iommufd, so that it can be used."""

    fd: Annotated[FdName, Field(description="Name of the open fd of the device.")]


@dataclass(frozen=True)
class Map(Use):
    """Give a device memory to write into."""

    fd: Annotated[FdName, Field(description="Name of the open fd of the device.")]
    buffer: Annotated[FdName, Field(description="Name of the open fd of the memory.")]
    length: Annotated[Size, Field(description="How much of it, in whole pages, as 64K.")]
    iova: Annotated[Size, Field(description="The address that the device knows it by.")] = 0
    offset: Annotated[Size, Field(description="Where in the memory's file it begins, in whole pages.")] = 0


@dataclass(frozen=True)
class Unmap(Use):
    """Take memory away from a device."""

    fd: Annotated[FdName, Field(description="Name of the open fd of the device.")]
    iova: Annotated[Size, Field(description="The address that the device knows it by.")] = 0


@dataclass(frozen=True)
class Interrupts(Use):
    """Let a device interrupt, or not."""

    fd: Annotated[FdName, Field(description="Name of the open fd of the device.")]
    enable: Annotated[bool, Field(description="Whether it may interrupt.")] = True


@dataclass(frozen=True)
class Reset(Use):
    """Reset a device."""

    fd: Annotated[FdName, Field(description="Name of the open fd of the device.")]


@dataclass(frozen=True)
class Register(Use):
    """Write one of a device's registers that have no effect."""

    fd: Annotated[FdName, Field(description="Name of the open fd of the device.")]
    index: Annotated[Whole, Field(ge=0, description="Number of the register, from 0.")]
    value: Annotated[Whole, Field(ge=0, lt=1 << 32, description="What it becomes, of 32 bits.")]


@dataclass(frozen=True)
class Verify(Strictly):
    """Check contents, memory and all that is promised of this kind of fd, against the host's own record."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]


@dataclass(frozen=True)
class Close(Strictly):
    """Close an fd."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]


@dataclass(frozen=True)
class Dup(Strictly):
    """Have a second fd of the same open file, in the same process or in another one."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]
    name: Annotated[FdName, Field(description="Name of the second one.")]
    process: Annotated[
        FdName | None, Field(description="The process that gets it, as in `as`; the same one if left out.")
    ] = None
