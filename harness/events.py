# SPDX-License-Identifier: GPL-2.0-only
"""What happens in a run, as it happens: a line each in events.jsonl."""

import fcntl
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self


class Events:
    """The event stream of one run; times are seconds since it was opened."""

    def __init__(self, path: Path) -> None:
        self.start = time.monotonic()
        # Seconds that now() has and that did not pass in this run, or, below zero, the other way round.
        self.elsewhere = 0.0
        self.entries: list[dict[str, object]] = []
        self._file = path.open("a+")
        # Held while the run lasts: `harness clean` leaves it alone.
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def shift(self, seconds: float) -> None:
        """Put the clock forward, or back: for a machine that went on elsewhere, or stood still."""
        self.start -= seconds
        self.elsewhere += seconds

    def follow(self, earlier: Sequence[dict[str, object]], seconds: float) -> None:
        """Put what happened in another run behind our first entry; ours go on from its seconds."""
        first, *ours = self.entries
        self.shift(seconds)
        moved = [{**entry, "t": round(float(str(entry["t"])) + seconds, 6)} for entry in ours]
        self.entries = [first, *earlier, *moved]
        self._file.truncate(0)
        self._file.writelines(map(_line, self.entries))
        self._file.flush()

    def emit(self, event: str, **fields: object) -> None:
        """Record an event."""
        entry = {"t": round(self.now(), 6), "event": event, **fields}
        self.entries.append(entry)
        self._file.write(_line(entry))
        self._file.flush()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()


def _line(entry: dict[str, object]) -> str:
    return json.dumps(entry, default=str) + "\n"
