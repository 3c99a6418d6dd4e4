# SPDX-License-Identifier: GPL-2.0-only
"""A plan as a file: plan.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.actions import Step
from harness.errors import UsageError
from harness.plan import Plan
from harness.scenario import Allowed
from harness.verbs import VERB_OF, VERBS

FORMAT = 2


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON, for people, for the run directory, and for plan_from_json()."""
    data = asdict(plan) | {"source": str(plan.source), "steps": [step_to_data(step) for step in plan.steps]}
    return json.dumps({"format": FORMAT} | data, indent=2, ensure_ascii=False) + "\n"


def step_to_data(step: Step) -> dict[str, Any]:
    """A step as JSON data: its action under its verb, as in the scenario."""
    where = step.where
    return {
        "number": step.number,
        VERB_OF[type(step.action)]: asdict(step.action),
        "expect": step.expect,
        "where": {"file": str(where.file), "line": where.line, "column": where.column},
    }


def plan_from_json(text: str) -> Plan:
    """Read back what plan_to_json() wrote. Raises UsageError when it is something else."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise UsageError(f"this is not a plan of format {FORMAT}: write it anew with 'harness plan'")
        data["steps"] = tuple(step_from_data(step) for step in data["steps"])
        data["dmesg"] = tuple(Allowed(**allowed) for allowed in data["dmesg"])
        return TypeAdapter(Plan).validate_python(data)
    except (ValidationError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"this plan is damaged: {error}") from error


def frozen(value: object) -> object:
    """JSON data as a scenario has it: lists are tuples."""
    match value:
        case list():
            return tuple(frozen(item) for item in value)
        case dict():
            return {name: frozen(item) for name, item in value.items()}
        case _:
            return value


def step_from_data(data: Mapping[str, Any]) -> Step:
    """Undo step_to_data()."""
    word = next((word for word in data if word in VERBS), None)
    if word is None:
        raise UsageError(f"this plan is damaged: no verb in {dict(data)}")
    action = TypeAdapter(VERBS[word].kind).validate_python(frozen(data[word]))
    rest = {name: value for name, value in data.items() if name != word}
    return TypeAdapter(Step).validate_python(rest | {"action": action})
