# SPDX-License-Identifier: GPL-2.0-only
"""From a scenario to what is run: cases, and for each a plan: pure data, kept with the results."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import modules
from harness.actions import Step
from harness.cmdline import cmdline
from harness.fdactions import Open
from harness.kernelactions import NextKernel
from harness.kinds import DEFAULT_MODULES, Carrier, modules_for
from harness.machinespec import MachineSpec, Smallest, any_machine, cpu_model, large_enough
from harness.scenario import Allowed, Requires, Scenario, Xfail

# The boot parameters of the kernel of that name.
Parameters = Callable[[str | None], tuple[str, ...]]


@dataclass(frozen=True)
class Case:
    """One way to run a scenario."""

    # Unique among the cases that are run together: memfd/holes[luo].
    id: str
    scenario: Scenario
    carrier: Carrier
    steps: tuple[Step, ...]

    @property
    def words(self) -> str:
        """What tells it from the other cases of its scenario: what is in the brackets of its id."""
        return ",".join((self.carrier, *self.scenario.words))


@dataclass(frozen=True)
class Jump:
    """How the kernel that a step loads is started."""

    # The step's number.
    step: int
    # Name of the kernel; None: as for the plan's own.
    kernel: str | None
    cmdline: str


@dataclass(frozen=True)
class Plan:
    """All that decides what is run; the same plan on the same artifacts is the same test."""

    # The id of the case: memfd/holes[luo].
    case: str
    # The YAML file.
    source: Path
    summary: str
    tags: tuple[str, ...]
    carrier: Carrier
    # Name of the kernel of generation 0; None: the default one, or the tree of the command line.
    kernel: str | None
    # The distinct kernels that kexec steps load; the position is the disk's index. None: as for `kernel`.
    next_kernels: tuple[str | None, ...]
    # Command line of the kernel of generation 0.
    cmdline: str
    # One for each step that loads a kernel.
    jumps: tuple[Jump, ...]
    # The modules without which nothing of this can be tested, and what else is required.
    needed: tuple[str, ...]
    requires: Requires
    machine: MachineSpec
    # In them every step that loads a kernel names it: None is not "the running one" any more, but as for
    # `kernel`.
    steps: tuple[Step, ...]
    # Kernel messages that are expected.
    dmesg: tuple[Allowed, ...]
    # What kernels are known to do wrong in this case.
    xfail: tuple[Xfail, ...] = ()
    # Why the kernel does not give back all memory at the end, where that is meant.
    keeps: str | None = None
    # Why the machine is booted and never comes from a snapshot, where that is meant.
    cold: str | None = None

    def jump_of(self, step: int) -> Jump:
        """How the kernel that this step loads is started."""
        return next(jump for jump in self.jumps if jump.step == step)

    def split(self, step: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """The steps up to the one of that number, and those after it. Numbers rise, and may have gaps."""
        done = tuple(one for one in self.steps if one.number <= step)
        return done, self.steps[len(done) :]


def names(sources: Iterable[Path]) -> dict[Path, str]:
    """A name for each scenario file: its path within the nearest folder `scenarios`, or else the file's stem.

    Where two files would have the same name, both get as many of their folders as tell them apart.
    """
    full = {source: source.resolve().with_suffix("").parts[1:] for source in sources}
    length = {source: natural_length(parts) for source, parts in full.items()}
    while True:
        found = {source: "/".join(parts[-length[source] :]) for source, parts in full.items()}
        count = Counter({name: len({full[s] for s in found if found[s] == name}) for name in found.values()})
        short = [s for s in found if count[found[s]] > 1 and length[s] < len(full[s])]
        if not short:
            return found
        for source in short:
            length[source] += 1


def natural_length(parts: Sequence[str]) -> int:
    """How many of a path's last parts are its name when nothing else has the same."""
    folders = list(reversed(parts[:-1]))
    return folders.index("scenarios") + 1 if "scenarios" in folders else 1


def expand(scenario: Scenario, name: str | None = None) -> tuple[Case, ...]:
    """The cases of a scenario, in the order of the file; name: see names()."""
    name = name or names([scenario.source])[scenario.source]
    return tuple(
        Case(f"{name}[{','.join((carrier, *one.words))}]", one, carrier, one.steps)
        for one in scenario.variants or (scenario,)
        for carrier in one.carriers
    )


def plan(
    case: Case, parameters: Parameters, kernel: str | None = None, smallest: Smallest = any_machine
) -> Plan:
    """The plan of a case.

    parameters: the boot parameters of a kernel, by its name (None: the default kernel or the tree of the
    command line); kernel: name of the first kernel, if the scenario does not say; smallest: the machine that
    a kernel needs at least.
    """
    scenario, boot = case.scenario, case.scenario.boot
    first = scenario.kernel or kernel
    steps = resolve_kernels(case.steps, first)
    kinds = dict.fromkeys(step.action.kind for step in steps if isinstance(step.action, Open))
    needed = modules_for(kinds, case.carrier)

    def line(name: str | None, following: NextKernel | None = None) -> str:
        changes, more = (following.modules, following.parameters) if following else ((), ())
        words = parameters(name) + modules_parameter(needed, (*boot.modules, *changes))
        return cmdline(words, boot.parameters, more)

    jumps = tuple(
        Jump(step.number, step.action.kernel, line(step.action.kernel, step.action))
        for step in steps
        if isinstance(step.action, NextKernel)
    )
    next_kernels = tuple(dict.fromkeys(jump.kernel for jump in jumps))
    return Plan(
        case=case.id,
        source=scenario.source,
        summary=scenario.summary,
        tags=scenario.tags,
        carrier=case.carrier,
        kernel=first,
        next_kernels=next_kernels,
        cmdline=line(first),
        jumps=jumps,
        needed=needed,
        requires=scenario.requires,
        machine=large_enough(
            MachineSpec(boot.memory >> 20, boot.cpus, cpu_model(kinds)), map(smallest, (first, *next_kernels))
        ),
        steps=steps,
        dmesg=scenario.dmesg,
        keeps=scenario.keeps,
        cold=scenario.cold,
        xfail=tuple(bug for bug in scenario.xfail if case.carrier in (bug.carriers or Carrier)),
    )


def modules_parameter(needed: Iterable[str], changes: Iterable[str]) -> tuple[str, ...]:
    """The boot parameter for these modules; changes: NAME adds one, -NAME leaves one out."""
    wanted = dict.fromkeys(name for name in needed if name not in DEFAULT_MODULES)
    without = [change[1:] for change in changes if change.startswith("-")]
    wanted |= dict.fromkeys(change for change in changes if not change.startswith("-"))
    names = [name for name in wanted if name not in without]
    left_out = [name for name in without if name in DEFAULT_MODULES]
    return (modules.parameter(names, left_out),) if names or left_out else ()


def resolve_kernels(steps: Iterable[Step], first: str | None) -> tuple[Step, ...]:
    """Give every step that loads a kernel its name: without one, that of the generation that loads it."""
    resolved: list[Step] = []
    running = loaded = first
    for step in steps:
        if isinstance(step.action, NextKernel):
            kernel = step.action.kernel or running
            step = replace(step, action=replace(step.action, kernel=kernel))  # noqa: PLW2901
            loaded = loaded if step.expect else kernel
        resolved.append(step)
        if step.restarts:
            running = first
        elif step.jumps:
            running = loaded
    return tuple(resolved)
