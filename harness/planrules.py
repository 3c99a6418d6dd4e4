# SPDX-License-Identifier: GPL-2.0-only
"""What can be wrong with the values of a plan, besides its steps."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.diagnostic import nearest
from harness.explain import explain
from harness.kernelactions import NextKernel
from harness.plan import Plan
from harness.scenario import Boot
from harness.world import Known
from harness.yamltree import Loc

NAME_MAX = 255
# What is wrong, and the path of the value.
Wrong = tuple[Loc, str]


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


def check(plan: Plan, known: Known | None) -> Iterator[Wrong]:
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
    if plan.kernel is not None and known is not None and plan.kernel not in known.kernels:
        yield ("kernel",), f"no kernel '{plan.kernel}'{nearest(plan.kernel, known.kernels)}"
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
