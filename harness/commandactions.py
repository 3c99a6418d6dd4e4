# SPDX-License-Identifier: GPL-2.0-only
"""What a step has others run: a shell command, a test program of the kernel, a command of QEMU's; as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from harness.scalars import PROGRAM, OrText, Strictly, Text, Whole, parse_pattern


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
    status: Annotated[
        Whole,
        Field(
            ge=0,
            le=255,
            description="Exit status that it must have, 0 to 255. Another one is the kernel's fault, but for "
            "125: the command could not test it.",
        ),
    ] = 0
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
