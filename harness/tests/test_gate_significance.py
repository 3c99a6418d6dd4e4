# SPDX-License-Identifier: GPL-2.0-only
"""The gate's statistics: known values, properties, and how often they cry wolf."""

import itertools
import random

import pytest

from harness.gate.significance import (
    ALPHA,
    can_settle,
    change,
    change_p,
    cliff,
    fisher,
    noise,
    permutation,
    ranks,
)

SIZES = range(1, 8)


@pytest.mark.parametrize(
    ("table", "p"),
    [
        # Fisher's tea: 3 of 4 cups.
        ((1, 4, 3, 4), 17 / 70),
        ((0, 4, 4, 4), 1 / 70),
        ((0, 5, 4, 5), 1 / 42),
        ((0, 3, 3, 3), 1 / 20),
        ((0, 0, 4, 4), 1.0),
        ((2, 4, 0, 4), 1.0),
    ],
)
def test_fisher_of_known_tables(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p)


@pytest.mark.parametrize(("runs", "needed"), [(3, None), (4, 4), (5, 4), (10, 4), (20, 5)])
def test_how_many_failures_it_takes(runs: int, needed: int | None) -> None:
    enough = [bad for bad in range(runs + 1) if fisher(0, runs, bad, runs) < ALPHA]
    assert (enough[0] if enough else None) == needed


def test_fisher_is_a_probability_and_falls_with_each_failure() -> None:
    for base_all, head_all in itertools.product(SIZES, SIZES):
        for base_bad in range(base_all + 1):
            line = [fisher(base_bad, base_all, bad, head_all) for bad in range(head_all + 1)]
            assert line[0] == pytest.approx(1)
            assert line == sorted(line, reverse=True)
            assert line[-1] > 0


def test_a_change_has_the_same_p_in_both_directions() -> None:
    for bad in range(6):
        assert change_p(bad, 5, 1, 4) == change_p(1, 4, bad, 5)
    assert change_p(0, 4, 4, 4) == change_p(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert change_p(1, 2, 2, 4) == 1
    assert change_p(0, 0, 4, 4) == 1


@pytest.mark.parametrize(
    ("table", "limit", "possible"),
    [
        ((0, 1, 1, 1), 10, True),
        ((0, 1, 1, 1), 3, False),
        ((0, 7, 1, 7), 10, True),
        ((0, 8, 1, 8), 10, False),
        ((5, 5, 0, 5), 5, True),
        ((5, 8, 5, 8), 10, False),
    ],
)
def test_whether_it_can_still_be_settled(
    table: tuple[int, int, int, int], limit: int, possible: bool
) -> None:
    assert can_settle(*table, limit) is possible


def test_ranks_of_equal_values_are_shared() -> None:
    assert ranks([3.0, 1.0, 3.0, 2.0]) == [3.5, 1, 3.5, 2]


@pytest.mark.parametrize(
    ("base", "head", "p"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        ([1, 2, 3], [4, 5, 6], 2 / 20),
        ([1, 1, 1], [1, 1, 1], 1.0),
        ([], [1], 1.0),
        # Ranks 2 + 3 + 6 = 11 are half off the middle, and no split is nearer.
        ([1, 4, 5], [2, 3, 6], 1.0),
    ],
)
def test_permutation_of_known_samples(base: list[float], head: list[float], p: float) -> None:
    assert permutation(base, head) == pytest.approx(p)


def test_permutation_does_not_mind_the_scale_or_the_side() -> None:
    chance = random.Random(3)
    for _ in range(20):
        base, head = ([chance.gauss(5, 1) for _ in range(5)] for _ in "ab")
        p = permutation(base, head)
        assert 0 < p <= 1
        assert permutation(head, base) == pytest.approx(p)
        assert permutation([7 * x + 1 for x in base], [7 * x + 1 for x in head]) == pytest.approx(p)


def test_many_values_are_sampled_and_repeatable() -> None:
    base, head = list(range(12)), [x + 6.5 for x in range(12)]
    exact_enough = permutation(base, head)
    assert exact_enough == permutation(base, head)
    assert exact_enough < 0.01


def test_one_run_that_was_held_up_is_no_difference() -> None:
    assert permutation([2.0, 2.1, 2.2, 2.1, 2.0], [2.0, 2.1, 9.9, 2.1, 2.2]) > ALPHA


def test_the_same_distribution_stays_silent() -> None:
    chance = random.Random(11)
    trials = 400
    alarms = sum(
        permutation([chance.gauss(2, 0.2) for _ in range(5)], [chance.gauss(2, 0.2) for _ in range(5)])
        < ALPHA
        for _ in range(trials)
    )
    # 5 % of 400 are 20; a test that is right stays below 35 of them with a chance of more than 99.9 %.
    assert alarms <= 35


def test_a_shift_is_found() -> None:
    chance = random.Random(12)
    found = sum(
        permutation([chance.gauss(2, 0.2) for _ in range(5)], [chance.gauss(2.8, 0.2) for _ in range(5)])
        < ALPHA
        for _ in range(100)
    )
    assert found >= 95


def test_effect_noise_and_change() -> None:
    assert cliff([1, 2], [3, 4]) == 1
    assert cliff([3, 4], [1, 2]) == -1
    assert cliff([1, 2], [1, 2]) == 0
    assert cliff([], [1]) == 0
    assert noise([2, 2, 2]) == 0
    assert noise([1, 2, 3, 4, 5]) == pytest.approx(2 / 3)
    assert noise([0, 0]) == 0
    assert change([2.11], [2.91]) == pytest.approx(0.379, abs=0.001)
    assert change([0], [0]) == 0
    assert change([0], [1]) is None
