# SPDX-License-Identifier: GPL-2.0-only
"""What a step of a scenario can do, as data: one frozen class for each verb of the language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from harness import faults
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, Prepare, Put, Seal, Unseal
from harness.diagnostic import Where
from harness.fdactions import Bind, Change, Guest, Interrupts, Map, Open, Register, Reset, Unmap
from harness.scalars import (
    OK,
    PROGRAM,
    BoxName,
    FdName,
    ModuleChange,
    OneOrMore,
    OrText,
    Strictly,
    Text,
    Whole,
    parse_pattern,
)

# What can be measured besides a step: how long nobody has the fds.
BLACKOUT = "blackout"
AT_ONCE = "How many processes do it at the same time; what is for one of them is refused to the others."
AtOnce = Annotated[Whole, Field(ge=1, le=8, description=AT_ONCE)]
Handover = Annotated[
    bool, Field(description="Whether the next kernel is handed anything; false: KHO in it must not say so.")
]


@dataclass(frozen=True)
class NextKernel(Strictly):
    """Base of what loads the next kernel."""

    kernel: Annotated[
        Text | None,
        Field(
            description="Name of the next kernel (kernel/kernels.yaml), as 7.2.12; the one that is "
            "running if left out."
        ),
    ] = None
    modules: Annotated[
        tuple[ModuleChange, ...],
        OneOrMore,
        Field(
            description="Modules that the next generation loads too, or, with a '-' in front, does not load."
        ),
    ] = ()
    parameters: Annotated[
        tuple[Text, ...],
        OneOrMore,
        Field(
            description="More kernel parameters for the next generation; they replace those of the same key."
        ),
    ] = ()
    at_once: AtOnce = 1


@dataclass(frozen=True)
class Kexec(NextKernel):
    """Live update: load a kernel, jump into it, and prove that it was not a reset."""

    handover: Handover = True


@dataclass(frozen=True)
class LoadKernel(NextKernel):
    """Load the next kernel, as `kexec` does, and go on; it replaces one that is loaded already."""


@dataclass(frozen=True)
class Jump(Strictly):
    """Jump into the kernel that was loaded last, as `kexec` does, and prove that it was not a reset."""

    handover: Handover = True
    at_once: AtOnce = 1


@dataclass(frozen=True)
class Fault(Strictly):
    """Break something: here, or, beside another verb, while that is done. What must be there then is for the
    steps that follow to say."""

    what: Annotated[faults.Fault, Field(description="What is broken.")]


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


@dataclass(frozen=True)
class End(Strictly):
    """Kill another process; its fds close."""

    process: Annotated[FdName, Field(description="Name of the process, as in `as`.")]


@dataclass(frozen=True)
class Load(Strictly):
    """Load a module of the guest image; those that a kind of file needs are loaded without it."""

    module: Annotated[Text, Field(description="Name of the module, as vfio_mock.")]
    parameters: Annotated[
        tuple[Text, ...], OneOrMore, Field(description="Parameters of the module, as NAME=VALUE.")
    ] = ()


@dataclass(frozen=True)
class Unload(Strictly):
    """Unload a module."""

    module: Annotated[Text, Field(description="Name of the module, as vfio_mock.")]


@dataclass(frozen=True)
class Output(Strictly):
    """What a command has printed; all that is said must be so."""

    contains: Annotated[Text | None, Field(description="Text that is in it.")] = None
    equals: Annotated[
        str | None, Field(description="The whole of it, but for a newline at the end; '' if it is nothing.")
    ] = None
    matches: Annotated[
        Text | None,
        BeforeValidator(parse_pattern),
        Field(description="Regular expression, searched for in it; ^ and $ are those of a line."),
    ] = None


def parse_output(value: object) -> object:
    """Let text stand for output that contains it. Raises ValueError for output of which nothing is said."""
    if isinstance(value, dict) and all(said is None for said in value.values()):
        raise ValueError("say what it must be: contains, equals or matches")
    return {"contains": value} if isinstance(value, str) else value


ShortOutput = OrText(parse_output)


@dataclass(frozen=True)
class Ssh(Strictly):
    """Run a shell command in the guest, as root; the fds held open are at /run/fd/<name>."""

    command: Annotated[Text, Field(description="The command, for the guest's /bin/sh.")]
    status: Annotated[Whole, Field(ge=0, le=255, description="Exit status that it must have, 0 to 255.")] = 0
    stdout: Annotated[
        Output | None,
        ShortOutput,
        Field(
            description="What its standard output must be: text that is in it, or contains, equals, matches."
        ),
    ] = None
    stderr: Annotated[
        Output | None, ShortOutput, Field(description="What its standard error must be, in the same words.")
    ] = None


@dataclass(frozen=True)
class Selftest(Strictly):
    """Run a program of the kernel's own tests, tools/testing/selftests/liveupdate of the kernel that runs."""

    program: Annotated[
        str,
        Field(
            pattern=PROGRAM,
            description="Name of the program; a kernel whose tree does not have it is skipped.",
        ),
    ]
    case: Annotated[
        Text | None,
        Field(description="Only this case of it; a kernel whose program does not have it is skipped."),
    ] = None
    stage: Annotated[
        Whole | None,
        Field(ge=1, description="Which stage, of a test that goes on after a kexec; it needs `says`."),
    ] = None
    says: Annotated[
        Text | None,
        Field(
            description="What it prints when all is well, of a program without a plan and results of its own."
        ),
    ] = None


@dataclass(frozen=True)
class Qmp(Strictly):
    """Run a QMP command on QEMU; it must succeed, unless an error is expected."""

    execute: Annotated[Text, Field(description="Name of the QMP command.")]
    arguments: Annotated[Mapping[str, Any], Field(description="Its arguments.")] = field(default_factory=dict)
    returns: Annotated[
        Any,
        Field(
            description="What must be in its answer: of a mapping these keys, of a list these items in any "
            "order, any other value exactly: {status: running}."
        ),
    ] = None
    error: Annotated[
        Literal["GenericError", "CommandNotFound", "DeviceNotActive", "DeviceNotFound", "KVMMissingCap"]
        | None,
        Field(description="The class of the QMP error with which it must fail."),
    ] = None


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
    """Change what a sealed box hands to the next kernel, in memory: nothing that arrives may be believed."""

    part: Annotated[
        Literal["root", "directory", "box", "entry", "fd", "device", "vm", "memory"],
        Field(
            description="What is damaged: `entry` is the fd's line in its box; `fd`, `device`, `vm` or "
            "`memory`, what the handler of a memfd, a device, a VM or a guest_memfd wrote."
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
