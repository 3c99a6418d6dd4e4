# SPDX-License-Identifier: GPL-2.0-only
"""What FDBox lists, in the words of a scenario, and whether that is what it must be."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.boxactions import List
from harness.evidence import Evidence
from harness.result import Oracle
from harness.scalars import ERRNO_NAMES, FD_STATES

# FDBOX_BOX_SEALED.
SEALED = 0x1


def state_of(entry: Mapping[str, Any]) -> str:
    """What an entry says: of a box whether it is sealed, of an fd its state and error."""
    if entry["kind"] == "box":
        return "sealed" if entry["state"] & SEALED else "open"
    number = entry["state"]
    state = FD_STATES[number] if number < len(FD_STATES) else f"state {number}"
    return f"{state} {ERRNO_NAMES.get(entry['error'], entry['error'])}" if entry["error"] else state


def judge(action: List, entries: Sequence[Mapping[str, Any]], evidence: Evidence) -> bool:
    """Whether the list is as it must be: names, order, states. The evidence has it then, or the finding."""
    seen = [(entry["name"], state_of(entry)) for entry in entries]
    expected = list(((action.fds if action.box is not None else action.boxes) or {}).items())
    what = f"what is in box '{action.box}'" if action.box is not None else "which boxes there are"
    if seen == expected:
        evidence.prove(Oracle.STEP, f"{what}: {words(seen)}")
        return True
    evidence.find(Oracle.STEP, f"the list of {what} is another", words(expected), words(seen))
    return False


def words(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and states on one line."""
    return ", ".join(f"{name}: {state}" for name, state in pairs) or "nothing"
