# SPDX-License-Identifier: GPL-2.0-only
"""Is it a difference, or chance? Pure functions; samples are small, so tests are exact where they can be."""

import itertools
import math
import random
import statistics
from collections.abc import Sequence

ALPHA = 0.05
# Above so many ways to split the values, as many random ones are looked at instead of all.
SPLITS = 20_000
SEED = 1


def fisher(base_bad: int, base_all: int, head_bad: int, head_all: int) -> float:
    """Fisher's exact test, one-sided: how likely head has so many bad ones, or more, by chance.

    1 when one side is empty. With none bad on base, p < 0.05 takes 4 of 5, 4 of 10, 5 of 20.
    """
    bad, whole = base_bad + head_bad, base_all + head_all
    ways = math.comb(whole, head_all)
    more = range(head_bad, min(bad, head_all) + 1)
    return sum(math.comb(bad, n) * math.comb(whole - bad, head_all - n) for n in more) / ways


def change_p(base_bad: int, base_all: int, head_bad: int, head_all: int) -> float:
    """The p value in the direction in which the rates differ; 1 when they do not, or there is nothing."""
    if not base_all or not head_all or base_bad * head_all == head_bad * base_all:
        return 1.0
    if head_bad * base_all > base_bad * head_all:
        return fisher(base_bad, base_all, head_bad, head_all)
    return fisher(head_bad, head_all, base_bad, base_all)


def can_settle(base_bad: int, base_all: int, head_bad: int, head_all: int, limit: int) -> bool:
    """Whether a difference can still become significant, with at most `limit` attempts on each side."""
    base_more, head_more = max(0, limit - base_all), max(0, limit - head_all)
    worse = fisher(base_bad, base_all + base_more, head_bad + head_more, head_all + head_more)
    better = fisher(head_bad, head_all + head_more, base_bad + base_more, base_all + base_more)
    return min(worse, better) < ALPHA


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value; equal ones share theirs."""
    ordered = sorted(values)
    first = {value: index for index, value in reversed(list(enumerate(ordered)))}
    count = {value: ordered.count(value) for value in first}
    return [first[value] + (count[value] + 1) / 2 for value in values]


def permutation(base: Sequence[float], head: Sequence[float]) -> float:
    """Permutation test of the sum of ranks, two-sided: all splits, or a seeded sample of them when many.

    Ranks, so that a single run that a busy host held up does not hide or make a difference.
    """
    if not base or not head:
        return 1.0
    every = ranks([*base, *head])
    middle = len(head) * (len(every) + 1) / 2
    seen = abs(sum(every[len(base) :]) - middle)
    if math.comb(len(every), len(head)) <= SPLITS:
        found = [abs(sum(split) - middle) for split in itertools.combinations(every, len(head))]
        return sum(one >= seen - 1e-9 for one in found) / len(found)
    chance = random.Random(SEED)
    hits = sum(abs(sum(chance.sample(every, len(head))) - middle) >= seen - 1e-9 for _ in range(SPLITS))
    # With what was seen as one of them: p is never 0.
    return (hits + 1) / (SPLITS + 1)


def cliff(base: Sequence[float], head: Sequence[float]) -> float:
    """Cliff's delta: how much more often a value of head is larger than one of base than smaller."""
    if not base or not head:
        return 0.0
    signs = [(b > a) - (b < a) for a in base for b in head]
    return sum(signs) / len(signs)


def noise(base: Sequence[float]) -> float:
    """What the values of base themselves spread: from quartile to quartile, as a part of the median."""
    middle = statistics.median(base)
    if len(base) < 2 or middle == 0:
        return 0.0
    lower, _, upper = statistics.quantiles(base, n=4, method="inclusive")
    return (upper - lower) / abs(middle)


def change(base: Sequence[float], head: Sequence[float]) -> float | None:
    """From the median of base to that of head, as a part of base's; None: base's is 0."""
    before, after = statistics.median(base), statistics.median(head)
    if before == 0:
        return 0.0 if after == 0 else None
    return (after - before) / abs(before)
