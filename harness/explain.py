# SPDX-License-Identifier: GPL-2.0-only
"""Pydantic's errors in words for the author of a scenario."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, cast, get_args

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.diagnostic import guess, nearest
from harness.releases import RANGE, VERSION
from harness.scalars import FD_NAME, MODULE_CHANGE, PROGRAM, TAG, VARIABLE
from harness.scenario import Modifiers

# What a name must look like, in words.
PATTERNS: Mapping[str, str] = {
    FD_NAME: "no name of an fd: letters, digits, '_', '-', '.', at most 64, the first no '-' or '.'",
    MODULE_CHANGE: "no name of a module: letters, digits, '_' and '-'; a '-' in front leaves one out",
    VARIABLE: "no name of a variable: capital letters, digits and '_'",
    PROGRAM: "no name of a program: letters, digits, '_', '-', '.', the first no '-' or '.'",
    VERSION: "no version: numbers with dots, such as '7.3'",
    RANGE: "no range of kernels: '7.3.4', '7.3' (all of it), '>=7.2', '<7.4' or '>=7.2 <7.4'",
    TAG: "no tag: small letters, digits, '_' and '-'",
}
# What a value must be, for pydantic's types of error.
KINDS: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "path_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "dataclass_type": "a mapping (key: value)",
    "enum": "text",
}


def explain(error: ErrorDetails, kind: type[Any], owner: str, also: Iterable[str]) -> str:
    """What is wrong, in words for the author of a scenario."""
    path, value, context = error["loc"], error["input"], error.get("ctx", {})
    inner = kind_at(kind, path[:-1])
    keys = descriptions(inner) if inner is not None else {}
    named = [str(part) for part in path if isinstance(part, str)]
    name = f"'{named[-1]}'" if named else owner
    parent = f"'{named[-2]}'" if len(named) > 1 else owner
    match error["type"]:
        case "missing":
            return f"{parent} needs {name}: {clause(keys.get(str(path[-1]), ''))}".rstrip(": ")
        case "unexpected_keyword_argument":
            key, colon, rest = str(path[-1]).partition(":")
            if colon and key in keys:
                return f"a space is missing after the ':': '{key}: {rest}'"
            near = guess(key, [*descriptions(Modifiers), *keys])
            if owner.startswith("'") and near is not None and near not in keys:
                meant = name if near == key else f"{name} (did you mean '{near}'?)"
                return f"{meant} stands in {parent}, and belongs beside it: on its own line, below {parent}"
            valid = [*keys, *also] if len(path) == 1 else [*keys]
            return f"unknown key {name} in {parent}{nearest(str(path[-1]), valid)}"
        case "value_error":
            return f"{context['error']}" if value is not None else f"{name} is empty"
        case "literal_error" | "enum" if isinstance(value, str):
            words = str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
            return f"{name} cannot be '{value}'{nearest(value, words)}"
        case "string_pattern_mismatch":
            return f"'{value}' is {PATTERNS[context['pattern']]}"
        case "string_too_short" | "too_short":
            return f"{name} is empty"
        case "greater_than_equal":
            return f"{name} is {value}: it must be at least {context['ge']}"
        case "less_than_equal":
            return f"{name} is {value}: it must be at most {context['le']}"
        case "less_than":
            return f"{name} is {value}: it must be less than {context['lt']}"
        case "dataclass_type" if (wanted := kind_at(kind, path)) is not None:
            form = ", ".join(f"{key}: ..." for key in needed(wanted))
            item = f"an item of {name}" if path and isinstance(path[-1], int) else name
            return wrong_kind(item, f"a mapping, such as {{{form}}}", value)
        case other if other in KINDS:
            item = f"an item of {name}" if path and isinstance(path[-1], int) else name
            return wrong_kind(item, KINDS[other], value)
    return f"{name}: {error['msg']}"


def likely_key(kind: type[Any], error: ErrorDetails) -> str | None:
    """The key that an unknown key was probably meant to be; None for other errors."""
    inner = kind_at(kind, error["loc"][:-1])
    if error["type"] != "unexpected_keyword_argument" or inner is None:
        return None
    return guess(str(error["loc"][-1]).partition(":")[0], descriptions(inner))


def clause(sentence: str) -> str:
    """A description as the end of a sentence."""
    end = sentence.rstrip(".")
    return end if end[1:2].isupper() else end[:1].lower() + end[1:]


def wrong_kind(name: str, kind: str, value: object) -> str:
    """Say that a value is of the wrong kind, and how to mend it."""
    if value is None:
        return f"{name} is empty: it must be {kind}"
    mend = ": put it in quotes" if kind == "text" and isinstance(value, int | float) else ""
    seen = {dict: "a mapping", tuple: "a list", str: "text", bool: "true or false"}.get(
        type(value), "a number"
    )
    return f"{name} must be {kind}, and this is {seen}{mend}"


def kind_at(kind: type[Any], path: Iterable[str | int]) -> type[Any] | None:
    """The dataclass at a path within a dataclass."""
    for part in path:
        if isinstance(part, int):
            continue
        inner = next((f.type for f in fields(kind) if key_of(f.type, f.name) == part), None)
        found = dataclasses_in(inner)
        if not found:
            return None
        kind = found[0]
    return kind


def dataclasses_in(annotation: object) -> list[type[Any]]:
    """The dataclasses that a type annotation names."""
    if isinstance(annotation, type) and hasattr(annotation, "__dataclass_fields__"):
        return [annotation]
    return [found for argument in get_args(annotation) for found in dataclasses_in(argument)]


def needed(kind: type[Any]) -> list[str]:
    """The YAML keys that a dataclass cannot do without; if there are none, all."""
    default = {
        field.name for field in fields(kind) if (field.default, field.default_factory) != (MISSING, MISSING)
    }
    required = [key_of(field.type, field.name) for field in fields(kind) if field.name not in default]
    return required or list(descriptions(kind))


def key_of(annotation: object, name: str) -> str:
    """The YAML key of a field."""
    return next((info.alias for info in infos(annotation) if info.alias), name)


def infos(annotation: object) -> list[FieldInfo]:
    """What pydantic is told about a field."""
    return [info for info in getattr(annotation, "__metadata__", ()) if isinstance(info, FieldInfo)]


def descriptions(kind: type[Any]) -> Mapping[str, str]:
    """The YAML keys of a dataclass, each with what it means."""
    return _descriptions(cast(Any, kind))


@functools.cache
def _descriptions(kind: Any) -> Mapping[str, str]:
    return {
        key_of(field.type, field.name): next((i.description for i in infos(field.type) if i.description), "")
        for field in fields(kind)
    }
