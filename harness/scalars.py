# SPDX-License-Identifier: GPL-2.0-only
"""The scalars of the scenario language: sizes, errnos, names, each with what is wrong with a bad one."""

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, Strict, WithJsonSchema
from pydantic_core import CoreSchema

from harness.diagnostic import nearest

UNITS: Mapping[str, int] = MappingProxyType({"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30})
SIZE = re.compile(r"([+-]?)([0-9]+)([A-Za-z]*)")
SIZE_PATTERN = r"^[0-9]+[KMG]?([+-][0-9]+[KMG]?)*$"
SIZE_HELP = "a size is bytes, or a number with K, M or G (powers of 1024), or a sum: 4096, 16M, 2M+1"
FD_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
MODULE_CHANGE = r"^-?[A-Za-z0-9_][A-Za-z0-9_-]*$"
PROGRAM = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
VARIABLE = r"^[A-Z][A-Z0-9_]*$"
TAG = r"^[a-z0-9][a-z0-9_-]*$"
MEMORY_MIN, MEMORY_MAX = 256 << 20, 64 << 30
# In the order of the numbers that FDBox has for them (FDBOX_FD_HELD, ...).
FD_STATES = ("held", "pending", "lost", "prepared")
STATE = rf"^({'|'.join(FD_STATES)})( E[A-Z0-9]+)?$"
OWNER = r"^[0-9]{1,9}:[0-9]{1,9}$"
# A call that succeeds, where it may also fail.
OK = "ok"
# As the kernel calls them; the C library has second names for some.
SECOND_NAMES = frozenset({"ENOTSUP", "EWOULDBLOCK", "EDEADLOCK"})
# Python has the last one since 3.14 only.
ERRNOS: dict[str, int] = {
    name: number for name, number in vars(errno).items() if name[0] == "E" and name not in SECOND_NAMES
} | {"EHWPOISON": 133}
ERRNO_NAMES: dict[int, str] = {number: name for name, number in ERRNOS.items()}


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


def parse_result(value: object) -> object:
    """Check what a call can come to: the name of an errno, or `ok`. Raises ValueError."""
    if isinstance(value, int) and value in ERRNO_NAMES:
        raise ValueError(f"{value} is not the name of an errno; did you mean '{ERRNO_NAMES[value]}'?")
    if isinstance(value, str) and value not in ERRNOS and value != OK:
        raise ValueError(f"'{value}' is not the name of an errno, such as EBUSY{nearest(value, ERRNOS)}")
    return value


def parse_mode(value: object) -> object:
    """Check a file's permissions. Raises ValueError for what YAML has taken for a decimal number."""
    if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value <= 0o777:
        raise ValueError(f"{value} is decimal: permissions are octal, from 0o000 to 0o777")
    return value


def parse_owner(value: object) -> object:
    """Check user and group. Raises ValueError."""
    if not isinstance(value, str) or not re.fullmatch(OWNER, value):
        raise ValueError(f"'{value}' is no owner: user and group as numbers, such as 1000:1000")
    return value


def parse_state(value: object) -> object:
    """Check the state of an fd in a box: a word, and the errno that goes with it. Raises ValueError."""
    if isinstance(value, str):
        state, _, errors = value.partition(" ")
        if state not in FD_STATES:
            raise ValueError(f"'{state}' is no state of an fd{nearest(state, FD_STATES)}")
        if errors and errors not in ERRNOS:
            raise ValueError(f"'{errors}' is not the name of an errno{nearest(errors, ERRNOS)}")
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


@dataclass(frozen=True)
class OrItem(BeforeValidator):
    """Lets an item stand for the list of it, in the JSON Schema too."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the list, or of an item of it."""
        schema = handler(core)
        lists = [one for one in (schema, *schema.get("anyOf", ())) if one.get("type") == "array"]
        return {"anyOf": [lists[0]["items"], lists[0]]}


@dataclass(frozen=True)
class OrText(BeforeValidator):
    """Lets text stand for a mapping, in the JSON Schema too."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the mapping, or of text."""
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(core)]}


# The scalars of the language. An fd's name is also a file name in the guest (/run/fd/<name>); the names of
# boxes and of fds in them are free, because what a kernel does with a strange one is worth a scenario.
Text = Annotated[str, Field(min_length=1)]
ModuleChange = Annotated[str, Field(pattern=MODULE_CHANGE)]
FdName = Annotated[str, Field(pattern=FD_NAME)]
BoxName = Annotated[str, Field(min_length=1)]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    Field(ge=0, lt=1 << 63),
    WithJsonSchema(
        {
            "title": "size",
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE_PATTERN}],
        }
    ),
]
Mode = Annotated[
    int,
    BeforeValidator(parse_mode),
    Strict(),
    WithJsonSchema({"title": "mode", "type": "integer", "minimum": 0, "maximum": 0o777}),
]
Owner = Annotated[
    str,
    BeforeValidator(parse_owner),
    WithJsonSchema({"title": "owner", "type": "string", "pattern": OWNER}),
]
# What a call can come to, and how an fd in a box is.
CallResult = Annotated[
    str, BeforeValidator(parse_result), WithJsonSchema({"title": "errno", "enum": [*sorted(ERRNOS), OK]})
]
State = Annotated[
    str,
    BeforeValidator(parse_state),
    WithJsonSchema({"title": "state", "type": "string", "pattern": STATE}),
]
Whole = Annotated[int, Strict()]
OneOrMore = OrItem(one_or_more)


class Strictly:
    """Base of everything that is validated: unknown keys are errors."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
