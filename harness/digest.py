# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl read and understood: each case with what it came to, what never ended included."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness import journal
from harness.errors import UsageError
from harness.result import Blame, Finding, Oracle, Outcome, Subject
from harness.verdict import EXIT_CODES, Verdict, exit_code

OUTCOMES = TypeAdapter(Outcome)
SUBJECTS = TypeAdapter(Subject)
# The verdict of a whole session, by the exit code that it would have.
WHOLE = {0: Verdict.PASS, 1: Verdict.FAIL, 125: Verdict.ERROR}
# So many broken lines are named.
FEW = 10


@dataclass(frozen=True)
class Digest:
    """The results of a run folder, in the order in which they were planned."""

    outcomes: tuple[Outcome, ...]
    # When the first session began.
    started: str = ""
    # The file.
    path: Path | None = None
    # What could not be read.
    notes: tuple[str, ...] = ()
    # Some shards of a run, and not all: there are more cases.
    part: bool = False

    @property
    def verdict(self) -> Verdict:
        """Of all cases together."""
        return WHOLE[self.exit_code]

    @property
    def exit_code(self) -> int:
        """As `harness run` has it."""
        return exit_code((outcome.verdict for outcome in self.outcomes), self.part)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many cases have each verdict, without those that none has."""
        count = Counter(outcome.verdict for outcome in self.outcomes)
        return {verdict: count[verdict] for verdict in Verdict if verdict in count}

    def of(self, *verdicts: Verdict) -> list[Outcome]:
        """The cases with one of these verdicts."""
        return [outcome for outcome in self.outcomes if outcome.verdict in verdicts]

    def by_file(self) -> dict[str, list[Outcome]]:
        """The cases of each scenario file."""
        found: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            found.setdefault(str(outcome.source), []).append(outcome)
        return found

    def flaky(self) -> dict[str, list[Verdict]]:
        """Cases that were run several times, and not always with the same verdict."""
        found: dict[str, list[Verdict]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.case, []).append(outcome.verdict)
        return {case: verdicts for case, verdicts in found.items() if len(set(verdicts)) > 1}


def is_green(verdict: Verdict) -> bool:
    """Whether nobody has to do anything about it."""
    return EXIT_CODES[verdict] == 0


def count_text(digest: Digest) -> str:
    """How many of each verdict: '1 FAIL, 7 PASS of 8 cases'."""
    parts = [f"{count} {verdict}" for verdict, count in digest.counts.items()]
    return f"{', '.join(parts)} of {len(digest.outcomes)} cases" if parts else "no cases"


def read(path: Path) -> Digest:
    """The results in a run folder, or in the file itself. Raises UsageError when there are none."""
    file = path / journal.NAME if path.is_dir() else path
    try:
        text = file.read_bytes()
    except OSError as error:
        hint = f": a run folder has a {journal.NAME}" if path.is_dir() else ""
        raise UsageError(f"{file}: {error.strerror}{hint}") from error
    return digest(text.decode("utf-8", "replace").split("\n"), file)


@dataclass
class _Case:
    """What the lines say of one case in one session."""

    subject: Subject | None = None
    # When, and where its records are.
    started: list[tuple[str, Path]] = field(default_factory=list)
    broken: str = ""
    outcomes: list[Outcome] = field(default_factory=list)


def digest(lines: Iterable[str], path: Path) -> Digest:
    """What the lines of a file mean. Raises UsageError when they are not results, or of a newer harness."""
    cases: dict[tuple[str, str], _Case] = {}
    notes: list[str] = []
    shards: set[tuple[object, object]] = set()
    started, understood = "", False
    for number, line in _entries(lines, path, notes):
        if line["kind"] == "session":
            _check_format(line, path)
            started, understood = started or str(line.get("at", "")), True
            if isinstance(one := line.get("shard"), dict):
                shards.add((one.get("number"), one.get("count")))
            continue
        case = cases.setdefault((str(line.get("session")), str(line.get("case"))), _Case())
        try:
            _take(line, case)
        except (ValidationError, KeyError, TypeError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else None
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else repr(error)
            notes.append(f"{path}:{number}: not understood: {reason}")
            case.broken = notes[-1]
    if not understood:
        raise UsageError(f"{path}: these are not results of the harness: there is no line of a session")
    outcomes = tuple(outcome for (_, name), case in cases.items() for outcome in _outcomes(name, case))
    part = any(len(shards) != count for _, count in shards)
    return Digest(outcomes, started, path, _few(notes), part)


def _entries(lines: Iterable[str], path: Path, notes: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines with their numbers; the others are noted."""
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if isinstance(line, dict) and "kind" in line:
            yield number, line
        else:
            notes.append(f"{path}:{number}: not a whole line: who wrote it was killed, or it was changed")


def _check_format(line: Mapping[str, Any], path: Path) -> None:
    known = line.get("format")
    if known != journal.FORMAT:
        raise UsageError(f"{path}: of format {known}, and this harness reads format {journal.FORMAT}")


def _take(line: Mapping[str, Any], case: _Case) -> None:
    """Add a line to what is known of its case."""
    match line["kind"]:
        case "planned":
            case.subject = SUBJECTS.validate_python(line)
        case "started":
            case.started.append((str(line["at"]), Path(line["directory"])))
        case "result":
            setting = tuple(line["setting"].items())
            case.outcomes.append(OUTCOMES.validate_python({**line, "setting": setting}))


def _outcomes(name: str, case: _Case) -> list[Outcome]:
    """What a case came to, each time that it was started; where that never ended, that."""
    known = {outcome.directory for outcome in case.outcomes}
    never = {directory: at for at, directory in case.started if directory not in known}
    # A run whose records could not be kept has no folder, and has ended.
    nameless = sum(outcome.directory is None for outcome in case.outcomes)
    killed = "and then who ran it was killed or interrupted"
    seen: list[tuple[str, Path | None]] = [
        (f"it was started at {at}, {killed}", directory) for directory, at in list(never.items())[nameless:]
    ]
    last = case.started[-1][1] if case.started else None
    if case.broken:
        seen = [(case.broken, last)]
    elif not seen and not case.outcomes:
        seen = [("it was never started: the session ended before", None)]
    subject = case.subject or Subject(name, Path(name), "", (), "")
    nothing = Finding(Oracle.EVIDENCE, Blame.HARNESS, 0, None, "did not finish", "a result", "")
    return [*case.outcomes, *(not_run(subject, replace(nothing, seen=how), where) for how, where in seen)]


def not_run(subject: Subject, finding: Finding, directory: Path | None = None) -> Outcome:
    """The outcome of a case that was not run, or not to its end."""
    return Outcome(
        **{name: getattr(subject, name) for name in Subject.__dataclass_fields__},
        verdict=Verdict.SKIP if finding.blame is Blame.NOBODY else Verdict.ERROR,
        findings=(finding,),
        proofs=(),
        timeline=(),
        updates=(),
        seconds=0.0,
        setting=(("carrier", subject.carrier),) if subject.carrier else (),
        directory=directory,
    )


def _few(notes: list[str]) -> tuple[str, ...]:
    more = [f"and {len(notes) - FEW} more lines like that"] if len(notes) > FEW else []
    return (*notes[:FEW], *more)
