# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory seen from outside: which physical ranges to read, and whether they hold what they must.

Pure: reading is the machine's (pmemsave), the expectation is the host's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.pattern import PAGE
from harness.record import Run

# A pmemsave costs about as much as reading this many pages that nobody needs.
GAP_PAGES = 512
# So many pages are read at once, at most: a file may be larger than what the host has left.
BATCH_PAGES = 1 << 14
# And so many are compared at once: small buffers are used again, large ones are new memory each time.
CHUNK_PAGES = 1 << 8

# Expected bytes of (offset, length) of a file.
Expected = Callable[[int, int], bytes]
# Bytes of a file from an offset on, with zeros for those that cannot be expected.
Masked = Callable[[int, bytes], bytes]


@dataclass(frozen=True)
class Range:
    """A physical address range in bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class Difference:
    """The first byte that is not as expected."""

    offset: int
    address: int
    expected: int
    seen: int

    def __str__(self) -> str:
        """Say where it is, in the file and in memory."""
        where = f"byte {self.offset:#x} (physical {self.address:#x})"
        return f"{where} is {self.seen:#04x}, not {self.expected:#04x}"


@dataclass(frozen=True)
class Batch:
    """What is read at once, and the frames in it."""

    area: Range
    frames: tuple[Run, ...]


def batches(frames: Iterable[Run]) -> list[Batch]:
    """The fewest ranges worth reading that cover all frames, by address."""
    found: list[tuple[int, list[Run]]] = []
    for run in sorted(cut(frames), key=lambda run: run.pfn):
        end = run.pfn + run.count
        if found:
            first, inside = found[-1]
            last = inside[-1].pfn + inside[-1].count
            if run.pfn <= last + GAP_PAGES and end - first <= BATCH_PAGES:
                inside.append(run)
                continue
        found.append((run.pfn, [run]))
    return [batch(first, inside) for first, inside in found]


def batch(first: int, frames: Sequence[Run]) -> Batch:
    """Frames that are read at once; first: the first of their numbers."""
    last = max(run.pfn + run.count for run in frames)
    return Batch(Range(first * PAGE, (last - first) * PAGE), tuple(frames))


def cut(frames: Iterable[Run]) -> Iterator[Run]:
    """The same frames in runs that are short enough to be compared at once."""
    for run in frames:
        for start in range(0, run.count, CHUNK_PAGES):
            yield Run(run.index + start, run.pfn + start, min(CHUNK_PAGES, run.count - start))


def compare(
    batch: Batch, memory: bytes, expected: Expected, masked: Masked = lambda _, data: data
) -> Difference | None:
    """The first difference between the memory of frames and the file that they must be, or None."""
    if len(memory) != batch.area.size:
        raise ValueError(f"QEMU returned {len(memory)} bytes of {batch.area.size} at {batch.area.address:#x}")
    for run in sorted(batch.frames, key=lambda run: run.index):
        address, size = run.pfn * PAGE, run.count * PAGE
        start = address - batch.area.address
        seen = masked(run.index * PAGE, memory[start : start + size])
        want = masked(run.index * PAGE, expected(run.index * PAGE, size))
        if seen != want:
            at = next(i for i, (a, b) in enumerate(zip(seen, want, strict=True)) if a != b)
            return Difference(run.index * PAGE + at, address + at, want[at], seen[at])
    return None


def moved(
    before: Iterable[Run], now: Iterable[Run], movable: Sequence[Range], holes_stay: bool = True
) -> int | None:
    """The first page index that is in another frame than before; None if all are in place.

    movable: memory that preserved pages have to leave (KHO scratch, into which the next kernel is loaded).
    A page that was there must have moved, and must not be there now; any other page must not have moved.
    holes_stay: a page that was not there must not be there now; a carrier may fill holes instead.
    """
    then, frames = _by_index(before), _by_index(now)
    for index in sorted(then.keys() | frames.keys() if holes_stay else then.keys()):
        old, new = then.get(index), frames.get(index)
        if old is None or new is None or _inside(new, movable) or (new != old and not _inside(old, movable)):
            return index
    return None


def _by_index(frames: Iterable[Run]) -> dict[int, int]:
    return {run.index + n: run.pfn + n for run in frames for n in range(run.count)}


def _inside(pfn: int, areas: Sequence[Range]) -> bool:
    return any(area.address <= pfn * PAGE < area.address + area.size for area in areas)
