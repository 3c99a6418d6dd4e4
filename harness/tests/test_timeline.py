# SPDX-License-Identifier: GPL-2.0-only
"""Blackout and timeline out of events."""

import pytest

from harness.report import drawing, segments
from harness.timeline import blackouts, marks


def entry(t: float, event: str, **fields: object) -> dict[str, object]:
    return {"t": t, "event": event, "generation": 0, **fields}


JUMP = [
    entry(1.0, "jump"),
    entry(1.1, "old kernel gone"),
    entry(1.3, "next kernel"),
    entry(2.0, "init"),
    entry(2.2, "ready"),
    entry(2.5, "agent"),
]
GET = entry(2.75, "step done", step=7, verb="get")


def test_blackout_ends_with_the_first_get() -> None:
    assert blackouts([*JUMP, entry(2.6, "step done", step=6, verb="unseal"), GET]) == (1.75,)


def test_blackout_without_a_get_ends_with_the_agent() -> None:
    assert blackouts(JUMP) == (1.5,)


def test_a_jump_that_never_arrives_has_none() -> None:
    assert blackouts(JUMP[:3]) == ()


def test_each_jump_has_its_own() -> None:
    later = [{**e, "t": float(str(e["t"])) + 10} for e in [*JUMP, GET]]
    assert blackouts([*JUMP, *later]) == (1.5, 1.75)


def test_the_segments_add_up_to_the_blackout() -> None:
    timeline = marks([*JUMP, GET])
    parts = segments(timeline, 0, 1.75)
    assert sum(seconds for _, seconds in parts) == pytest.approx(1.75)
    assert [round(seconds, 2) for _, seconds in parts] == [0.1, 0.2, 0.7, 0.2, 0.3, 0.25]


def test_the_drawing_has_a_bar_for_each_part_in_order() -> None:
    lines = drawing([("a", 1.0), ("b", 3.0)])
    assert lines[0].count("█") == 10
    assert lines[1].index("█") == lines[0].rindex("█") + 1
    assert lines[1].count("█") == 30
