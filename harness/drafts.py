# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a scenario as they are read, those that are wrong included; faults go to the tree."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from harness import faults, matrix
from harness.actions import Fault, Measure, Parallel, Step
from harness.diagnostic import guess, nearest
from harness.lint import Draft
from harness.scenario import Modifiers, Repeat
from harness.validation import validate
from harness.verbs import VERB_OF, VERBS
from harness.yamltree import Loc, Plain, Tree

FAULT = VERB_OF[Fault]
# What a step can begin with.
WORDS = (*VERBS, "repeat")
STEPS_HELP = "what is done, in order: steps: [{create_box: vm0}, ...]"


def read_steps(value: Plain, tree: Tree, loc: Loc) -> list[Draft]:
    """The steps in the list at a path, and in lists in it, those that are wrong included."""
    if not isinstance(value, tuple):
        tree.fault(tree.where_key(loc), f"'steps' must be a list, each step with a '- ': {STEPS_HELP}")
        return []
    if not value:
        tree.fault(tree.where_key(loc), f"'steps' is empty: {STEPS_HELP}")
    drafts: list[Draft] = []
    for index, step in enumerate(value):
        if isinstance(step, dict) and "repeat" in step:
            drafts += read_repeat(step, tree, (*loc, index))
        elif isinstance(step, tuple):
            drafts += read_steps(step, tree, (*loc, index))
        else:
            drafts.append(read_step(step, tree, (*loc, index)))
    return drafts


def read_repeat(value: Mapping[str, Plain], tree: Tree, loc: Loc) -> list[Draft]:
    """The steps of all rounds; of one round, if that is wrong."""
    drafts: list[Draft] = []
    for key in value.keys() - {"repeat"}:
        tree.fault(tree.where_key((*loc, key)), f"'{key}' beside 'repeat': it belongs to the steps in it")
    repeat = validate(Repeat, value["repeat"], tree, (*loc, "repeat"), "'repeat'")
    before = len(tree.faults)
    for turn in range(1, repeat.times + 1 if repeat and len(tree.faults) == before else 1):
        steps = matrix.substitute(repeat.steps if repeat else (), {matrix.ROUND: turn})
        for draft in read_steps(steps, tree, (*loc, "repeat", "steps")):
            step = replace(draft.step, rounds=(turn, *draft.step.rounds)) if draft.step else None
            drafts.append(replace(draft, step=step))
        if len(tree.faults) > before:
            break
    return drafts


def number(drafts: Iterable[Draft]) -> list[Draft]:
    """Number the steps in the order in which they are done."""
    return [
        replace(draft, step=numbered(draft.step, count)) if draft.step else draft
        for count, draft in enumerate(drafts, 1)
    ]


def numbered(step: Step, count: int) -> Step:
    """A step with its number, which is that of the steps in it too."""
    inside = [replace(inner, number=count) for inner in step.inside]
    return replace(step.containing(inside), number=count)


def read_step(value: Plain, tree: Tree, loc: Loc) -> Draft:
    """One step: a verb with its arguments, and modifiers beside it."""
    step, word = None, None
    inside: list[Draft] = []
    if not isinstance(value, dict):
        tree.fault(tree.where(loc), not_a_step(value))
    elif (word := find_verb(value, tree, loc)) is not None:
        before = len(tree.faults)
        beside: dict[str, Any] = {key: rest for key, rest in value.items() if key != word}
        arguments: Any = spread(VERBS[word].short, value[word])
        if word == VERB_OF[Parallel]:
            arguments, inside = read_parallel(arguments, tree, (*loc, word))
        elif word == VERB_OF[Measure]:
            arguments, inside = read_measured(arguments, tree, (*loc, word))
        elif word == FAULT:
            arguments = {"what": read_fault(arguments, tree, (*loc, word))}
        if FAULT in beside:
            beside[FAULT] = read_fault(beside[FAULT], tree, (*loc, FAULT))
        action = None
        if len(tree.faults) == before or word != FAULT:
            action = validate(VERBS[word].kind, arguments, tree, (*loc, word), f"'{word}'")
        misplaced = report_misplaced(beside, word, tree, loc)
        modifiers = validate(
            Modifiers,
            {k: v for k, v in beside.items() if k not in misplaced and (k != FAULT or v is not None)},
            tree,
            loc,
            "a step",
        )
        if action is not None and modifiers is not None and len(tree.faults) == before:
            step = Step(
                action, modifiers.expect, tree.where(loc), 0, process=modifiers.process, fault=modifiers.fault
            )
    depth = len(loc)
    places = {
        str(at[-1]): where
        for at, where in tree.values.items()
        if len(at) in {depth + 1, depth + 2} and at[:depth] == loc
    }
    names = frozenset(words(value))
    return Draft(step, word or guess_verb(value), names, tree.where(loc), places, tuple(inside))


def read_parallel(value: Plain, tree: Tree, loc: Loc) -> tuple[Any, list[Draft]]:
    """The arguments of `parallel` with its steps as steps, and these as they were read."""
    if not isinstance(value, dict) or not isinstance(value.get("steps"), tuple):
        return value, []
    # In the short form the list stands where the mapping would.
    at = (*loc, "steps") if (*loc, "steps") in tree.values else loc
    drafts = read_steps(value["steps"], tree, at)
    steps = tuple(draft.step for draft in drafts if draft.step is not None)
    return {**value, "steps": steps}, drafts


def read_measured(value: Plain, tree: Tree, loc: Loc) -> tuple[Any, list[Draft]]:
    """The arguments of `measure` with its step as a step, if it has one, and this as it was read."""
    if not isinstance(value, dict) or not isinstance(value.get("of"), dict):
        return value, []
    draft = read_step(value["of"], tree, (*loc, "of"))
    rest = {key: inner for key, inner in value.items() if key != "of"}
    return rest | ({"of": draft.step} if draft.step else {}), [draft]


def guess_verb(value: Plain) -> str | None:
    """The verb that something wrong is probably meant to have."""
    heads = value if isinstance(value, dict) else [value] if isinstance(value, str) else []
    guesses = (guess(re.split(r"[\s:]", head)[0], VERBS) for head in heads)
    return next((verb for verb in guesses if verb), None)


def not_a_step(value: Plain) -> str:
    """Why something is no step."""
    if isinstance(value, str):
        word, colon, rest = value.partition(":")
        if colon and word in VERBS:
            return f"a space is missing after the ':': '{word}: {rest}'"
        if value in VERBS:
            return f"a ':' is missing: '{value}:'"
        if value.split(maxsplit=1)[0:1] and value.split()[0] in VERBS:
            return f"a ':' is missing: '{value.replace(' ', ': ', 1)}'"
    return "a step is a verb with its arguments, such as 'seal: vm0'"


def find_verb(value: Mapping[str, Plain], tree: Tree, loc: Loc) -> str | None:
    """The verb of a step; None, and a fault, if there is not exactly one."""
    found = [key for key in value if key in VERBS]
    # Beside another verb it says what is broken meanwhile.
    found = [key for key in found if key != FAULT] or found
    if len(found) == 1:
        return found[0]
    if found:
        tree.fault(
            tree.where_key((*loc, found[1])),
            f"two verbs in one step, '{found[0]}' and '{found[1]}': begin each step with '- '",
        )
        return None
    modifiers = {field.name for field in fields(Modifiers)}
    others = [key for key in value if key not in modifiers]
    if not others:
        tree.fault(tree.where(loc), "a step without a verb")
    for key in others:
        word, colon, rest = key.partition(":")
        if colon and word in VERBS:
            message = f"a space is missing after the ':': '{word}: {rest}'"
        else:
            message = f"unknown step '{key}'{nearest(key, WORDS)}"
        tree.fault(tree.where_key((*loc, key)), message)
    return None


def report_misplaced(beside: Mapping[str, Plain], word: str, tree: Tree, loc: Loc) -> set[str]:
    """Report arguments of a verb that stand beside it because they are not indented enough."""
    misplaced = {field.name for field in fields(VERBS[word].kind)} & beside.keys()
    for key in misplaced:
        tree.fault(
            tree.where_key((*loc, key)),
            f"'{key}' stands beside '{word}', not in it: indent it more, or write '{word}: {{{key}: ...}}'",
        )
    return misplaced


def read_fault(value: Plain, tree: Tree, loc: Loc) -> faults.Fault | None:
    """What is to be broken: a word, with its arguments if it has any."""
    said = value if isinstance(value, dict) else {value: None} if isinstance(value, str) else {}
    if len(said) != 1:
        known = ", ".join(faults.FAULTS)
        tree.fault(tree.where_key(loc), f"'fault' needs one word for what is broken: {known}")
        return None
    ((word, arguments),) = said.items()
    if word not in faults.FAULTS:
        tree.fault(tree.where_key((*loc, word)), f"unknown fault '{word}'{nearest(word, faults.FAULTS)}")
        return None
    known_word = faults.FAULTS[word]
    if arguments and not fields(known_word.kind):
        tree.fault(tree.where((*loc, word)), f"there is nothing to be said of '{word}': 'fault: {word}'")
        return None
    return validate(known_word.kind, spread(known_word.short, arguments), tree, (*loc, word), f"'{word}'")


def spread(short: str | None, value: Plain) -> Plain:
    """The arguments of a verb, with its short form (`seal: vm0`) written out."""
    if value is None:
        return {}
    if short is not None and not isinstance(value, dict):
        return {short: value}
    return value


def words(value: Plain) -> Iterable[str]:
    """All text in a value, and the words in it."""
    match value:
        case str():
            yield from (value, *re.split(r"[\s:]+", value))
        case dict():
            for inner in value.values():
                yield from words(inner)
        case tuple():
            for inner in value:
                yield from words(inner)
