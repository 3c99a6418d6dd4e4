# SPDX-License-Identifier: GPL-2.0-only
"""What happens in a run, as it happens: a line each in events.jsonl, and whoever listens."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

Listener = Callable[[str, dict[str, object]], None]


class Events:
    """The event stream of one run; times are seconds since it was opened."""

    def __init__(self, path: Path, listener: Listener | None = None) -> None:
        self.start = time.monotonic()
        self.entries: list[dict[str, object]] = []
        self._file = path.open("a")
        self._listener = listener

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def emit(self, event: str, **fields: object) -> None:
        """Record an event."""
        entry = {"t": round(self.now(), 6), "event": event, **fields}
        self.entries.append(entry)
        self._file.write(json.dumps(entry, default=str) + "\n")
        self._file.flush()
        if self._listener:
            self._listener(event, fields)

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()
