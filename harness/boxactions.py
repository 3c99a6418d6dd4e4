# SPDX-License-Identifier: GPL-2.0-only
"""What a step can do to a box, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from harness.scalars import BoxName, FdName, State, Strictly, Text


@dataclass(frozen=True)
class OnBox(Strictly):
    """Base of what is done to a single box."""

    box: Annotated[BoxName, Field(description="Name of the box.")]
    via: Annotated[
        FdName | None,
        Field(description="Name of an open fd of the device, which is used instead of opening it."),
    ] = field(default=None, kw_only=True)


@dataclass(frozen=True)
class CreateBox(OnBox):
    """Create an empty box."""

    box: Annotated[BoxName, Field(description="Name of the new box.")]


@dataclass(frozen=True)
class DeleteBox(OnBox):
    """Delete a box; what is left in it is released."""


@dataclass(frozen=True)
class Put(OnBox):
    """Move an fd into a box: it is no longer open. The host looks at it for the last time before."""

    fd: Annotated[FdName, Field(description="Name of the open fd.")]
    name: Annotated[
        Text, Field(description="Name that it gets within the box; the fd's own name if left out.")
    ] = ""

    def __post_init__(self) -> None:
        """Settle the default that depends on another field."""
        object.__setattr__(self, "name", self.name or self.fd)


@dataclass(frozen=True)
class Get(OnBox):
    """Take an fd out of a box: it is open again."""

    fd: Annotated[FdName, Field(description="Name by which later steps speak of the fd.")]
    name: Annotated[
        Text, Field(description="Name that it has within the box; the fd's own name if left out.")
    ] = ""

    def __post_init__(self) -> None:
        """Settle the default that depends on another field."""
        object.__setattr__(self, "name", self.name or self.fd)


@dataclass(frozen=True)
class Seal(OnBox):
    """Make a box immutable and ready to travel."""


@dataclass(frozen=True)
class Unseal(OnBox):
    """Open a sealed box, usually one that has travelled."""


@dataclass(frozen=True)
class Finish(OnBox):
    """Tell the kernel that everything wanted has been taken out of a session that has travelled."""


@dataclass(frozen=True)
class Prepare(OnBox):
    """Do beforehand what takes long about sealing a box, while its files may still be in use."""


@dataclass(frozen=True)
class List(Strictly):
    """List what is in a box, or which boxes there are: just this, and in this order."""

    box: Annotated[BoxName | None, Field(description="Name of the box whose fds are listed.")] = None
    fds: Annotated[
        Mapping[Text, State] | None,
        Field(description="The fds in it by name, each held, prepared, pending or lost, as {ram: held}."),
    ] = None
    boxes: Annotated[
        Mapping[BoxName, Literal["open", "sealed"]] | None,
        Field(description="The boxes by name, each open or sealed."),
    ] = None
    via: Annotated[
        FdName | None,
        Field(description="Name of an open fd of the device, which is used instead of opening it."),
    ] = None
