# SPDX-License-Identifier: GPL-2.0-only
"""A plan as a file, plan.json: written with every run, and read back to repeat it.

People change such files by hand, so that what is read is checked like a scenario: by the same words, the
same lint, and for what only a plan has. A place is the path of a value: steps[3].put.box.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import faults
from harness.actions import Fault, Step
from harness.diagnostic import Diagnostic, ScenarioError, Where, nearest
from harness.explain import explain, key_of
from harness.kernelactions import NextKernel
from harness.lint import Draft, lint
from harness.load import read_step, unreadable
from harness.plan import Plan
from harness.scenario import Boot
from harness.verbs import VERB_OF
from harness.yamltree import Loc, Plain, Tree

FORMAT = 6
# Nothing that we write is nested more deeply.
DEPTH_MAX = 40
DIGITS_MAX = 40
NAME_MAX = 255
# What is wrong, and the path of the value.
Wrong = tuple[Loc, str]


@dataclass(frozen=True, order=True)
class At(Where):
    """A place in a plan; line and column are of the scenario that a step comes from."""

    place: str

    def __str__(self) -> str:
        """The file and the path of the value."""
        return f"{self.file}: {self.place}" if self.place else str(self.file)


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


def read_plan(path: Path, kernels: Collection[str] | None = None) -> Plan:
    """Read a plan.json; kernels: the names of kernels that exist, None: do not check those.

    Raises ScenarioError with everything that is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise refused(path, unreadable(path, error)) from error
    except UnicodeDecodeError as error:
        raise refused(path, "this is not text in UTF-8") from error
    return plan_from_json(text, path, kernels)


def refused(path: Path, message: str, place: str = "") -> ScenarioError:
    """The error for a plan with one fault."""
    return ScenarioError([Diagnostic(At(path, 0, 0, place), message)])


def plan_from_json(text: str, path: Path, kernels: Collection[str] | None = None) -> Plan:
    """Read back what plan_to_json() wrote into the file path. Raises ScenarioError."""
    data = parse(text, path)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise refused(path, f"this is not a plan of format {FORMAT}: write it anew with 'harness plan'")
    drafts, faults = read_steps(data.get("steps", ()), path)
    steps = tuple(draft.step for draft in drafts if draft.step is not None)
    made, wrong = make_plan(data | {"steps": steps})
    faults += [Diagnostic(At(path, 0, 0, place_of(loc)), message) for loc, message in wrong]
    if made is not None:
        faults += [Diagnostic(*fault) for fault in lint(drafts, (made.carrier,), kernels)]
        more = check(made, kernels) if not faults else ()
        faults += [Diagnostic(At(path, 0, 0, place_of(loc)), message) for loc, message in more]
    if made is None or faults:
        raise ScenarioError(sorted(dict.fromkeys(faults)))
    return made


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


def note_places(tree: Tree, value: Plain, loc: Loc, origin: Where) -> None:
    """Tell the tree where a value and everything in it is."""
    tree.values[loc] = At(tree.file, origin.line, origin.column, place_of(loc))
    if isinstance(value, dict):
        for key, inner in value.items():
            note_places(tree, inner, (*loc, key), origin)
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            note_places(tree, inner, (*loc, index), origin)


def make_plan(data: Mapping[str, Any]) -> tuple[Plan | None, list[Wrong]]:
    """The plan, if every value in it is of the right kind, and what is wrong."""
    known = {field.name for field in fields(Plan)}
    wrong: list[Wrong] = [
        ((key,), f"unknown key '{key}' in a plan{nearest(key, known)}") for key in data if key not in known
    ]
    try:
        return TypeAdapter(Plan).validate_python(data), wrong
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            wrong.append((detail["loc"], explain(detail, Plan, "a plan", ())))
    return None, wrong


def check(plan: Plan, kernels: Collection[str] | None) -> Iterator[Wrong]:
    """What is wrong with the values of a plan."""
    if message := case_problem(plan.case):
        yield ("case",), message
    machine = {"memory": plan.machine.memory << 20, "cpus": plan.machine.cpus}
    try:
        TypeAdapter(Boot).validate_python(machine)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield ("machine", *detail["loc"]), explain(detail, Boot, "a machine", ())
    texts: dict[Loc, str] = {("summary",): plan.summary, ("cmdline",): plan.cmdline}
    texts |= {("jumps", index, "cmdline"): jump.cmdline for index, jump in enumerate(plan.jumps)}
    texts |= {("machine", "cpu"): plan.machine.cpu}
    bad = [loc for loc, text in texts.items() if not text or "\0" in text]
    yield from ((loc, "this must be text, without NUL") for loc in bad)
    if plan.kernel is not None and kernels is not None and plan.kernel not in kernels:
        yield ("kernel",), f"no kernel '{plan.kernel}'{nearest(plan.kernel, kernels)}"
    loads = [step for step in plan.steps if isinstance(step.action, NextKernel)]
    kexecs = [(step.number, step.action.kernel) for step in loads if isinstance(step.action, NextKernel)]
    said = ", ".join(f"{name(kernel)} in step {number}" for number, kernel in kexecs) or "no kernel"
    if [(jump.step, jump.kernel) for jump in plan.jumps] != kexecs:
        yield ("jumps",), f"there must be one for each step that loads a kernel, and these load {said}"
    if plan.next_kernels != tuple(dict.fromkeys(kernel for _, kernel in kexecs)):
        yield ("next_kernels",), f"these must be what the steps load, each once: {said}"


def name(kernel: str | None) -> str:
    """A kernel's name for people."""
    return kernel or "the default kernel (null)"


def case_problem(case: str) -> str | None:
    """Why a text cannot be the name of a case, which is a folder for its records too."""
    parts = PurePosixPath(case).parts
    if not case or any(character < " " or character == "\x7f" for character in case):
        return "the name of a case is text on one line, such as quickstart[fdbox]"
    if case != "/".join(parts) or {"/", ".."} & set(parts) or case == ".":
        return f"'{case}' is no name of a case, such as memfd/holes[luo]: its records would lie elsewhere"
    if any(len(part.encode()) > NAME_MAX for part in parts):
        return f"the name of a case has at most {NAME_MAX} bytes between two '/': it is a folder too"
    return None
