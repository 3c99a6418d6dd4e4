# SPDX-License-Identifier: GPL-2.0-only
"""The gate's answer: JSON and back, the exit code, which attempts count as broken."""

from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.gate import answers
from harness.gate.answers import Answer, Gate
from harness.gate.cells import Cell, Route, State
from harness.tests.gates import GOOD, LEFT, MESSAGE, SLOWER, UNSETTLED, a_cell, attempt
from harness.verdict import Verdict

# What is not run was not to be run: base has no KVM.
WHOLE = replace(GOOD, messages=(MESSAGE,), not_run=LEFT[2:])


def cell(state: State, head: Verdict = Verdict.PASS) -> Cell:
    return replace(a_cell(state), base=(attempt(Route.BASE),), head=(attempt(Route.HEAD, head),))


def test_json_and_back() -> None:
    assert answers.parse(answers.dump(WHOLE), "x") == WHOLE


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "x.json: not JSON"),
        ("[]", "not an answer of harness gate"),
        ('{"answer": "regression", "format": 99}', "of format 99"),
        ('{"answer": "regression", "format": 1}', "base: "),
    ],
)
def test_what_is_no_answer_is_refused(text: str, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        answers.parse(text, "x.json")


@pytest.mark.parametrize(
    ("gate", "answer", "code"),
    [
        (WHOLE, Answer.NO_REGRESSION, 0),
        (replace(WHOLE, cells=(cell(State.FLAKY),)), Answer.NO_REGRESSION, 0),
        (replace(WHOLE, cells=(cell(State.NEW),)), Answer.NO_REGRESSION, 0),
        (replace(WHOLE, cells=(cell(State.NEW, Verdict.FAIL),)), Answer.REGRESSION, 1),
        (replace(WHOLE, cells=(cell(State.NEW, Verdict.XFAIL),)), Answer.NO_REGRESSION, 0),
        (replace(WHOLE, cells=(cell(State.REGRESSION),)), Answer.REGRESSION, 1),
        (replace(WHOLE, cells=(cell(State.COULD_NOT_TEST),)), Answer.COULD_NOT_TEST, 125),
        (
            replace(WHOLE, cells=(cell(State.COULD_NOT_TEST), cell(State.REGRESSION))),
            Answer.REGRESSION,
            1,
        ),
        (replace(WHOLE, metrics=(SLOWER,)), Answer.REGRESSION, 1),
        (replace(WHOLE, metrics=(UNSETTLED,)), Answer.COULD_NOT_TEST, 125),
        # The budget ended before one cell.
        (replace(WHOLE, not_run=LEFT[:1]), Answer.COULD_NOT_TEST, 125),
        (replace(WHOLE, not_run=LEFT, cells=(cell(State.REGRESSION),)), Answer.REGRESSION, 1),
        (replace(WHOLE, head=replace(WHOLE.head, problem="does not build")), Answer.COULD_NOT_TEST, 125),
        (replace(WHOLE, cells=()), Answer.COULD_NOT_TEST, 125),
        (replace(WHOLE, interrupted=True), Answer.INTERRUPTED, 130),
        (replace(WHOLE, unfinished=True), Answer.COULD_NOT_TEST, 125),
    ],
)
def test_exit_code(gate: Gate, answer: Answer, code: int) -> None:
    assert (gate.answer, gate.exit_code) == (answer, code)


def test_what_is_broken_and_what_says_nothing() -> None:
    told = {verdict: attempt(Route.HEAD, verdict) for verdict in Verdict}
    assert {verdict for verdict, one in told.items() if one.broken} == {Verdict.FAIL, Verdict.XFAIL}
    assert {verdict for verdict, one in told.items() if not one.tested} == {Verdict.ERROR, Verdict.SKIP}
    assert attempt(Route.HEAD, Verdict.ERROR, boots=False).broken


def test_the_bad_attempt_is_shown() -> None:
    bad = attempt(Route.HEAD, Verdict.FAIL)
    assert replace(cell(State.REGRESSION), head=(attempt(Route.HEAD), bad)).shown is bad
    fixed = replace(cell(State.FIXED), base=(attempt(Route.BASE, Verdict.FAIL),))
    assert fixed.shown is fixed.base[0]
