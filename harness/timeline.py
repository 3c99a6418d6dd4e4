# SPDX-License-Identifier: GPL-2.0-only
"""The timeline of a run out of its events: what took how long, and the blackout."""

from collections.abc import Mapping, Sequence

from harness.result import Mark

Entry = Mapping[str, object]
# Events that are moments of their own, by the name that they have in the timeline.
MOMENTS = {
    "power-on": "power-on",
    "loaded": "next kernel loaded",
    "jump": "jump ordered",
    "old kernel gone": "old kernel ends",
    "next kernel": "next kernel's first line",
    "init": "user space starts",
    "ready": "ready",
    "agent": "agent answers",
}


def marks(entries: Sequence[Entry]) -> tuple[Mark, ...]:
    """The moments of a run, steps included, in order; seconds since the start of the run."""
    found = []
    for entry in entries:
        name = MOMENTS.get(str(entry["event"]))
        if entry["event"] == "step done":
            name = f"step {entry['step']}: {entry['verb']}"
        if name:
            found.append(Mark(name, int(str(entry.get("generation", 0))), float(str(entry["t"]))))
    return tuple(found)


def blackouts(entries: Sequence[Entry]) -> tuple[float, ...]:
    """For each jump the seconds until user space has its first preserved fd back; if it takes none, until the
    next kernel's agent answers. A jump that never arrives has no blackout."""
    found = []
    jump: float | None = None
    back: float | None = None
    for entry in entries:
        event, t = entry["event"], float(str(entry["t"]))
        if event == "jump":
            if jump is not None and back is not None:
                found.append(back - jump)
            jump, back = t, None
        elif event == "agent" and jump is not None:
            back = t
        elif event == "step done" and entry["verb"] == "get" and jump is not None:
            found.append(t - jump)
            jump, back = None, None
    if jump is not None and back is not None:
        found.append(back - jump)
    return tuple(round(seconds, 3) for seconds in found)
