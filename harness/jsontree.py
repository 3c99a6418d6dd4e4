# SPDX-License-Identifier: GPL-2.0-only
"""JSON as a tree of plain values, each with its place: the path of a value, such as steps[3].put.box."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.diagnostic import Diagnostic, ScenarioError, Where
from harness.yamltree import Loc, Plain, Tree

# Nothing that we write is nested more deeply.
DEPTH_MAX = 40
DIGITS_MAX = 40


@dataclass(frozen=True, order=True)
class At(Where):
    """A place in a plan; line and column are of the scenario that a step comes from."""

    place: str

    def __str__(self) -> str:
        """The file and the path of the value."""
        return f"{self.file}: {self.place}" if self.place else str(self.file)


def refused(path: Path, message: str, place: str = "") -> ScenarioError:
    """The error for a plan with one fault."""
    return ScenarioError([Diagnostic(At(path, 0, 0, place), message)])


def parse(text: str, path: Path) -> Plain:
    """JSON as a scenario has its values: lists are tuples. Raises ScenarioError."""
    try:
        value = frozen(json.loads(text, object_pairs_hook=no_key_twice, parse_int=whole, parse_constant=nan))
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise refused(path, f"this is not JSON from here on ({error.msg})", place) from error
    except RecursionError as error:
        raise refused(path, f"nested more than {DEPTH_MAX} levels deep") from error
    except UnicodeEncodeError as error:
        raise refused(path, "a half of a surrogate pair: it is no character") from error
    except ValueError as error:
        raise refused(path, f"{error}") from error
    return value


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two equal keys the first would be lost. Raises ValueError."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key '{next(key for key in keys if keys.count(key) > 1)}'")
    return made


def whole(digits: str) -> int:
    """A whole number; Python converts only some thousand digits. Raises ValueError."""
    if len(digits) > DIGITS_MAX:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def nan(word: str) -> None:
    """What Python takes for a number, and nobody else. Raises ValueError."""
    raise ValueError(f"'{word}' is no number")


def frozen(value: Any, depth: int = 0) -> Plain:
    """JSON data with tuples for lists. Raises RecursionError for what nobody needs that deep."""
    if depth > DEPTH_MAX:
        raise RecursionError
    match value:
        case list():
            return tuple(frozen(item, depth + 1) for item in value)
        case dict():
            return {name: frozen(item, depth + 1) for name, item in value.items()}
    scalar: Plain = value
    return scalar


def place_of(loc: Loc) -> str:
    """The path of a value, for people and for jq(1)."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def note_places(tree: Tree, value: Plain, loc: Loc, origin: Where) -> None:
    """Tell the tree where a value and everything in it is."""
    tree.values[loc] = At(tree.file, origin.line, origin.column, place_of(loc))
    if isinstance(value, dict):
        for key, inner in value.items():
            note_places(tree, inner, (*loc, key), origin)
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            note_places(tree, inner, (*loc, index), origin)
