# SPDX-License-Identifier: GPL-2.0-only
"""Which cases, on which routes, in which order, and what next."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.spec import KernelSpec, kernel_spec
from harness.errors import UsageError
from harness.gate import history, order
from harness.gate.cells import Attempt, Measure, Route
from harness.gate.order import Next, about, most_telling, together, turns, wanted
from harness.gate.routes import BASE, HEAD, chosen, on_route, own_kernels, routes
from harness.gate.session import without
from harness.kernelactions import NextKernel
from harness.plan import Case
from harness.verdict import Verdict

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SPECS: dict[str | None, KernelSpec] = {BASE: kernel_spec("7.2.12"), HEAD: kernel_spec("7.3.4-debug")}


def cases(*names: str, tags: Sequence[str] = ()) -> list[Case]:
    return chosen([SCENARIOS / name for name in names], list(tags))


def attempts(route: Route, *verdicts: Verdict) -> list[Attempt]:
    return [Attempt(route, one, "", "", "", "", "", None, 1.0) for one in verdicts]


def timed(route: Route, seconds: float) -> Attempt:
    (made,) = attempts(route, Verdict.PASS)
    return replace(made, measures=(Measure("blackout", seconds, "s"),))


QUICK = cases("quickstart.yaml[fdbox]")[0]


def test_an_update_has_four_routes_and_the_rest_two() -> None:
    assert routes(QUICK) == (Route.BASE, Route.HEAD, Route.FORWARD, Route.BACK)
    still = [case for case in cases("box") if not any(isinstance(s.action, NextKernel) for s in case.steps)]
    assert still
    assert {routes(case) for case in still} == {(Route.BASE, Route.HEAD)}


@pytest.mark.parametrize(
    ("route", "first", "following"),
    [
        (Route.BASE, "base", "base"),
        (Route.HEAD, "head", "head"),
        (Route.FORWARD, "base", "head"),
        (Route.BACK, "head", "base"),
    ],
)
def test_the_kernels_of_a_route(route: Route, first: str, following: str) -> None:
    plan = on_route(QUICK, route, SPECS)
    assert (plan.kernel, plan.next_kernels) == (first, (following,))
    assert plan.case == f"quickstart[fdbox] on {route}"
    # Each kernel has its own boot parameters, and the machine is large enough for both.
    debug = "kmemleak.verbose=1"
    assert (debug in plan.cmdline) is (first == "head")
    assert (debug in plan.jumps[0].cmdline) is (following == "head")
    assert plan.machine.memory == (2048 if "head" in (first, following) else 1024)


def test_cases_that_name_their_kernels_are_left_out_with_the_reason() -> None:
    every = cases("update", "quickstart.yaml")
    ours, left_out = without(every)
    assert {case.id for case in ours} >= {"quickstart[fdbox]", "quickstart[luo]"}
    assert left_out
    assert all("7.2.12" in one.reason or "7.3.4" in one.reason for one in left_out)
    assert len(ours) + len(left_out) == len(every)
    assert not any(own_kernels(case) for case in ours)


def test_cases_by_tag_and_by_carrier() -> None:
    assert {case.scenario.source.name for case in cases("", tags=["smoke"])} >= {"quickstart.yaml"}
    assert [case.id for case in cases("quickstart.yaml[luo]", "quickstart.yaml[luo]")] == ["quickstart[luo]"]
    with pytest.raises(UsageError, match=r"no case \[xfs\]; it has quickstart\[fdbox\]"):
        cases("quickstart.yaml[xfs]")
    with pytest.raises(UsageError, match=r"no case has the tag 'smoky'; did you mean 'smoke'\?"):
        cases("quickstart.yaml", tags=["smoky"])


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("mm/memfd_luo.c", {"memfd", "luo", "update"}),
        ("kmod/memfd_ser.c", {"memfd", "fdbox", "box"}),
        ("kmod/gmem.c", {"guest_memfd"}),
        ("kmod/vfio_mock_ser.c", {"vfio_mock"}),
        ("kmod/luo.c", {"luo", "update"}),
        ("kernel/liveupdate/kexec_handover.c", {"luo", "kho", "update"}),
        ("fs/ext4/super.c", set()),
    ],
)
def test_what_a_file_is_about(file: str, words: set[str]) -> None:
    assert about([file]) == words


def test_most_telling_first() -> None:
    some = cases("memfd", "vfio_mock", "quickstart.yaml")
    first = most_telling(some, about(["kmod/vfio_mock_ser.c"]), set(), {})
    smoke = [case for case in first if order.SMOKE in case.scenario.tags]
    assert first[: len(smoke)] == smoke
    assert smoke[0].id.startswith("vfio_mock/")
    assert first[len(smoke)].id.startswith("vfio_mock/")
    failed = some[7].id
    assert most_telling(some, (), {failed}, {})[len(smoke)].id == failed or some[7] in smoke
    assert sorted(case.id for case in first) == sorted(case.id for case in some)


def test_base_and_head_take_turns_in_being_first() -> None:
    turn = [Next(QUICK, route) for route in routes(QUICK)]
    assert wanted(QUICK, {}, 2) == turn
    once = {(QUICK.id, route): attempts(route, Verdict.PASS) for route in routes(QUICK)}
    assert wanted(QUICK, once, 2) == turn[::-1]
    assert wanted(QUICK, once, 1) == []


def test_only_a_route_that_changed_is_repeated_with_its_base() -> None:
    done = {(QUICK.id, route): attempts(route, Verdict.PASS) for route in routes(QUICK)}
    done[QUICK.id, Route.BACK] = attempts(Route.BACK, Verdict.FAIL)
    assert {one.route for one in wanted(QUICK, done, 1)} == {Route.BASE, Route.BACK}


def test_an_interrupted_turn_is_ended_first() -> None:
    done = {(QUICK.id, Route.BASE): attempts(Route.BASE, Verdict.PASS)}
    assert [one.route for one in wanted(QUICK, done, 1)] == [Route.HEAD, Route.FORWARD, Route.BACK]


def test_the_turns_are_those_of_cases_that_are_not_done() -> None:
    some = cases("quickstart.yaml")
    assert [turn[0].case for turn in turns(some, {}, 1)] == some
    done = {(some[0].id, route): attempts(route, Verdict.PASS) for route in routes(some[0])}
    assert [turn[0].case for turn in turns(some, done, 1)] == some[1:]


def test_every_case_is_run_before_numbers_are_looked_at_again() -> None:
    some = cases("quickstart.yaml")
    done = {(some[0].id, route): [timed(route, 2.0)] for route in routes(some[0])}
    done[some[0].id, Route.BACK] = [timed(Route.BACK, 3.0)]
    found = list(turns(some, done, 1))
    assert [turn[0].case for turn in found] == [some[1], some[0]]
    assert {one.route for one in found[1]} == {Route.BASE, Route.BACK}
    assert not any(one.cold for turn in found for one in turn)


def test_how_often_something_fails_is_seen_by_booting_each_time() -> None:
    done = {(QUICK.id, route): attempts(route, Verdict.PASS) for route in routes(QUICK)}
    done[QUICK.id, Route.BACK] = attempts(Route.BACK, Verdict.FAIL)
    (turn,) = turns([QUICK], done, 1)
    assert [(one.route, one.cold) for one in turn] == [(Route.BACK, True), (Route.BASE, True)]
    assert not any(one.cold for one in next(turns([QUICK], {}, 5)))


def test_how_long_attempts_take_side_by_side() -> None:
    assert together([4, 4, 4, 4], 2) == 8
    assert together([4, 1], 2) == 4
    assert together([4, 1], 1) == 5


def test_what_failed_lately_is_read_from_former_runs(tmp_path: Path) -> None:
    lines = [
        {"kind": "result", "case": "a[luo]", "verdict": "FAIL"},
        {"kind": "result", "case": "b[luo] on head -> base", "verdict": "FAIL"},
        {"kind": "result", "case": "c[luo]", "verdict": "PASS", "summary": "FAIL"},
    ]
    (tmp_path / "1").mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"verdict": "FAIL", "case'
    (tmp_path / "1" / "results.jsonl").write_text(text)
    assert history.failed_lately(tmp_path) == {"a[luo]", "b[luo]"}
    assert history.failed_lately(tmp_path / "none") == set()
