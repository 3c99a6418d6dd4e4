# SPDX-License-Identifier: GPL-2.0-only
"""A scenario as data: its header, its steps, and what may stand beside a verb.

With actions.py, verbs.py, kinds.py and scalars.py this is the one definition of the language. load.py
validates against it; the JSON Schema and the manual page are made from the descriptions here. Nothing here
does I/O or knows YAML.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from harness.actions import Step
from harness.kinds import Carrier
from harness.scalars import (
    TAG,
    List,
    ModuleChange,
    Size,
    Strictly,
    Text,
    Whole,
    check_memory,
    distinct,
    parse_errno,
    parse_pattern,
)


@dataclass(frozen=True)
class Modifiers(Strictly):
    """What may stand beside the verb of a step."""

    expect: Annotated[
        str | None,
        BeforeValidator(parse_errno),
        Field(description="Name of the errno with which the step must fail, such as EBUSY."),
    ] = None


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
    modules: Annotated[
        tuple[ModuleChange, ...],
        List,
        Field(description="Modules that every generation loads too, or, with a '-', does not load."),
    ] = ()
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
