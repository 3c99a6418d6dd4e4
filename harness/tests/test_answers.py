# SPDX-License-Identifier: GPL-2.0-only
"""What free steps came back with: each difference is seen, and nothing else is."""

from typing import Any

import pytest

from harness import answers
from harness.commandactions import Output, Qmp, Ssh
from harness.vm.shell import Result

RESULT = Result(3, "one\ntwo\n", "")


@pytest.mark.parametrize(
    ("wanted", "differs"),
    [
        (Output(contains="two"), False),
        (Output(contains="t.o"), True),
        (Output(equals="one\ntwo"), False),
        (Output(equals="one\ntwo\n"), False),
        (Output(equals="one"), True),
        (Output(equals="two"), True),
        (Output(matches="^two$"), False),
        (Output(matches="^wo$"), True),
        (Output(contains="one", matches="^three$"), True),
    ],
)
def test_output(wanted: Output, differs: bool) -> None:
    assert bool(list(answers.command(Ssh("x", 3, stdout=wanted), RESULT))) is differs
    assert bool(list(answers.command(Ssh("x", 3, stderr=wanted), Result(3, "", RESULT.stdout)))) is differs


def test_every_difference_of_a_command_is_said() -> None:
    wanted = Ssh("x", 0, stdout=Output(contains="six"), stderr=Output(equals=""))
    assert list(answers.command(wanted, RESULT)) == [
        ("status 0", "status 3"),
        ("stdout with 'six'", "stdout of 8 characters without that"),
    ]
    assert answers.expectations(wanted) == "status 0, stdout with 'six', stderr that is ''"


ANSWER = {"status": "running", "running": True, "n": 1, "list": [{"a": 1, "b": 2}, {"a": 3}], "none": None}


@pytest.mark.parametrize(
    ("wanted", "differs"),
    [
        ({}, False),
        ({"status": "running", "none": None}, False),
        ({"status": "runnin"}, True),
        ({"running": 1}, True),
        ({"n": True}, True),
        ({"no": None}, True),
        ({"list": ({"a": 3}, {"b": 2})}, False),
        ({"list": ({"a": 1, "b": 3},)}, True),
        ({"list": {"a": 1}}, True),
        ("running", True),
    ],
)
def test_answers(wanted: Any, differs: bool) -> None:
    assert bool(list(answers.answer(Qmp("x", returns=wanted), ANSWER))) is differs


def test_a_difference_of_an_answer_names_its_place() -> None:
    assert list(answers.answer(Qmp("x", returns={"list": ({"a": 4},), "n": 2}), ANSWER)) == [
        ('the answer\'s list has an item {"a": 4}', '[{"a": 1, "b": 2}, {"a": 3}]'),
        ("the answer's n is 2", "it is 1"),
    ]


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        ("12\n", 12),
        ("-1.5", -1.5),
        ("1e3", 1000),
        ("", None),
        ("12 bytes", None),
        ("nan", None),
        ("1_0", None),
    ],
)
def test_numbers(printed: str, number: float | None) -> None:
    assert answers.number(Result(0, printed, "")) == number
    assert answers.number(Result(1, printed, "")) is None


def test_a_command_that_must_fail_and_does_not() -> None:
    assert list(answers.answer(Qmp("x", error="GenericError"), {})) == [
        ("the error GenericError", "it succeeded")
    ]
