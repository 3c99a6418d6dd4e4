# SPDX-License-Identifier: GPL-2.0-only
"""The run folder of a gate: what it keeps there, and what an interrupted one goes on with.

<folder>/results.jsonl          every attempt with its outcome, as it ends: what a resumed gate goes by
<folder>/<case>/<route>.<n>/    a run directory for each attempt
<folder>/gate.json              the answer; without it, or unfinished, there is something to go on with
<folder>/key                    which gate that is: no other one goes on with it
"""

import contextlib
import datetime
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness import digest, journal
from harness.errors import UsageError
from harness.gate import answers
from harness.gate.answers import Gate
from harness.gate.attempts import parse_name
from harness.gate.cells import Cell, Route, State
from harness.gate.order import Next
from harness.gate.sides import Made
from harness.plan import Case, Plan
from harness.planfile import plan_to_json
from harness.publish import write_whole
from harness.result import Outcome
from harness.runner import OUTCOME, check_writable
from harness.verdict import Verdict

# What was interrupted longer ago is begun anew: the base is measured on the same day as the head.
RESUME_SECONDS = 12 * 3600.0
# Of which gate the folder is.
KEY = "key"


def key(made: Sequence[Made], plans: Iterable[Plan], repeat: int) -> str:
    """What tells one gate from another: both sides as built, what is run on them, and how often.

    In whatever order: that one follows from what has failed lately, in this very gate too.
    """
    parts = [f"{one.side.build_id} {one.side.modules}" for one in made]
    parts += [f"{repeat}"]
    parts += sorted(plan_to_json(plan) for plan in plans)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def choose(runs: Path, mark: str) -> Path:
    """The folder of the last gate of this key that did not come to its end, not long ago; or a new one."""
    for folder in sorted(runs.glob(f"*-gate-{mark}"), reverse=True):
        if lately(folder) and not ended(folder):
            return folder
    return runs / f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-gate-{mark}"


def lately(folder: Path) -> bool:
    """Whether what is in a folder is new enough to be counted, by its last attempt."""
    last = folder / journal.NAME
    return (last if last.exists() else folder).stat().st_mtime > time.time() - RESUME_SECONDS


def answered(folder: Path, mark: str) -> Gate | None:
    """The answer in a folder, if the gate of that key came to its end there not long ago."""
    theirs = folder / KEY
    same = theirs.exists() and theirs.read_text(encoding="utf-8") == mark
    return answers.read(folder) if same and lately(folder) and ended(folder) else None


def ended(folder: Path) -> bool:
    """Whether the gate in a folder has come to its end: there is nothing to go on with."""
    if not (folder / answers.NAME).exists():
        return False
    try:
        answer = answers.read(folder)
    except UsageError:
        return True
    return not (answer.interrupted or answer.unfinished or any(map(_may_be_tested_yet, answer.cells)))


def _may_be_tested_yet(cell: Cell) -> bool:
    """Whether a cell has no state because of what may have been the host's fault."""
    attempts = (*cell.base, *cell.head)
    return cell.state is State.COULD_NOT_TEST and any(one.verdict is Verdict.ERROR for one in attempts)


def check_open(folder: Path) -> None:
    """Raises UsageError when a gate cannot have that folder: it has an answer, or cannot be written."""
    check_writable(folder)
    if ended(folder):
        raise UsageError(f"{folder}: a gate has left its answer there: name another folder")


@contextlib.contextmanager
def alone(folder: Path, mark: str) -> Iterator[None]:
    """Have a run folder to oneself, for the gate of that key.

    Raises UsageError when another gate is at work in it, or has left something there that is not its own, or
    is too old.
    """
    check_writable(folder)
    try:
        with FileLock(folder / "lock").acquire(timeout=0):
            theirs = folder / KEY
            check_open(folder)
            if theirs.exists() and theirs.read_text(encoding="utf-8") != mark:
                what = "what an interrupted gate of other kernels or cases has done is there"
                raise UsageError(f"{folder}: {what}: name another folder")
            if (folder / journal.NAME).exists() and not lately(folder):
                what = f"the gate there was interrupted more than {RESUME_SECONDS / 3600:.0f} hours ago"
                raise UsageError(
                    f"{folder}: {what}, and base is measured on the same day: name another folder"
                )
            write_whole(theirs, mark)
            yield
    except Timeout as error:
        raise UsageError(f"another gate with the same arguments is at work in {folder}") from error


def keep(found: Gate, folder: Path) -> Gate:
    """Write the answer into its folder."""
    check_writable(folder)
    found = replace(found, directory=folder)
    write_whole(folder / answers.NAME, answers.dump(found))
    return found


def free(folder: Path, case: str, route: Route) -> Path:
    """The first run directory of a case on a route that nobody has used."""
    return next(
        path for n in range(1, 10_000) if not (path := folder / case / f"{route.folder}.{n}").exists()
    )


def seconds(folder: Path) -> float:
    """How long former runs of the gate in this folder took."""
    with contextlib.suppress(UsageError):
        return answers.read(folder).seconds
    return 0.0


def done(folder: Path, cases: Iterable[Case]) -> list[tuple[Next, Outcome]]:
    """What an interrupted gate has done here. What could not be tested is not among it: it is tried again.

    Nor is what has lost its run directory, in which the kernel's messages are: without those of base, every
    message would be a new one. A folder may have been moved as a whole.
    """
    try:
        outcomes = digest.read(folder).outcomes
    except UsageError:
        return []
    known: Mapping[str, Case] = {case.id: case for case in cases}
    found: dict[Path, tuple[Next, Outcome]] = {}
    for outcome in outcomes:
        named = parse_name(outcome.case)
        if named is None or named[0] not in known or outcome.directory is None:
            continue
        now = folder / named[0] / outcome.directory.name
        # A later attempt in the place of one that was removed is the one that is there.
        found.pop(now, None)
        if outcome.verdict is not Verdict.ERROR and (now / OUTCOME).is_file():
            found[now] = Next(known[named[0]], named[1]), replace(outcome, directory=now)
    return list(found.values())
