# SPDX-License-Identifier: GPL-2.0-only
"""Places for machines on this host, for all who use one store: there is one for each machine that runs.

A place is a lock file of the store, held by flock(2), so it is free again when its holder dies, however that
happens. There are as many as the host has cores, or fewer where memory is short; a large machine takes more
than one. Who waits for several holds the door, so that two of them cannot wait for each other.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from harness.build.store import Store
from harness.deadline import Deadline
from harness.errors import HostError
from harness.progress import duration, say

# QEMU itself takes so much beside the guest's memory, and the host keeps a part of its own, in MiB.
OVERHEAD = 256
KEPT = 1024
# Whoever waits for minutes leaves the processor to those who have a place.
POLL_SECONDS = 0.2
# An hour and a day of waiting are the same mistake: somebody sits on the places.
WAIT_SECONDS = 24 * 3600.0


def places(cores: int, memory: int, least: int = 1024) -> int:
    """How many places a host has; memory: MiB of the host, least: of a machine."""
    return max(1, min(cores, (memory - KEPT) // (least + OVERHEAD)))


def needed(machine: int, count: int, memory: int) -> int:
    """How many of `count` places a machine takes that has so many MiB of the host's memory."""
    share = max(1, (memory - KEPT) // count - OVERHEAD)
    return min(count, -(-machine // share))


def host_memory() -> int:
    """MiB of memory that this host has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


@contextlib.contextmanager
def place(store: Store, machine: int, seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Have a place for a machine of so many MiB while the context lasts; waits until there is one.

    Raises HarnessError when there is none for so many seconds.
    """
    with contextlib.ExitStack() as held:
        with store.explained():
            _wait(held, store.root / "lock", machine, seconds)
        yield


def _wait(held: contextlib.ExitStack, folder: Path, machine: int, seconds: float) -> None:
    """Take the places that a machine needs, as soon as they are free."""
    folder.mkdir(parents=True, exist_ok=True)
    memory = host_memory()
    count = places(os.cpu_count() or 1, memory)
    wanted = needed(machine, count, memory)
    taken: list[Path] = []

    def take() -> bool:
        for number in range(count):
            file = folder / f"place-{number}"
            if len(taken) < wanted and file not in taken:
                with contextlib.suppress(Timeout):
                    held.enter_context(FileLock(file).acquire(timeout=0))
                    taken.append(file)
        return len(taken) == wanted

    limit = Deadline(seconds)
    try:
        with FileLock(folder / "places").acquire(timeout=limit.remaining, poll_interval=POLL_SECONDS):
            if not take():
                say("waiting for a place: other machines run on this host")
            found = limit.wait(take, lambda: None, longest=POLL_SECONDS)
    except Timeout:
        found = False
    if not found:
        raise HostError(f"no place for a machine in {duration(seconds)}: who holds {folder}?")
