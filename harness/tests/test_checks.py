# SPDX-License-Identifier: GPL-2.0-only
"""Fidelity, property by property: each one that is promised and changes is a finding of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contents import Contents, Piece
from harness.events import Events
from harness.evidence import Evidence
from harness.fdchecks import device_properties, fidelity, gmem_properties, properties, runs
from harness.kinds import Carrier, Kind
from harness.record import MEMFD, OF_FILE, PROMISES, Property, Record, Run
from harness.result import Blame, Oracle
from harness.vm.agent import AgentErrnoError

STAT = {
    "size": 4096,
    "pos": 7,
    "flags": 0o2 | 0o2000 | 0o4000 | 0o100000,
    "mode": 0o100640,
    "uid": 3,
    "gid": 4,
    "seals": 9,
    "link": "/memfd:ram (deleted)",
}
WAYS = {"read": "ok", "write": "EPERM"}
BEFORE = properties(STAT, {"data": [[0, 4096]]}, WAYS)
# One other value of each property.
OTHER: dict[Property, object] = {
    Property.SIZE: 4097,
    Property.POSITION: 0,
    Property.ACCESS: "O_RDONLY",
    Property.STATUS: "O_APPEND",
    Property.MODE: "0777",
    Property.OWNER: "0:0",
    Property.SEALS: 1,
    Property.HOLES: [],
    Property.NAME: "/memfd: (deleted)",
    Property.MAPPINGS: "read: ok, write: ok",
}
RECORD = Record("ram", Kind.MEMFD, Contents(4096, (Piece(0, 4096, 1),)), BEFORE)


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Evidence]:
    with Events(tmp_path / "events.jsonl") as events:
        yield Evidence(events)


def test_the_agents_words_become_properties() -> None:
    assert BEFORE == {
        Property.SIZE: 4096,
        Property.POSITION: 7,
        Property.ACCESS: "O_RDWR",
        Property.STATUS: "O_APPEND|O_NONBLOCK",
        Property.MODE: "0640",
        Property.OWNER: "3:4",
        Property.SEALS: 9,
        Property.HOLES: [[0, 4096]],
        Property.NAME: "/memfd:ram (deleted)",
        Property.MAPPINGS: "read: ok, write: EPERM",
    }


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("name", sorted(MEMFD))
def test_a_changed_property_is_found_where_it_is_promised(
    name: Property, carrier: Carrier, evidence: Evidence
) -> None:
    fidelity(RECORD, replace(RECORD, properties={**BEFORE, name: OTHER[name]}), carrier, evidence)
    if name in PROMISES[Kind.MEMFD, carrier]:
        (finding,) = evidence.findings
        assert (finding.oracle, finding.blame) == (Oracle.FIDELITY, Blame.KERNEL)
        assert finding.what == f"the {name} of 'ram' changed"
        assert not evidence.proofs
    else:
        assert not evidence.findings


@pytest.mark.parametrize("carrier", list(Carrier))
def test_nothing_changed_is_a_proof(carrier: Carrier, evidence: Evidence) -> None:
    fidelity(RECORD, RECORD, carrier, evidence)
    assert evidence.proven(Oracle.FIDELITY, generation=0)
    assert not evidence.findings


INFO = {
    "id": 1,
    "flags": 2,
    "regions": [{"flags": 3, "size": 4}],
    "irqs": [],
    "generation": 5,
    "control": 1,
    "irq_every": 0,
    "registers": [0, 7],
    "buffers": [{"iova": 0, "offset": 0, "length": 4096}],
}


def test_a_change_by_another_fd_is_of_the_file_alone() -> None:
    """What belongs to the open file, as position and access mode, stays as it was."""
    changed = replace(RECORD, opened=2, contents=Contents(7), properties=OTHER, frames=(Run(0, 9, 1),))
    followed = RECORD.follow(changed)
    assert (followed.contents, followed.frames) == (changed.contents, changed.frames)
    assert {name for name in MEMFD if followed.properties[name] == OTHER[name]} == OF_FILE
    assert RECORD.seen({}, 0).follow(changed).properties == {}


def test_a_change_by_a_dup_is_of_the_open_file_too() -> None:
    assert RECORD.follow(replace(RECORD, properties=OTHER)).properties == OTHER


DEVICE = Record("dev", Kind.VFIO_MOCK, properties={Property.TYPE: "x"} | device_properties(INFO), counter=9)


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("flags", 0, Property.INFORMATION),
        ("regions", [], Property.INFORMATION),
        ("generation", 6, Property.GENERATION),
        ("control", 0, Property.CONTROL),
        ("registers", [0, 8], Property.REGISTERS),
        ("irq_every", 1, Property.REGISTERS),
        ("buffers", [], Property.BUFFERS),
    ],
)
def test_a_device_that_changed_is_found(key: str, value: object, name: Property, evidence: Evidence) -> None:
    changed = {Property.TYPE: "x"} | device_properties(INFO | {key: value})
    fidelity(DEVICE, replace(DEVICE, properties=changed), Carrier.FDBOX, evidence)
    assert [finding.what for finding in evidence.findings] == [f"the {name} of 'dev' changed"]


@pytest.mark.parametrize(("counter", "found"), [(8, True), (9, False), (10, False)])
def test_a_counter_that_went_back_is_found(counter: int, found: bool, evidence: Evidence) -> None:
    fidelity(DEVICE, replace(DEVICE, counter=counter), Carrier.LUO, evidence)
    assert [finding.what for finding in evidence.findings] == ["the counter of 'dev' went back"] * found
    assert bool(evidence.proofs) is not found


@pytest.mark.parametrize(
    ("readable", "refused", "said"),
    [
        (True, {}, "readable"),
        (False, {"digest": "EFAULT"}, "digest says EFAULT"),
        (False, {}, "readable"),
        (False, {"extents": "ENODEV"}, "extents says ENODEV"),
        (True, {"extents": "ENODEV"}, "extents says ENODEV"),
    ],
)
def test_whether_a_guests_memory_can_be_read_is_a_property(
    readable: bool, refused: dict[str, str], said: str
) -> None:
    def call(op: str, **_: object) -> dict[str, object]:
        if op in refused:
            raise AgentErrnoError(op, refused[op], op, "")
        return {"size": 4096, "link": "anon_inode:x", "data": []}

    found = gmem_properties(call, Record("g", Kind.GUEST_MEMFD, Contents(4096), readable=readable))
    assert found[Property.ACCESSIBLE] == said


def test_frames() -> None:
    assert runs({"runs": [[0, 5, 2]]})[0].pfn == 5
