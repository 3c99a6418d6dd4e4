# SPDX-License-Identifier: GPL-2.0-only
"""Several cases at once: how many of them, and which first."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from harness.plan import Plan
from harness.shard import expected

# What a QEMU and the process that drives it take beside the guest's memory, in MiB.
BESIDE = 256


def workers(plans: Sequence[Plan], cores: int, available: int) -> int:
    """How many cases run at once: one on each core, if the largest of them fit into the memory together.

    available: memory in MiB. A machine takes its memory only as it touches it, and may touch all of it.
    """
    largest = sorted((plan.machine.memory + BESIDE for plan in plans), reverse=True)
    fitting = (count for count in range(min(cores, len(largest)), 1, -1) if sum(largest[:count]) <= available)
    return next(fitting, 1)


def longest_first(plans: Sequence[Plan]) -> list[Plan]:
    """The plans in the order in which they begin: no long one is left for the end, when others are idle."""
    return sorted(plans, key=lambda plan: -expected(plan))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """The MiB of memory that this host has left."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", meminfo.read_text(), re.MULTILINE)
    return int(found[1]) >> 10 if found else 0
