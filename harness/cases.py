# SPDX-License-Identifier: GPL-2.0-only
"""From the arguments of a command line to the plans that they mean.

An argument is a scenario file, a folder of them, or a plan.json; each may be narrowed: x.yaml[fdbox].
"""

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from harness.build.names import known
from harness.build.spec import kernel_names, kernel_parameters, smallest_machine
from harness.diagnostic import nearest
from harness.errors import UsageError
from harness.load import load_all
from harness.plan import Plan, expand, names, plan
from harness.planfile import read_plan
from harness.planrules import case_problem

T = TypeVar("T")
PLAN_SUFFIX = ".json"
# Where scenarios are kept.
FOLDER = Path("scenarios")
# So many cases are listed to choose from.
FEW = 6


def split(argument: Path) -> tuple[Path, str | None]:
    """The file or folder, and what stands in brackets behind it, if the brackets are not of its own name."""
    path, bracket, which = str(argument).rpartition("[")
    if bracket and which.endswith("]") and not argument.exists():
        return Path(path), which[:-1]
    return argument, None


def scenario_files(path: Path) -> list[Path]:
    """A file, or those in a folder, sorted."""
    inside = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    if not inside:
        raise UsageError(f"{path}: no *.yaml in this folder")
    return inside


def plans(arguments: Sequence[Path], kernel: str | None, tags: Sequence[str] = ()) -> list[Plan]:
    """The plans that the arguments mean, each once; kernel: what --kernel says; tags: what --tag says.

    Raises UsageError when an argument or tag means none, two mean the same case, or --kernel would not count.
    """
    if kernel is not None and kernel not in kernel_names():
        raise UsageError(f"no kernel '{kernel}': kernel/kernels.yaml has {', '.join(kernel_names())}")
    found = _planned(arguments, kernel)
    chosen: list[Plan] = []
    for argument in arguments:
        path, which = split(argument)
        ours = [one for file in _files(path) for one in found[file]]
        fitting = [one for one in ours if which is None or fits(one, which)]
        if not fitting:
            raise UsageError(f"{path} has no case [{which}]; it has {', '.join(one.case for one in ours)}")
        chosen += [one for one in fitting if not any(one is other for other in chosen)]
    chosen = tagged(chosen, tags, lambda one: one.tags)
    twice = [case for case, count in Counter(one.case for one in chosen).items() if count > 1]
    if twice:
        raise UsageError(f"named more than once: {', '.join(twice)}")
    if bad := next((one for one in chosen if case_problem(one.case)), None):
        raise UsageError(f"{bad.source}: {case_problem(bad.case)}")
    if other := next((one for one in chosen if kernel not in (None, one.kernel)), None):
        raise UsageError(f"{other.case} has a kernel of its own, so --kernel {kernel} would not be tested")
    return chosen


def _files(path: Path) -> list[Path]:
    return [path] if path.suffix == PLAN_SUFFIX else scenario_files(path)


def _planned(arguments: Sequence[Path], kernel: str | None) -> dict[Path, list[Plan]]:
    """The plans of all cases in the files that the arguments name, by file."""
    files = dict.fromkeys(file for argument in arguments for file in _files(split(argument)[0]))
    scenarios = load_all([file for file in files if file.suffix != PLAN_SUFFIX], known())
    called = names(scenario.source for scenario in scenarios)
    found: dict[Path, list[Plan]] = defaultdict(list)
    for scenario in scenarios:
        cases = expand(scenario, called[scenario.source])
        found[scenario.source] = [plan(case, kernel_parameters, kernel, smallest_machine) for case in cases]
    for file in (file for file in files if file.suffix == PLAN_SUFFIX):
        found[file] = [read_plan(file, known())]
    return found


def tagged(cases: Sequence[T], tags: Sequence[str], of: Callable[[T], Collection[str]]) -> list[T]:
    """The cases with one of the tags, all where none is named; of: the tags of a case.

    Raises UsageError when no case has one of them.
    """
    every = {tag for one in cases for tag in of(one)}
    for tag in tags:
        if tag not in every:
            raise UsageError(f"no case has the tag '{tag}'{nearest(tag, every)}")
    return [one for one in cases if not tags or set(tags) & set(of(one))]


def fits(one: Plan, which: str) -> bool:
    """Whether a case is meant by what stands in brackets: its own, or its carrier alone."""
    return which == one.carrier or one.case.endswith(f"[{which}]")


def single(argument: Path, kernel: str | None) -> Plan:
    """The one plan that an argument means. Raises UsageError when it means several."""
    found = plans([argument], kernel)
    if len(found) > 1:
        choice = " ".join(
            shlex.quote(f"{one.source}{one.case[one.case.rindex('[') :]}") for one in found[:FEW]
        )
        more = " ..." if len(found) > FEW else ""
        raise UsageError(f"{argument} has {len(found)} cases, name one: {choice}{more}")
    return found[0]
