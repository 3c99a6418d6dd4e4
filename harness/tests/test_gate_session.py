# SPDX-License-Identifier: GPL-2.0-only
"""What a gate keeps, and how it goes on after it was interrupted."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import journal, shard
from harness.artifacts import Artifacts
from harness.build.spec import kernel_spec
from harness.build.store import Store
from harness.deadline import Deadline
from harness.errors import UsageError
from harness.gate import answers, folder, order, session
from harness.gate.answers import Answer, Gate, Side
from harness.gate.cells import NotRun, Route, State
from harness.gate.folder import alone, choose, free, key
from harness.gate.order import Next
from harness.gate.routes import chosen, routes
from harness.gate.session import Session, conclude, next_turn, resume
from harness.gate.sides import Made
from harness.journal import Journal
from harness.result import Blame, Finding, Oracle, Outcome
from harness.runner import OUTCOME, subject
from harness.tests.gates import UNTESTED, attempt
from harness.verdict import Verdict
from harness.vm.snapshot import Snapshots

QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
SIDES = (Side("base", "7.3.4", "x", build_id="1"), Side("head", "7.3.4", "x", build_id="2"))
BROKEN = Finding(Oracle.STEP, Blame.KERNEL, 1, 7, "'get' failed", "success", "EBUSY")
STOPPED = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, "the run was interrupted", "an end", "none")


@pytest.fixture
def gate(tmp_path: Path) -> Session:
    base, head = (Made(side, kernel_spec(None)) for side in SIDES)
    cases = chosen([QUICKSTART], [])
    return Session(Store(tmp_path / "store"), base, head, cases, tmp_path / "gate", 1, 1, None)


def write(gate: Session, route: Route, verdict: Verdict, findings: Sequence[Finding] = ()) -> None:
    """What a worker writes of an attempt of the first case."""
    one = Next(gate.cases[0], route)
    out = free(gate.folder, one.case.id, route)
    out.mkdir(parents=True)
    about = vars(subject(gate.plan(one)))
    outcome = Outcome(**about, verdict=verdict, findings=tuple(findings), proofs=(), timeline=(), updates=(),
                      seconds=2.0, setting=(), directory=out)  # fmt: skip
    journal = Journal(gate.folder, "1")
    journal.begin(["harness", "gate"], [])
    journal.started(outcome.case, out)
    journal.ended(outcome)
    (out / OUTCOME).touch()
    (out / "dmesg.0.log").write_text("<4>[    1.000000] odd: 3\n")


def test_what_was_done_counts_and_what_could_not_be_tested_is_done_again(gate: Session) -> None:
    write(gate, Route.BASE, Verdict.PASS)
    write(gate, Route.HEAD, Verdict.FAIL, [BROKEN])
    write(gate, Route.FORWARD, Verdict.ERROR, [STOPPED])
    Journal(gate.folder, "1").started(f"{gate.cases[0].id} on head -> base", gate.folder / "killed")
    resume(gate)
    case = gate.cases[0].id
    assert {route: [one.verdict for one in found] for (_, route), found in gate.attempts.items()} == {
        Route.BASE: [Verdict.PASS],
        Route.HEAD: [Verdict.FAIL],
    }
    assert gate.attempts[case, Route.HEAD][0].finding == "'get' failed"
    todo = order.wanted(gate.cases[0], gate.attempts, 1)
    assert [one.route for one in todo] == [Route.FORWARD, Route.BACK]


def test_an_attempt_that_is_to_be_booted_has_no_snapshot(gate: Session) -> None:
    made = Artifacts({}, {}, None, None, snapshots=Snapshots(gate.store))  # type: ignore[arg-type]
    gate.artifacts[False] = made
    for cold in (False, True):
        job = session.job(gate, Next(gate.cases[0], Route.HEAD, cold), Journal(gate.folder, "1"))
        assert (job.made.snapshots is None) is cold


def test_nothing_to_go_on_with_is_a_beginning(gate: Session) -> None:
    resume(gate)
    assert gate.attempts == {}


def test_a_run_directory_is_never_used_twice(tmp_path: Path) -> None:
    first = free(tmp_path, "x[luo]", Route.FORWARD)
    assert first == tmp_path / "x[luo]" / "base-to-head.1"
    first.mkdir(parents=True)
    assert free(tmp_path, "x[luo]", Route.FORWARD).name == "base-to-head.2"


def test_the_folder_of_a_route_can_be_kept_anywhere() -> None:
    names = [route.folder for route in Route]
    # What actions/upload-artifact refuses, and what is awkward in a shell.
    assert not set("".join(names)) & set('":<>|*?\\/\r\n ')
    assert len(set(names)) == len(Route)


def test_what_has_lost_its_run_directory_is_done_again(gate: Session) -> None:
    for route in (Route.BASE, Route.HEAD):
        write(gate, route, Verdict.PASS)
    shutil.rmtree(gate.folder / gate.cases[0].id / "base.1")
    resume(gate)
    assert {route for _, route in gate.attempts} == {Route.HEAD}
    turn = next_turn(gate, {})
    assert Route.BASE in {one.route for one in turn}
    # It takes the place of the one that was removed, and counts once.
    write(gate, Route.BASE, Verdict.FAIL, [BROKEN])
    gate.attempts.clear()
    resume(gate)
    assert [one.verdict for one in gate.attempts[gate.cases[0].id, Route.BASE]] == [Verdict.FAIL]
    # Nor does what was there before count, when what took its place could not be tested.
    shutil.rmtree(gate.folder / gate.cases[0].id / "base.1")
    write(gate, Route.BASE, Verdict.ERROR)
    gate.attempts.clear()
    resume(gate)
    assert (gate.cases[0].id, Route.BASE) not in gate.attempts


def test_a_folder_that_was_moved_is_whole(gate: Session) -> None:
    for route in (Route.BASE, Route.HEAD):
        write(gate, route, Verdict.PASS)
    gate.folder = gate.folder.rename(gate.folder.with_name("moved"))
    resume(gate)
    (base,) = gate.attempts[gate.cases[0].id, Route.BASE]
    assert base.directory == gate.folder / gate.cases[0].id / "base.1"
    assert base.warnings
    assert conclude(gate, []).messages == ()


def test_no_turn_begins_that_does_not_end_within_the_budget(gate: Session) -> None:
    # Two cases; each turn has four attempts, of one boot and one live update and 16 MiB.
    each = shard.expected(gate.plan(Next(gate.cases[0], Route.HEAD)))
    gate.limit = Deadline(3.9 * each)
    assert next_turn(gate, {}) == []
    gate.jobs = 2
    assert [one.route for one in next_turn(gate, {})] == list(Route)
    gate.jobs, gate.limit = 1, Deadline(4.1 * each)
    assert len(next_turn(gate, {})) == 4
    assert {one.case.id for one in next_turn(gate, {gate.cases[0].id: 1})} == {gate.cases[1].id}
    # This host takes twice as long.
    gate.taken, gate.expected = 2.0, 1.0
    assert next_turn(gate, {}) == []
    gate.limit = Deadline(8.2 * each)
    assert len(next_turn(gate, {})) == 4


def test_a_short_case_is_run_where_there_is_no_time_for_a_long_one(gate: Session) -> None:
    still = [case for case in chosen([QUICKSTART.with_name("box")], []) if len(routes(case)) == 2]
    gate.cases = [*gate.cases, still[0]]
    each = shard.expected(gate.plan(Next(gate.cases[0], Route.HEAD)))
    gate.limit = Deadline(3 * each)
    assert {one.case.id for one in next_turn(gate, {})} == {gate.cases[-1].id}


def test_a_budget_that_is_over_runs_nothing_and_says_so(gate: Session) -> None:
    gate.limit = Deadline(0)
    found = session.gate(gate, ["harness", "gate"], [NotRun("x", Route.HEAD, "why")])
    assert found.answer is Answer.COULD_NOT_TEST
    assert {one.reason for one in found.not_run} == {"why", "the budget of 0.0 s had no time for it"}
    count = sum(len(routes(case)) - 1 for case in gate.cases)
    assert len(found.not_run) == count + 1
    assert answers.read(gate.folder) == found


def test_what_the_budget_left_out_is_no_pass(gate: Session) -> None:
    for route in routes(gate.cases[0]):
        write(gate, route, Verdict.PASS)
    gate.limit = Deadline(0)
    found = session.gate(gate, ["harness", "gate"], [NotRun("x", Route.HEAD, "why")])
    assert {cell.state for cell in found.cells} == {State.SAME}
    # The other case was not run; what is not to be run here is no gap.
    assert {one.case for one in found.not_run if one.missing} == {gate.cases[1].id}
    assert (found.answer, found.exit_code) == (Answer.COULD_NOT_TEST, 125)
    # The same command goes on, and then there is an end.
    assert found.unfinished
    assert not folder.ended(gate.folder)
    shutil.rmtree(gate.folder)
    gate.cases = gate.cases[:1]
    gate.attempts.clear()
    for route in routes(gate.cases[0]):
        write(gate, route, Verdict.PASS)
    found = session.gate(gate, ["harness", "gate"], [NotRun("x", Route.HEAD, "why")])
    assert (found.answer, found.exit_code) == (Answer.NO_REGRESSION, 0)
    assert folder.ended(gate.folder)


def test_a_budget_that_ends_before_all_repeats_is_no_pass(gate: Session) -> None:
    gate.cases, gate.repeat = gate.cases[:1], 3
    for _ in range(2):
        for route in routes(gate.cases[0]):
            write(gate, route, Verdict.PASS)
    gate.limit = Deadline(0)
    found = session.gate(gate, ["harness", "gate"], [], (1, 1))
    assert {cell.state for cell in found.cells} == {State.COULD_NOT_TEST}
    assert found.exit_code == 125
    assert found.unfinished


def test_cells_of_what_is_there(gate: Session) -> None:
    for _ in range(4):
        write(gate, Route.BASE, Verdict.PASS)
        write(gate, Route.HEAD, Verdict.FAIL, [BROKEN])
    resume(gate)
    found = conclude(gate, [])
    assert [(cell.route, cell.state) for cell in found.cells] == [(Route.HEAD, State.REGRESSION)]
    assert found.cells[0].case == gate.cases[0].id
    assert found.answer is Answer.REGRESSION


def test_what_both_sides_skip_was_not_run(gate: Session) -> None:
    lacks = Finding(Oracle.REQUIREMENT, Blame.NOBODY, 0, None, "requires KVM", "KVM", "none")
    for route in (Route.BASE, Route.HEAD):
        write(gate, route, Verdict.SKIP, [lacks])
    resume(gate)
    (first, *_) = conclude(gate, []).not_run
    assert (first.route, first.reason) == (Route.HEAD, "requires KVM: none")


def test_the_folder_of_an_interrupted_gate_is_taken_again(tmp_path: Path) -> None:
    whole = Gate(*SIDES, (), (), (), ())
    done, cut, stopped, killed, old = (tmp_path / f"{n}-gate-abc" for n in "12345")
    for made in (done, cut, stopped, killed, old):
        made.mkdir()
    folder.keep(replace(whole, unfinished=True), cut)
    folder.keep(whole, done)
    folder.keep(replace(whole, interrupted=True), stopped)
    hours = time.time() - folder.RESUME_SECONDS - 60
    os.utime(old, (hours, hours))
    assert choose(tmp_path, "abc") == killed
    folder.keep(whole, killed)
    assert choose(tmp_path, "abc") == stopped
    folder.keep(whole, stopped)
    # The budget had ended.
    assert choose(tmp_path, "abc") == cut
    folder.keep(whole, cut)
    assert choose(tmp_path, "abc") not in (done, cut, stopped, killed, old)
    assert choose(tmp_path, "other").name.endswith("-gate-other")


def test_the_answer_of_another_version_is_an_end(tmp_path: Path) -> None:
    theirs = tmp_path / "1-gate-abc"
    theirs.mkdir()
    folder.keep(replace(Gate(*SIDES, (), (), (), ()), interrupted=True), theirs)
    assert choose(tmp_path, "abc") == theirs
    file = theirs / answers.NAME
    file.write_text(file.read_text().replace(f'"format": {answers.FORMAT}', '"format": 99'))
    # Nobody knows what it means: there is nothing to go on with, and nothing to be written over.
    assert choose(tmp_path, "abc") != theirs
    with pytest.raises(UsageError, match="has left its answer there"), alone(theirs, "abc"):
        pass
    assert folder.seconds(theirs) == 0.0


def test_a_series_takes_the_answers_that_it_has(tmp_path: Path) -> None:
    assert folder.answered(tmp_path, "abc") is None
    with alone(tmp_path, "abc"):
        folder.keep(replace(Gate(*SIDES, (), (), (), ()), interrupted=True), tmp_path)
        assert folder.answered(tmp_path, "abc") is None
        whole = folder.keep(Gate(*SIDES, (), (), (), ()), tmp_path)
    assert folder.answered(tmp_path, "abc") == whole
    assert folder.answered(tmp_path, "other kernels") is None
    # What may have been the host's fault is tried again; what this kernel has not, is not.
    for verdict, taken in ((Verdict.ERROR, False), (Verdict.SKIP, True)):
        untested = replace(UNTESTED, head=(attempt(Route.HEAD, verdict),))
        folder.keep(replace(whole, cells=(untested,)), tmp_path)
        assert bool(folder.answered(tmp_path, "abc")) == taken
    hours = time.time() - folder.RESUME_SECONDS - 60
    os.utime(tmp_path, (hours, hours))
    assert folder.answered(tmp_path, "abc") is None


def test_two_gates_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "gate", "abc"),
        pytest.raises(UsageError, match="another gate with the same arguments"),
        alone(tmp_path / "gate", "abc"),
    ):
        pass


def test_nothing_of_another_gate_is_gone_on_with(tmp_path: Path) -> None:
    with alone(tmp_path, "abc"):
        pass
    with pytest.raises(UsageError, match="other kernels or cases"), alone(tmp_path, "other"):
        pass
    whole = Gate(*SIDES, (), (), (), ())
    folder.keep(replace(whole, interrupted=True), tmp_path)
    with alone(tmp_path, "abc"):
        pass
    folder.keep(whole, tmp_path)
    with pytest.raises(UsageError, match="has left its answer there"), alone(tmp_path, "abc"):
        pass


def test_nothing_of_another_day_is_gone_on_with(gate: Session) -> None:
    with alone(gate.folder, "abc"):
        write(gate, Route.BASE, Verdict.PASS)
    with alone(gate.folder, "abc"):
        pass
    hours = time.time() - folder.RESUME_SECONDS - 60
    os.utime(gate.folder / journal.NAME, (hours, hours))
    with pytest.raises(UsageError, match="more than 12 hours ago"), alone(gate.folder, "abc"):
        pass


def test_other_kernels_modules_or_cases_are_another_gate(gate: Session) -> None:
    plans = [gate.plan(Next(case, Route.HEAD)) for case in gate.cases]
    sides = (gate.base, gate.head)
    other = replace(gate.head, side=replace(gate.head.side, modules="m"))
    every = ((sides, plans, 1), (sides, plans[:1], 1), ((gate.base, other), plans, 1), (sides, plans, 2))
    assert len({key(*one) for one in every}) == len(every)
    assert key(sides, plans, 1) == key(sides, plans, 1)
    # The order follows from what failed lately, in this very gate too.
    assert key(sides, plans[::-1], 1) == key(sides, plans, 1)
