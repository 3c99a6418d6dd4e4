# SPDX-License-Identifier: GPL-2.0-only
"""Identity: each part of the proof is necessary."""

from dataclasses import replace

import pytest

from harness.identity import (
    METADATA,
    Identity,
    check_cold,
    check_kexec,
    check_live_update,
    check_restart,
    kho_count,
)

COLD = Identity("boot-a", "7.3.4", "b1d", 0)
NEXT = Identity("boot-b", "7.3.4", "b1d", 1)


def blob(version: int, count: int) -> bytes:
    return METADATA.pack(version, b"7.3.4", count)


def test_a_live_update_is_proven() -> None:
    assert check_live_update(COLD, NEXT, "b1d") == []
    assert check_cold(COLD, "b1d") == []


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (replace(NEXT, boot_id="boot-a"), "no new kernel"),
        (replace(NEXT, kho_count=0), "KHO data"),
        (replace(NEXT, kho_count=2), "KHO data"),
        (replace(NEXT, build_id="other"), "another kernel"),
    ],
)
def test_each_part_can_fail(now: Identity, word: str) -> None:
    (mismatch,) = check_live_update(COLD, now, "b1d")
    assert word in mismatch.what


def test_a_firmware_reset_is_not_a_live_update() -> None:
    reset = Identity("boot-c", "7.3.4", "b1d", 0)
    assert [m.expected for m in check_live_update(COLD, reset, "b1d")] == ["KHO kexec count 1"]


def test_a_cold_boot_must_be_cold_and_the_right_kernel() -> None:
    assert len(check_cold(replace(COLD, kho_count=1, build_id="x"), "b1d")) == 2


def test_kho_count() -> None:
    assert kho_count(None) == 0
    assert kho_count(blob(1, 4)) == 4
    with pytest.raises(ValueError, match="version 2"):
        kho_count(blob(2, 4))
    with pytest.raises(ValueError, match="3 bytes"):
        kho_count(b"abc")


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (replace(COLD, boot_id="boot-c"), []),
        (COLD, ["no new kernel"]),
        (replace(COLD, boot_id="boot-c", kho_count=1), ["cold boot was handed"]),
        (replace(COLD, boot_id="boot-c", build_id="x"), ["than the one that was built"]),
    ],
)
def test_a_start_from_nothing(now: Identity, words: list[str]) -> None:
    found = check_restart(COLD, now, "b1d")
    assert [word in mismatch.what for word, mismatch in zip(words, found, strict=True)] == [True] * len(words)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (replace(NEXT, kho_count=0), []),
        (NEXT, ["must not have been"]),
        (replace(COLD, build_id="x"), ["no new kernel", "than the one that was loaded"]),
    ],
)
def test_a_kexec_that_hands_nothing_over(now: Identity, words: list[str]) -> None:
    found = check_kexec(COLD, now, "b1d")
    assert [word in mismatch.what for word, mismatch in zip(words, found, strict=True)] == [True] * len(words)
