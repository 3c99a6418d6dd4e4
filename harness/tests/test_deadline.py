# SPDX-License-Identifier: GPL-2.0-only
"""Waiting: looked at before and after each pause, which ends early when something happened."""

import pytest

from harness.deadline import LAST_POLL_SECONDS, Deadline


def test_what_happens_in_a_pause_is_seen_after_it() -> None:
    looks: list[str] = []

    def happens(seconds: float) -> None:
        assert 0 < seconds <= LAST_POLL_SECONDS
        looks.append("pause")

    def look() -> None:
        looks.append("look")

    assert Deadline(60).wait(lambda: "pause" in looks, look, happens)
    assert looks == ["look", "pause", "look"]


def test_what_is_there_is_not_waited_for() -> None:
    assert Deadline(0).wait(lambda: True, lambda: None, lambda _: pytest.fail("a pause"))


def test_what_cannot_come_any_more_ends_the_wait() -> None:
    def watch() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        Deadline(60).wait(lambda: False, watch)
    assert not Deadline(0).wait(lambda: False, lambda: None)
