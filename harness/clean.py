# SPDX-License-Identifier: GPL-2.0-only
"""What lies in the store and nobody needs: found, measured, removed.

Kept is what was used in the last days, whatever this checkout would build or take now, what somebody holds
a lock on, and what cannot be built again (keys). The compiler's cache looks after itself.
"""

import contextlib
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.build.guest import obtain_guest
from harness.build.kernel import obtain_kernel
from harness.build.kmod import obtain_modules
from harness.build.selftests import obtain_selftests
from harness.build.spec import TREE, kernel_names
from harness.build.store import Store, remove
from harness.errors import HarnessError

DAY = 86400.0
# harness/bootstrap.py writes it.
VENV_STAMP = "fdbox-harness.json"
# What is built again when it is missing.
KINDS = (
    *("agent", "guest", "headers", "kernel", "modules", "prefix", "selftests", "series"),
    *("snapshot", "source", "bare"),
)
# Work areas of kernels and of what is measured, which are made from nothing when they are missing.
AREAS = (f"{TREE}-", "variants-", "commits-", "worktree-", "bench-", "virtme-ng-")


class NotThereError(HarnessError):
    """The store does not have an entry, and now is not the time to make it."""


@dataclass(frozen=True)
class Asking(Store):
    """A store that makes nothing and remembers what it was asked for."""

    asked: set[Path] = field(default_factory=set)

    def obtain(self, kind: str, name: str, inputs: Mapping[str, str], make: Callable[[Path], None]) -> Path:
        """The entry for these inputs. Raises NotThereError when it does not exist."""
        entry = self.entry(kind, name, inputs)
        self.asked.add(entry)
        if not entry.is_dir():
            raise NotThereError(f"{entry} does not exist")
        return entry


@dataclass(frozen=True)
class Leftover:
    """A folder or file that can go. lock: of the store, or None for what has none."""

    path: Path
    used: float
    lock: str | None = None


def named(store: Store) -> set[Path]:
    """The entries that this checkout names: for each of its kernels everything that runs on it."""
    asking = Asking(store.root)
    for name in kernel_names():
        with contextlib.suppress(HarnessError):
            kernel = obtain_kernel(asking, name)
            built = [(kernel, obtain_modules(asking, kernel))]
            obtain_guest(asking, built)
            obtain_guest(asking, built, {kernel.release: obtain_selftests(asking, kernel)})
    return asking.asked


def leftovers(store: Store, before: float) -> list[Leftover]:
    """Everything in the store that can go and was last used before that time."""
    keep = named(store)
    found: list[tuple[Path, str | None]] = [
        (entry, f"{kind}-{entry.name}")
        for kind in KINDS
        for entry in children(store.root / kind)
        if entry not in keep
    ]
    trees = (area for area in children(store.root / "work") if area.name.startswith(AREAS))
    found += [(area, f"work-{area.name}") for area in trees]
    # What somebody who was killed was making, or removing.
    found += [(draft, draft.name.partition("~")[0]) for draft in children(store.root / "tmp")]
    found += [(run, None) for run in children(store.root / "runs") if not in_use(run)]
    found += [(log, None) for log in children(store.root / "log")]
    found += [(venv, None) for venv in children(store.root / "venv") if orphan(venv)]
    old = []
    for path, lock in found:
        # Somebody else may be removing it.
        with contextlib.suppress(FileNotFoundError):
            used = newest(path) if path.parent.name == "runs" else path.stat().st_mtime
            old += [Leftover(path, used, lock)] if used < before else []
    return old


def children(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing if there is none."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def newest(folder: Path) -> float:
    """When something in a folder was last changed."""
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def in_use(run: Path) -> bool:
    """Whether somebody is still writing the events of a run."""
    for events in run.rglob("events.jsonl"):
        try:
            with events.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            continue  # somebody else is removing it
    return False


def orphan(venv: Path) -> bool:
    """Whether something is the Python environment of a checkout that is gone."""
    try:
        root = json.loads((venv / VENV_STAMP).read_text())["root"]
    except (OSError, ValueError, KeyError):
        return False
    return not Path(root).exists()


def discard(store: Store, one: Leftover) -> bool:
    """Remove a leftover; False when somebody has it after all."""
    if one.lock is not None:
        return store.discard(one.path, one.lock, one.used)
    if one.path.is_dir():
        # At once, by a rename: what is left of it when that is interrupted is not taken for something used.
        draft = store.root / "tmp" / f"{one.path.parent.name}-{one.path.name}~{os.getpid()}~{time.time():.0f}"
        draft.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            one.path.rename(draft)
        remove(draft)
    else:
        one.path.unlink(missing_ok=True)
    return True


class Sizes:
    """Disk space that goes with what is removed: a file with hard links goes with the last of them."""

    def __init__(self) -> None:
        self._links: Counter[tuple[int, int]] = Counter()

    def add(self, path: Path) -> int:
        """The bytes that are free again once path, and all that was added before, is removed."""
        freed = 0
        for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
            try:
                status = file.lstat()
            except FileNotFoundError:
                continue  # somebody else is removing it
            self._links[status.st_dev, status.st_ino] += 1
            if file.is_dir() or self._links[status.st_dev, status.st_ino] == status.st_nlink:
                freed += status.st_blocks * 512
        return freed


def clean(store: Store, days: int, dry_run: bool) -> Iterator[str]:
    """Remove what was not used for so many days, or only find it; says what, line by line."""
    now, total, sizes = time.time(), 0, Sizes()
    for one in leftovers(store, now - days * DAY):
        size = sizes.add(one.path)
        gone = dry_run or discard(store, one)
        total += size if gone else 0
        name = one.path.relative_to(store.root)
        note = "" if gone else "  in use: kept"
        yield f"{amount(size):>10}  {(now - one.used) / DAY:4.0f} days  {name}{note}"
    verb = "would be removed" if dry_run else "removed"
    yield f"{amount(total):>10}  {verb} from {store.root}"


def amount(size: int) -> str:
    """Bytes for people."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1024:.0f} KiB"
