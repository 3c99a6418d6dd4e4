# SPDX-License-Identifier: GPL-2.0-only
"""What counts as memory that is not back."""

from pathlib import Path
from typing import cast

import pytest

from harness import leaks
from harness.errors import HarnessError
from harness.events import Events
from harness.evidence import Evidence
from harness.kho import Folio
from harness.result import Blame
from harness.vm.agent import AgentErrnoError, Reply
from harness.vm.machine import Machine

COUNTS = {"free": 900000, "MemTotal": 1000000, "Shmem": 100, "SUnreclaim": 20000}
AT_FIRST = frozenset({(0x1000, 0), (0x2000, 0), (0x200000, 9)})


def memory(generation: int = 0, preserved: frozenset[Folio] | None = AT_FIRST) -> leaks.Memory:
    return leaks.Memory(generation, COUNTS, preserved)


def having(counts: dict[str, int]) -> leaks.Memory:
    return leaks.Memory(0, COUNTS | counts, AT_FIRST)


def test_nothing_changed() -> None:
    assert leaks.compare(memory(), memory()) == []


@pytest.mark.parametrize(
    "counts",
    [{"Shmem": 104}, {"free": 900000 - 4097}, {"SUnreclaim": 22049}],
    ids=["shmem", "free", "slab"],
)
def test_less_than_before_is_found(counts: dict[str, int]) -> None:
    (found,) = leaks.compare(memory(), having(counts))
    assert found.startswith(next(iter(counts)))


@pytest.mark.parametrize(("first", "found"), [(0, 0), (1, 1)], ids=["a cold boot", "a live update"])
def test_a_page_that_nobody_took_is_found(first: int, found: int) -> None:
    now = leaks.Memory(2, COUNTS | {"MemTotal": 1000000 - 4}, AT_FIRST)
    assert len(leaks.compare(memory(first), now)) == found


def test_a_kernel_that_watches_itself_takes_more() -> None:
    assert leaks.compare(memory(), leaks.Memory(0, COUNTS | {"free": 900000 - 6144}, AT_FIRST, 3.0)) == []
    assert leaks.compare(memory(), leaks.Memory(0, COUNTS | {"Shmem": 104}, AT_FIRST, 3.0)) != []


def test_more_free_memory_is_no_leak() -> None:
    assert leaks.compare(memory(), having({"free": 999999})) == []


def test_what_is_still_being_freed_is_waited_for_and_no_longer() -> None:
    assert leaks.coming_back(having({"free": 400000}), having({"free": 500000}))
    assert not leaks.coming_back(having({"free": 400000}), having({"free": 400500}))
    assert not leaks.coming_back(having({"free": 500000}), having({"free": 400000}))


@pytest.mark.parametrize(
    ("free", "looks", "back"),
    [
        # Everything is back at once; no slab has to shrink for it.
        ([900000], 1, True),
        # It comes when slabs shrink.
        ([800000, 900000], 2, True),
        # A large file goes step by step.
        ([400000, 500000, 700000, 899000], 4, True),
        # Nothing more comes: it is lost.
        ([400000, 500000, 500100], 3, False),
        ([400000, 400000, 900000], 2, False),
        # It becomes even less.
        ([500000, 400000, 900000], 2, False),
    ],
)
def test_memory_is_looked_at_as_long_as_it_comes_back(free: list[int], looks: int, back: bool) -> None:
    shrunk: list[bool] = []

    def look(shrink: bool) -> leaks.Memory:
        shrunk.append(shrink)
        return having({"free": free[len(shrunk) - 1]})

    now = leaks.settled(memory(), look)
    assert shrunk == [False, *[True] * (looks - 1)]
    assert (leaks.compare(memory(), now) == []) == back


def test_a_leak_that_is_no_memory_is_not_waited_for_for_ever() -> None:
    looks: list[bool] = []

    def look(shrink: bool) -> leaks.Memory:
        looks.append(shrink)
        return leaks.Memory(0, COUNTS, AT_FIRST | {(0x5000, 0)})

    assert leaks.compare(memory(), leaks.settled(memory(), look)) != []
    assert looks == [False, True]


def test_a_page_that_kho_would_carry_is_found() -> None:
    found = leaks.compare(memory(), memory(preserved=AT_FIRST | {(0x5000, 0)}))
    assert found == ["KHO would carry 1 pages more, the first at 0x5000"]


def test_in_another_generation_the_same_things_are_elsewhere() -> None:
    moved = frozenset({(0x9000, 0), (0xA000, 0), (0x800000, 9)})
    assert leaks.compare(memory(), memory(1, moved)) == []


def test_in_another_generation_one_more_is_found_by_its_size() -> None:
    moved = frozenset({(0x9000, 0), (0x400000, 9), (0x800000, 9), (0xA000, 0)})
    assert leaks.compare(memory(), memory(1, moved)) == [
        "KHO would carry 512 pages more, the first at 0x800000"
    ]


def test_without_kho_there_is_nothing_to_compare() -> None:
    assert leaks.compare(memory(preserved=None), memory(preserved=None)) == []


def test_symbols(tmp_path: Path) -> None:
    table = tmp_path / "System.map"
    table.write_text("ffffffff81000000 T _text\nffffffff81b829c0 b kho_out\nffffffff81b829c8 b kho_out_too\n")
    assert leaks.address(table, "kho_out") == 0xFFFFFFFF81B829C0
    with pytest.raises(HarnessError, match="no kho_in"):
        leaks.address(table, "kho_in")


class Refusing:
    """A machine whose kernel refuses to let something go, or whose agent does not know how."""

    def __init__(self, call: str) -> None:
        self.call = call

    def restart_agent(self) -> None: ...

    def in_a_row(self, *_: object) -> list[Reply]:
        return [AgentErrnoError("kexec_unload", "EBUSY", self.call, "busy"), {"kept": []}]


def test_what_the_kernel_does_not_let_go_of_is_its_fault(tmp_path: Path) -> None:
    machine = cast(Machine, Refusing("kexec_file_load"))
    with Events(tmp_path / "events.jsonl") as events:
        evidence = Evidence(events)
        assert not leaks.let_go(machine, (), evidence)
        with pytest.raises(AgentErrnoError):
            leaks.let_go(cast(Machine, Refusing("")), (), evidence)
    (found,) = evidence.findings
    assert found.blame is Blame.KERNEL
    assert found.seen == "the kernel that is loaded: EBUSY from kexec_file_load"
