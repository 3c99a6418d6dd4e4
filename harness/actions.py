# SPDX-License-Identifier: GPL-2.0-only
"""What a step of a scenario can do, as data: one frozen class for each verb of the language.

Those about boxes, fds, kernels and commands are in modules of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from harness import faults
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, Prepare, Put, Seal, Unseal
from harness.commandactions import Qmp, Selftest, Ssh
from harness.diagnostic import Where
from harness.fdactions import (
    Bind,
    Change,
    Close,
    Dup,
    Guest,
    Interrupts,
    Map,
    Open,
    Register,
    Reset,
    Unmap,
    Verify,
)
from harness.kernelactions import Jump, Kexec, Load, LoadKernel, Unload
from harness.scalars import OK, BoxName, FdName, Strictly, Text, Whole

# What can be measured besides a step: how long nobody has the fds.
BLACKOUT = "blackout"


@dataclass(frozen=True)
class Fault(Strictly):
    """Break something: here, or, beside another verb, while that is done. [The words](#words-for-fault) say
    where each can stand."""

    what: Annotated[faults.Fault, Field(description="What is broken.")]


@dataclass(frozen=True)
class End(Strictly):
    """Kill another process; its fds close."""

    process: Annotated[FdName, Field(description="Name of the process, as in `as`.")]


def parse_subject(value: object) -> object:
    """Check what takes the time that is measured. Raises ValueError."""
    if value is not None and not isinstance(value, Step) and value != BLACKOUT:
        raise ValueError(f"what is measured is a step, such as {{seal: vm0}}, or '{BLACKOUT}'")
    return value


@dataclass(frozen=True)
class Measure(Strictly):
    """Record a number under a name. It is reported, and never judged."""

    name: Annotated[FdName, Field(description="Name of the number: letters, digits, '_', '-' and '.'.")]
    of: Annotated[
        "Step | Literal['blackout'] | None",
        BeforeValidator(parse_subject),
        Field(
            description="What takes time: a step, {seal: vm0}, whose own calls are timed by the guest's "
            "clock; or blackout, from the last order to jump until the first fd is back, by the host's."
        ),
    ] = None
    ssh: Annotated[
        Text | None,
        Field(description="Or a shell command, run as root in the guest, that prints the number."),
    ] = None
    unit: Annotated[
        Text | None, Field(description="Unit of the number that the command prints, such as bytes.")
    ] = None


@dataclass(frozen=True)
class Memory(Strictly):
    """Note how much memory there is, or see that it is all back."""

    at: Annotated[
        Literal["baseline", "check"],
        Field(
            description="Note it, or see that it is as it was noted: free memory, shmem, slabs, what KHO "
            "would carry."
        ),
    ]


@dataclass(frozen=True)
class Damage(Strictly):
    """Change what is handed to the next kernel, in memory: nothing that arrives may be believed."""

    part: Annotated[
        Literal["subtree", "root", "directory", "box", "entry", "fd", "device", "vm", "memory", "memfd"],
        Field(
            description="What is damaged: `subtree` is what KHO's FDT says of the root; `entry`, the fd's "
            "line in its box; `fd`, `device`, `vm` or `memory`, what the handler of a memfd, a device, a VM "
            "or a guest_memfd wrote; `memfd`, what LUO's wrote of a memfd: no other may be as large."
        ),
    ]
    field: Annotated[
        Text, Field(description="Field of that part, as magic, name, phys[0]: see fields for damage.")
    ]
    box: Annotated[BoxName | None, Field(description="Name of the box.")] = None
    fd: Annotated[Text | None, Field(description="Name that the fd has within the box.")] = None
    value: Annotated[
        Whole | str | None, Field(description="What it is set to: a number, or text for a name.")
    ] = None
    address: Annotated[
        Literal["scratch", "unpreserved", "beyond", "unaligned", "itself"] | None,
        Field(
            description="Or the address of: KHO's scratch; a page that nobody preserved; no memory; the "
            "middle of the page that is there now; the damaged thing itself."
        ),
    ] = None
    like: Annotated[Text | None, Field(description="Or what that other field of the same part is.")] = None
    of: Annotated[
        Text | None, Field(description="Of which other fd in the box `like` is; the same one if left out.")
    ] = None
    checksum: Annotated[
        Literal["right", "stale"],
        Field(description="Whether the checksum is made right again, or left to show the damage."),
    ] = "right"


@dataclass(frozen=True)
class Parallel(Strictly):
    """Do several steps at the same time: on a connection each, and all are sent before any answer is read."""

    steps: Annotated[tuple["Step", ...], Field(description="The steps: each is one call.")]
    succeed: Annotated[
        Whole | None,
        Field(
            ge=0,
            description="How many of them must succeed, whichever they are; if left out, each as its "
            "`expect` says.",
        ),
    ] = None


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
    | Prepare
    | List
    | Dup
    | End
    | Load
    | Unload
    | Parallel
    | Kexec
    | LoadKernel
    | Jump
    | Fault
    | Verify
    | Close
    | Ssh
    | Selftest
    | Qmp
    | Damage
    | Memory
    | Measure
)


@dataclass(frozen=True)
class Step:
    """One step of a scenario."""

    action: Action
    # What it may come to: names of errnos, and OK; nothing: it must succeed.
    expect: tuple[str, ...]
    where: Where
    # Counts from 1, in the order in which the steps are done.
    number: int
    # The rounds of the repeats that it is in, the outermost first.
    rounds: tuple[int, ...] = ()
    # The process that does it; None: the first one, which is root's.
    process: str | None = None
    # What is broken while it is done.
    fault: faults.Fault | None = None

    @property
    def inside(self) -> tuple["Step", ...]:
        """The steps in it."""
        match self.action:
            case Parallel(steps):
                return steps
            case Measure(of=Step() as step):
                return (step,)
        return ()

    def containing(self, inside: Sequence["Step"]) -> "Step":
        """The same with these steps in it instead."""
        match self.action:
            case Parallel():
                return replace(self, action=replace(self.action, steps=tuple(inside)))
            case Measure(of=Step()):
                return replace(self, action=replace(self.action, of=inside[0]))
        return self

    @property
    def core(self) -> "Step":
        """The step that is done: the one in it, if that is measured."""
        return self.inside[0] if isinstance(self.action, Measure) and self.inside else self

    @property
    def may_succeed(self) -> bool:
        """Whether it may succeed."""
        return not self.expect or OK in self.expect

    @property
    def restarts(self) -> bool:
        """Whether the machine starts again from nothing in it."""
        return faults.restarts(self.action.what if isinstance(self.action, Fault) else self.fault)

    @property
    def jumps(self) -> bool:
        """Whether the next kernel runs after it."""
        return isinstance(self.action, Kexec | Jump) and not self.expect and not self.restarts
