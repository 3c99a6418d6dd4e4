# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schema of a scenario file, made of the models: editors complete and underline by it.

It knows each value by itself. What the steps mean together only `harness check` knows.
"""

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from harness.actions import Fault, Step
from harness.faults import FAULTS
from harness.scenario import Header, Modifiers, Repeat
from harness.verbs import VERB_OF, VERBS, Verb

Schema = dict[str, Any]
DEFS = "#/$defs/"
FAULT = VERB_OF[Fault]
VARIABLE = "Variable"
# What holds values of the matrix, or nothing but names: no variable stands there.
WITHOUT_VARIABLES = frozenset({"matrix", "summary", VARIABLE})


class Generator(GenerateJsonSchema):
    """Pydantic's schema without the titles that it makes up."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No."""
        return False


def schema() -> Schema:
    """The JSON Schema of a scenario file."""
    defs = definitions()
    header = defs.pop(Header.__name__)
    header["properties"]["steps"] = {
        "type": "array",
        "minItems": 1,
        "items": {"$ref": f"{DEFS}Step"},
        "description": "What is done, in order.",
    }
    header["required"] = [*header["required"], "steps"]
    defs["Step"] = step(defs)
    made = {name: with_variables(one) for name, one in defs.items()}
    made[VARIABLE] = {
        "type": "string",
        "pattern": r"\$[A-Z][A-Z0-9_]*",
        "description": "A value of the matrix, or $ROUND within `repeat`.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of fdbox-harness",
        **with_variables(header),
        "$defs": {name: made[name] for name in sorted(made) if name in used(header, made)},
    }


def definitions() -> dict[str, Schema]:
    """The schema of each model by its name, as the author of a scenario writes it."""
    models = [(kind, "validation", TypeAdapter(kind)) for kind in (Header, Modifiers, Repeat, Step)]
    _, found = TypeAdapter.json_schemas(models, schema_generator=Generator)  # type: ignore[arg-type]
    defs: dict[str, Schema] = {name: written(one) for name, one in found["$defs"].items()}
    defs[Repeat.__name__]["properties"]["steps"]["items"] = {"$ref": f"{DEFS}Step"}
    return defs


def written(value: Any) -> Any:
    """A schema without what nobody writes: null, defaults that are nothing, names of classes."""
    match value:
        case {"anyOf": [*choices], **rest} if {"type": "null"} in choices:
            others = [choice for choice in choices if choice != {"type": "null"}]
            inner = others[0] if len(others) == 1 else {"anyOf": others}
            return written({**inner, **rest})
        case {"patternProperties": _} if "additionalProperties" not in value:
            return written({**value, "additionalProperties": False})
        case dict():
            dropped = {"title"} if str(value.get("title", ""))[:1].isupper() else set()
            dropped |= {"default"} if value.get("default", 0) in (None, "", [], {}) else set()
            return {key: written(inner) for key, inner in value.items() if key not in dropped}
        case list():
            return [written(item) for item in value]
    return value


def step(defs: Mapping[str, Schema]) -> Schema:
    """The schema of one step: one verb, and what may stand beside it."""
    verbs = {word: verb_value(verb, defs) for word, verb in VERBS.items()}
    verbs[FAULT] = {"description": about(VERBS[FAULT]), "anyOf": fault_values(defs)}
    repeat = {"$ref": f"{DEFS}Repeat", "description": defs["Repeat"].get("description", "")}
    properties = defs["Modifiers"]["properties"] | verbs | {"repeat": repeat}
    return {
        "type": "object",
        "description": "A verb with its arguments, and what may stand beside it.",
        "properties": properties,
        "additionalProperties": False,
        # `fault` is a verb too, where it stands alone.
        "oneOf": [
            *({"required": [word]} for word in (*verbs, "repeat") if word != FAULT),
            {"required": [FAULT], "maxProperties": 1},
        ],
    }


def fault_values(defs: Mapping[str, Schema]) -> list[Schema]:
    """What may stand behind `fault`: a word, or a word with what there is to be said of it."""
    choices: list[Schema] = []
    bare = [word for word, known in FAULTS.items() if not fields(known.kind)]
    choices.append({"enum": bare})
    for word, known in FAULTS.items():
        if word in bare:
            continue
        name = known.kind.__name__
        inner: list[Schema] = [{"$ref": f"{DEFS}{name}"}]
        inner += [defs[name]["properties"][known.short]] if known.short else []
        value = {"description": inspect.getdoc(known.kind), "anyOf": inner}
        one = {"type": "object", "properties": {word: value}, "required": [word]}
        choices.append(with_variables({**one, "additionalProperties": False}))
    return choices


def verb_value(verb: Verb, defs: Mapping[str, Schema]) -> Schema:
    """The schema of what stands behind a verb."""
    name = verb.kind.__name__
    choices: list[Schema] = [{"$ref": f"{DEFS}{name}"}]
    if verb.short is not None:
        choices.append(defs[name]["properties"][verb.short])
    if all(one.default is not MISSING or one.default_factory is not MISSING for one in fields(verb.kind)):
        choices.append({"type": "null"})
    return {"description": about(verb), "anyOf": choices}


def about(verb: Verb) -> str:
    """What a verb does, and what it is on each carrier."""
    means = dict(verb.means)
    same = len(set(means.values())) == 1 and verb.instead == ""
    on = next(iter(means.values())) if same else "; ".join(f"on {c}: {text}" for c, text in means.items())
    return f"{purpose(verb)} ({on})"


def purpose(verb: Verb) -> str:
    """What a verb does, on one line."""
    return " ".join((inspect.getdoc(verb.kind) or "").split())


def with_variables(value: Any, key: str = "") -> Any:
    """A schema in which a variable may stand wherever a value must look like something."""
    match value:
        case {"properties": properties}:
            inner = {name: with_variables(one, name) for name, one in properties.items()}
            return {**value, "properties": inner}
        case dict() if key not in WITHOUT_VARIABLES:
            return with_variable(value)
    return value


def with_variable(value: Schema) -> Schema:
    """The schema of one value, or of a variable for it."""
    kept = ("description", "default")
    description: Schema = {name: value[name] for name in kept if name in value}
    bare = {name: inner for name, inner in value.items() if name not in description}
    match bare:
        case {"type": "array", "items": items}:
            bare = {**bare, "items": with_variable(items)}
        case {"type": "object", "additionalProperties": dict(values)}:
            bare = {**bare, "additionalProperties": with_variable(values)}
        case {"anyOf": choices}:
            bare = {"anyOf": [with_items(choice) for choice in choices]}
    if (bare.get("type") == "string" and not {"pattern", "enum"} & bare.keys()) or not bare:
        return value
    choices = bare["anyOf"] if list(bare) == ["anyOf"] else [bare]
    return {**description, "anyOf": [*choices, {"$ref": f"{DEFS}{VARIABLE}"}]}


def with_items(value: Schema) -> Schema:
    """One of several schemas, in whose items a variable may stand."""
    if "items" in value:
        return {**value, "items": with_variable(value["items"])}
    return value


def used(root: Schema, defs: Mapping[str, Schema]) -> set[str]:
    """The names of the definitions that a schema needs."""
    found, todo = {VARIABLE}, [root]
    while todo:
        names = set(references(todo.pop())) - found
        found |= names
        todo += [defs[name] for name in names]
    return found


def references(value: Any) -> list[str]:
    """The names of the definitions that a schema refers to."""
    match value:
        case {"$ref": str(name)}:
            return [name.removeprefix(DEFS)]
        case dict():
            return [name for inner in value.values() for name in references(inner)]
        case list():
            return [name for inner in value for name in references(inner)]
    return []
