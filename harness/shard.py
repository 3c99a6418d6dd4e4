# SPDX-License-Identifier: GPL-2.0-only
"""Cases split over the jobs of a CI system: each case in exactly one shard, all shards equally long.

Every job has to come to the same split by itself, so it is made of nothing but the plans: how long cases
took before is another thing on each host, and changes while the first shard runs.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import UsageError
from harness.fdactions import Open
from harness.plan import Plan
from harness.result import Subject

# Seconds of a case: its first boot and its end, each further boot, each step, each MiB that is filled and
# verified. They fit what 216 cases took on two cores without KVM; only how they compare matters.
BOOT, JUMP, STEP, MIB = 2.5, 2.5, 0.05, 0.1
# Of anything else that pytest runs.
OTHER = 1.0


@dataclass(frozen=True)
class Shard:
    """One of several parts."""

    # From 1.
    number: int
    count: int

    def __str__(self) -> str:
        """As on the command line."""
        return f"{self.number}/{self.count}"


def parse(text: str) -> Shard:
    """The shard that a command line means. Raises UsageError when it is none."""
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    shard = Shard(int(found[1]), int(found[2])) if found else None
    if shard is None or not 1 <= shard.number <= shard.count:
        raise UsageError(f"--shard: '{text}' is no shard: 2/3 is the second of three")
    return shard


def split(cases: Sequence[tuple[str, float]], count: int) -> list[int]:
    """The number of the shard of each case; cases: names with the seconds that each is going to take.

    The longest case first, each to the shard that has the least to do: no shard takes more than 4/3 of what
    the best split would take. The order of the cases makes no difference.

    Raises UsageError when a shard would have nothing to do: its job would report that all is well.
    """
    if count > len(cases):
        raise UsageError(f"--shard: {len(cases)} cases cannot be split into {count} shards")
    loads = [0.0] * count
    numbers = [0] * len(cases)
    for index in sorted(range(len(cases)), key=lambda one: (-cases[one][1], cases[one][0])):
        least = min(range(count), key=lambda one: loads[one])
        loads[least] += cases[index][1]
        numbers[index] = least + 1
    return numbers


def expected(plan: Plan) -> float:
    """The seconds that a case is going to take, compared with others."""
    boots = sum(step.jumps or step.restarts for step in plan.steps)
    filled = sum(step.action.size or 0 for step in plan.steps if isinstance(step.action, Open))
    return BOOT + JUMP * boots + STEP * len(plan.steps) + MIB * (filled >> 20)


def whole(cases: Sequence[tuple[str, str]]) -> str:
    """What tells one run that was split from another: a digest of its cases, each with what it runs on."""
    text = "\n".join(f"{name}\t{on}" for name, on in sorted(cases))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def record(shard: Shard, key: str, subjects: Sequence[tuple[Subject, int]]) -> Mapping[str, Any]:
    """What a shard notes about itself: what the others have to run, so that nothing can get lost.

    key: of the whole; subjects: every case of the whole with the number of its shard.
    """
    elsewhere = [{**asdict(one), "shard": number} for one, number in subjects if number != shard.number]
    return {**asdict(shard), "whole": key, "elsewhere": elsewhere}
