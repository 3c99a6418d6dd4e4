# SPDX-License-Identifier: GPL-2.0-only
"""`harness report merge` for answers of the gate: those of all shards in one, and what is missing of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.gate import answers, compare
from harness.gate.answers import Gate, Side
from harness.gate.cells import Attempt, Cell, Message, Route, State


def merge(folders: Sequence[Path], out: Path) -> Path:
    """Write the answers of the folders into a new one; the path of the file.

    Raises UsageError when they do not fit together, or the new folder has an answer already.
    """
    file = out / answers.NAME
    if file.exists():
        raise UsageError(f"{file} is there already: name another folder")
    found = {
        folder: moved(answers.read(folder), folder) for folder in folders if (folder / answers.NAME).exists()
    }
    gate = replace(merged(found, [folder for folder in folders if folder not in found]), directory=out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        file.write_text(answers.dump(gate), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    return file


def merged(found: Mapping[Path, Gate], empty: Sequence[Path]) -> Gate:
    """One answer of several; empty: the folders that have none, of jobs that have failed."""
    gates = list(found.values())
    first = gates[0]
    for folder, gate in found.items():
        if gate.shard[1] != first.shard[1] or _compared(gate) != _compared(first):
            raise UsageError(f"{folder}: it has other kernels or other cases, or is a shard of another run")
    count = Counter(gate.shard[0] for gate in gates)
    if twice := [number for number, times in count.items() if times > 1]:
        raise UsageError(f"shard {twice[0]}/{first.shard[1]} is there more than once")
    lost = [_lost(f"shard {n}/{first.shard[1]}") for n in range(1, first.shard[1] + 1) if n not in count]
    lost += [_lost(str(folder)) for folder in empty]
    return Gate(
        base=_side([gate.base for gate in gates]),
        head=_side([gate.head for gate in gates]),
        cells=(*(cell for gate in gates for cell in gate.cells), *lost),
        metrics=tuple(metric for gate in gates for metric in gate.metrics),
        messages=tuple(_messages(gates)),
        # What no shard can run, each of them says.
        not_run=tuple(dict.fromkeys(one for gate in gates for one in gate.not_run)),
        whole=first.whole,
        command=tuple(_whole(first.command)),
        host=first.host,
        started=min(gate.started for gate in gates),
        seconds=max(gate.seconds for gate in gates),
        interrupted=any(gate.interrupted for gate in gates),
        unfinished=any(gate.unfinished for gate in gates),
        notes=tuple(dict.fromkeys(note for gate in gates for note in gate.notes)),
    )


def _compared(gate: Gate) -> tuple[object, ...]:
    """What tells a comparison from another; how a side was made is different in each job."""
    sides = ((one.name, one.kernel, one.commit, one.patches, one.series) for one in (gate.base, gate.head))
    return gate.whole, *sides


def _side(several: Sequence[Side]) -> Side:
    """The side that all of them have; if one of them could not make it, that."""
    return next((one for one in several if one.problem), several[0])


def _whole(command: Sequence[str]) -> Iterator[str]:
    """The command that would do what all shards did: of one shard's, all but which that is, and where."""
    words = iter(command)
    for word in words:
        if word in {"--shard", "--out"}:
            next(words, None)
        elif not word.startswith(("--shard=", "--out=")):
            yield word


def _lost(name: str) -> Cell:
    """What stands for cells that nobody can name."""
    reason = "its answer is missing: none of the merged folders has it"
    return Cell(name, Path(name), "", (), "", Route.HEAD, (), (), State.COULD_NOT_TEST, None, reason)


def _messages(gates: Sequence[Gate]) -> list[Message]:
    """The messages of all, as if it had been one gate: what one shard had on base is not new in another."""
    attempts: dict[str, list[Attempt]] = {}
    for cell in (cell for gate in gates for cell in gate.cells):
        attempts.setdefault(cell.case, []).extend((*cell.base, *cell.head))
    return compare.messages(attempts)


def moved(gate: Gate, folder: Path) -> Gate:
    """An answer with the run directories where they are now: a job's folder was fetched from another host."""

    def place(path: Path | None) -> Path | None:
        if path is None or gate.directory is None or not path.is_relative_to(gate.directory):
            return path
        now = folder.absolute() / path.relative_to(gate.directory)
        return now if now.is_dir() else path

    def runs(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
        return tuple(replace(one, directory=place(one.directory)) for one in attempts)

    return replace(
        gate,
        cells=tuple(replace(cell, base=runs(cell.base), head=runs(cell.head)) for cell in gate.cells),
        messages=tuple(replace(one, directory=place(one.directory)) for one in gate.messages),
    )
