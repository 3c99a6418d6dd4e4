# SPDX-License-Identifier: GPL-2.0-only
"""Memory from outside: what is read, and that every way of being wrong is seen."""

from dataclasses import replace

import pytest

from harness.contents import Contents
from harness.kinds import Kind
from harness.outside import BATCH_PAGES, GAP_PAGES, Batch, Difference, Range, batches, compare, moved
from harness.pattern import PAGE
from harness.record import Record, Run

FRAMES = (Run(0, 100, 2), Run(2, 50, 1))


def expected(offset: int, length: int) -> bytes:
    return b"".join(bytes([1 + page]) * PAGE for page in range(offset // PAGE, (offset + length) // PAGE))


def memory(batch: Batch) -> bytearray:
    data = bytearray(batch.area.size)
    for run in batch.frames:
        start = run.pfn * PAGE - batch.area.address
        data[start : start + run.count * PAGE] = expected(run.index * PAGE, run.count * PAGE)
    return data


def test_near_runs_are_read_at_once_far_ones_are_not() -> None:
    (one,) = batches(FRAMES)
    assert one.area == Range(50 * PAGE, 52 * PAGE)
    assert set(one.frames) == set(FRAMES)
    far = 102 + GAP_PAGES + 1
    assert len(batches((*FRAMES, Run(3, far, 1)))) == 2
    assert batches(()) == []


@pytest.mark.parametrize(
    "frames",
    [
        (Run(0, 7, 5 * BATCH_PAGES // 2),),
        tuple(Run(n, 3 * n, 2) for n in range(0, BATCH_PAGES, 2)),
        (Run(0, 7, BATCH_PAGES), Run(BATCH_PAGES, 7 + BATCH_PAGES, 1)),
    ],
    ids=["one long run", "many short ones", "just too long"],
)
def test_never_too_much_is_read_at_once(frames: tuple[Run, ...]) -> None:
    """And every page of the file is in exactly one batch, in the frame that it has."""
    found = batches(frames)
    assert len(found) > 1
    assert max(batch.area.size for batch in found) <= BATCH_PAGES * PAGE
    for batch in found:
        for run in batch.frames:
            assert batch.area.address <= run.pfn * PAGE
            assert (run.pfn + run.count) * PAGE <= batch.area.address + batch.area.size
    pages = [
        (run.index + n, run.pfn + n) for batch in found for run in batch.frames for n in range(run.count)
    ]
    assert sorted(pages) == [(run.index + n, run.pfn + n) for run in frames for n in range(run.count)]


def test_equal() -> None:
    (one,) = batches(FRAMES)
    assert compare(one, bytes(memory(one)), expected) is None


def test_one_byte_is_found_with_its_address() -> None:
    (one,) = batches(FRAMES)
    data = memory(one)
    data[50 * PAGE + PAGE + 7] ^= 0xFF  # physical page 101, page 1 of the file
    difference = compare(one, bytes(data), expected)
    assert difference == Difference(PAGE + 7, 101 * PAGE + 7, 2, 2 ^ 0xFF)


def test_memory_that_was_not_read_is_never_equal() -> None:
    (one,) = batches(FRAMES)
    with pytest.raises(ValueError, match="returned"):
        compare(one, bytes(memory(one)[:-1]), expected)


SCRATCH = [Range(1000 * PAGE, 100 * PAGE)]


def test_a_carrier_that_fills_holes_may_have_more_pages() -> None:
    now = (*FRAMES, Run(3, 60, 1))
    assert moved(FRAMES, now, SCRATCH, holes_stay=False) is None
    assert moved(FRAMES, (Run(0, 100, 2),), SCRATCH, holes_stay=False) == 2


def test_a_file_that_was_written_has_every_page() -> None:
    record = Record("ram", Kind.MEMFD, Contents(3 * PAGE).write(0, 3 * PAGE, 1), frames=FRAMES)
    assert record.whole
    assert not replace(record, frames=FRAMES[:1]).whole
    assert not replace(record, frames=()).whole
    assert replace(record, frames=(), contents=Contents(3 * PAGE)).whole


@pytest.mark.parametrize(
    ("before", "now", "index"),
    [
        (FRAMES, FRAMES, None),
        (FRAMES, (Run(0, 100, 1), Run(1, 103, 1), Run(2, 50, 1)), 1),  # another frame
        (FRAMES, (Run(0, 100, 2),), 2),  # a page is missing
        (FRAMES, (*FRAMES, Run(3, 60, 1)), 3),  # a page too many
        ((Run(0, 1005, 1),), (Run(0, 70, 1),), None),  # had to leave scratch
        ((Run(0, 1005, 1),), (Run(0, 1005, 1),), 0),  # stayed in scratch: not preserved
        ((), (), None),
    ],
)
def test_in_place(before: tuple[Run, ...], now: tuple[Run, ...], index: int | None) -> None:
    assert moved(before, now, SCRATCH) == index
