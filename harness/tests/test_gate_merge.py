# SPDX-License-Identifier: GPL-2.0-only
"""Answers of shards put together, and `harness report` of a gate's folder: a missing shard is never good."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.build.spec import kernel_spec
from harness.build.store import Store
from harness.cli import main
from harness.commands.sides import SCENARIOS, Request, compare
from harness.errors import UsageError
from harness.gate import answers
from harness.gate.answers import Answer, Gate
from harness.gate.cells import Route, State
from harness.gate.merge import merge
from harness.gate.routes import chosen, routes
from harness.gate.sides import Made
from harness.shard import Shard
from harness.tests.gates import (
    BASE,
    BROKEN_HEAD,
    EVERYTHING,
    GOOD,
    LEFT,
    REGRESSION,
    SAME,
    SLOWER,
    attempt,
)
from harness.tests.outcomes import PASSED, written


def folder(path: Path, gate: Gate) -> Path:
    """A gate's run folder."""
    path.mkdir()
    (path / answers.NAME).write_text(answers.dump(gate))
    return path


def shards(tmp_path: Path, *numbers: int, of: int = 3, **changes: object) -> list[Path]:
    made = []
    for n in numbers:
        one = replace(GOOD, shard=(n, of), cells=(replace(SAME, case=f"case {n}"),))
        made.append(folder(tmp_path / str(n), replace(one, **changes)))  # type: ignore[arg-type]
    return made


def test_all_shards_together_are_the_whole(tmp_path: Path) -> None:
    gate = answers.read(merge(shards(tmp_path, 2, 1, 3), tmp_path / "all"))
    assert gate.answer is Answer.NO_REGRESSION
    assert [cell.case for cell in gate.cells] == ["case 2", "case 1", "case 3"]
    assert gate.shard == (1, 1)
    assert gate.directory == tmp_path / "all"


def test_what_no_shard_can_run_is_said_once(tmp_path: Path) -> None:
    gate = answers.read(merge(shards(tmp_path, 1, 2, 3, not_run=LEFT[2:]), tmp_path / "all"))
    assert gate.not_run == LEFT[2:]


def test_a_shard_of_what_cannot_run_here_is_no_gap_and_nothing_else_would_be(tmp_path: Path) -> None:
    """It is by chance that a shard has nothing else, and no job is to fail for it."""
    none: dict[str, Any] = {"cells": (), "metrics": (), "not_run": LEFT[2:]}
    idle = shards(tmp_path, 1, 2, **none)
    assert [answers.read(one).exit_code for one in idle] == [0, 0]
    whole = answers.read(merge([*idle, *shards(tmp_path, 3)], tmp_path / "all"))
    assert whole.answer is Answer.NO_REGRESSION
    (tmp_path / "other").mkdir()
    idle = shards(tmp_path / "other", 1, 2, 3, **none)
    assert answers.read(merge(idle, tmp_path / "none")).answer is Answer.COULD_NOT_TEST
    assert replace(GOOD, **none).answer is Answer.COULD_NOT_TEST
    assert replace(GOOD, **(none | {"not_run": LEFT}), shard=(1, 3)).exit_code == 125


def test_a_budget_that_ended_in_one_shard_ended_in_all(tmp_path: Path) -> None:
    found = [*shards(tmp_path, 1, 2), *shards(tmp_path, 3, not_run=LEFT[:1])]
    gate = answers.read(merge(found, tmp_path / "all"))
    assert (gate.answer, gate.exit_code) == (Answer.COULD_NOT_TEST, 125)


def test_the_command_of_the_whole_is_that_of_no_shard(tmp_path: Path) -> None:
    words = ("harness", "gate", "--shard", "1/1", "--head", "x", "--out=runs/1", "--tag", "smoke")
    gate = answers.read(merge(shards(tmp_path, 1, of=1, command=words), tmp_path / "all"))
    assert gate.command == ("harness", "gate", "--head", "x", "--tag", "smoke")
    assert gate.host == GOOD.host


def test_a_missing_shard_could_not_be_tested(tmp_path: Path) -> None:
    gate = answers.read(merge(shards(tmp_path, 1, 3), tmp_path / "all"))
    assert gate.answer is Answer.COULD_NOT_TEST
    (lost,) = gate.of(State.COULD_NOT_TEST)
    assert lost.case == "shard 2/3"
    assert "missing" in lost.reason


def test_a_folder_without_an_answer_could_not_be_tested(tmp_path: Path) -> None:
    (tmp_path / "dead").mkdir()
    gate = answers.read(merge([*shards(tmp_path, 1, of=1), tmp_path / "dead"], tmp_path / "all"))
    assert gate.answer is Answer.COULD_NOT_TEST
    assert gate.of(State.COULD_NOT_TEST)[0].case == str(tmp_path / "dead")


def test_what_one_shard_found_the_whole_has(tmp_path: Path) -> None:
    odd = replace(SAME, head=(attempt(Route.HEAD, warnings=("page 3 is odd",)),))
    found = shards(tmp_path, 1, 2, of=3)
    late = attempt(Route.FORWARD, warnings=("page 4 is odd", "box 5 is late"))
    known = attempt(Route.BASE, warnings=("box 7 is late",))
    cells = (replace(REGRESSION, base=(known,), head=(late,)), odd)
    bad = replace(EVERYTHING, cells=cells, shard=(3, 3), interrupted=True, started="2026")
    gate = answers.read(merge([*found, folder(tmp_path / "bad", bad)], tmp_path / "all"))
    assert gate.answer is Answer.REGRESSION
    assert gate.interrupted
    assert gate.metrics[-len(EVERYTHING.metrics)] == SLOWER
    # As one gate would have it: each once, whatever its numbers, and none that base had in another shard.
    assert [(one.text, one.count) for one in gate.messages] == [("page 4 is odd", 2)]
    assert gate.notes == EVERYTHING.notes
    assert gate.started == "2026"


def test_a_side_that_one_shard_could_not_make_is_said(tmp_path: Path) -> None:
    bad = folder(tmp_path / "bad", replace(BROKEN_HEAD, shard=(2, 2)))
    gate = answers.read(merge([*shards(tmp_path, 1, of=2), bad], tmp_path / "all"))
    assert gate.head.problem
    assert gate.answer is Answer.COULD_NOT_TEST


def test_a_side_that_no_shard_could_make_is_said_too(tmp_path: Path) -> None:
    """By `harness gate`, not by hand: each job has to say which shard it was."""
    base, head = (Made(side, kernel_spec(None)) for side in (BROKEN_HEAD.base, BROKEN_HEAD.head))
    cases = chosen([SCENARIOS / "quickstart.yaml"], [])
    for n in (1, 2):
        asked = Request(Store(tmp_path / f"{n}"), cases, 1, 1, None, Shard(n, 2))
        assert compare(asked, base, head, (), tmp_path / f"{n}").exit_code == 125
    gate = answers.read(merge([tmp_path / "1", tmp_path / "2"], tmp_path / "all"))
    assert gate.head.problem == BROKEN_HEAD.head.problem
    assert (gate.answer, gate.exit_code) == (Answer.COULD_NOT_TEST, 125)
    assert len(gate.not_run) == sum(len(routes(case)) for case in cases)


def test_run_directories_are_where_they_are_now(tmp_path: Path) -> None:
    run = Path("/elsewhere/runs") / "case on head"
    here, gone = (attempt(Route.HEAD, directory=path) for path in (run, run.with_name("gone")))
    gate = replace(GOOD, directory=run.parent, cells=(replace(SAME, head=(here, gone)),))
    place = folder(tmp_path / "1", gate)
    (place / run.name).mkdir()
    (cell,) = answers.read(merge([place], tmp_path / "all")).cells
    assert [one.directory for one in cell.head] == [place / run.name, gone.directory]


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    first = shards(tmp_path, 1, 2)
    other = folder(tmp_path / "other", replace(GOOD, base=replace(BASE, commit="a" * 40), shard=(3, 3)))
    again = folder(tmp_path / "again", replace(GOOD, shard=(2, 3)))
    count = folder(tmp_path / "count", replace(GOOD, shard=(3, 4)))
    cases = folder(tmp_path / "cases", replace(GOOD, shard=(3, 3), whole="of another tag"))
    second = folder(tmp_path / "v2", replace(GOOD, head=replace(GOOD.head, series="of v2"), shard=(3, 3)))
    for folders, out, said in (
        ([*first, other], tmp_path / "all", "other: it has other kernels"),
        ([*first, second], tmp_path / "all", "v2: it has other kernels"),
        ([*first, count], tmp_path / "all", "a shard of another run"),
        ([*first, cases], tmp_path / "all", "cases: it has other kernels or other cases"),
        ([*first, again], tmp_path / "all", "shard 2/3 is there more than once"),
        (first, first[0], "is there already"),
        (first, first[0] / answers.NAME, "cannot be written"),
    ):
        with pytest.raises(UsageError, match=said):
            merge(folders, out)


def test_the_command_makes_a_report_of_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", "merge", *map(str, shards(tmp_path, 1, 3)), "--out", str(tmp_path / "all")]
    assert main([*words, "--format", "markdown"]) == 125
    assert "`shard 2/3`" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "all"), "--format", "json", "-o", str(tmp_path / "x")]) == 0
    assert json.loads((tmp_path / "x").read_text())["answer"] == "could not test"


def test_the_command_for_run_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "1", PASSED)
    out = tmp_path / "all"
    assert main(["report", "merge", str(tmp_path / "1"), "--out", str(out)]) == 0
    assert "1 PASS of 1 cases" in capsys.readouterr().out
    (tmp_path / "2").mkdir()
    assert main(["report", "merge", str(tmp_path / "1"), str(tmp_path / "2"), "--out", f"{out}2"]) == 125
    assert "its job failed" in capsys.readouterr().out


def test_what_a_folder_has_no_form_of_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, run = folder(tmp_path / "gate", GOOD), tmp_path / "run"
    written(run, PASSED)
    for words, said in (
        (["merge"], "name the run folders that are to be put together"),
        ([str(gate), "--format", "ktap"], "there is no ktap of an answer of harness gate, as which "),
        ([str(run), "--format", "b4"], "there is no b4 of the results of a run, as which "),
        ([str(run), str(gate)], "harness report takes one DIR"),
        ([str(run), "--out", "x"], "harness report takes one DIR"),
        (["merge", str(tmp_path / "no")], "nothing to merge"),
    ):
        assert main(["report", *words]) == 129
        assert said in capsys.readouterr().err
