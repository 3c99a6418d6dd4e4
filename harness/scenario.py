# SPDX-License-Identifier: GPL-2.0-only
"""The scenario language: what a YAML file may say, as data.

This is the one definition. load.py validates against it; the JSON Schema and the manual page are made from
the descriptions here. Nothing here does I/O or knows YAML.
"""

import errno
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

from harness.diagnostic import Where as Where  # noqa: PLC0414  a Step has one
from harness.diagnostic import nearest

UNITS: Mapping[str, int] = MappingProxyType({"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30})
SIZE = re.compile(r"([+-]?)([0-9]+)([A-Za-z]*)")
SIZE_PATTERN = r"^[0-9]+[KMG]?([+-][0-9]+[KMG]?)*$"
SIZE_HELP = "a size is bytes, or a number with K, M or G (powers of 1024), or a sum: 4096, 16M, 2M+1"
FD_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
TAG = r"^[a-z0-9][a-z0-9_-]*$"
MEMORY_MIN, MEMORY_MAX = 256 << 20, 64 << 30
ERRNOS: frozenset[str] = frozenset(errno.errorcode.values())


class Carrier(StrEnum):
    """The kernel interface that carries file descriptors through a live update."""

    FDBOX = "fdbox"
    LUO = "luo"


def parse_size(value: object) -> int:
    """Bytes of a size as a scenario has it: 4096, "16M", "4K+1". Raises ValueError, with a sentence."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError(f"this is not a size: {SIZE_HELP}")
    terms = SIZE.findall(value.replace(" ", ""))
    for _, number, unit in terms:
        if unit not in UNITS:
            near = f"; did you mean '{number}{unit[0].upper()}'?" if unit[0].upper() in UNITS else ""
            raise ValueError(f"'{unit}' is not a unit: {SIZE_HELP}{near}")
    if not re.fullmatch(SIZE_PATTERN, value):
        raise ValueError(f"'{value}' is not a size: {SIZE_HELP}")
    return sum(int(sign + number) * UNITS[unit] for sign, number, unit in terms)


def check_memory(size: int) -> int:
    """Check the RAM of a machine. Raises ValueError."""
    if not MEMORY_MIN <= size <= MEMORY_MAX or size % UNITS["M"]:
        near = f"; did you mean '{size}M'?" if MEMORY_MIN <= size * UNITS["M"] <= MEMORY_MAX else ""
        raise ValueError(f"{size} bytes of memory: a machine has 256M to 64G, in whole M{near}")
    return size


def parse_errno(value: object) -> object:
    """Check the name of an errno. Raises ValueError."""
    if isinstance(value, int) and value in errno.errorcode:
        raise ValueError(f"{value} is not the name of an errno; did you mean '{errno.errorcode[value]}'?")
    if isinstance(value, str) and value not in ERRNOS:
        raise ValueError(f"'{value}' is not the name of an errno, such as EBUSY{nearest(value, ERRNOS)}")
    return value


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check that nothing is listed twice. Raises ValueError."""
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"'{value}' is listed twice")
    return values


def parse_pattern(value: object) -> object:
    """Check a regular expression. Raises ValueError for one that is wrong or that matches everything."""
    if not isinstance(value, str):
        return value
    try:
        anything = re.compile(value).search("") is not None
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if anything:
        raise ValueError(f"'{value}' matches every message: name the one that is expected")
    return value


def one_or_more(value: object) -> object:
    """Let `x` stand for the list `[x]`."""
    return value if isinstance(value, tuple | list) or value is None else (value,)


# The scalars of the language. An fd's name is also a file name in the guest (/run/fd/<name>); the names of
# boxes and of fds in them are free, because what a kernel does with a strange one is worth a scenario.
Text = Annotated[str, Field(min_length=1)]
FdName = Annotated[str, Field(pattern=FD_NAME)]
BoxName = Annotated[str, Field(min_length=1)]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    Field(ge=0, lt=1 << 63),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE_PATTERN}]}
    ),
]
Whole = Annotated[int, Strict()]
List = BeforeValidator(one_or_more)


class Strictly:
    """Base of everything that is validated: unknown keys are errors."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Fill(Strictly):
    """What is written into an fd's memory."""

    seed: Annotated[
        Whole, Field(ge=0, lt=1 << 64, description="Seed of the pattern that fills the whole file.")
    ]


@dataclass(frozen=True)
class CreateBox(Strictly):
    """Create an empty box."""

    box: Annotated[BoxName, Field(description="Name of the new box.")]


@dataclass(frozen=True)
class DeleteBox(Strictly):
    """Delete a box; what is left in it is released."""

    box: Annotated[BoxName, Field(description="Name of the box.")]


@dataclass(frozen=True)
class Open(Strictly):
    """Create a file, fill its memory, and hold it open under a name."""

    fd: Annotated[FdName, Field(description="Name by which later steps speak of the fd.")]
    size: Annotated[Size, Field(description="Size of the file in bytes, or with K, M, G: 4096, 16M, 2M+1.")]
    kind: Annotated[Literal["memfd"], Field(description="Kind of file.")] = "memfd"
    fill: Annotated[
        Fill | None,
        Field(description="What to write into it; without it the file is one hole, which reads as zeros."),
    ] = None


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


Action = (
    CreateBox | DeleteBox | Open | Put | Get | Seal | Unseal | Finish | Kexec | Verify | Close | Ssh | Qmp
)


@dataclass(frozen=True)
class Verb:
    """One word of the language."""

    # What it stands for.
    kind: type[Action]
    # The field that a bare scalar fills (`seal: vm0`); None: always a mapping.
    short: str | None
    # What it is on each carrier that has it.
    means: Mapping[Carrier, str]
    # Why a carrier does not have it, and what to write there.
    instead: str = ""
    # The carriers on which it is a call into the kernel under test, so that `expect: ERRNO` makes sense.
    refusable: Collection[Carrier] = frozenset(Carrier)


def everywhere(meaning: str) -> Mapping[Carrier, str]:
    """The same on all carriers."""
    return dict.fromkeys(Carrier, meaning)


def each(fdbox: str, luo: str) -> Mapping[Carrier, str]:
    """Different on each carrier."""
    return {Carrier.FDBOX: fdbox, Carrier.LUO: luo}


# The whole vocabulary, by the word that the YAML file has.
VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "create_box": Verb(CreateBox, "box", each("FDBOX_CREATE_BOX", "LIVEUPDATE_IOCTL_CREATE_SESSION")),
        "delete_box": Verb(DeleteBox, "box", each("FDBOX_DELETE_BOX", "close of the session")),
        "open": Verb(Open, None, everywhere("memfd_create(2)")),
        "put": Verb(Put, None, each("FDBOX_PUT_FD", "LIVEUPDATE_SESSION_PRESERVE_FD, then close of the fd")),
        "get": Verb(Get, None, each("FDBOX_GET_FD", "LIVEUPDATE_SESSION_RETRIEVE_FD")),
        "seal": Verb(
            Seal,
            "box",
            each("FDBOX_SEAL", "nothing: the kernel freezes every session at the jump"),
            refusable={Carrier.FDBOX},
        ),
        "unseal": Verb(Unseal, "box", each("FDBOX_UNSEAL", "LIVEUPDATE_IOCTL_RETRIEVE_SESSION")),
        "finish": Verb(
            Finish,
            "box",
            {Carrier.LUO: "LIVEUPDATE_SESSION_FINISH"},
            "a box is never finished, it is deleted: 'delete_box' ends it on both carriers",
            refusable={Carrier.LUO},
        ),
        "kexec": Verb(Kexec, "kernel", everywhere("kexec_file_load(2), reboot(2)")),
        "verify": Verb(Verify, "fd", everywhere("the host compares with its own record"), refusable=()),
        "close": Verb(Close, "fd", everywhere("close(2)"), refusable=()),
        "ssh": Verb(Ssh, "command", everywhere("a command over SSH"), refusable=()),
        "qmp": Verb(Qmp, "execute", everywhere("a QMP command"), refusable=()),
    }
)
VERB_OF: Mapping[type[Action], str] = MappingProxyType({verb.kind: word for word, verb in VERBS.items()})


@dataclass(frozen=True)
class Modifiers(Strictly):
    """What may stand beside the verb of a step."""

    expect: Annotated[
        str | None,
        BeforeValidator(parse_errno),
        Field(description="Name of the errno with which the step must fail, such as EBUSY."),
    ] = None


@dataclass(frozen=True)
class Step:
    """One step of a scenario."""

    action: Action
    # Name of the errno with which it must fail; None: it must succeed.
    expect: str | None
    where: Where
    # Counts from 1, in the order of the file.
    number: int


@dataclass(frozen=True)
class Allowed(Strictly):
    """A kernel message that is expected and so does not fail the scenario."""

    pattern: Annotated[
        Text,
        BeforeValidator(parse_pattern),
        Field(alias="message", description="Regular expression, searched for in the line of the kernel log."),
    ]
    reason: Annotated[Text, Field(description="Why the kernel may say this.")]


@dataclass(frozen=True)
class Boot(Strictly):
    """The machine and how its first kernel is started."""

    memory: Annotated[
        Size, AfterValidator(check_memory), Field(description="RAM: 256M to 64G, in whole M.")
    ] = 1 << 30
    cpus: Annotated[Whole, Field(ge=1, le=64, description="Number of CPUs.")] = 2
    parameters: Annotated[
        tuple[Text, ...],
        List,
        Field(description="More kernel parameters, for every generation; they replace ours of the same key."),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Header(Strictly):
    """Everything in a scenario except its steps."""

    summary: Annotated[Text, Field(description="What is tested, in one line.")]
    tags: Annotated[
        tuple[Annotated[str, Field(pattern=TAG)], ...],
        List,
        AfterValidator(distinct),
        Field(description="Words to select scenarios by."),
    ] = ()
    carriers: Annotated[
        tuple[Carrier, ...],
        List,
        AfterValidator(distinct),
        Field(
            alias="carrier",
            min_length=1,
            description="Interface, or list of interfaces: one case on each of them.",
        ),
    ] = (Carrier.FDBOX,)
    kernel: Annotated[
        Text | None, Field(description="Name of the kernel to boot; what the command line says if left out.")
    ] = None
    boot: Annotated[Boot, Field(description="The machine and its kernel parameters.")] = field(
        default_factory=Boot
    )
    dmesg: Annotated[
        tuple[Allowed, ...], Field(description="Kernel messages that are expected, each with the reason.")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario(Header):
    """A whole scenario, valid as far as can be told without running it."""

    source: Path
    steps: tuple[Step, ...]
