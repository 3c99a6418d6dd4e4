# SPDX-License-Identifier: GPL-2.0-only
"""Machines that were saved when a kernel was ready, in the store: a case starts from one at once.

An entry holds the memory, a sparse file for each NUMA node, which the next machine maps (what it writes is
its own); the state of the devices, as QEMU migrates it; what the kernel had said on the console; and a list
of these parts. What QEMU is told of files, sockets and fds differs from case to case, and does not migrate.
"""

import contextlib
import glob
import json
import os
import pickle
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from harness import klog
from harness.build.store import Store
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.vm.qemu import QEMU, Hardware, argv, escape, shares
from harness.vm.sparse import copy, digest, put

if TYPE_CHECKING:
    # SSH and QMP, which take long to import; to know of snapshots nobody needs them.
    from harness.vm.machine import Machine
    from harness.vm.monitor import Monitor

KIND = "snapshot"
NAME = "ready"
# Machines that were saved after steps: harness/prefix.py.
AFTER = "prefix"
# What the lock of a session is called that saves machines after steps.
SESSION = "session"
# Goes into every key: to be raised when the way machines are saved changes.
FORMAT = "2"
PARTS = "parts.json"
STATE = "state"
KNOWN = "known"
CONSOLE = "console.log"
# So many are kept; one has some 60 MiB, more with KASAN. All scenarios on one kernel need about 20.
KEPT = 60
# They are of no use after their session, which removes them itself; if it was killed, the next one does.
KEPT_AFTER = 8
# Saving and loading take a tenth of a second; these end a hang.
SECONDS = 60.0
# The memory that guests share with files is left where it is.
CAPABILITIES = [{"capability": "x-ignore-shared", "state": True}]


class SnapshotError(HarnessError):
    """A machine cannot be saved, or not be started from what was saved."""


@dataclass(frozen=True)
class Snapshot:
    """A saved machine: a folder of the store."""

    folder: Path

    @property
    def console(self) -> Path:
        """What the kernel had said when it was saved."""
        return self.folder / CONSOLE

    def known(self) -> object:
        """What whoever saved it knew. Raises SnapshotError when that cannot be read."""
        path = self.folder / KNOWN
        try:
            return pickle.loads(path.read_bytes()) if path.exists() else None
        except Exception as error:
            # What is no pickle can raise anything.
            raise SnapshotError(f"{path} cannot be read: {error!r}") from error

    def into_memory(self, memory: Sequence[int]) -> None:
        """Copy the memory of each node into a file, as new_memory() makes them."""
        for node, fd in enumerate(memory):
            with (self.folder / f"memory.{node}").open("rb") as file:
                put(file.fileno(), fd)

    def back_ends(self) -> tuple[str, ...]:
        """QEMU's back ends for the memory of each node: private, so that nothing is written to the files."""
        nodes = sorted(self.folder.glob("memory.*"))
        return tuple(f"memory-backend-file,mem-path={escape(path)},share=off" for path in nodes)

    def check(self) -> None:
        """See that every part is as it was written. Raises SnapshotError when one is not.

        A file that nobody has touched since is not read: its inode says so.
        """
        try:
            parts = json.loads((self.folder / PARTS).read_text())
            changed = [name for name, was in parts.items() if was != part(self.folder / name, was)]
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise SnapshotError(f"{self.folder} cannot be read: {error!r}") from error
        if changed or STATE not in parts:
            raise SnapshotError(f"{self.folder} is damaged: {', '.join(changed) or STATE}")

    def load(self, monitor: "Monitor") -> None:
        """Bring the saved devices into a QEMU that waits for them. Raises HarnessError when it cannot."""
        monitor.execute("migrate-set-capabilities", {"capabilities": CAPABILITIES})
        monitor.execute("migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(self.folder / STATE))}"})

        def loaded() -> bool:
            return bool(monitor.execute("query-status")["status"] != "inmigrate")

        if not Deadline(SECONDS).wait(loaded, lambda: None):
            raise SnapshotError(f"{self.folder}: QEMU has not loaded it in {SECONDS:.0f} s")


def part(path: Path, was: dict[str, object] | None = None) -> dict[str, object]:
    """What tells whether a part is as it was written: its inode, or if that is another one, its contents."""
    status = path.stat()
    inode = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    if was and was["inode"] == inode:
        return was
    return {"sha256": digest(path), "inode": was["inode"] if was else inode}


@dataclass(frozen=True)
class Snapshots:
    """The machines that were saved in a store."""

    store: Store
    # The session whose cases are left and taken up, and all that was done; nothing: they are ready to begin.
    session: str = ""
    done: str = ""

    @property
    def kind(self) -> str:
        """Where they are in the store."""
        return AFTER if self.done else KIND

    def after(self, session: str, done: str) -> "Snapshots":
        """Where a machine is saved in this session when that was done."""
        return replace(self, session=session, done=done)

    def inputs(self, hardware: Hardware) -> dict[str, str]:
        """Everything that a saved machine depends on."""
        return inputs(hardware) | ({"done": self.done} if self.done else {})

    def find(self, hardware: Hardware) -> Snapshot | None:
        """A machine like this one, saved earlier. Raises SnapshotError, and removes it, if it is damaged."""
        entry = self.store.find(self.kind, self.session or NAME, self.inputs(hardware))
        if entry is None:
            return None
        snapshot = Snapshot(entry)
        try:
            snapshot.check()
        except SnapshotError:
            self.discard(snapshot)
            raise
        return snapshot

    def save(self, machine: "Machine", hardware: Hardware, beside: Mapping[str, bytes]) -> bool:
        """Save a machine that is ready, and let it go on; whether it was: another case may have done so.

        beside: files to be kept with it. Raises HarnessError when it cannot be saved.
        """
        logs = map(machine.console.text, range(machine.generation + 1))
        reports = [report for log in logs for report in klog.scan(log)]
        if reports:
            raise SnapshotError(f"a machine with a report in its log is not saved: {reports[0].title}")

        def make(folder: Path) -> None:
            machine.monitor.execute("stop")
            try:
                for name, data in beside.items():
                    (folder / name).write_bytes(data)
                fill(folder, machine)
            except BaseException:
                # QEMU refuses that in the middle of a migration: it is what came first that has to be told.
                with contextlib.suppress(HarnessError):
                    machine.monitor.execute("cont")
                raise
            machine.monitor.execute("cont")

        if not self.store.offer(self.kind, self.session or NAME, self.inputs(hardware), make):
            return False
        self.store.keep_newest(self.kind, KEPT_AFTER if self.done else KEPT)
        return True

    def discard(self, snapshot: Snapshot) -> None:
        """Remove one that is of no use."""
        self.store.discard(snapshot.folder, f"{self.kind}-{snapshot.folder.name}")


def forget(store: Store, session: str) -> None:
    """Remove the machines that were saved after steps of a session which has ended, and their locks."""
    name = glob.escape(session)
    for entry in (store.root / AFTER).glob(f"{name}-*"):
        store.discard(entry, f"{AFTER}-{entry.name}")
    locks = store.root / "lock"
    for lock in (*locks.glob(f"{AFTER}-{name}-*"), locks / session_lock(session)):
        lock.unlink(missing_ok=True)


def session_lock(session: str) -> str:
    """The name of the lock that a session holds while it lives."""
    return f"{SESSION}-{session}"


def forget_dead(store: Store) -> None:
    """Remove the machines of sessions that nobody holds the lock of: they were killed."""
    found = {entry.name.rpartition("-")[0] for entry in (store.root / AFTER).glob("*-*")}
    found |= {lock.name.removeprefix(f"{SESSION}-") for lock in (store.root / "lock").glob(f"{SESSION}-*")}
    for session in found:
        lock = FileLock(store.root / "lock" / session_lock(session))
        with contextlib.suppress(Timeout), lock.acquire(timeout=0):
            forget(store, session)


def fill(folder: Path, machine: "Machine") -> None:
    """Write the parts of a snapshot of a machine that stands still."""
    state = folder / STATE
    machine.monitor.execute("migrate-set-capabilities", {"capabilities": CAPABILITIES})
    machine.monitor.execute("migrate", {"uri": f"exec:cat >{shlex.quote(str(state))}"})

    def ended() -> bool:
        return machine.monitor.execute("query-migrate").get("status") in {"completed", "failed"}

    Deadline(SECONDS).wait(ended, machine.watch)
    status = machine.monitor.execute("query-migrate")
    if status.get("status") != "completed":
        raise SnapshotError(
            f"QEMU cannot save the machine: {status.get('error-desc') or status.get('status')}"
        )
    for node, fd in enumerate(machine.ram):
        copy(fd, folder / f"memory.{node}")
    # Nothing runs any more: this is all that the kernel has said.
    shutil.copyfile(machine.console.path, folder / CONSOLE)
    parts = {path.name: part(path) for path in sorted(folder.iterdir())}
    (folder / PARTS).write_text(json.dumps(parts, indent=1) + "\n")


def inputs(hardware: Hardware) -> dict[str, str]:
    """Everything that a saved machine depends on."""
    files = [hardware.kernel, hardware.initramfs, *hardware.disks]
    program = Path(shutil.which(QEMU) or QEMU).resolve()
    return {
        "format": FORMAT,
        "qemu": identity(program),
        "arguments": shlex.join(argv(hardware, "null", "null", share_nothing(hardware))),
        "files": "\n".join(map(identity, files)),
    }


def share_nothing(hardware: Hardware) -> tuple[str, ...]:
    """Back ends for the memory of each node, in the place of those of a case."""
    return tuple("memory-backend-file" for _ in shares(hardware))


def identity(path: Path) -> str:
    """What tells one build of a file from another."""
    try:
        status = path.stat()
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from error
    return f"{path} {status.st_size} bytes of {status.st_mtime_ns}"


def new_memory(hardware: Hardware) -> list[int]:
    """Memory for each node of a machine that may be saved: files without a name. The caller closes them."""
    made = []
    for node, size in enumerate(shares(hardware)):
        made.append(os.memfd_create(f"memory.{node}"))
        os.ftruncate(made[-1], size << 20)
    return made


def shared(memory: Sequence[int]) -> tuple[str, ...]:
    """QEMU's back ends for memory that is ours too."""
    return tuple(f"memory-backend-file,mem-path=/proc/self/fd/{fd},share=on" for fd in memory)
