# SPDX-License-Identifier: GPL-2.0-only
"""The whole answer of the gate: two sides, the cells, what follows from them. Plain data with a JSON form."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.gate.cells import Cell, Message, Metric, NotRun, State, Trend
from harness.verdict import EXIT_CODES, EXIT_INTERRUPTED, Verdict

# Of what the JSON means; a reader refuses another one.
FORMAT = 1
# The answer in the gate's run folder.
NAME = "gate.json"


class Answer(StrEnum):
    """What the gate says."""

    NO_REGRESSION = "no regression"
    REGRESSION = "regression"
    COULD_NOT_TEST = "could not test"
    INTERRUPTED = "interrupted"


ANSWER_CODES = {
    Answer.NO_REGRESSION: EXIT_CODES[Verdict.PASS],
    Answer.REGRESSION: EXIT_CODES[Verdict.FAIL],
    Answer.COULD_NOT_TEST: EXIT_CODES[Verdict.ERROR],
    Answer.INTERRUPTED: EXIT_INTERRUPTED,
}


@dataclass(frozen=True)
class Side:
    """Base or head: a kernel with our modules, how it came about, or why it did not."""

    # For people: v7.3; 7.3.4 with 2 patches.
    name: str
    # The entry of kernels.yaml that it is configured like.
    kernel: str
    # Where the source is from: Linux 7.3.4; /home/me/linux.
    source: str
    # Of a git tree: the commit in full, and its subject.
    commit: str = ""
    subject: str = ""
    # The subjects of the series' patches that are in it, in order; those of this project are not among them.
    patches: tuple[str, ...] = ()
    # What tells a series, those for this project included, from another one with the same subjects.
    series: str = ""
    # uname -r, and the GNU build id.
    release: str = ""
    build_id: str = ""
    # Key of our modules in the store.
    modules: str = ""
    # How it was made: taken from the store, or built, and from what.
    made: str = ""
    seconds: float = 0.0
    # Why there is no such kernel: patch, file and hunk; the compiler's first error. Empty: there is one.
    problem: str = ""


@dataclass(frozen=True)
class Gate:
    """The whole answer."""

    base: Side
    head: Side
    cells: tuple[Cell, ...]
    metrics: tuple[Metric, ...]
    messages: tuple[Message, ...]
    not_run: tuple[NotRun, ...]
    # The command line, when it began (ISO 8601, UTC), how long it took with what it resumed.
    command: tuple[str, ...] = ()
    started: str = ""
    seconds: float = 0.0
    # The run folder.
    directory: Path | None = None
    # Which part of the cases: (1, 3) is the first of three.
    shard: tuple[int, int] = (1, 1)
    # What tells the cases of all shards, and how often each is run, from those of another gate.
    whole: str = ""
    # It was stopped before its end.
    interrupted: bool = False
    # What ran it: tcg or kvm, and how many machines at once.
    host: str = ""
    # There is more to run: it was stopped, or the budget ended.
    unfinished: bool = False
    # What the reader has to know besides.
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        """A regression outweighs what could not be tested; what time ended before is no evidence."""
        if any(cell.blocks for cell in self.cells) or any(metric.blocks for metric in self.metrics):
            return Answer.REGRESSION
        if self.interrupted:
            return Answer.INTERRUPTED
        untested = any(cell.state is State.COULD_NOT_TEST for cell in self.cells) or any(
            metric.trend is Trend.UNSETTLED for metric in self.metrics
        )
        untested = untested or self.unfinished or any(one.missing for one in self.not_run)
        # A shard may have got nothing but what these kernels cannot run; the whole has something else.
        nothing = not self.cells and not (self.shard[1] > 1 and self.not_run)
        if untested or self.base.problem or self.head.problem or nothing:
            return Answer.COULD_NOT_TEST
        return Answer.NO_REGRESSION

    @property
    def exit_code(self) -> int:
        """As `git bisect run` takes it."""
        return ANSWER_CODES[self.answer]

    def of(self, *states: State) -> list[Cell]:
        """The cells with one of these states."""
        return [cell for cell in self.cells if cell.state in states]

    def to_json(self) -> dict[str, Any]:
        """As plain data; answer and exit code are for readers, and not read back."""
        return {"format": FORMAT, "answer": self.answer, "exit_code": self.exit_code, **asdict(self)}


_GATES = TypeAdapter(Gate)


def dump(gate: Gate) -> str:
    """The JSON form."""
    return json.dumps(gate.to_json(), indent=1, default=str) + "\n"


def parse(text: str, place: str) -> Gate:
    """Read the JSON form. Raises UsageError, which names the place, when it is not one."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON: {error}") from error
    if not isinstance(data, dict) or "answer" not in data:
        raise UsageError(f"{place}: not an answer of harness gate")
    if data.get("format") != FORMAT:
        raise UsageError(f"{place}: of format {data.get('format')}, and this harness reads format {FORMAT}")
    try:
        return _GATES.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def read(path: Path) -> Gate:
    """The answer in a run folder, or in the file itself. Raises UsageError when there is none."""
    file = path / NAME if path.is_dir() else path
    try:
        return parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{file}: {reason}") from error
