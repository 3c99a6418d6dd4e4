# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory seen from outside: which physical ranges to read, and whether they hold what they must.

Pure: reading is the machine's (pmemsave), the expectation is the host's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.pattern import PAGE
from harness.record import Run

# A pmemsave costs about as much as reading this many pages that nobody needs.
GAP_PAGES = 512

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


def ranges(frames: Iterable[Run]) -> list[Range]:
    """The fewest ranges worth reading that cover all frames, by address."""
    found: list[Range] = []
    for run in sorted(frames, key=lambda run: run.pfn):
        start, end = run.pfn * PAGE, (run.pfn + run.count) * PAGE
        last = found[-1] if found else None
        if last and start <= last.address + last.size + GAP_PAGES * PAGE:
            found[-1] = Range(last.address, max(last.address + last.size, end) - last.address)
        else:
            found.append(Range(start, end - start))
    return found


def compare(
    frames: Iterable[Run],
    memory: Sequence[tuple[Range, bytes]],
    expected: Expected,
    masked: Masked = lambda _, data: data,
) -> Difference | None:
    """The first difference between the frames' memory and the file that they must be, or None."""
    for run in sorted(frames, key=lambda run: run.index):
        address, size = run.pfn * PAGE, run.count * PAGE
        seen = masked(run.index * PAGE, _cut(memory, address, size))
        want = masked(run.index * PAGE, expected(run.index * PAGE, size))
        if seen != want:
            at = next(i for i, (a, b) in enumerate(zip(seen, want, strict=True)) if a != b)
            return Difference(run.index * PAGE + at, address + at, want[at], seen[at])
    return None


def _cut(memory: Sequence[tuple[Range, bytes]], address: int, size: int) -> bytes:
    for where, data in memory:
        if where.address <= address and address + size <= where.address + where.size:
            start = address - where.address
            if len(data) < start + size:
                raise ValueError(f"QEMU returned {len(data)} bytes of {where.size} at {where.address:#x}")
            return data[start : start + size]
    raise ValueError(f"physical {address:#x} was not read")


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
