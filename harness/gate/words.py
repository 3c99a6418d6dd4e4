# SPDX-License-Identifier: GPL-2.0-only
"""What the gate found, in words: what every form of its answer says, each line fit to be shown."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.gate.answers import Gate, Side
from harness.gate.cells import Attempt, Cell, Message, Metric, NotRun, Route, State, Trend, count_text
from harness.plaintext import clean, cut, one_line, short
from harness.progress import duration
from harness.result import SECONDS

# The states in the order in which a reader wants to know of them.
STATES: Sequence[State] = (
    State.REGRESSION,
    State.NEW,
    State.COULD_NOT_TEST,
    State.FLAKY,
    State.FIXED,
    State.STILL_FAILING,
    State.SAME,
)
# Characters of a text on one line, of one that is there only once, and of what explains a cell.
LINE_MAX = 400
VALUE_MAX = 4000
DETAIL_MAX = 6000
# Digits that are shown of a commit, and of a build id.
HASH = 12
# From here on three digits are not enough.
SECONDS_MAX = 1000
# A p value below this is not told exactly.
SMALL = 0.001


def line(text: str) -> str:
    """Text of any origin on one line, not too long."""
    return short(one_line(text), LINE_MAX)


def headline(gate: Gate) -> str:
    """The answer: 'REGRESSION: my-branch against v7.3'."""
    return line(f"{gate.answer.upper()}: {gate.head.name} against {gate.base.name}")


def summary(gate: Gate) -> str:
    """All counts on one line."""
    trends = Counter(metric.trend for metric in gate.metrics)
    changes = [
        f"{count(trends[one], 'number')} {one}"
        for one in (Trend.WORSE, Trend.BETTER, Trend.CHANGED, Trend.UNSETTLED)
        if trends[one]
    ]
    new = [count(len(gate.messages), "new kernel message")] if gate.messages else []
    missing = sum(one.missing for one in gate.not_run)
    left = ((missing, "left to run"), (len(gate.not_run) - missing, "not run"))
    said = [f"{count(number, 'cell')} {what}" for number, what in left if number]
    return "; ".join([count_text(gate.cells), *changes, *new, *said])


def count(number: int, what: str) -> str:
    """'1 cell', '2 cells'."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def setting(gate: Gate) -> list[str]:
    """What was compared, a line each: name and value."""
    rows = [*side("base", gate.base), *side("head", gate.head)]
    if gate.cells:
        # The cells of a case have their runs on base in common.
        runs = {
            (cell.case, one.route, number)
            for cell in gate.cells
            for attempts in (cell.base, cell.head)
            for number, one in enumerate(attempts)
        }
        ran = f"{count(len(gate.cells), 'cell')}, {count(len(runs), 'run')} in {duration(gate.seconds)}"
        rows.append(("cells", f"{ran}; began {gate.started}" if gate.started else ran))
    if gate.host:
        rows.append(("run by", gate.host))
    if gate.shard != (1, 1):
        rows.append(("shard", f"{gate.shard[0]}/{gate.shard[1]}: these are not all cases"))
    if gate.command:
        rows.append(("command", shlex.join((Path(gate.command[0]).name, *gate.command[1:]))))
    if gate.directory:
        rows.append(("runs", str(gate.directory)))
    return [f"{name:<9}{short(one_line(value), VALUE_MAX)}" for name, value in rows]


def side(name: str, one: Side) -> list[tuple[str, str]]:
    """A side: what it is, where it is from, how it was made."""
    commit = f"{one.commit[:HASH]} ({one.subject})" if one.subject else one.commit[:HASH]
    built = f"{one.release}, build id {one.build_id[:HASH]}" if one.release else ""
    said = (one.name, one.source if one.source != one.name else "", commit, built, one.made)
    rows = [(name, "; ".join(text for text in said if text))]
    rows += [("", f"patch {n}/{len(one.patches)}: {what}") for n, what in enumerate(one.patches, 1)]
    return [*rows, ("", f"there is no such kernel: {one.problem}")] if one.problem else rows


def p_text(p: float | None) -> str:
    """'p = 0.004'; nothing where there is nothing to compare."""
    if p is None:
        return ""
    return f"p < {SMALL}" if p < SMALL else f"p = {p:.3f}"


def metric(one: Metric) -> str:
    """'blackout +38 % (2.11 s -> 2.91 s, p = 0.004)'."""
    change = f"{one.change * 100:+.0f} %" if one.change is not None else "from nothing"
    before, after = value(one.base_median, one.unit), value(one.head_median, one.unit)
    return line(f"{one.name} {change} ({before} -> {after}, {p_text(one.p)})")


def value(number: float, unit: str) -> str:
    """A number with its unit: three digits of seconds, all digits of what is counted."""
    if unit == SECONDS or number != int(number):
        digits = f"{number:.3g}" if abs(number) < SECONDS_MAX else f"{number:.0f}"
    else:
        digits = f"{int(number)}"
    return f"{digits} {unit}".strip()


def spread(one: Metric) -> str:
    """What a change stands on: how many values, their range, and what is noise."""
    sides = (("base", one.base), ("head", one.head))
    ranges = [
        f"{name} {len(values)} values, {value(min(values), one.unit)} to {value(max(values), one.unit)}"
        for name, values in sides
        if values
    ]
    return line(f"{'; '.join(ranges)}; noise {one.noise * 100:.0f} %, effect {one.effect:+.2f}")


def verdicts(attempts: Iterable[Attempt]) -> str:
    """'3 FAIL, 1 PASS': those that did not come up as that."""
    found = Counter(str(one.verdict) if one.boots else "did not come up" for one in attempts)
    return ", ".join(f"{number} {verdict}" for verdict, number in found.items()) or "not run"


def reason(cell: Cell) -> str:
    """Why it has its state: '0 of 4 failed on base, 4 of 4 on head (p = 0.014)'."""
    p = p_text(cell.p)
    return line(f"{cell.reason} ({p})" if p else cell.reason)


def told(one: Attempt) -> list[str]:
    """What is wrong with an attempt: the line of YAML, what was expected and seen."""
    rows = [line(f"{one.where}: {one.doing}")] if one.where else []
    rows.append(f"  {line(one.finding)}, on {one.route}")
    said = (("expected", one.expected), ("seen", one.seen))
    rows += [f"    {name:<10}{line(text)}" for name, text in said if text]
    detail = cut(clean("\n".join(one.detail)), DETAIL_MAX)
    return rows + ([f"    | {text}".rstrip() for text in detail.split("\n")] if detail else [])


def evidence(cell: Cell) -> list[str]:
    """What a reader needs to decide: what is wrong, on base too if that is another thing, and the runs."""
    one = cell.shown
    rows = told(one) if one and one.finding else []
    before = next((other for other in cell.base if other.broken), None)
    if one and before and one.route is not Route.BASE and before.finding != one.finding:
        rows += told(before)
    width = len(max(Route, key=len)) + 2
    rows += [reason(cell), f"{Route.BASE:<{width}}{verdicts(cell.base)}"]
    rows.append(f"{cell.route:<{width}}{verdicts(cell.head)}")
    logs = dict.fromkeys(str(run.directory) for run in (one, *cell.base[:1]) if run and run.directory)
    return [*rows, *(f"{'' if n else 'logs':<{width}}{line(path)}" for n, path in enumerate(logs))]


def about(cell: Cell) -> str:
    """A cell's route, and what its case is about."""
    return line(f"on {cell.route}: {cell.summary}" if cell.summary else f"on {cell.route}")


def message(one: Message) -> list[str]:
    """A new kernel message, and where it was."""
    where = line(f"{one.case} on {one.route}")
    rows = [line(one.text), f"  in {count(one.count, 'run')}, the first of them {where}"]
    return [*rows, f"  logs  {line(str(one.directory))}"] if one.directory else rows


def same(gate: Gate) -> list[str]:
    """The cases that are as before, each with the routes on which they are."""
    routes: dict[str, list[str]] = {}
    for cell in gate.of(State.SAME):
        routes.setdefault(cell.case, []).append(cell.route)
    return [line(f"{case} on {', '.join(several)}") for case, several in routes.items()]


def not_run(found: Sequence[NotRun]) -> dict[str, list[str]]:
    """What was not run, by the reason."""
    groups: dict[str, list[str]] = {}
    for one in found:
        groups.setdefault(line(one.reason), []).append(line(f"{one.case} on {one.route}"))
    return groups
