# SPDX-License-Identifier: GPL-2.0-only
"""A scenario as data: its header, its steps, and what may stand beside a verb.

With the modules of actions, verbs.py, kinds.py and scalars.py this is the one definition of the language.
load.py validates against it; the JSON Schema and the manual page are made from the descriptions here.
Nothing here does I/O or knows YAML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from harness.actions import Step
from harness.faults import Fault
from harness.kinds import Carrier
from harness.releases import RANGE, VERSION
from harness.scalars import (
    TAG,
    VARIABLE,
    CallResult,
    FdName,
    ModuleChange,
    OneOrMore,
    Size,
    Strictly,
    Text,
    Whole,
    check_memory,
    distinct,
    parse_pattern,
)


@dataclass(frozen=True)
class Modifiers(Strictly):
    """What may stand beside the verb of a step."""

    expect: Annotated[
        tuple[CallResult, ...],
        OneOrMore,
        AfterValidator(distinct),
        Field(
            description="The errno with which the step must fail; or a list of all that it may come to, "
            "as [EBUSY, ok]."
        ),
    ] = ()
    process: Annotated[
        FdName | None,
        Field(
            alias="as",
            description="The process that does it: `nobody`, without privilege; any other name is a "
            "process of root's.",
        ),
    ] = None
    fault: Annotated[
        Fault | None, Field(description="What is broken while it is done: a word that the verb `fault` has.")
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
class Xfail(Strictly):
    """A known bug of released kernels: on these the case has to fail, in this way and in no other.

    Of several that fit a case each has to be seen: where one is not, the case is XPASS, which names it. Where
    one ends the run before its last step, nothing can be said of the others: that is an ERROR, so give each a
    scenario of its own, or say with `kernel`, `carrier` and `matrix` in which cases it shows.
    """

    kernels: Annotated[
        tuple[Annotated[str, Field(pattern=RANGE)], ...],
        OneOrMore,
        Field(
            alias="kernel",
            min_length=1,
            description="The releases that have the bug, as a range or a list of ranges: 7.3.4; 7.3 (all of "
            "it); '>=7.2 <7.4'. One of the kernels of the run has to be in it.",
        ),
    ]
    pattern: Annotated[
        Text,
        BeforeValidator(parse_pattern),
        Field(
            alias="message",
            description="Regular expression, searched for in what a report says that is wrong, and in what "
            "was seen. Whatever else fails is a FAIL: without this, anything that goes wrong in the case "
            "would pass for the known bug.",
        ),
    ]
    reason: Annotated[Text, Field(description="What the bug is, and where it is known or mended.")]
    carriers: Annotated[
        tuple[Carrier, ...],
        OneOrMore,
        AfterValidator(distinct),
        Field(alias="carrier", description="The carriers that have it; all if left out."),
    ] = ()
    matrix: Annotated[
        Mapping[
            Annotated[str, Field(pattern=VARIABLE)],
            Annotated[tuple[Any, ...], OneOrMore, Field(min_length=1)],
        ],
        Field(description="Values of the matrix with which it shows, by name; all if left out."),
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class Boot(Strictly):
    """The machine and how its first kernel is started."""

    memory: Annotated[
        Size, AfterValidator(check_memory), Field(description="RAM: 256M to 64G, in whole M.")
    ] = 1 << 30
    cpus: Annotated[Whole, Field(ge=1, le=64, description="Number of CPUs.")] = 2
    modules: Annotated[
        tuple[ModuleChange, ...],
        OneOrMore,
        Field(description="Modules that every generation loads too, or, with a '-' in front, does not load."),
    ] = ()
    parameters: Annotated[
        tuple[Text, ...],
        OneOrMore,
        Field(
            description="More kernel parameters for every generation, as nosmp; they replace ours of the "
            "same key."
        ),
    ] = ()


@dataclass(frozen=True)
class Requires(Strictly):
    """Without what a case is skipped."""

    kernel: Annotated[
        Annotated[str, Field(pattern=VERSION)] | None,
        Field(description="The oldest kernel, as '7.3'; all kernels of the run."),
    ] = None
    modules: Annotated[
        tuple[Text, ...],
        OneOrMore,
        Field(description="Modules that the guest image has to have for each kernel, as kvm."),
    ] = ()
    config: Annotated[
        tuple[Text, ...],
        OneOrMore,
        Field(description="Options of each kernel: HUGETLBFS is y or m; DEBUG_VM=y is just that."),
    ] = ()
    memory: Annotated[Size | None, Field(description="Memory that has to be free on the host, as 2G.")] = None


@dataclass(frozen=True)
class Repeat(Strictly):
    """Steps that are done several times, as a chain of live updates is."""

    times: Annotated[Whole, Field(ge=1, le=1000, description="How often: 1 to 1000.")]
    steps: Annotated[
        tuple[Any, ...],
        Field(min_length=1, description="The steps of a round, in order; $ROUND counts the rounds from 1."),
    ]


@dataclass(frozen=True, kw_only=True)
class Header(Strictly):
    """Everything in a scenario except its steps."""

    summary: Annotated[Text, Field(description="What is tested, in one line.")]
    tags: Annotated[
        tuple[Annotated[str, Field(pattern=TAG)], ...],
        OneOrMore,
        AfterValidator(distinct),
        Field(
            description="Words to select scenarios by: pytest -m WORD. What is slow is left out of make test."
        ),
    ] = ()
    carriers: Annotated[
        tuple[Carrier, ...],
        OneOrMore,
        AfterValidator(distinct),
        Field(
            alias="carrier",
            min_length=1,
            description="Interface, or list of interfaces: one case on each of them.",
        ),
    ] = (Carrier.FDBOX,)
    kernel: Annotated[
        Text | None,
        Field(
            description="Name of the kernel to boot (kernel/kernels.yaml), as 7.2.12; what the command "
            "line says if left out."
        ),
    ] = None
    boot: Annotated[
        Boot, Field(description="The machine and its kernel parameters, as {memory: 2G, cpus: 1}.")
    ] = field(default_factory=Boot)
    matrix: Annotated[
        Mapping[Annotated[str, Field(pattern=VARIABLE)], Annotated[tuple[Any, ...], Field(min_length=1)]],
        Field(
            description="Values by name, as {SIZE: [0, 4K]}: one case for each combination, in which "
            "$SIZE is the value."
        ),
    ] = field(default_factory=dict)
    requires: Annotated[
        Requires,
        Field(description="What host, kernels and guest image must have; a case without it is skipped."),
    ] = field(default_factory=Requires)
    unseen: Annotated[
        Text | None,
        Field(
            description="Why nothing that a live update carries is looked at; refused is a scenario that "
            "just forgets it."
        ),
    ] = None
    keeps: Annotated[
        Text | None,
        Field(description="Why the kernel does not give back all memory at the end, where that is meant."),
    ] = None
    cold: Annotated[
        Text | None,
        Field(
            description="Why the machine has to be booted for this case, and cannot start from the snapshot "
            "of one that was."
        ),
    ] = None
    dmesg: Annotated[
        tuple[Allowed, ...], Field(description="Kernel messages that are expected, each with the reason.")
    ] = ()
    xfail: Annotated[
        tuple[Xfail, ...],
        OneOrMore,
        Field(
            description="Known bugs of released kernels: a case that fails so is XFAIL, which is good; one "
            "in which a bug does not show is XPASS, which is bad: it is gone, and its entry has to go too."
        ),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Scenario(Header):
    """A whole scenario, valid as far as can be told without running it."""

    source: Path
    steps: tuple[Step, ...]
    # The values of the matrix in it, as in the id of its case.
    words: tuple[str, ...] = ()
    # One for each combination of the matrix, if there is one; it has no steps of its own then.
    variants: tuple["Scenario", ...] = ()
