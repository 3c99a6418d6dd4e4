# SPDX-License-Identifier: GPL-2.0-only
"""Variables in a scenario: $NAME stands for one value of its matrix, $ROUND for the round of a repeat."""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from harness.diagnostic import Diagnostic, nearest
from harness.faults import FAULTS
from harness.scalars import VARIABLE
from harness.verbs import VERBS
from harness.yamltree import Loc, Plain, Tree

Values = Mapping[str, Plain]
NAME = re.compile(r"\$([A-Z][A-Z0-9_]*)")
# What a message is about.
QUOTED = re.compile(r"'([^']+)'")
# What `$ROUND` stands for within `repeat`.
ROUND = "ROUND"
# Text in which a `$NAME` is mostly somebody else's: the shell's.
FOREIGN = frozenset({"ssh", "command"})
# The characters of an id, which is also the name of a folder.
NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.+=-]")
LONGEST_WORD = 40


def combinations(tree: Tree) -> list[Values]:
    """Every combination of the values in a tree's matrix; one, and empty, if it has none."""
    matrix = tree.value.get("matrix") if isinstance(tree.value, dict) else None
    if not isinstance(matrix, dict):
        return [{}]
    axes = {name: values for name, values in matrix.items() if isinstance(values, tuple) and values}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def word(value: Plain) -> str:
    """A value as part of an id."""
    match value:
        case dict() if VERBS.keys() & value.keys():
            text = step_word(value)
        case dict() if len(value) == 1 and FAULTS.keys() >= value.keys():
            text = next(iter(value))
        case dict():
            text = "+".join(map(word, value.values()))
        case tuple():
            text = "+".join(map(word, value))
        case _:
            text = spelled(value)
    return NOT_IN_IDS.sub("_", text)[:LONGEST_WORD]


def spelled(value: Plain) -> str:
    """A value within text, true and false as YAML has them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def step_word(step: Mapping[str, Plain]) -> str:
    """A step as part of an id: its verb, and what is broken while it is done."""
    verb = next((key for key in step if key in VERBS and key != "fault"), "fault")
    return f"{verb}={word(step['fault'])}" if "fault" in step else verb


def substitute(value: Plain, values: Values) -> Plain:
    """A value with what its variables stand for; text that is only a variable becomes that value itself."""
    match value:
        case str():
            whole = NAME.fullmatch(value)
            if whole and whole[1] in values:
                return values[whole[1]]
            return NAME.sub(lambda m: spelled(values[m[1]]) if m[1] in values else m[0], value)
        case dict():
            return {
                key: inner if key == "matrix" else substitute(inner, values) for key, inner in value.items()
            }
        case tuple():
            return tuple(substitute(inner, values) for inner in value)
        case _:
            return value


def variant(tree: Tree, values: Values) -> Tree:
    """The tree with these values, in the same places, and without faults so far."""
    return replace(tree, value=substitute(tree.value, values), faults=[])


def told(tree: Tree, values: Values, fault: Diagnostic) -> Diagnostic:
    """What is wrong, and what the variables in that line stand for then, each with its place."""
    quoted = QUOTED.findall(fault.message)
    names = [
        name
        for name in dict.fromkeys(NAME.findall(fault.source))
        if name in values and any(text in spelled(values[name]) for text in quoted)
    ]
    if not names or fault.where.line == tree.where_key(("matrix",)).line:
        return fault
    places = ((name, tree.where(("matrix", name, _index(tree, name, values[name])))) for name in names)
    known = (f"${name} is '{word(values[name])}' there ({at.line}:{at.column})" for name, at in places)
    return replace(fault, message=f"{fault.message}; {', '.join(known)}")


def _index(tree: Tree, name: str, value: Plain) -> int:
    axes = tree.value["matrix"] if isinstance(tree.value, dict) else None
    listed = axes[name] if isinstance(axes, dict) else ()
    return next((n for n, one in enumerate(listed) if one is value), 0) if isinstance(listed, tuple) else 0


def check(tree: Tree) -> None:
    """Report what is wrong with a tree's matrix, and with the use of its variables."""
    matrix = tree.value.get("matrix") if isinstance(tree.value, dict) else None
    if not isinstance(matrix, dict):
        return
    used: set[str] = set()
    for loc, text in texts(tree.value, ()):
        names = NAME.findall(text)
        used |= set(names)
        for name in names:
            if (
                name not in matrix
                and not FOREIGN & set(map(str, loc))
                and not (name == ROUND and "repeat" in loc)
            ):
                tree.fault(tree.where(loc), f"no '{name}' in the matrix{nearest(name, matrix)}")
    for name, values in matrix.items():
        at: Loc = ("matrix", name)
        if not re.fullmatch(VARIABLE, name) or not isinstance(values, tuple):
            continue  # reported with the header
        if name not in used:
            tree.fault(tree.where_key(at), f"the matrix has '{name}', and nothing uses it: write '${name}'")
        words = [word(value) for value in values]
        for index, text in enumerate(words):
            if text in words[:index]:
                tree.fault(tree.where((*at, index)), f"two values of '{name}' are the same case: '{text}'")


def check_limits(tree: Tree) -> None:
    """Report what `xfail` says of the matrix and what is not in it."""
    assert isinstance(tree.value, dict)
    matrix, listed = tree.value.get("matrix"), tree.value.get("xfail")
    axes = matrix if isinstance(matrix, dict) else {}
    for index, known in enumerate(listed if isinstance(listed, tuple) else (listed,)):
        limits = known.get("matrix") if isinstance(known, dict) else None
        for name, wanted in limits.items() if isinstance(limits, dict) else ():
            at: Loc = tree.existing(("xfail", index, "matrix", name))
            if name not in axes:
                tree.fault(tree.where_key(at), f"no '{name}' in the matrix{nearest(name, axes)}")
                continue
            values = axes[name]
            for value in wanted if isinstance(wanted, tuple) else (wanted,):
                if isinstance(values, tuple) and value not in values:
                    tree.fault(tree.where(at), f"'{name}' is never {word(value)} in the matrix")


def fits(limits: Mapping[str, Collection[Plain]], values: Values) -> bool:
    """Whether the values of a case are within limits."""
    return all(values.get(name) in wanted for name, wanted in limits.items())


def texts(value: Plain, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """All text outside of the matrix, each with its path."""
    match value:
        case str():
            yield loc, value
        case dict():
            for key, inner in value.items():
                if (*loc, key) != ("matrix",):
                    yield from texts(inner, (*loc, key))
        case tuple():
            for index, inner in enumerate(value):
                yield from texts(inner, (*loc, index))
