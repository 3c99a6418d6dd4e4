# SPDX-License-Identifier: GPL-2.0-only
"""From attempts to states, metrics and messages."""

import random
from pathlib import Path

import pytest

from harness.gate import compare, significance
from harness.gate.cells import Attempt, Measure, Route, State, Trend
from harness.gate.compare import ROUNDS, judge, open_question, wants_more
from harness.verdict import Verdict

P, F, E, S, X = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.SKIP, Verdict.XFAIL
FINDINGS = {F: "'get' failed", E: "no guest image", S: "requires kvm"}


def tries(*verdicts: Verdict, route: Route = Route.HEAD, finding: str = "") -> list[Attempt]:
    return [
        Attempt(route, one, finding or FINDINGS.get(one, ""), "", "", "", "", Path("/r"), 1.0)
        for one in verdicts
    ]


def timed(*values: float, name: str = "blackout", unit: str = "s") -> list[Attempt]:
    return [
        Attempt(Route.HEAD, P, "", "", "", "", "", None, 1.0, (Measure(name, value, unit),))
        for value in values
    ]


@pytest.mark.parametrize(
    ("base", "head", "state"),
    [
        ([P], [P], State.SAME),
        ([P, P, P, P], [F, F, F, F], State.REGRESSION),
        ([F, F, F, F], [P, P, P, P], State.FIXED),
        ([F], [F], State.STILL_FAILING),
        ([X], [X], State.STILL_FAILING),
        ([X] * 4, [Verdict.XPASS] * 4, State.FIXED),
        # What is broken besides the known bug is not hidden by it.
        ([X], [F], State.COULD_NOT_TEST),
        ([X] * 4, [F] * 4, State.REGRESSION),
        ([X] * 17, [F, *[X] * 16], State.FLAKY),
        ([F] * 4, [X] * 4, State.STILL_FAILING),
        ([P], [F], State.COULD_NOT_TEST),
        ([P, P, P], [F, F, F], State.COULD_NOT_TEST),
        ([P] * 17, [F, *[P] * 16], State.FLAKY),
        ([F, P] * 10, [P, F] * 10, State.FLAKY),
        ([S], [P], State.NEW),
        ([S] * 4, [F] * 4, State.NEW),
        ([S], [F], State.COULD_NOT_TEST),
        ([S] * 4, [F, P, P, P], State.FLAKY),
        ([P], [S], State.COULD_NOT_TEST),
        ([E, E], [P, P], State.COULD_NOT_TEST),
        ([P, P], [E, E], State.COULD_NOT_TEST),
        ([P, P, P, P, P], [F, F, F, F, E], State.REGRESSION),
    ],
)
def test_states(base: list[Verdict], head: list[Verdict], state: State) -> None:
    assert judge(tries(*base), tries(*head))[0] is state


def test_reasons() -> None:
    _, p, reason = judge(tries(P, P, P, P), tries(F, F, F, F))
    assert p == pytest.approx(1 / 70)
    assert reason == "0 of 4 failed on base, 4 of 4 on head"
    assert judge(tries(P), tries(S))[2] == "head: requires kvm"
    assert judge(tries(P), tries(F))[2].endswith("not settled yet")
    assert judge(tries(F), tries(F, finding="a panic"))[2].endswith("in another way")
    assert "another way" not in judge(tries(F), tries(F))[2]


@pytest.mark.parametrize(
    ("base", "head", "state"),
    [
        ([P], [P], State.COULD_NOT_TEST),
        ([F], [F], State.COULD_NOT_TEST),
        ([P] * 5, [P] * 5, State.SAME),
        # It is settled already.
        ([P] * 4, [F] * 4, State.REGRESSION),
    ],
)
def test_fewer_attempts_than_were_asked_for_are_no_evidence(
    base: list[Verdict], head: list[Verdict], state: State
) -> None:
    found, _, reason = judge(tries(*base), tries(*head), repeat=5)
    assert found is state
    assert ("5 attempts on each side were asked for" in reason) == (state is State.COULD_NOT_TEST)


DEAD = Attempt(Route.HEAD, E, "the kernel does not boot", "", "", "", "", None, 1.0, boots=False)


@pytest.mark.parametrize(
    ("base", "head", "state"),
    [
        (tries(P, P, P, P), [DEAD] * 4, State.REGRESSION),
        ([DEAD] * 4, tries(P, P, P, P), State.FIXED),
        # Nothing says that the host could boot anything.
        ([DEAD, DEAD], [DEAD, DEAD], State.COULD_NOT_TEST),
        (tries(S), [DEAD, DEAD], State.COULD_NOT_TEST),
        (tries(S, S), [DEAD, *tries(P)], State.FLAKY),
        # It fails on base too, but comes up there.
        (tries(F, F, F, F), [DEAD] * 4, State.REGRESSION),
        (tries(X, X, X, X), [DEAD] * 4, State.REGRESSION),
        (tries(F, F), [DEAD] * 2, State.COULD_NOT_TEST),
    ],
)
def test_a_kernel_that_does_not_boot_is_broken_where_another_does(
    base: list[Attempt], head: list[Attempt], state: State
) -> None:
    assert judge(base, head)[0] is state


def test_what_does_not_come_up_is_told_from_what_fails() -> None:
    reason = judge(tries(F, F, F, F), [DEAD] * 4)[2]
    assert reason == "0 of 4 did not come up on base, 4 of 4 on head"


def play(base: list[Verdict | Attempt], head: list[Verdict | Attempt], repeat: int = 1) -> tuple[int, State]:
    """How many attempts are made on each side when they would go like this, over and over; and the state."""
    sides = [
        [one if isinstance(one, Attempt) else tries(one)[0] for one in side * 20] for side in (base, head)
    ]
    made = 0
    while wants_more(sides[0][:made], sides[1][:made], repeat):
        made += 1
    return made, judge(sides[0][:made], sides[1][:made], repeat)[0]


@pytest.mark.parametrize(
    ("base", "head", "attempts"),
    [
        ([P], [P], 1),
        ([F], [F], 1),
        ([P], [F], 4),
        ([F], [P], 4),
        ([S], [S], 1),
        ([P], [E], 2),
        ([DEAD], [DEAD], 2),
        ([S], [DEAD], 2),
        ([S], [P], 1),
        ([S], [F], 4),
        ([P], [DEAD], 4),
        ([F], [DEAD], 4),
        ([X], [F], 4),
        # One failure in 17: three more could not make it significant any more.
        ([P], [F, *[P] * 19], 17),
        # Every third time.
        ([P], [P, P, F], 1),
        ([P], [F, P, P], 10),
    ],
)
def test_attempts_until_it_is_settled(
    base: list[Verdict | Attempt], head: list[Verdict | Attempt], attempts: int
) -> None:
    assert play(base, head)[0] == attempts


@pytest.mark.parametrize(
    ("head", "attempts", "state"),
    [
        ([P], 6, State.SAME),
        # One that could not be tested is made up for.
        ([E, *[P] * 19], 7, State.SAME),
        # More of them, and there is less evidence than was asked for.
        ([P, E], 7, State.COULD_NOT_TEST),
    ],
)
def test_repeat_is_the_least(head: list[Verdict | Attempt], attempts: int, state: State) -> None:
    assert play([P], head, repeat=6) == (attempts, state)


def test_it_ends_in_any_case() -> None:
    chance = random.Random(5)
    for _ in range(200):
        base, head = (chance.choices([P, F, E, S], k=20) for _ in "ab")
        assert play([*base], [*head])[0] <= ROUNDS + compare.TRIES


def test_what_fails_as_often_on_both_sides_is_rarely_called_a_regression() -> None:
    """Looking after every round finds more by chance than one look does: this is how much more."""
    chance = random.Random(6)
    states = []
    for _ in range(400):
        base: list[Attempt] = []
        head: list[Attempt] = []
        while wants_more(base, head):
            for side in (base, head):
                side.extend(tries(F if chance.random() < 0.3 else P))
        states.append(judge(base, head)[0])
    assert states.count(State.REGRESSION) <= 400 * 0.06
    assert states.count(State.COULD_NOT_TEST) == 0


@pytest.mark.parametrize(("rate", "least"), [(0.8, 99), (0.4, 90), (0.3, 80)])
def test_what_fails_often_is_found(rate: float, least: int) -> None:
    chance = random.Random(7)
    found = 0
    for _ in range(100):
        base, head = tries(P), tries(F)
        while wants_more(base, head):
            base += tries(P)
            head += tries(F if chance.random() < rate else P)
        found += judge(base, head)[0] is State.REGRESSION
    assert found >= least


def test_a_question_is_open_only_while_more_could_answer_it() -> None:
    assert open_question(tries(P), tries(F))
    assert not open_question(tries(P), tries(P))
    assert not open_question(tries(P), tries(E))
    assert not open_question(tries(*[P] * 17), tries(F, *[P] * 16))


BASE = [2.0, 2.1, 2.05, 2.15, 1.95, 2.0]


@pytest.mark.parametrize(
    ("base", "head", "unit", "trend"),
    [
        (BASE, [value * 1.4 for value in BASE], "s", Trend.WORSE),
        (BASE, [value * 0.6 for value in BASE], "s", Trend.BETTER),
        (BASE, [value * 1.4 for value in BASE], "bytes", Trend.WORSE),
        (BASE, [value * 1.4 for value in BASE], "", Trend.CHANGED),
        (BASE, BASE, "s", Trend.SAME),
        # Significant, and less than what base spreads by itself.
        ([1, 1, 2, 3, 1, 3], [3.1, 3.1, 3.1, 3.1, 3.1, 3.1], "s", Trend.SAME),
        ([2.0], [3.0], "s", Trend.UNSETTLED),
        ([2.0], [2.1], "s", Trend.SAME),
        # A quarter more of nearly nothing.
        ([0.02], [0.04], "s", Trend.SAME),
        # Twice as much, each time, of what a round trip takes.
        ([0.009] * 6, [0.018] * 6, "s", Trend.SAME),
        ([0.09] * 6, [0.18] * 6, "s", Trend.WORSE),
        # What is counted spreads not at all.
        ([7, 7, 7, 7, 7, 7], [8, 8, 8, 8, 8, 8], "bytes", Trend.WORSE),
    ],
)
def test_trends(base: list[float], head: list[float], unit: str, trend: Trend) -> None:
    found = compare.metrics("x", Route.HEAD, timed(*base, unit=unit), timed(*head, unit=unit))
    assert [one.trend for one in found] == [trend]


def test_the_first_value_decides_only_whether_to_look_closer() -> None:
    (found,) = compare.metrics("x", Route.HEAD, timed(2.0, *BASE), timed(9.0, *BASE))
    assert found.base == found.head == tuple(BASE)
    assert found.trend is Trend.SAME
    assert wants_more(timed(2.0), timed(3.0))
    assert not wants_more(timed(2.0), timed(2.2))
    assert not wants_more(timed(2.0, *BASE), timed(3.0, *BASE))
    assert not wants_more(timed(2.0), timed(3.0), numbers=False)


def test_one_more_value_shows_that_it_was_the_host() -> None:
    for slow, again in ((3.0, 2.2), (3.0, 1.2), (1.2, 3.0)):
        assert wants_more(timed(2.0), timed(slow))
        # As fast, or another way round: nothing that head would do each time.
        assert not wants_more(timed(2.0, 2.1), timed(slow, again))
        (found,) = compare.metrics("x", Route.HEAD, timed(2.0, 2.1), timed(slow, again))
        assert found.trend is Trend.SAME
    assert wants_more(timed(2.0, 2.1), timed(3.0, 2.4))
    assert not wants_more(timed(2.0, 2.1, 2.1), timed(3.0, 2.4, 2.4))


def test_what_the_first_values_hid_is_seen_in_those_after_them() -> None:
    """These were measured: a second more in recover, and a host that was busy while base ran first."""
    assert wants_more(timed(4.2, 3.4), timed(5.2, 5.8))
    assert not wants_more(timed(4.2, 3.4), timed(5.2, 3.9))


def test_what_is_still_slower_is_measured_to_the_end() -> None:
    for more in (1, 2, 3, 4):
        assert wants_more(timed(*[2.0] * (more + 1)), timed(*[3.0] * (more + 1)))
    assert not wants_more(timed(*[2.0] * 6), timed(*[3.0] * 6))


def test_of_many_numbers_few_change_by_chance() -> None:
    """All numbers of a gate with --repeat are tested: none of these has changed."""
    chance = random.Random(9)
    found = []
    for _ in range(1000):
        base, head = (timed(*(chance.gauss(2.5, 0.1) for _ in range(9))) for _ in "ab")
        found += compare.metrics("x", Route.HEAD, base, head)
    assert sum(one.p < significance.ALPHA for one in found) > 20
    assert sum(one.trend is not Trend.SAME for one in found) <= 2
    # What is small and sure is not left out.
    base, head = (timed(*(chance.gauss(middle, 0.1) for _ in range(20))) for middle in (2.5, 2.75))
    (small,) = compare.metrics("x", Route.HEAD, base, head)
    assert small.trend is Trend.WORSE


def test_what_is_much_slower_is_found_in_spite_of_noise() -> None:
    chance = random.Random(8)
    for _ in range(100):
        base, head = [2.0], [2.9]
        while wants_more(timed(*base), timed(*head)):
            base.append(chance.gauss(2.0, 0.1))
            head.append(chance.gauss(2.9, 0.15))
        (found,) = compare.metrics("x", Route.HEAD, timed(*base), timed(*head))
        assert found.trend is Trend.WORSE


def test_only_what_passed_is_measured() -> None:
    broken = [Attempt(Route.HEAD, F, "", "", "", "", "", None, 1.0, (Measure("blackout", 9.0, "s"),))]
    assert compare.metrics("x", Route.HEAD, timed(2.0), broken) == []


def test_several_values_of_one_attempt_count_as_one() -> None:
    measures = tuple(Measure("get", value, "s") for value in (1.0, 5.0, 2.0))
    one = [Attempt(Route.HEAD, P, "", "", "", "", "", None, 1.0, measures)]
    assert compare.values(one) == {("get", "s"): [2.0]}


def spoke(route: Route, *warnings: str) -> Attempt:
    return Attempt(route, P, "", "", "", "", "", Path("/r"), 1.0, (), warnings)


@pytest.mark.parametrize(
    "noise",
    [
        "APIC calibration not consistent with PM-Timer: 102ms instead of 100ms",
        "Spurious LAPIC timer interrupt on cpu 0",
    ],
)
def test_messages_of_the_moment_are_not_new(noise: str) -> None:
    found = compare.messages({"x": [spoke(Route.BASE), spoke(Route.HEAD, noise, "APIC is gone")]})
    assert [one.text for one in found] == ["APIC is gone"]


def test_messages_of_head_only() -> None:
    found = compare.messages(
        {
            "x": [
                spoke(Route.BASE, "clock is off by 3 us"),
                spoke(Route.HEAD, "clock is off by 4 us", "box 3 is late", "box 4 is late"),
            ],
            "y": [spoke(Route.FORWARD, "box 5 is late"), spoke(Route.BASE)],
        }
    )
    assert [(one.text, one.count, one.case, one.route) for one in found] == [
        ("box 3 is late", 3, "x", Route.HEAD)
    ]
