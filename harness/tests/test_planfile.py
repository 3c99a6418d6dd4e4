# SPDX-License-Identifier: GPL-2.0-only
"""plan.json: what is written comes back the same, and what was changed by hand is refused in plain words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.build.names import known
from harness.build.spec import kernel_parameters
from harness.cli import main
from harness.errors import UsageError
from harness.load import load
from harness.plan import Plan, expand, plan
from harness.planfile import plan_from_json, plan_to_json
from harness.tests.test_plan import BOX, FULL, plans
from harness.verbs import VERBS

FILE = Path("/runs/x/plan.json")
QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
# Words of pydantic's, Python's and argparse's that no user should meet.
FOREIGN = ("pydantic", "Input should", "type=", "Traceback", "Error(", "validation error")


def full() -> Plan:
    (made,) = plans(FULL)
    return made


def quickstart() -> dict[str, Any]:
    """The plan of one case of the quickstart, as JSON data."""
    text = plan_to_json(plan(expand(load(QUICKSTART))[0], kernel_parameters))
    data: dict[str, Any] = json.loads(text)
    return data


def refusal(text: str) -> str:
    """What is said of the text as a plan."""
    with pytest.raises(UsageError) as error:
        plan_from_json(text, FILE, known())
    said = str(error.value)
    assert said.startswith(f"{FILE}: "), said
    assert not [word for word in FOREIGN if word in said], said
    return said.removeprefix(f"{FILE}: ")


def test_a_plan_survives_json() -> None:
    (box,) = plans(BOX)
    both = full(), box
    assert {type(step.action) for made in both for step in made.steps} == {
        verb.kind for verb in VERBS.values()
    }
    for made in both:
        again = plan_from_json(plan_to_json(made), FILE)
        assert again == made
        assert plan_to_json(again) == plan_to_json(made)


@pytest.mark.parametrize("path", sorted(QUICKSTART.parent.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_plan_of_every_scenario_survives_json(path: Path) -> None:
    for case in expand(load(path, known())):
        made = plan(case, kernel_parameters)
        assert plan_from_json(plan_to_json(made), FILE, known()) == made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: this is not JSON"),
        ('{"format": 3,\n "a" 1}', "line 2, column 6: this is not JSON"),
        ("[]", "not a plan of format"),
        ("null", "not a plan of format"),
        ('{"format": 0}', "not a plan of format"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ('{"a": NaN}', "no number"),
        ('{"a": ' + "1" * 5000 + "}", "a whole number of 5000 digits"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("[" * 50 + "]" * 50, "nested more than 40 levels"),
        ("[" * 100_000, "nested more than 40 levels"),
    ],
)
def test_what_is_not_a_plan(text: str, said: str) -> None:
    assert said in refusal(text)


def change(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """Set a value of a plan."""

    def changed(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = to

    return changed


def rename(step: int, old: str, new: str) -> Callable[[dict[str, Any]], None]:
    """Give a step another verb."""

    def changed(data: Any) -> None:
        data["steps"][step][new] = data["steps"][step].pop(old)

    return changed


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    """Remove a value from a plan."""

    def changed(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return changed


# Steps of the quickstart: 0 create_box, 1 open, 2 put, 3 seal, 4 kexec, 5 unseal, 6 get, 7 verify.
DAMAGED = [
    (drop("cmdline"), "cmdline: ", "a plan needs 'cmdline'"),
    (change("casse", to="x"), "casse: ", "did you mean 'case'?"),
    (change("steps", to=[]), "steps: ", "a plan needs a list of steps"),
    (change("steps", to={"0": {}}), "steps: ", "a plan needs a list of steps"),
    (drop("steps"), "steps: ", "a plan needs a list of steps"),
    (change("steps", 0, to="create_box"), "steps[0]: ", "a ':' is missing"),
    (change("steps", 0, to=None), "steps[0]: ", "a step is a verb with its arguments"),
    (rename(3, "seal", "sael"), "steps[3].sael: ", "did you mean 'seal'?"),
    (drop("steps", 0, "number"), "steps[0]: ", "a step needs its number"),
    (change("steps", 0, "where", "line", to="x"), "steps[0]: ", "and where it stands"),
    (change("steps", 1, "number", to=1), "steps[1].number: ", "numbers rise"),
    (change("steps", 0, "expect", to="EBUSSY"), "steps[0].expect: ", "did you mean 'EBUSY'?"),
    (change("steps", 0, "expect", to=16), "steps[0].expect: ", "did you mean 'EBUSY'?"),
    (change("steps", 1, "open", "fill", to={"seed": -1}), "steps[1].open.fill.seed: ", "at least 0"),
    (change("steps", 1, "open", "fd", to="../x"), "steps[1].open.fd: ", "no name of an fd"),
    (change("case", to="../../evil"), "case: ", "its records would lie elsewhere"),
    (change("case", to="/evil"), "case: ", "its records would lie elsewhere"),
    (change("case", to="a//b"), "case: ", "its records would lie elsewhere"),
    (change("case", to="."), "case: ", "its records would lie elsewhere"),
    (change("case", to=""), "case: ", "text on one line"),
    (change("case", to="a\0b"), "case: ", "text on one line"),
    (change("case", to="x" * 256), "case: ", "at most 255 bytes"),
    (change("case", to=7), "case: ", "'case' must be text"),
    (change("carrier", to="lou"), "carrier: ", "did you mean 'luo'?"),
    (change("machine", "cpus", to=0), "machine.cpus: ", "at least 1"),
    (change("machine", "cpus", to=65), "machine.cpus: ", "at most 64"),
    (change("machine", "cpus", to="many"), "machine.cpus: ", "a whole number"),
    (change("machine", "memory", to=1), "machine.memory: ", "a machine has 256M to 64G"),
    (change("machine", "cpu", to=""), "machine.cpu: ", "must be text"),
    (change("machine", to=[]), "machine: ", "'machine' must be a mapping"),
    (change("kernel", to="9.9"), "kernel: ", "no kernel '9.9'"),
    (change("steps", 4, "kexec", "kernel", to="9.9"), "steps[4].kexec.kernel: ", "no kernel '9.9'"),
    (
        change("next_kernels", to=[]),
        "next_kernels: ",
        "what the steps load, each once: the default kernel",
    ),
    (
        change("next_kernels", to=["7.2.12"]),
        "next_kernels: ",
        "what the steps load, each once: the default kernel",
    ),
    (change("next_kernels", to=None), "next_kernels: ", "'next_kernels' is empty: it must be a list"),
    (change("jumps", to=[]), "jumps: ", "one for each step that loads"),
    (change("jumps", to="x"), "jumps: ", "must be a list"),
    (change("jumps", 0, "step", to=1), "jumps: ", "the default kernel (null) in step 5"),
    (change("jumps", 0, "cmdline", to=""), "jumps[0].cmdline: ", "must be text"),
    (change("cmdline", to="a\0b"), "cmdline: ", "without NUL"),
    (change("dmesg", to=[{"message": "("}]), "dmesg[0]", "not a regular expression"),
    (change("dmesg", to=[{"message": "", "reason": "r"}]), "dmesg[0].message: ", ""),
    (change("tags", to="x"), "tags: ", "must be a list"),
]


@pytest.mark.parametrize(("damage", "place", "sentence"), DAMAGED)
def test_a_damaged_plan(damage: Callable[[dict[str, Any]], None], place: str, sentence: str) -> None:
    data = quickstart()
    damage(data)
    said = refusal(json.dumps(data))
    assert said.startswith(place), said
    assert sentence in said


def test_what_the_steps_mean_together_is_checked_like_a_scenario() -> None:
    data = quickstart()
    seal = next(index for index, step in enumerate(data["steps"]) if "seal" in step)
    data["steps"].insert(seal, json.loads(json.dumps(data["steps"][seal])))
    for number, step in enumerate(data["steps"], 1):
        step["number"] = number
    said = refusal(json.dumps(data))
    assert said.startswith(f"steps[{seal + 1}].seal.box: "), said
    assert "is sealed since line" in said


def test_everything_that_is_wrong_is_said_at_once() -> None:
    data = quickstart()
    data["summray"] = data.pop("summary")
    data["steps"][0]["expect"] = "EEVIL"
    del data["steps"][1]["number"]
    assert refusal(json.dumps(data)).endswith("4 errors")


def test_the_command_line_refuses_a_damaged_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(quickstart() | {"case": "../../evil"}))
    for command in ("run", "check", "plan", "bench", "shell"):
        assert main([command, str(file)]) == 129
        assert capsys.readouterr().err.startswith(f"{file}: case: '../../evil' is no name of a case")
    assert main(["run", str(tmp_path / "none.json")]) == 129
    assert "no such file" in capsys.readouterr().err


def test_a_good_plan_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(quickstart()))
    assert main(["check", str(file)]) == 0
    assert "0 scenarios, 1 plan, 1 case: all valid" in capsys.readouterr().out
