# SPDX-License-Identifier: GPL-2.0-only
"""A plan as a file, plan.json: written with every run, and read back to repeat it.

People change such files by hand, so that what is read is checked like a scenario: by the same words, the
same lint, and for what only a plan has. A place is the path of a value: steps[3].put.box.
"""

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from harness import faults
from harness.actions import Fault, Step
from harness.diagnostic import Diagnostic, ScenarioError
from harness.drafts import read_step
from harness.explain import key_of
from harness.jsontree import At, note_places, parse, place_of, refused
from harness.lint import Draft, lint
from harness.load import unreadable
from harness.origin import without_origin
from harness.plan import Plan
from harness.planrules import check, make_plan
from harness.verbs import VERB_OF
from harness.world import Known
from harness.yamltree import Plain, Tree

FORMAT = 6


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON, for people, for the run directory, and for plan_from_json()."""
    data = to_data(plan) | {"steps": [step_to_data(step) for step in plan.steps]}
    return json.dumps({"format": FORMAT} | data, indent=2, ensure_ascii=False, default=str) + "\n"


def step_to_data(step: Step) -> dict[str, Any]:
    """A step as JSON data: its action under its verb, as in the scenario."""
    rest = {name: value for name, value in to_data(step).items() if name not in {"action", "process"}}
    action = step.action
    arguments = fault_to_data(action.what) if isinstance(action, Fault) else to_data(action)
    beside = fault_to_data(step.fault) if step.fault is not None else None
    # A step of its own that breaks something has nothing beside it.
    return rest | {"fault": beside, VERB_OF[type(action)]: arguments, "as": step.process}


def fault_to_data(fault: faults.Fault) -> dict[str, Any]:
    """A fault as JSON data: what there is to be said of it under its word, as in the scenario."""
    said = {key: value for key, value in to_data(fault).items() if value is not None}
    return {faults.word_of(fault): said}


def to_data(value: Any) -> dict[str, Any]:
    """A dataclass as JSON data, by the keys that it is read back by."""
    return {key_of(field.type, field.name): plain(getattr(value, field.name)) for field in fields(value)}


def plain(value: Any) -> Any:
    """Anything as JSON data."""
    if isinstance(value, Step):
        return step_to_data(value)
    if is_dataclass(value):
        return to_data(value)
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def read_plan(path: Path, known: Known | None = None) -> Plan:
    """Read a plan.json; known: what exists besides, None: do not check that.

    Raises ScenarioError with everything that is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise refused(path, unreadable(path, error)) from error
    except UnicodeDecodeError as error:
        raise refused(path, "this is not text in UTF-8") from error
    return plan_from_json(text, path, known)


def plan_from_json(text: str, path: Path, known: Known | None = None) -> Plan:
    """Read back what plan_to_json() wrote into the file path. Raises ScenarioError."""
    data = parse(text, path)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise refused(path, f"this is not a plan of format {FORMAT}: write it anew with 'harness plan'")
    drafts, faults = read_steps(data.get("steps", ()), path)
    steps = tuple(draft.step for draft in drafts if draft.step is not None)
    made, wrong = make_plan(data | {"steps": steps})
    faults += [Diagnostic(At(path, 0, 0, place_of(loc)), message) for loc, message in wrong]
    if made is not None:
        faults += [Diagnostic(*fault) for fault in lint(drafts, (made.carrier,), known)]
        more = check(made, known) if not faults else ()
        faults += [Diagnostic(At(path, 0, 0, place_of(loc)), message) for loc, message in more]
    if made is None or faults:
        raise ScenarioError(sorted(dict.fromkeys(faults)))
    return made


def read_steps(listed: Plain, path: Path) -> tuple[list[Draft], list[Diagnostic]]:
    """The steps, those that are wrong included, and what is wrong with them."""
    if not isinstance(listed, tuple) or not listed:
        message = "a plan needs a list of steps, and this is none"
        return [], [Diagnostic(At(path, 0, 0, "steps"), message)]
    drafts: list[Draft] = []
    faults: list[Diagnostic] = []
    last = 0
    for position, value in enumerate(listed):
        draft, wrong = read_one_step(value, position, path)
        number = draft.step.number if draft.step else last + 1
        if number <= last:
            message = f"step {number} comes after step {last}: numbers rise"
            wrong.append(Diagnostic(At(path, 0, 0, f"steps[{position}].number"), message))
        last = number
        drafts.append(draft)
        faults += wrong
    return drafts, faults


def read_one_step(value: Plain, position: int, path: Path) -> tuple[Draft, list[Diagnostic]]:
    """One step, read as one of a scenario, with the number and the place that it has there."""
    rest, origin = without_origin(value)
    tree = Tree(path, [])
    note_places(tree, rest, ("steps", position), origin.where)
    draft = read_step(rest, tree, ("steps", position))
    if not origin.known:
        message = "a step needs its number, and where it stands: {file: ..., line: ..., column: ...}"
        tree.fault(tree.where(("steps", position)), message)
    if draft.step is not None:
        draft = replace(draft, step=origin.restore(replace(draft.step, number=position + 1)))
    return draft, tree.faults
