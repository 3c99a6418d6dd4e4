# SPDX-License-Identifier: GPL-2.0-only
"""Plain values made into what scenario.py and its like describe, by pydantic, with faults at their places."""

import functools
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from harness.explain import descriptions, explain, likely_key
from harness.yamltree import Loc, Plain, Tree

T = TypeVar("T")


def validate(
    kind: type[T], value: Plain, tree: Tree, loc: Loc, owner: str, also: Iterable[str] = ()
) -> T | None:
    """Make a `kind` of a value; None, and faults in the tree, if that cannot be.

    loc: the path of the value; owner: what the value is, for the messages; also: other keys that it may have.
    """
    keys = descriptions(kind)
    empty = {key for key in keys if value.get(key, ...) is None} if isinstance(value, dict) else set()
    for key in sorted(key for key in empty if not tree.is_broken((*loc, key))):
        tree.fault(tree.where_key((*loc, key)), f"'{key}' is empty: give it a value, or leave it out")
    rest = (
        {key: inner for key, inner in value.items() if key not in empty} if isinstance(value, dict) else value
    )
    try:
        made: T = adapter(cast(Any, kind)).validate_python(rest)
    except ValidationError as error:
        details = error.errors(include_url=False)
        excused = empty | {likely_key(kind, detail) for detail in details}
        for detail in details:
            at = tree.existing((*loc, *detail["loc"]))
            if tree.is_broken(at):
                continue
            message = explain(detail, kind, owner, also)
            match detail["type"]:
                case "missing":
                    if at[-1] not in excused and not is_misplaced(tree, loc, at):
                        tree.fault(tree.where_key(at[:-1]), message)
                case "unexpected_keyword_argument":
                    tree.fault(tree.where_key(at), message)
                case _:
                    tree.fault(tree.where(at), message)
        return None
    return None if empty else made


@functools.cache
def adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Pydantic's idea of a class; making it takes longer than using it."""
    return TypeAdapter(kind)


def is_misplaced(tree: Tree, loc: Loc, at: Loc) -> bool:
    """Whether a missing argument stands beside its verb, which is reported there."""
    return len(loc) > 2 and (*loc[:-1], at[-1]) in tree.keys
