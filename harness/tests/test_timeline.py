# SPDX-License-Identifier: GPL-2.0-only
"""Blackout and timeline out of events."""

import itertools
import json
from pathlib import Path

import pytest

from harness.report import bars
from harness.result import Part
from harness.timeline import LOST, Entry, blackout, joined, milliseconds, time, updates

GOLDEN = Path(__file__).parent / "golden" / "events"


def entry(t: float, event: str, **fields: object) -> dict[str, object]:
    return {"t": t, "event": event, "generation": 0, **fields}


def done(t: float, verb: str) -> dict[str, object]:
    return entry(t, "step done", step=1, verb=verb)


def blackouts(entries: list[dict[str, object]]) -> list[float]:
    return [update.seconds for update in updates(entries) if update.arrived]


JUMP = [
    entry(1.0, "jump"),
    entry(1.1, "old kernel gone"),
    entry(1.3, "next kernel"),
    entry(2.0, "init"),
    entry(2.1, "modules"),
    entry(2.2, "ready"),
    entry(2.5, "agent"),
    done(2.55, "kexec"),
]
GET = done(2.75, "get")


def test_blackout_ends_with_the_first_get() -> None:
    assert blackouts([*JUMP, done(2.6, "unseal"), GET, done(2.8, "get")]) == [1.75]


def test_blackout_without_a_get_ends_with_the_agent() -> None:
    assert blackouts([*JUMP, done(2.6, "unseal")]) == [1.5]


def test_a_jump_that_never_arrives_has_none_but_its_parts_are_there() -> None:
    (update,) = updates([*JUMP[:3], entry(9.3, "lost")])
    assert not update.arrived
    assert update.parts[-1] == Part(LOST, 1.3, 9.3)


@pytest.mark.parametrize("event", ["lost", "stopped"])
def test_an_fd_that_never_comes_back_ends_no_blackout(event: str) -> None:
    assert blackouts([*JUMP, done(2.6, "unseal"), entry(2.7, event)]) == []


@pytest.mark.parametrize("entries", [[], [entry(0.1, "power-on"), entry(9.0, "lost")]])
def test_a_run_without_a_jump_has_no_live_update(entries: list[dict[str, object]]) -> None:
    assert updates(entries) == ()


def test_a_jump_that_is_refused_is_no_live_update() -> None:
    refused = [entry(1.0, "jump"), entry(1.1, "step refused", step=1, verb="kexec")]
    later = [{**e, "t": float(str(e["t"])) + 10} for e in [*JUMP, GET]]
    assert [update.parts[0].start for update in updates([*refused, *later])] == [11.0]


def test_a_jump_that_a_reset_cuts_short_is_none() -> None:
    later = [{**e, "t": float(str(e["t"])) + 10} for e in JUMP]
    assert blackouts([*JUMP[:2], entry(1.2, "cut"), *JUMP[3:], *later]) == [1.5]


def test_each_jump_has_its_own() -> None:
    later = [{**e, "t": float(str(e["t"])) + 10} for e in [*JUMP, GET]]
    assert blackouts([*JUMP, *later]) == [1.5, 1.75]


def test_what_is_done_before_the_jump_is_seen_but_not_in_the_blackout() -> None:
    first = [entry(0.1, "step", verb="prepare"), done(0.3, "prepare"), entry(0.3, "step", verb="seal")]
    load = [done(0.4, "seal"), entry(0.5, "step", verb="kexec"), entry(0.9, "loaded")]
    (update,) = updates([*first, *load, *JUMP, GET])
    assert update.before == (Part("prepare", 0.1, 0.3), Part("seal", 0.3, 0.4), Part("load", 0.5, 0.9))
    assert update.parts[0].start == 1.0


def test_other_steps_and_refused_ones_are_parts_too() -> None:
    refused = entry(2.65, "step refused", step=1, verb="get")
    parts, arrived = blackout([*JUMP, done(2.6, "ssh"), refused, done(2.7, "unseal"), GET])
    assert arrived
    names = ["identity checks", "other steps", "unseal", "get"]
    assert [part.name for part in parts][-4:] == names


def adds_up(parts: tuple[Part, ...]) -> None:
    """Every part begins where the last one ended; shown in milliseconds they make the shown whole."""
    assert all(part.end == following.start for part, following in itertools.pairwise(parts))
    whole = parts[-1].end - parts[0].start
    assert sum(milliseconds(parts)) == round(whole * 1000)


@pytest.mark.parametrize(
    ("log", "count"),
    [
        ("quickstart-fdbox", 1),
        ("quickstart-luo", 1),
        ("many-steps", 1),
        ("three-updates", 3),
        ("panic-after", 1),
        ("jump-refused", 0),
    ],
)
def test_the_parts_of_a_real_run_add_up_to_the_blackout(log: str, count: int) -> None:
    entries: list[Entry] = [json.loads(line) for line in (GOLDEN / f"{log}.jsonl").read_text().splitlines()]
    found = updates(entries)
    assert len(found) == count
    jumps = [time(e) for e in entries if e["event"] == "jump"]
    for update in found:
        adds_up(update.parts)
        assert update.parts[0].start in jumps
        assert update.seconds == round(update.parts[-1].end - update.parts[0].start, 6)
        assert update.arrived is (log != "panic-after")
        last = "get" if log != "three-updates" or update.generation == 3 else "SSH login, agent"
        assert update.parts[-1].name == (last if update.arrived else LOST)
        assert "load" in {part.name for part in update.before}


def test_parts_that_leave_a_gap_do_not_add_up() -> None:
    with pytest.raises(AssertionError):
        adds_up((Part("a", 0.0, 1.0), Part("b", 1.1, 2.0)))


def test_thirds_of_a_millisecond_add_up_as_they_are_shown() -> None:
    parts = [Part(str(n), n / 3000, (n + 1) / 3000) for n in range(9)]
    assert sum(milliseconds(parts)) == 3


def test_parts_of_the_same_name_become_one() -> None:
    parts = [Part("a", 0, 1), Part("a", 1, 2), Part("b", 2, 3)]
    assert list(joined(parts)) == [Part("a", 0, 2), Part("b", 2, 3)]


def test_the_drawing_has_a_bar_for_each_part_in_order() -> None:
    lines = bars([Part("a", 0.0, 1.0), Part("b", 1.0, 4.0)])
    assert lines[0].count("█") == 10
    assert lines[1].index("█") == lines[0].rindex("█") + 1
    assert lines[1].count("█") == 30
