# SPDX-License-Identifier: GPL-2.0-only
"""`harness report merge`: the results of several run folders in one, and what is missing of them.

A shard knows which cases the others have to run (shard.record()). So each case of a shard that is not there
is an ERROR with its name, and a shard that is not there can never be a PASS.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness import journal
from harness.digest import SUBJECTS, not_run
from harness.errors import UsageError
from harness.journal import Journal
from harness.plaintext import unique
from harness.result import Blame, Finding, Oracle, Outcome, Subject

# The session that tells what is missing.
SESSION = "merge"


@dataclass
class Whole:
    """A run that was split: what is known of it from the shards that are there."""

    count: int
    # Numbers of the shards that are there; the cases of all others, each with the number of its shard.
    here: set[int] = field(default_factory=set)
    cases: dict[str, tuple[Subject, int]] = field(default_factory=dict)


def merge(folders: Sequence[Path], out: Path) -> Path:
    """Write the results of the folders into a results.jsonl in a new folder; its path.

    Raises UsageError when there is nothing to merge, or the folder has results already.
    """
    twice = [folder for folder in folders if [one.resolve() for one in folders].count(folder.resolve()) > 1]
    if twice:
        raise UsageError(f"{twice[0]}: named more than once")
    texts = {folder: _text(folder) for folder in folders}
    if not any(texts.values()):
        raise UsageError(f"nothing to merge: none of these folders has a {journal.NAME}")
    made = Journal(out, SESSION)
    if made.path.exists():
        raise UsageError(f"{made.path} is there already: name another folder")
    lines = merged({folder: text for folder, text in texts.items() if text is not None})
    empty = [folder for folder, text in texts.items() if text is None]
    lost = [*missing(lines), *(_without_results(folder) for folder in empty)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        made.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{made.path} cannot be written: {error.strerror}") from error
    if lost:
        made.begin(["harness", "report", "merge", *map(str, folders)], lost)
    for outcome in lost:
        made.ended(outcome)
    return made.path


def _text(folder: Path) -> str | None:
    """The results in a folder; None if there are none: its job came to nothing."""
    file = folder / journal.NAME
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def merged(texts: Mapping[Path, str]) -> list[str]:
    """All lines, one folder after the other, with no two sessions of one name, and run directories where they
    are now. What is no whole line stays as it is: whoever reads it says so.
    """
    found = [(folder, line, _entry(line)) for folder, text in texts.items() for line in _lines(text)]
    ours = list(dict.fromkeys((folder, entry.get("session")) for folder, _, entry in found if entry))
    names = dict(zip(ours, unique(str(session) for _, session in ours), strict=True))
    lines = []
    for folder, line, entry in found:
        if entry:
            entry["session"] = names[folder, entry.get("session")]
            lines.append(json.dumps(_moved(entry, folder)))
        else:
            lines.append(line)
    return lines


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if line.strip())


def _entry(line: str) -> dict[str, Any]:
    """What a line says; nothing if it is not whole."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) and "kind" in entry else {}


def _moved(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A line with the run directory where it is now: a job's folder was fetched from another host."""
    case, now = entry.get("case"), folder / str(entry.get("case"))
    if entry.get("directory") and isinstance(case, str) and now.is_dir():
        return {**entry, "directory": str(now.absolute())}
    return entry


def missing(lines: Iterable[str]) -> list[Outcome]:
    """The cases of shards that are not there, each an ERROR; of a shard without cases, the shard itself."""
    lost: list[Outcome] = []
    wholes = _wholes(lines)
    others = f"; these are shards of {len(wholes)} different runs" if len(wholes) > 1 else ""
    for key, one in wholes.items():
        for number in sorted(set(range(1, one.count + 1)) - one.here):
            seen = f"shard {number}/{one.count} is missing: none of the merged folders has it{others}"
            ours = [subject for subject, where in one.cases.values() if where == number]
            itself = Subject(f"shard {number}/{one.count} of {key}", Path("shards"), "", (), "")
            lost += [_lost(subject, seen) for subject in ours or [itself]]
    return lost


def _wholes(lines: Iterable[str]) -> dict[str, Whole]:
    """The runs that were split. Shards that disagree about what the whole is are of different ones."""
    found: dict[str, Whole] = {}
    for entry in map(_entry, lines):
        shard = entry.get("shard")
        if entry.get("kind") != "session" or not isinstance(shard, dict):
            continue
        try:
            one = found.setdefault(f"{shard['whole']}, {shard['count']}", Whole(int(shard["count"])))
            one.here.add(int(shard["number"]))
            for case in shard["elsewhere"]:
                one.cases[case["case"]] = SUBJECTS.validate_python(case), int(case["shard"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise UsageError(f"session {entry.get('session')}: shard not understood: {error!r}") from error
    return found


def _without_results(folder: Path) -> Outcome:
    """What stands for a folder without results."""
    return _lost(
        Subject(str(folder), folder, "", (), ""), f"the folder has no {journal.NAME}: its job failed"
    )


def _lost(subject: Subject, seen: str) -> Outcome:
    return not_run(
        subject, Finding(Oracle.EVIDENCE, Blame.HARNESS, 0, None, "did not finish", "a result", seen)
    )
