# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schema for editors: it takes every scenario that there is, and underlines what is wrong."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.cli import main
from harness.schema import schema
from harness.tests.test_plan import BOX, FULL
from harness.verbs import VERBS
from harness.yamltree import parse

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(schema())
GOOD = sorted([*(ROOT / "scenarios").rglob("*.yaml"), *(ROOT / "harness/tests").glob("*itive/*.yaml")])
HEAD = "summary: s\n"


def value(text: str) -> Any:
    """A YAML text as JSON has it: lists are lists."""
    return json.loads(json.dumps(parse(text, Path("x.yaml")).value))


def faults(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(value(text))]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_every_scenario_is_valid(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize("text", [FULL, BOX], ids=["full", "box"])
def test_every_verb_is_valid(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "steps: [{seal: vm0}]",
        HEAD,
        HEAD + "steps: []",
        HEAD + "steps: [seal]",
        HEAD + "steps: [{sael: vm0}]",
        HEAD + "steps: [{seal: vm0, unseal: vm0}]",
        HEAD + "steps: [{expect: EBUSY}]",
        HEAD + "steps: [{seal: vm0, expect: EBUSI}]",
        HEAD + "steps: [{seal: }]",
        HEAD + "steps: [{open: ram}]",
        HEAD + "steps: [{open: {fd: ram, size: 16MB}}]",
        HEAD + "steps: [{open: {fd: ram, size: -1}}]",
        HEAD + "steps: [{open: {fd: ram, sise: 16M}}]",
        HEAD + "steps: [{open: {fd: -ram}}]",
        HEAD + "steps: [{open: {fd: ram, kind: memfdd}}]",
        HEAD + "steps: [{put: {box: vm0}}]",
        HEAD + "steps: [{change: {fd: a, mode: 640}}]",
        HEAD + "steps: [{change: {fd: a, owner: root}}]",
        HEAD + "steps: [{change: {fd: a, seals: [WRIT]}}]",
        HEAD + "steps: [{list: {box: a, fds: {b: hold}}}]",
        HEAD + "steps: [{ssh: {command: a, status: 256}}]",
        HEAD + "steps: [{ssh: {command: a, stdout: {equal: b}}}]",
        HEAD + "steps: [{qmp: {execute: a, error: Generic}}]",
        HEAD + "steps: [{measure: {name: a, of: {sael: b}}}]",
        HEAD + "steps: [{measure: {name: a, of: blackuot}}]",
        HEAD + "steps: [{fault: nmj}]",
        HEAD + "steps: [{fault: pause}]",
        HEAD + "steps: [{fault: {pause: 2m}}]",
        HEAD + "steps: [{fault: {pause: 2s, nmi: }}]",
        HEAD + "steps: [{fault: {handler: {operation: freze}}}]",
        HEAD + "steps: [{seal: vm0, fault: {pressure: 100%}}]",
        HEAD + "steps: [{seal: vm0, unseal: vm0, fault: nmi}]",
        HEAD + "steps: [{fault: nmi, expect: EIO}]",
        HEAD + "steps: [{repeat: {times: 0, steps: [{kexec: }]}}]",
        HEAD + "steps: [{repeat: {times: 2, steps: [{kexce: }]}}]",
        HEAD + "steps: [{parallel: [{sael: a}]}]",
        HEAD + "carrier: lou\nsteps: [{kexec: }]",
        HEAD + "xfail: {kernel: 7.3.4, message: a}\nsteps: [{kexec: }]",
        HEAD + "xfail: {kernel: <=7.3, message: a, reason: b}\nsteps: [{kexec: }]",
        HEAD + "requires: {kernel: 7.3}\nsteps: [{kexec: }]",
        HEAD + "matrix: {size: [1]}\nsteps: [{kexec: }]",
        HEAD + "name: s\nsteps: [{kexec: }]",
    ],
)
def test_mistakes_are_not(text: str) -> None:
    assert not parse(text, Path("x.yaml")).faults
    assert faults(text)


def test_a_variable_can_stand_for_any_value() -> None:
    steps = "steps: [{open: {fd: a$N, size: $N, kind: $N, fill: $N}}, {list: {box: b, fds: $N}, expect: $N}]"
    assert faults(f"{HEAD}carrier: $N\nmatrix: {{N: [1]}}\n{steps}") == []


def test_every_verb_and_key_says_what_it_is() -> None:
    made = schema()
    for word in VERBS:
        assert made["$defs"]["Step"]["properties"][word]["description"], word
    for name, one in {"": made, **made["$defs"]}.items():
        for key, inner in one.get("properties", {}).items():
            assert inner.get("description"), (name, key)


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
