# SPDX-License-Identifier: GPL-2.0-only
"""What a gate keeps, and how it goes on after it was interrupted."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.spec import kernel_spec
from harness.build.store import Store
from harness.deadline import Deadline
from harness.errors import UsageError
from harness.gate import cells, order, session
from harness.gate.cells import Answer, Gate, NotRun, Route, Side, State
from harness.gate.order import Next
from harness.gate.routes import chosen, routes
from harness.gate.session import Session, alone, choose_folder, conclude, free, key, resume
from harness.gate.sides import Made
from harness.journal import Journal
from harness.result import Blame, Finding, Oracle, Outcome
from harness.runner import subject
from harness.verdict import Verdict

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
    out = free(gate.folder / one.case.id, route)
    out.mkdir(parents=True)
    about = vars(subject(gate.plan(one)))
    outcome = Outcome(**about, verdict=verdict, findings=tuple(findings), proofs=(), timeline=(), updates=(),
                      seconds=2.0, setting=(), directory=out)  # fmt: skip
    journal = Journal(gate.folder, "1")
    journal.begin(["harness", "gate"], [])
    journal.started(outcome.case, out)
    journal.ended(outcome)


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


def test_nothing_to_go_on_with_is_a_beginning(gate: Session) -> None:
    resume(gate)
    assert gate.attempts == {}


def test_a_run_directory_is_never_used_twice(tmp_path: Path) -> None:
    assert free(tmp_path, Route.FORWARD).name == "forward.1"
    (tmp_path / "forward.1").mkdir()
    assert free(tmp_path, Route.FORWARD).name == "forward.2"


def test_a_budget_that_is_over_runs_nothing_and_says_so(gate: Session) -> None:
    gate.limit = Deadline(0)
    found = session.gate(gate, ["harness", "gate"], [NotRun("x", Route.HEAD, "why")], (1, 1))
    assert found.answer is Answer.COULD_NOT_TEST
    assert {one.reason for one in found.not_run} == {"why", "the budget ended before"}
    count = sum(len(routes(case)) - 1 for case in gate.cases)
    assert len(found.not_run) == count + 1
    assert cells.read(gate.folder) == found


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
    done, stopped, killed, old = (tmp_path / f"{n}-gate-abc" for n in "1234")
    for folder in (done, stopped, killed, old):
        folder.mkdir()
    session.keep(whole, done)
    session.keep(replace(whole, interrupted=True), stopped)
    hours = time.time() - session.RESUME_SECONDS - 60
    os.utime(old, (hours, hours))
    assert choose_folder(tmp_path, "abc") == killed
    session.keep(whole, killed)
    assert choose_folder(tmp_path, "abc") == stopped
    session.keep(whole, stopped)
    assert choose_folder(tmp_path, "abc") not in (done, stopped, killed, old)
    assert choose_folder(tmp_path, "other").name.endswith("-gate-other")


def test_two_gates_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "gate"),
        pytest.raises(UsageError, match="another gate with the same arguments"),
        alone(tmp_path / "gate"),
    ):
        pass


def test_other_kernels_modules_or_cases_are_another_gate(gate: Session) -> None:
    plans = [gate.plan(Next(case, Route.HEAD)) for case in gate.cases]
    sides = (gate.base, gate.head)
    other = replace(gate.head, side=replace(gate.head.side, modules="m"))
    marks = {key(sides, plans), key(sides, plans[:1]), key((gate.base, other), plans)}
    assert len(marks) == 3
    assert key(sides, plans) == key(sides, plans)
