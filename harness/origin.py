# SPDX-License-Identifier: GPL-2.0-only
"""Where a step of a plan stands in its scenario: what only a plan writes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.actions import Step
from harness.diagnostic import Where
from harness.yamltree import Plain


def without_origin(value: Plain) -> tuple[Plain, "Origin"]:
    """A step without what only a plan writes, its origin and null for what a scenario leaves out."""
    if not isinstance(value, dict):
        return value, UNKNOWN
    rest = {key: without_null(inner) for key, inner in value.items() if inner is not None}
    origin = Origin.of({key: rest.pop(key, None) for key in ("number", "where", "rounds")})
    for word, key in (("parallel", "steps"), ("measure", "of")):
        arguments = rest.get(word)
        inside = arguments.get(key) if isinstance(arguments, dict) else None
        if isinstance(arguments, dict) and isinstance(inside, dict | tuple):
            pairs = [without_origin(step) for step in (inside if isinstance(inside, tuple) else (inside,))]
            steps = tuple(step for step, _ in pairs)
            rest[word] = {**arguments, key: steps if isinstance(inside, tuple) else steps[0]}
            origin = replace(origin, inside=tuple(inner for _, inner in pairs))
    return rest, origin


@dataclass(frozen=True)
class Origin:
    """Where a step of a plan stands in its scenario."""

    number: int
    where: Where
    known: bool = True
    rounds: tuple[int, ...] = ()
    # Those of the steps in it.
    inside: tuple["Origin", ...] = ()

    def restore(self, step: Step) -> Step:
        """The step with its origin, as far as that is known."""
        if len(step.inside) == len(self.inside):
            pairs = zip(self.inside, step.inside, strict=True)
            step = step.containing([origin.restore(inner) for origin, inner in pairs])
        if not self.known:
            return step
        return replace(step, number=self.number, where=self.where, rounds=self.rounds)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Origin":
        """What a step says; not known if it says nothing of use."""
        match value:
            case {
                "number": int(number),
                "where": {"file": str(file), "line": int(line), "column": int(column), **rest},
                "rounds": tuple(rounds),
            } if number > 0 and not rest and all(isinstance(turn, int) for turn in rounds):
                return cls(number, Where(Path(file), line, column), rounds=rounds)
        return UNKNOWN


UNKNOWN = Origin(1, Where(Path("-"), 0, 0), known=False)


def without_null(value: Plain) -> Plain:
    """The arguments of a verb without those that were left out."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
