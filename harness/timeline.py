# SPDX-License-Identifier: GPL-2.0-only
"""The timeline of a run out of its events: what took how long, and each live update part by part."""

from collections.abc import Iterator, Mapping, Sequence

from harness.result import Mark, Part, Update

Entry = Mapping[str, object]
# Events that are moments of their own, by the name that they have in the timeline.
MOMENTS = {
    "power-on": "power-on",
    "resumed": "started from a snapshot",
    "saved": "snapshot saved",
    "shared": "goes on from another case",
    "loaded": "next kernel loaded",
    "jump": "jump ordered",
    "old kernel gone": "old kernel ends",
    "next kernel": "next kernel's first line",
    "init": "user space starts",
    "modules": "modules loaded",
    "ready": "ready",
    "agent": "agent answers",
    "lost": "machine lost",
}
# The parts of a live update from the order to jump on: what has ended when an event comes.
PARTS = {
    "old kernel gone": "old kernel shuts down",
    "next kernel": "jump into the next kernel",
    "init": "next kernel boots",
    "modules": "modules",
    "ready": "network, SSH server",
    "agent": "SSH login, agent",
}
# Steps that are parts of a live update by their own names, before the jump and after it.
BEFORE = ("put", "prepare", "seal")
FIRST = "get"
AFTER = ("unseal", FIRST)
LOAD = "load"
JUMPS = ("kexec", "jump")
CHECKS = "identity checks"
OTHER = "other steps"
LOST = "until the machine was lost"


def marks(entries: Sequence[Entry]) -> tuple[Mark, ...]:
    """The moments of a run, steps included, in order; seconds since the start of the run."""
    found = []
    for entry in entries:
        name = MOMENTS.get(str(entry["event"]))
        if entry["event"] == "step done":
            name = f"step {entry['step']}: {entry['verb']}"
        if name:
            found.append(Mark(name, int(str(entry.get("generation", 0))), time(entry)))
    return tuple(found)


def updates(entries: Sequence[Entry]) -> tuple[Update, ...]:
    """Each live update: what was done for it, and the parts from the order to jump on, without gaps.

    It ends when user space has its first preserved fd back; if it takes none before the next jump, when the
    next kernel's agent answers; if the machine is lost, there. A jump that was refused, or that an ordered
    reset cut short, is none.
    """
    jumps = [index for index, entry in enumerate(entries) if entry["event"] == "jump"]
    found, done = [], 0
    for index, following in zip(jumps, [*jumps, len(entries)][1:], strict=True):
        after = entries[index:following]
        if any(entry["event"] == "step refused" and entry["verb"] in JUMPS for entry in after):
            continue
        if any(entry["event"] == "cut" for entry in after):
            continue
        parts, arrived = blackout(after)
        generation = int(str(entries[index].get("generation", 0))) + 1
        found.append(Update(generation, tuple(before(entries[done:index])), parts, arrived))
        done = index
    return tuple(found)


def blackouts(entries: Sequence[Entry]) -> tuple[float, ...]:
    """The seconds of each live update that came to its end."""
    return tuple(update.seconds for update in updates(entries) if update.arrived)


def before(entries: Sequence[Entry]) -> Iterator[Part]:
    """What was done for a live update before the order to jump, since the one before it."""
    start = 0.0
    for entry in entries:
        if entry["event"] == "step":
            start = time(entry)
        elif entry["event"] == "step done" and entry["verb"] in BEFORE:
            yield Part(str(entry["verb"]), start, time(entry))
        elif entry["event"] == "loaded":
            yield Part(LOAD, start, time(entry))


def blackout(entries: Sequence[Entry]) -> tuple[tuple[Part, ...], bool]:
    """The parts from the order to jump on, which is the first entry, and whether it came to its end.

    Each part begins where the one before it ended, so that they add up to the whole.
    """
    last, arrived = end(entries)
    parts: list[Part] = []
    start = time(entries[0])
    for entry in entries[1 : last + 1]:
        if name := part_name(entry):
            parts.append(Part(name, start, time(entry)))
            start = time(entry)
    return tuple(joined(parts)), arrived


def end(entries: Sequence[Entry]) -> tuple[int, bool]:
    """The index of the entry with which a blackout ends, and whether user space has what it waited for."""

    def first(event: str, verb: str | None = None) -> int | None:
        fitting = (i for i, e in enumerate(entries) if e["event"] == event and verb in (None, e.get("verb")))
        return next(fitting, None)

    for index, arrived in (
        (first("step done", FIRST), True),
        (first("lost"), False),
        (first("stopped"), False),
        (first("agent"), True),
    ):
        if index is not None:
            return index, arrived
    return len(entries) - 1, False


def part_name(entry: Entry) -> str | None:
    """The part of a blackout that has ended when an entry comes; None: it is not the end of one."""
    event, verb = str(entry["event"]), str(entry.get("verb"))
    if event == "lost":
        return LOST
    if event == "step done" and verb in AFTER:
        return verb
    if event in {"step done", "step refused"}:
        return CHECKS if verb in JUMPS else OTHER
    return PARTS.get(event)


def joined(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts, those of the same name that follow each other as one."""
    last: Part | None = None
    for part in parts:
        if last and last.name == part.name:
            last = Part(last.name, last.start, part.end)
            continue
        if last:
            yield last
        last = part
    if last:
        yield last


def ending(update: Update) -> str:
    """With what the parts of a live update end."""
    if not update.arrived:
        return "on; it did not come to its end"
    if update.parts and update.parts[-1].name == FIRST:
        return "to the first fd back in user space"
    return "to an agent that answers; no fd was taken out"


def time(entry: Entry) -> float:
    """When something happened, in seconds since the start of the run."""
    return float(str(entry["t"]))


def milliseconds(parts: Sequence[Part]) -> list[int]:
    """The parts of a live update in whole milliseconds that add up to its whole, rounded once."""
    start = parts[0].start if parts else 0.0
    ends = [round((part.end - start) * 1000) for part in parts]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def by_name(parts: Sequence[Part]) -> dict[str, float]:
    """The seconds of all parts of each name."""
    found: dict[str, float] = {}
    for part in parts:
        found[part.name] = found.get(part.name, 0.0) + part.end - part.start
    return found
