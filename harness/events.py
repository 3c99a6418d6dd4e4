# SPDX-License-Identifier: GPL-2.0-only
"""What happens in a run, as it happens: a line each in events.jsonl."""

import fcntl
import json
import time
from pathlib import Path
from typing import Self


class Events:
    """The event stream of one run; times are seconds since it was opened."""

    def __init__(self, path: Path) -> None:
        self.start = time.monotonic()
        self.entries: list[dict[str, object]] = []
        self._file = path.open("a")
        # Held while the run lasts: `harness clean` leaves it alone.
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def emit(self, event: str, **fields: object) -> None:
        """Record an event."""
        entry = {"t": round(self.now(), 6), "event": event, **fields}
        self.entries.append(entry)
        self._file.write(json.dumps(entry, default=str) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()
