# SPDX-License-Identifier: GPL-2.0-only
"""What a step of a scenario can do, as data: one frozen class for each verb of the language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.diagnostic import Where
from harness.fdactions import Bind, Change, Guest, Interrupts, Map, Open, Register, Reset, Unmap
from harness.scalars import BoxName, FdName, List, ModuleChange, Strictly, Text, Whole


@dataclass(frozen=True)
class CreateBox(Strictly):
    """Create an empty box."""

    box: Annotated[BoxName, Field(description="Name of the new box.")]


@dataclass(frozen=True)
class DeleteBox(Strictly):
    """Delete a box; what is left in it is released."""

    box: Annotated[BoxName, Field(description="Name of the box.")]


@dataclass(frozen=True)
class Put(Strictly):
    """Move an fd into a box: it is no longer open."""

    box: Annotated[BoxName, Field(description="Name of the box.")]
    fd: Annotated[FdName, Field(description="Name of the open fd.")]
    name: Annotated[
        Text, Field(description="Name that it gets within the box; the fd's own name if left out.")
    ] = ""

    def __post_init__(self) -> None:
        """Settle the default that depends on another field."""
        object.__setattr__(self, "name", self.name or self.fd)


@dataclass(frozen=True)
class Get(Strictly):
    """Take an fd out of a box: it is open again."""

    box: Annotated[BoxName, Field(description="Name of the box.")]
    fd: Annotated[FdName, Field(description="Name by which later steps speak of the fd.")]
    name: Annotated[
        Text, Field(description="Name that it has within the box; the fd's own name if left out.")
    ] = ""

    def __post_init__(self) -> None:
        """Settle the default that depends on another field."""
        object.__setattr__(self, "name", self.name or self.fd)


@dataclass(frozen=True)
class Seal(Strictly):
    """Make a box immutable and ready to travel."""

    box: Annotated[BoxName, Field(description="Name of the box.")]


@dataclass(frozen=True)
class Unseal(Strictly):
    """Open a sealed box, usually one that has travelled."""

    box: Annotated[BoxName, Field(description="Name of the box.")]


@dataclass(frozen=True)
class Finish(Strictly):
    """Tell the kernel that everything wanted has been taken out of a session that has travelled."""

    box: Annotated[BoxName, Field(description="Name of the box.")]


@dataclass(frozen=True)
class Kexec(Strictly):
    """Live update: load a kernel, jump into it, and prove that it was not a reset."""

    kernel: Annotated[
        Text | None, Field(description="Name of the next kernel; the one that is running if left out.")
    ] = None
    modules: Annotated[
        tuple[ModuleChange, ...],
        List,
        Field(description="Modules that the next generation loads too, or, with a '-', does not load."),
    ] = ()


@dataclass(frozen=True)
class Verify(Strictly):
    """Check everything that this kind of fd promises to keep, against the host's own record."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]


@dataclass(frozen=True)
class Close(Strictly):
    """Close an fd."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]


@dataclass(frozen=True)
class Ssh(Strictly):
    """Run a shell command in the guest, as root; the fds held open are at /run/fd/<name>."""

    command: Annotated[Text, Field(description="The command, for the guest's /bin/sh.")]
    status: Annotated[Whole, Field(ge=0, le=255, description="Exit status that it must have.")] = 0
    stdout: Annotated[Text | None, Field(description="Text that its standard output must contain.")] = None


@dataclass(frozen=True)
class Qmp(Strictly):
    """Run a QMP command on QEMU; it must succeed."""

    execute: Annotated[Text, Field(description="Name of the QMP command.")]
    arguments: Annotated[Mapping[str, Any], Field(description="Its arguments.")] = field(default_factory=dict)


@dataclass(frozen=True)
class Damage(Strictly):
    """Change what is handed to the next kernel, in memory, after the box was sealed."""

    part: Annotated[
        Literal["root", "directory", "box", "entry", "fd", "device"],
        Field(
            description="What is damaged: `entry` is the fd's line in its box; `fd` or `device`, what the "
            "handler of a memfd or of a device wrote."
        ),
    ]
    field: Annotated[Text, Field(description="Field of that part (harness/blob.py): magic, name, phys[0].")]
    box: Annotated[BoxName | None, Field(description="Name of the box.")] = None
    fd: Annotated[Text | None, Field(description="Name that the fd has within the box.")] = None
    value: Annotated[Whole | str | None, Field(description="What it is set to.")] = None
    address: Annotated[
        Literal["scratch", "unpreserved", "beyond", "unaligned", "itself"] | None,
        Field(
            description="Or the address of: KHO's scratch; a page that nobody preserved; no memory; the "
            "middle of the page that is there now; the damaged thing itself."
        ),
    ] = None
    like: Annotated[Text | None, Field(description="Or what that other field of the same part is.")] = None
    checksum: Annotated[
        Literal["right", "stale"],
        Field(description="Whether the checksum is made right again, or left to show the damage."),
    ] = "right"


Action = (
    CreateBox
    | DeleteBox
    | Open
    | Change
    | Guest
    | Bind
    | Map
    | Unmap
    | Interrupts
    | Reset
    | Register
    | Put
    | Get
    | Seal
    | Unseal
    | Finish
    | Kexec
    | Verify
    | Close
    | Ssh
    | Qmp
    | Damage
)


@dataclass(frozen=True)
class Step:
    """One step of a scenario."""

    action: Action
    # Name of the errno with which it must fail; None: it must succeed.
    expect: str | None
    where: Where
    # Counts from 1, in the order in which the steps are done.
    number: int
    # The rounds of the repeats that it is in, the outermost first.
    rounds: tuple[int, ...] = ()
