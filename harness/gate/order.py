# SPDX-License-Identifier: GPL-2.0-only
"""Which case first, and what next: pure functions over what is known so far."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.gate.cells import Attempt, Route
from harness.gate.compare import wants_more
from harness.gate.routes import routes
from harness.kinds import Carrier, Kind
from harness.plan import Case

SMOKE = "smoke"
Attempts = Mapping[tuple[str, Route], Sequence[Attempt]]
# Which file is about what: words of tags, kinds and carriers.
ABOUT: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"^kmod/(?:gmem|.*gmem)|^virt/kvm/|guest_memfd", (Kind.GUEST_MEMFD,)),
    (r"^kmod/vfio_mock|^drivers/vfio/|^drivers/iommu/", (Kind.VFIO_MOCK,)),
    (r"^kmod/memfd|^mm/(?:memfd|shmem)|^include/linux/(?:memfd|shmem_fs)", (Kind.MEMFD,)),
    (r"luo|^kernel/liveupdate/|^include/(?:uapi/)?linux/liveupdate|^kmod/luo", (Carrier.LUO, "update")),
    (r"kexec_handover|kho|^kernel/kexec", ("kho", "update")),
    (r"^kmod/(?!vfio_mock|gmem|luo)", (Carrier.FDBOX, "box")),
)


@dataclass(frozen=True)
class Next:
    """A case to be run once more on a route."""

    case: Case
    route: Route
    # From power-on, not from a snapshot: attempts that tell how often something fails need a boot each.
    cold: bool = False


def about(files: Iterable[str]) -> set[str]:
    """What the files of a diff are about."""
    return {word for file in files for pattern, words in ABOUT if re.search(pattern, file) for word in words}


def touches(case: Case, words: Collection[str]) -> int:
    """How many of these words a case is about: its tags, its carrier, the folder that it is in."""
    own = {*case.scenario.tags, str(case.carrier), *case.id.split("/")[:-1]}
    return len(own & set(words))


def most_telling(
    cases: Iterable[Case], words: Collection[str], failed: Collection[str], seconds: Mapping[str, float]
) -> list[Case]:
    """The cases, most telling first: smoke, about the diff, failed lately, quick; else in their own order."""
    return sorted(
        cases,
        key=lambda case: (
            SMOKE not in case.scenario.tags,
            -touches(case, words),
            case.id not in failed,
            seconds.get(case.id, 0.0),
        ),
    )


def wanted(case: Case, attempts: Attempts, repeat: int, numbers: bool = True) -> list[Next]:
    """What is to be run next of a case: one attempt on each route that needs it, base among them.

    numbers: also where nothing but its numbers has to be looked at again.

    Base and head take turns in being first, so that a host that warms up, or slows down, favours none.
    """
    base = attempts.get((case.id, Route.BASE), ())
    ours = [route for route in routes(case) if route is not Route.BASE]
    need = [route for route in ours if wants_more(base, attempts.get((case.id, route), ()), repeat, numbers)]
    if not need:
        return []
    turn = [Route.BASE, *need]
    short = [route for route in turn if len(attempts.get((case.id, route), ())) < most(case, turn, attempts)]
    if short:
        # An interrupted turn is brought to its end first.
        return [Next(case, route) for route in short]
    return [Next(case, route) for route in (turn if len(base) % 2 == 0 else turn[::-1])]


def most(case: Case, turn: Sequence[Route], attempts: Attempts) -> int:
    """How many attempts a route of a case has at most."""
    return max(len(attempts.get((case.id, route), ())) for route in turn)


def turns(cases: Iterable[Case], attempts: Attempts, repeat: int) -> Iterator[list[Next]]:
    """What is run next of each case that is not done, of the first one first; last what only numbers need.

    For these a snapshot is better: what is compared is less uneven.
    """
    later = []
    for case in cases:
        if turn := wanted(case, attempts, repeat, numbers=False):
            yield [replace(one, cold=bool(attempts.get((case.id, one.route)))) for one in turn]
        elif turn := wanted(case, attempts, repeat):
            later.append(turn)
    yield from later


def together(seconds: Sequence[float], jobs: int) -> float:
    """How long it takes at least, so many at once."""
    return max(*seconds, sum(seconds) / jobs)
