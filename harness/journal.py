# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl: what a session of cases came to, a line each as it happens; every report is made of it.

Several processes write it at once. A line is one write at the end of the file, under a lock, so that whoever
is killed leaves at most one broken line, which the next line does not become part of.
"""

import contextlib
import datetime
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.result import Outcome, Subject

# Of what a line means; a reader refuses a newer one.
FORMAT = 1
NAME = "results.jsonl"


@dataclass(frozen=True)
class Journal:
    """The results of one session in the file of a run folder; a folder may see several sessions."""

    folder: Path
    # Unique among those that use the folder.
    session: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / NAME

    def begin(
        self,
        command: Sequence[str],
        subjects: Iterable[Subject],
        shard: Mapping[str, object] | None = None,
    ) -> None:
        """Say what is going to be run: what does not come to an end is missed then.

        Each worker of a session may do so; the first one does. shard: what shard.record() has to say.
        """
        head = {"format": FORMAT, "command": list(command), **({"shard": shard} if shard else {})}
        lines = [self._line("session", head)]
        lines += [self._line("planned", asdict(subject)) for subject in subjects]
        with self._open() as file:
            if not self._begun():
                _append(file, lines)

    def started(self, case: str, directory: Path) -> None:
        """A case begins."""
        self._add("started", {"case": case, "directory": str(directory)})

    def ended(self, outcome: Outcome) -> None:
        """A case has ended."""
        self._add("result", outcome.to_json())

    def _add(self, kind: str, fields: Mapping[str, object]) -> None:
        with self._open() as file:
            _append(file, [self._line(kind, fields)])

    def _line(self, kind: str, fields: Mapping[str, object]) -> str:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = {"kind": kind, "session": self.session, "at": now, **fields}
        return json.dumps(line, default=str) + "\n"

    def _begun(self) -> bool:
        needle = json.dumps({"kind": "session", "session": self.session})[:-1].encode()
        with self.path.open("rb") as text:
            return any(line.startswith(needle) for line in text)

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """The file, for us alone. Raises HarnessError when it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
            finally:
                os.close(file)
        except OSError as error:
            raise HarnessError(f"cannot keep the results in {self.path}: {error.strerror}") from error


def run_folder(store: Path, what: str) -> Path:
    """A new folder for run directories in the store, by date and time."""
    return store / "runs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-{what}"


def _append(file: int, lines: Iterable[str]) -> None:
    """Add lines in one write; one that somebody was killed over ends first."""
    data = "".join(lines).encode()
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        data = b"\n" + data
    while data:
        data = data[os.write(file, data) :]
