# SPDX-License-Identifier: GPL-2.0-only
"""Lists of boxes and fds: names, order, state and errno all count."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boxactions import List
from harness.events import Events
from harness.evidence import Evidence
from harness.listing import judge, state_of


def fd(name: str, state: int = 0, error: int = 0) -> dict[str, object]:
    return {"name": name, "kind": "memfd-v1", "state": state, "error": error, "nr_fds": 0}


def box(name: str, state: int = 0) -> dict[str, object]:
    return {"name": name, "kind": "box", "state": state, "error": 0, "nr_fds": 1}


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Evidence]:
    with Events(tmp_path / "events.jsonl") as events:
        yield Evidence(events)


def test_states() -> None:
    assert [state_of(fd("a", state)) for state in range(5)] == [
        *("held", "pending", "lost", "prepared", "state 4")
    ]
    assert state_of(fd("a", 0, 95)) == "held EOPNOTSUPP"
    assert state_of(fd("a", 2, 5)) == "lost EIO"
    assert state_of(fd("a", 2, 9999)) == "lost 9999"
    assert [state_of(box("a", state)) for state in (0, 1, 3)] == ["open", "sealed", "sealed"]


def test_the_same_list_is_a_proof(evidence: Evidence) -> None:
    action = List("vm0", {"a": "held", "b": "lost EIO"})
    assert judge(action, [fd("a"), fd("b", 2, 5)], evidence)
    assert [proof.text for proof in evidence.proofs] == ["what is in box 'vm0': a: held, b: lost EIO"]
    assert judge(List(boxes={}), [], evidence)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [fd("a")],
        [fd("b", 2, 5), fd("a")],
        [fd("a"), fd("b", 2, 4)],
        [fd("a"), fd("b", 1, 5)],
        [fd("a"), fd("b", 2, 5), fd("c")],
        [fd("a"), fd("B", 2, 5)],
    ],
)
def test_any_other_list_is_found(entries: list[dict[str, object]], evidence: Evidence) -> None:
    assert not judge(List("vm0", {"a": "held", "b": "lost EIO"}), entries, evidence)
    (finding,) = evidence.findings
    assert finding.expected == "a: held, b: lost EIO"
    assert not evidence.proofs
