# SPDX-License-Identifier: GPL-2.0-only
"""A case on its routes: which kernel boots, and which one every live update leads to."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.build.names import known
from harness.build.spec import KernelSpec
from harness.cases import scenario_files, split, tagged
from harness.errors import UsageError
from harness.gate.cells import Route
from harness.kernelactions import NextKernel
from harness.load import load_all
from harness.plan import Case, Plan, expand, names, plan

BASE, HEAD = "base", "head"
# The names that plans have for the two kernels: of the first generation, and of all others.
FIRST: Mapping[Route, str] = {Route.BASE: BASE, Route.HEAD: HEAD, Route.FORWARD: BASE, Route.BACK: HEAD}
NEXT: Mapping[Route, str] = {Route.BASE: BASE, Route.HEAD: HEAD, Route.FORWARD: HEAD, Route.BACK: BASE}
# Between a case and its route in the name of a plan.
ON = " on "


def routes(case: Case) -> tuple[Route, ...]:
    """The routes of a case: those from one side to the other only where there is a kexec."""
    if any(isinstance(step.action, NextKernel) for step in case.steps):
        return (Route.BASE, Route.HEAD, Route.FORWARD, Route.BACK)
    return (Route.BASE, Route.HEAD)


def own_kernels(case: Case) -> tuple[str, ...]:
    """The kernels that a case names: it is about these, not about base and head."""
    named = [step.action.kernel for step in case.steps if isinstance(step.action, NextKernel)]
    return tuple(dict.fromkeys(name for name in (case.scenario.kernel, *named) if name))


def on_route(case: Case, route: Route, specs: Mapping[str | None, KernelSpec]) -> Plan:
    """The plan of a case on a route; specs: what base and head are configured like, by their names here."""
    steps = tuple(
        replace(step, action=replace(step.action, kernel=NEXT[route]))
        if isinstance(step.action, NextKernel)
        else step
        for step in case.steps
    )
    made = plan(
        replace(case, steps=steps),
        lambda name: specs[name].parameters,
        FIRST[route],
        lambda name: specs[name].least,
    )
    return replace(made, case=f"{case.id}{ON}{route}")


def chosen(arguments: list[Path], tags: list[str]) -> list[Case]:
    """The cases that arguments mean, each once: files, folders, FILE[CARRIER]; of these, those with a tag.

    Raises UsageError when an argument or a tag means none.
    """
    files = dict.fromkeys(file for argument in arguments for file in scenario_files(split(argument)[0]))
    scenarios = load_all(files, known())
    called = names(scenario.source for scenario in scenarios)
    cases = {one.source: expand(one, called[one.source]) for one in scenarios}
    found: dict[str, Case] = {}
    for argument in arguments:
        path, which = split(argument)
        ours = [case for file in scenario_files(path) for case in cases[file]]
        fitting = [case for case in ours if which in (None, case.carrier, case.words)]
        if not fitting:
            raise UsageError(f"{path} has no case [{which}]; it has {', '.join(case.id for case in ours)}")
        found |= {case.id: case for case in fitting}
    return tagged(list(found.values()), tags, lambda case: case.scenario.tags)
