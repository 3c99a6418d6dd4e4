# SPDX-License-Identifier: GPL-2.0-only
"""A step in the words of its scenario."""

from dataclasses import is_dataclass

from harness import faults
from harness.actions import Fault, Step
from harness.verbs import VERB_OF


def step_title(step: Step) -> str:
    """Which step it is and what it does, for people: 'step 3 (round 2): put: {box: vm0, fd: ram}'."""
    turn = f" (round {'.'.join(map(str, step.rounds))})" if step.rounds else ""
    return f"step {step.number}{turn}: {describe_step(step)}"


def describe_step(step: Step) -> str:
    """A step as in the scenario, on one line."""
    beside = f", fault: {word(step.fault)}" if step.fault else ""
    beside += f", expect: {word(step.expect)}" if step.expect else ""
    beside += f", as: {step.process}" if step.process else ""
    return f"{VERB_OF[type(step.action)]}: {word(step.action)}{beside}"


def word(value: object) -> str:
    """A value as in the scenario."""
    match value:
        case Step():
            return f"{{{describe_step(value)}}}"
        case faults.Broken():
            return f"{{{faults.word_of(value)}: {word(vars(value))}}}"
        case Fault(what):
            return word(what)
        case (single,) if isinstance(single, str):
            return single
        case tuple():
            return f"[{', '.join(map(word, value))}]"
        case bool():
            return str(value).lower()
        case dict():
            return f"{{{', '.join(f'{key}: {word(inner)}' for key, inner in value.items())}}}"
        case _ if is_dataclass(value):
            given = {key: inner for key, inner in vars(value).items() if inner not in (None, "", {}, ())}
            return word(given)
        case _:
            return str(value)
