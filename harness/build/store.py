# SPDX-License-Identifier: GPL-2.0-only
"""The store: everything built, once, under a name that says what went into it.

    root/<kind>/<name>-<key>/   an entry: complete from the moment it exists, never changed afterwards;
                                its time is that of its last use
    root/lock/                  one lock file per entry and work area, held by flock(2); it stays, but for
                                those that only one session can have
    root/tmp/                   entries in the making: <entry>~<pid>~<start>, renamed into place when done
    root/work/                  areas that live longer than one build (incremental builds), under a lock

The kernel drops an flock with its holder, SIGKILL included, so a lock that can be taken is a lock nobody
holds, and what lies in tmp/ under it was left behind by an interrupted build.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import HarnessError, HostError
from harness.proc import ProcessError
from harness.progress import say

INPUTS = "inputs.json"
KEY_DIGITS = 16
REMOVE_TRIES = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNUSABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def key_of(inputs: Mapping[str, str]) -> str:
    """The key of an entry: the first 16 hex digits of the SHA-256 of its inputs as canonical JSON."""
    return hashlib.sha256(_canonical(inputs).encode()).hexdigest()[:KEY_DIGITS]


def _canonical(inputs: Mapping[str, str]) -> str:
    return json.dumps(inputs, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Store:
    """A store in the folder root, which is made when first needed. Shared by any number of processes."""

    root: Path

    def entry(self, kind: str, name: str, inputs: Mapping[str, str]) -> Path:
        """Where the entry for these inputs is, or would be."""
        return self.root / kind / f"{name}-{key_of(inputs)}"

    def obtain(self, kind: str, name: str, inputs: Mapping[str, str], make: Callable[[Path], None]) -> Path:
        """The entry for these inputs; make(folder) fills it, in an empty folder, when it does not exist yet.

        Of several processes that want one entry, one makes it and the others wait for it. When make raises
        or is killed, there is no entry. A hit takes no lock.
        Raises HostError when the disk is full or the store cannot be written, and what make raises.
        """
        entry = self.entry(kind, name, inputs)
        if self.find(kind, name, inputs):
            return entry
        with self.lock(f"{kind}-{entry.name}"):
            if not entry.is_dir():
                with self.explained():
                    self._make(entry, inputs, make)
        return entry

    def find(self, kind: str, name: str, inputs: Mapping[str, str]) -> Path | None:
        """The entry for these inputs, if it exists."""
        entry = self.entry(kind, name, inputs)
        try:
            os.utime(entry)  # used now: `harness clean` goes by it
        except OSError:
            return entry if entry.is_dir() else None
        return entry

    def offer(self, kind: str, name: str, inputs: Mapping[str, str], make: Callable[[Path], None]) -> bool:
        """Make an entry unless it exists or somebody is just making it; whether it was made.

        Raises what obtain() raises.
        """
        entry = self.entry(kind, name, inputs)
        with self.explained():
            (self.root / "lock").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / "lock" / f"{kind}-{entry.name}")
            with contextlib.suppress(Timeout), lock.acquire(timeout=0):
                if not entry.is_dir():
                    self._make(entry, inputs, make)
                    return True
        return False

    def keep_newest(self, kind: str, count: int) -> None:
        """Remove all entries of a kind but those that were used last."""
        entries = []
        for entry in (self.root / kind).iterdir():
            with contextlib.suppress(FileNotFoundError):  # somebody else is faster
                entries.append((entry.stat().st_mtime, entry))
        for used, entry in sorted(entries, reverse=True)[count:]:
            self.discard(entry, f"{kind}-{entry.name}", used)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Be the only process that holds the lock called name; says so, once, when that means waiting.

        Raises HostError when the store cannot be written.
        """
        with self.explained():
            (self.root / "lock").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / "lock" / name)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                say(self._waiting(name))
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def work(self, name: str) -> Iterator[Path]:
        """The work area called name, which outlives the build, for us alone while the context lasts."""
        with self.lock(f"work-{name}"):
            area = self.root / "work" / name
            with self.explained():
                area.mkdir(parents=True, exist_ok=True)
                os.utime(area)
                yield area

    @contextlib.contextmanager
    def work_if_free(self, name: str) -> Iterator[Path | None]:
        """A work area that is there, for us alone while the context lasts; nothing when somebody has it."""
        area = self.root / "work" / name
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(FileLock(self.root / "lock" / f"work-{name}").acquire(timeout=0))
            except (Timeout, FileNotFoundError):
                yield None
                return
            yield area if area.is_dir() else None

    def discard(self, path: Path, lock: str, used: float | None = None) -> bool:
        """Remove an entry or a work area; False when somebody holds its lock, or has used it since that time.

        It goes at once, by a rename: an interrupted removal leaves what an interrupted build leaves.
        """
        (self.root / "lock").mkdir(exist_ok=True)
        (self.root / "tmp").mkdir(exist_ok=True)
        try:
            with FileLock(self.root / "lock" / lock).acquire(timeout=0):
                if used is not None and path.stat().st_mtime > used:
                    return False
                draft = self.root / "tmp" / f"{lock}~{os.getpid()}~{time.time():.0f}"
                path.rename(draft)
                remove(draft)
        except (Timeout, FileNotFoundError):
            return False
        return True

    def _make(self, entry: Path, inputs: Mapping[str, str], make: Callable[[Path], None]) -> None:
        temporary = self.root / "tmp"
        temporary.mkdir(exist_ok=True)
        lock_name = f"{entry.parent.name}-{entry.name}"
        self._sweep(temporary, mine=lock_name)
        draft = temporary / f"{lock_name}~{os.getpid()}~{time.time():.0f}"
        draft.mkdir()
        try:
            make(draft)
            (draft / INPUTS).write_text(json.dumps(inputs, indent=1, sort_keys=True) + "\n")
            entry.parent.mkdir(exist_ok=True)
            draft.rename(entry)
        finally:
            remove(draft)

    def _sweep(self, temporary: Path, mine: str) -> None:
        """Remove what interrupted builds left: drafts under our own lock, or under one that nobody holds."""
        for draft in temporary.iterdir():
            name = draft.name.partition("~")[0]
            if name == mine:
                remove(draft)
                continue
            lock = FileLock(self.root / "lock" / name)
            with contextlib.suppress(Timeout), lock.acquire(timeout=0):
                remove(draft)

    def _waiting(self, name: str) -> str:
        for draft in (self.root / "tmp").glob(f"{name}~*"):
            _, pid, start = draft.name.rsplit("~", 2)
            since = time.strftime("%H:%M:%S", time.localtime(int(start)))
            return f"waiting for {name}: process {pid} has been making it since {since}"
        return f"waiting for {name}: another process is using it"

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a full disk, or a store that cannot be written, into one sentence for the user."""
        try:
            yield
        except OSError as error:
            if disk_is_full(error):
                raise self._full() from error
            if error.errno in _UNUSABLE and self._is_mine(error.filename):
                raise HostError(
                    f"cannot use the store {self.root}: {error.strerror} ({error.filename}); "
                    "XDG_CACHE_HOME chooses another place"
                ) from error
            raise
        except ProcessError as error:
            if disk_is_full(error):
                raise self._full() from error
            raise

    def _is_mine(self, filename: object) -> bool:
        # mkdir of a missing parent fails on one of the store's own parents.
        return isinstance(filename, str) and (
            Path(filename).is_relative_to(self.root) or self.root.is_relative_to(filename)
        )

    def _full(self) -> HostError:
        # The draft that filled the disk is gone by now: what is free is what there is to work with.
        place = next(place for place in (self.root, *self.root.parents) if place.exists())
        free = shutil.disk_usage(place).free // 2**20
        return HostError(
            f"disk full while building in {self.root} ({free} MiB are free there now); "
            "make room, or let XDG_CACHE_HOME name another place"
        )


def disk_is_full(error: BaseException) -> bool:
    """Whether error, or the process that it tells of, ran into a full disk or quota."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, ProcessError) and any(os.strerror(number) in error.tail for number in _FULL)


def remove(folder: Path) -> None:
    """Remove a folder with everything in it; nothing happens when it is not there.

    The orphans of a killed build can go on writing into it for a moment, hence more than one try.
    Raises HarnessError when it cannot be removed.
    """
    for _ in range(REMOVE_TRIES):
        if not folder.exists():
            return
        shutil.rmtree(folder, onerror=_make_writable)
    if folder.exists():
        raise HarnessError(f"cannot remove {folder}: something keeps writing into it, or it is not ours")


def _make_writable(function: Callable[[str], object], path: str, info: object) -> None:
    """rmtree's error hook: unpacked sources may have folders that even their owner cannot write."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(0o700)
        function(path)


def default_store() -> Store:
    """The user's store: $XDG_CACHE_HOME/fdbox-harness, by default ~/.cache/fdbox-harness."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Store(Path(home).expanduser().absolute() / "fdbox-harness")
