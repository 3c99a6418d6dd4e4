# SPDX-License-Identifier: GPL-2.0-only
"""How many cases run at once, and in which order."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cases import plans
from harness.plan import Plan
from harness.provision import bare_plan
from harness.shard import expected
from harness.workload import BESIDE, available, cores, longest_first, workers

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def machine(memory: int) -> Plan:
    plan = bare_plan(None)
    return replace(plan, machine=replace(plan.machine, memory=memory))


@pytest.mark.parametrize(
    ("memory", "cores", "available", "count"),
    [
        ([1024] * 8, 2, 64000, 2),
        ([1024] * 8, 8, 64000, 8),
        ([1024], 8, 64000, 1),
        ([1024] * 8, 8, 4 * (1024 + BESIDE), 4),
        ([1024] * 8, 8, 4 * (1024 + BESIDE) - 1, 3),
        # Only the largest count: they may come together.
        ([1024, 1024, 8192], 3, 8192 + 1024 + 2 * BESIDE, 2),
        # One always runs; whether there is enough memory for it is the case's to say.
        ([8192], 2, 100, 1),
        ([8192, 8192], 2, 100, 1),
        ([], 2, 100, 1),
    ],
)
def test_as_many_as_cores_and_memory_allow(memory: list[int], cores: int, available: int, count: int) -> None:
    assert workers([machine(one) for one in memory], cores, available) == count


def test_the_longest_come_first_and_none_is_lost() -> None:
    todo = plans([SCENARIOS / "box"], None)
    ordered = longest_first(todo)
    assert sorted(one.case for one in ordered) == sorted(one.case for one in todo)
    times = [expected(one) for one in ordered]
    assert times == sorted(times, reverse=True) != [expected(one) for one in todo]


def test_this_host_has_cores_and_memory(tmp_path: Path) -> None:
    assert cores() >= 1
    assert available() > 0
    (tmp_path / "meminfo").write_text("MemTotal:  4096 kB\nMemAvailable:    2048 kB\n")
    assert available(tmp_path / "meminfo") == 2
    (tmp_path / "meminfo").write_text("MemTotal:  4096 kB\n")
    assert available(tmp_path / "meminfo") == 0
