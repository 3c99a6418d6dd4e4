# SPDX-License-Identifier: GPL-2.0-only
"""What can be broken on purpose, as data: one frozen class for each word that `fault` knows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from harness.diagnostic import nearest
from harness.scalars import ERRNOS, Strictly, Whole

TIME = re.compile(r"([0-9]+)(ms|s)")
TIME_PATTERN = r"^[0-9]+(ms|s)$"
MILLISECONDS = {"ms": 1, "s": 1000}
# As long as vfio_mock sleeps at most.
LONGEST = 60_000
PERCENT = re.compile(r"([0-9]{1,2})%")


def parse_time(value: object) -> int:
    """Milliseconds of a time as a scenario has it: 500ms, 2s. Raises ValueError, with a sentence."""
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return 0
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"'{value}' is not a time, such as 500ms or 2s")
    time = int(found[1]) * MILLISECONDS[found[2]]
    if time > LONGEST:
        raise ValueError(f"'{value}' is longer than {LONGEST // 1000}s")
    return time


def parse_percent(value: object) -> int:
    """A share as a scenario has it: 70%. Raises ValueError, with a sentence."""
    found = PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"'{value}' is not a share from 0% to 99%")
    return int(found[1])


def parse_errno(value: object) -> object:
    """Check the name of an errno. Raises ValueError."""
    if isinstance(value, str) and value not in ERRNOS:
        raise ValueError(f"'{value}' is not the name of an errno, such as EIO{nearest(value, ERRNOS)}")
    return value


# What vfio_mock calls the operations of its handler (kmod/vfio_mock_faults.c).
Operation = Literal[
    "can_preserve", "preserve", "unpreserve", "freeze", "unfreeze", "retrieve", "can_finish", "finish"
]
# Both are written into plans as text, as they are in scenarios.
Time = Annotated[
    str,
    BeforeValidator(lambda value: f"{parse_time(value)}ms"),
    WithJsonSchema({"title": "time", "pattern": TIME_PATTERN}),
]
Share = Annotated[
    str,
    BeforeValidator(lambda value: f"{parse_percent(value)}%"),
    WithJsonSchema({"title": "share", "pattern": "^[0-9]{1,2}%$"}),
]


class Broken(Strictly):
    """Base of what is broken on purpose."""


@dataclass(frozen=True)
class Pause(Broken):
    """The machine stands still, with all its CPUs, and goes on: a busy host, a migration.

    Beside `kexec` and `jump` it does so between the two kernels.
    """

    time: Annotated[Time, Field(description="How long, as 500ms or 2s.")]


@dataclass(frozen=True)
class Nmi(Broken):
    """A non-maskable interrupt that nobody asked for; beside a step one after the other until it is over.

    Not beside `kexec` and `jump`: between two kernels nobody takes it, and the machine hangs or resets.
    """


@dataclass(frozen=True)
class Panic(Broken):
    """The kernel panics, and the machine starts again from nothing.

    Its log may say so then. Beside a single call, which it cuts short: on a box or an fd, or one that loads
    or unloads a module or loads a kernel; not beside `kexec` and `jump`.
    """


@dataclass(frozen=True)
class PowerCut(Broken):
    """A power cut: the machine is reset, and starts again from nothing.

    Beside a single call, which it cuts short: on a box or an fd, or one that loads or unloads a module or
    loads a kernel; beside `kexec` and `jump` between the two kernels.
    """


@dataclass(frozen=True)
class Kill(Broken):
    """Every process that holds an fd or a session is killed; another agent is started."""


@dataclass(frozen=True)
class Pressure(Broken):
    """Memory gets scarce: beside a step until it is over; as a step of its own until the next one, or until
    the kernel ends."""

    share: Annotated[Share, Field(description="How much of the memory that is available is taken, as 70%.")]


@dataclass(frozen=True)
class Handler(Broken):
    """An operation of vfio_mock's handler fails, or takes long, once. It has to be asked for before the
    kernel ends, or it was no test.

    Beside `load: vfio_mock` the module is told when it is loaded.
    """

    operation: Annotated[
        Operation,
        Field(description="Which operation."),
    ]
    errno: Annotated[
        Annotated[str, BeforeValidator(parse_errno)] | None,
        Field(description="With what it fails; it succeeds if left out."),
    ] = None
    delay: Annotated[Time, Field(description="How long it sleeps before, as 500ms or 2s.")] = "0ms"
    device: Annotated[Whole, Field(ge=0, description="Number of the device.")] = 0


@dataclass(frozen=True)
class Allocation(Broken):
    """An allocation of the kernel's fails in the step's own call; there has to be one, or it was no test.

    Beside a single call on a box. It needs `requires: {config: [FAILSLAB]}`.
    """

    nth: Annotated[Whole, Field(ge=1, description="Which one, counted from 1.")]


Fault = Pause | Nmi | Panic | PowerCut | Kill | Pressure | Handler | Allocation


@dataclass(frozen=True)
class Word:
    """One word that `fault` knows."""

    kind: type[Fault]
    # The field that a bare scalar fills (`pause: 2s`); None: always a mapping, or nothing.
    short: str | None = None
    # Whether it can be a step of its own, and whether it can stand beside one.
    alone: bool = True
    beside: bool = True


FAULTS: Mapping[str, Word] = MappingProxyType(
    {
        "pause": Word(Pause, "time"),
        "nmi": Word(Nmi),
        "panic": Word(Panic),
        "reset": Word(PowerCut),
        "kill": Word(Kill, beside=False),
        "pressure": Word(Pressure, "share"),
        "handler": Word(Handler, "operation"),
        "allocation": Word(Allocation, "nth", alone=False),
    }
)


def word_of(fault: Broken) -> str:
    """The word for what is broken."""
    return next(name for name, word in FAULTS.items() if isinstance(fault, word.kind))


def milliseconds(time: Time) -> int:
    """A time as a number."""
    return int(time.removesuffix("ms"))


def percent(share: Share) -> int:
    """A share as a number."""
    return int(share.removesuffix("%"))


def restarts(fault: Fault | None) -> bool:
    """Whether the machine starts again from nothing."""
    return isinstance(fault, Panic | PowerCut)
