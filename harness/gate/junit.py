# SPDX-License-Identifier: GPL-2.0-only
"""The answer as JUnit XML: what blocks is a failure, what could not be tested an error, the rest is fine.

The files of scenarios are the suites, their cells the cases. One suite more, of the gate itself, has the
answer, a side that could not be made, and the numbers that are worse or not settled: so that a reader of
JUnit, who sees nothing but failures and errors, comes to the answer that the exit code gives.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from harness.gate import words
from harness.gate.answers import Answer, Gate
from harness.gate.cells import Cell, State, Trend
from harness.junit import MESSAGE_MAX, attributes, name_of
from harness.plaintext import clean, short, unique

# The suite of the gate itself.
GATE = "gate"


@dataclass(frozen=True)
class Case:
    """A testcase: what it is called, and what it has come to."""

    name: str
    # failure, error, skipped, or nothing.
    element: str = ""
    message: str = ""
    text: str = ""
    seconds: float = 0.0


def render(gate: Gate) -> str:
    """The whole report."""
    suites: dict[str, list[Case]] = {GATE: list(_own(gate))}
    for cell in gate.cells:
        suites.setdefault(str(cell.source), []).append(_case(cell))
    left = [Case(f"{one.case} on {one.route}", "skipped", one.reason) for one in gate.not_run]
    suites |= {"not run": left} if left else {}
    every = [case for cases in suites.values() for case in cases]
    yielded = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<testsuites{attributes(name='live update gate', **_counts(every))}>",
    ]
    names = unique(name_of(suite) for suite in suites)
    for name, cases in zip(names, suites.values(), strict=True):
        yielded += _suite(name, cases, gate)
    return "\n".join([*yielded, "</testsuites>\n"])


def _own(gate: Gate) -> Iterator[Case]:
    """What is of no file."""
    text = "\n".join(
        [*words.setting(gate), "", *(words.line(note) for note in gate.notes), words.summary(gate)]
    )
    errors = {Answer.COULD_NOT_TEST: "error", Answer.INTERRUPTED: "error"}
    yield Case("answer", errors.get(gate.answer, ""), words.headline(gate), text)
    for one, name in ((gate.base, "base"), (gate.head, "head")):
        if one.problem:
            yield Case(name, "error", f"there is no such kernel: {one.problem}", one.problem)
    for metric in gate.metrics:
        if metric.trend is not Trend.SAME:
            name = f"{metric.name} of {metric.case} on {metric.route}"
            element = "failure" if metric.blocks else "error" if metric.trend is Trend.UNSETTLED else ""
            said = f"{metric.trend}: {words.metric(metric)}"
            yield Case(name, element, said, f"{said}; {words.spread(metric)}")
    if gate.messages:
        lines = [line for one in gate.messages for line in words.message(one)]
        yield Case("new kernel messages", text="\n".join(lines))


def _case(cell: Cell) -> Case:
    """A cell; what is not head's fault blocks nothing."""
    element = ""
    if cell.blocks:
        element = "failure"
    elif cell.state is State.COULD_NOT_TEST:
        element = "error"
    elif cell.state in {State.FLAKY, State.STILL_FAILING}:
        element = "skipped"
    text = "" if cell.state is State.SAME else "\n".join(words.evidence(cell))
    seconds = sum(one.seconds for one in cell.head)
    return Case(cell.name, element, f"{cell.state}: {words.reason(cell)}", text, seconds)


def _suite(name: str, cases: Sequence[Case], gate: Gate) -> Iterator[str]:
    skipped = str(sum(case.element == "skipped" for case in cases))
    stamp = {"timestamp": gate.started[:19]} if gate.started else {}
    yield f"<testsuite{attributes(name=name, **_counts(cases), skipped=skipped, **stamp)}>"
    for own, case in zip(unique(name_of(case.name) for case in cases), cases, strict=True):
        yield f"<testcase{attributes(classname=name, name=own, time=f'{case.seconds:.3f}')}>"
        text = escape(clean(case.text))
        message = short(words.line(case.message), MESSAGE_MAX)
        if case.element == "skipped":
            yield f"<skipped{attributes(message=message)}>{escape(message)}</skipped>"
        if case.element in {"failure", "error"}:
            element = f"{case.element}{attributes(type=case.element, message=message)}"
            yield f"<{element}>{text or escape(message)}</{case.element}>"
        elif text:
            yield f"<system-out>{text}</system-out>"
        yield "</testcase>"
    yield "</testsuite>"


def _counts(cases: Iterable[Case]) -> dict[str, str]:
    every = list(cases)
    return {
        "tests": str(len(every)),
        "failures": str(sum(case.element == "failure" for case in every)),
        "errors": str(sum(case.element == "error" for case in every)),
        "time": f"{sum(case.seconds for case in every):.3f}",
    }
