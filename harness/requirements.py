# SPDX-License-Identifier: GPL-2.0-only
"""What a plan requires and this host, these kernels and this image do not have: it is skipped then."""

import re
from collections.abc import Iterator
from pathlib import Path

from harness.artifacts import Artifacts
from harness.build.kernel import Kernel
from harness.commandactions import Selftest
from harness.contents import size
from harness.plan import Plan
from harness.releases import is_older

# Expectation, and what there is.
Unmet = tuple[str, str]


def unmet(plan: Plan, artifacts: Artifacts, meminfo: Path = Path("/proc/meminfo")) -> Iterator[Unmet]:
    """Everything that is required and absent."""
    requires = plan.requires
    for name in dict.fromkeys((plan.kernel, *plan.next_kernels)):
        kernel, modules = artifacts.kernels[name], artifacts.modules[name]
        if requires.kernel and is_older(kernel.release, requires.kernel):
            yield f"a kernel not older than {requires.kernel}", kernel.release
        for module in requires.modules:
            if module not in modules:
                yield f"the module {module}", f"the guest image has none for {kernel.release}"
        for program in dict.fromkeys(selftests(plan)):
            if program not in artifacts.programs(name):
                yield f"the selftest {program}", f"the tree of {kernel.release} has {has(artifacts, name)}"
        lacking = [option for option in requires.config if not has_option(kernel, option)]
        if lacking:
            yield f"a kernel with {', '.join(lacking)}", f"{kernel.release} is configured without"
        if not kernel.complete:
            yield from unbuilt(plan, kernel, modules)
    free = int(re.findall(r"MemAvailable: +([0-9]+) kB", meminfo.read_text())[0]) << 10
    if requires.memory is not None and free < requires.memory:
        yield f"{size(requires.memory)} of free memory on the host", f"{free >> 20} MiB"


def selftests(plan: Plan) -> Iterator[str]:
    """The programs of the kernel's own tests that a plan runs."""
    return (step.action.program for step in plan.steps if isinstance(step.action, Selftest))


def has(artifacts: Artifacts, kernel: str | None) -> str:
    """The programs of the kernel's own tests that there are, and what did not build."""
    tests = artifacts.selftests.get(artifacts.kernels[kernel].release)
    failed = tests.failed if tests else ()
    return "; ".join((", ".join(artifacts.programs(kernel)) or "none", *failed))


def unbuilt(plan: Plan, kernel: Kernel, modules: tuple[str, ...]) -> Iterator[Unmet]:
    """The modules that the plan needs and that an incomplete tree of the user's does not give."""
    reasons = [f"{patch} does not apply: {reason}" for patch, reason in kernel.rejected]
    reasons += [f"{symbol} cannot be configured" for symbol in kernel.lost]
    for module in plan.needed:
        if module not in modules:
            yield f"the module {module}", f"it cannot be built for {kernel.release}: {'; '.join(reasons)}"


def has_option(kernel: Kernel, option: str) -> bool:
    """Whether a kernel is configured with an option: NAME as y or m, NAME=VALUE as that."""
    name, equals, value = option.removeprefix("CONFIG_").partition("=")
    pattern = f"^CONFIG_{re.escape(name)}={re.escape(value) if equals else '[ym]'}$"
    return re.search(pattern, kernel.config.read_text(), re.MULTILINE) is not None
