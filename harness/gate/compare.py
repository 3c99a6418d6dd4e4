# SPDX-License-Identifier: GPL-2.0-only
"""From attempts to what they mean: cells, metrics, messages. Pure functions."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence

from harness.gate import significance
from harness.gate.cells import Attempt, Cell, Message, Metric, Route, State, Trend
from harness.gate.significance import ALPHA, can_settle, change_p
from harness.result import SECONDS, Subject
from harness.verdict import Verdict

# Attempts of a cell on each side, at most: 5 failures of 20 are significant against none. Of 10 it would take
# 4, and what fails every third time would be called flaky as often as broken.
ROUNDS = 20
# What could not be tested is tried so many times in all.
TRIES = 2
# Attempts of something new that fails: as many as settle it where base passes. It is flaky if one passes.
AGAIN = 4
# So many values on each side make a metric: 5 against 5 that do not overlap have p = 0.008.
VALUES = 5
# Where not much has changed, but there are values (--repeat), every number of every cell is tested: only what
# is as unlikely as this is more than chance among so many. What does not spread at all is no chance.
RARELY = 0.001
# A first value that differs by more than this part, and by more than so many seconds, is looked into. On an
# idle host two machines on two cores differ by less when nothing has changed; on a busy one some do not.
SUSPICIOUS = 0.25
SUSPICIOUS_SECONDS = 0.05
# Of a single value that was measured again half of that is enough: it spreads too.
STILL_SUSPICIOUS = SUSPICIOUS / 2
BYTES = "bytes"
# What depends on the moment says nothing about a patch: what the kernel says of clocks that a busy host makes
# uneven, and of a timer that went off within a kexec (arch/x86/kernel/apic/apic.c, there the latter in
# local_apic_timer_interrupt(), arch/x86/kernel/tsc.c, kernel/time/clocksource.c).
OF_THE_MOMENT = re.compile(
    r"APIC calibration not consistent|TSC calibration|clocksource: .*(?:unstable|skew)"
    r"|Spurious LAPIC timer interrupt"
)


def counted(base: Iterable[Attempt], head: Iterable[Attempt]) -> tuple[int, int, int, int]:
    """How many are broken, of how many that say something: on base, then on head.

    Where nothing but a known bug is seen on base, and something else on head, only what is not known counts;
    where base comes up and head never does, only that.
    """
    before, after = ([one for one in side if one.tested] for side in (base, head))
    if never_up(before, after):
        return sum(not one.boots for one in before), len(before), len(after), len(after)
    known = {one.verdict for one in before if one.broken} == {Verdict.XFAIL}
    worse = known and any(one.broken and one.verdict is not Verdict.XFAIL for one in after)

    def bad(one: Attempt) -> bool:
        return one.broken and not (worse and one.verdict is Verdict.XFAIL)

    return sum(map(bad, before)), len(before), sum(map(bad, after)), len(after)


def never_up(base: Sequence[Attempt], head: Sequence[Attempt]) -> bool:
    """Whether base comes up and head never does; of each, those attempts that say something."""
    return any(one.boots for one in base) and bool(head) and not any(one.boots for one in head)


def judge(
    base: Sequence[Attempt], head: Sequence[Attempt], repeat: int = 1
) -> tuple[State, float | None, str]:
    """State, p value and reason of a cell; repeat: how many attempts on each side were asked for."""
    base_bad, base_all, head_bad, head_all = counted(base, head)
    if not head_all:
        return State.COULD_NOT_TEST, None, f"head: {_untested(head)}"
    if not any(one.tested and one.boots for one in (*base, *head)):
        return State.COULD_NOT_TEST, None, f"nothing came up, as if it were the host: {_untested(head)}"
    if not_for(base):
        said = f"{head_bad} of {head_all} failed on head; base: {_untested(base)}"
        if open_new(head):
            return State.COULD_NOT_TEST, None, f"{said}: not settled yet"
        return State.FLAKY if 0 < head_bad < head_all else State.NEW, None, said
    if not base_all:
        return State.COULD_NOT_TEST, None, f"base: {_untested(base)}"
    p = change_p(base_bad, base_all, head_bad, head_all)
    telling = [[one for one in side if one.tested] for side in (base, head)]
    how = "did not come up" if never_up(*telling) else "failed"
    reason = f"{base_bad} of {base_all} {how} on base, {head_bad} of {head_all} on head"
    if p < ALPHA:
        worse = head_bad * base_all > base_bad * head_all
        return State.REGRESSION if worse else State.FIXED, p, reason
    if min(base_all, head_all) < repeat:
        return State.COULD_NOT_TEST, p, f"{reason}: {repeat} attempts on each side were asked for"
    if not base_bad and not head_bad:
        return State.SAME, p, reason
    if base_bad == base_all and head_bad == head_all:
        return State.STILL_FAILING, p, reason + (", and in another way" if otherwise(base, head) else "")
    if open_question(base, head):
        return State.COULD_NOT_TEST, p, f"{reason}: not settled yet"
    return State.FLAKY, p, reason


def not_for(attempts: Sequence[Attempt]) -> bool:
    """Whether these were skipped: it is not for this kernel."""
    return all(one.verdict is Verdict.SKIP for one in attempts)


def open_new(head: Sequence[Attempt]) -> bool:
    """Whether something new failed, and may do so only now and then."""
    return any(one.broken and one.boots for one in head) and len(head) < AGAIN


def _untested(attempts: Sequence[Attempt]) -> str:
    """Why none of these says anything."""
    return next((one.finding for one in attempts if one.finding), "it was not run")


def otherwise(base: Sequence[Attempt], head: Sequence[Attempt]) -> bool:
    """Whether it fails in another way than before."""
    before, after = ({one.finding for one in side if one.broken} for side in (base, head))
    return not before & after


def open_question(base: Sequence[Attempt], head: Sequence[Attempt], limit: int = ROUNDS) -> bool:
    """Whether the outcome differs, is not significant yet, and more attempts could make it so."""
    numbers = counted(base, head)
    base_bad, base_all, head_bad, head_all = numbers
    if not base_all or not head_all or base_bad + head_bad in (0, base_all + head_all):
        return False
    return change_p(*numbers) >= ALPHA and can_settle(*numbers, limit)


def wants_more(
    base: Sequence[Attempt], head: Sequence[Attempt], repeat: int = 1, numbers: bool = True
) -> bool:
    """Whether this cell needs one more attempt on each side; numbers: for its numbers too."""
    if any(_too_few(side, repeat) for side in (base, head)):
        return True
    if any(_dead(side) and len(side) < TRIES for side in (base, head)):
        return True
    if not_for(base):
        return open_new(head)
    if max(len(base), len(head)) >= ROUNDS + TRIES:
        return False
    return open_question(base, head) or (numbers and bool(unsure(base, head)))


def _too_few(attempts: Sequence[Attempt], repeat: int) -> bool:
    """Whether there are fewer than were asked for; what could not be tested is made up for, once."""
    useless = sum(one.verdict is Verdict.ERROR and not one.tested for one in attempts)
    return len(attempts) - useless < repeat and len(attempts) < repeat + TRIES - 1


def _dead(attempts: Sequence[Attempt]) -> bool:
    """Whether the machine never came up, which may have been the host's fault."""
    return not any(one.boots for one in attempts)


def values(attempts: Iterable[Attempt]) -> dict[tuple[str, str], list[float]]:
    """The numbers by name and unit, one for each attempt that passed: the median, if it has several."""
    found: dict[tuple[str, str], list[float]] = {}
    for attempt in attempts:
        if attempt.broken or not attempt.tested:
            continue
        own: dict[tuple[str, str], list[float]] = {}
        for one in attempt.measures:
            own.setdefault((one.name, one.unit), []).append(one.value)
        for key, several in own.items():
            found.setdefault(key, []).append(statistics.median(several))
    return found


def suspicious(before: float, after: float, unit: str, part: float = SUSPICIOUS) -> bool:
    """Whether two values differ so much that it is worth a closer look."""
    return not short(after - before, unit) and abs(after - before) > part * abs(before)


def odd(base: Sequence[float], head: Sequence[float], unit: str) -> bool:
    """Whether the values differ: the first, or the medians of those after them, where there are any.

    One more on each side shows most of what only the host did to be nothing: a first difference has to come
    again, in the same direction.
    """
    first = suspicious(base[0], head[0], unit)
    again = min(len(base), len(head)) - 1
    if again == 0:
        return first
    before, after = statistics.median(base[1:]), statistics.median(head[1:])
    if first and (after > before) != (head[0] > base[0]):
        return False
    return suspicious(before, after, unit, STILL_SUSPICIOUS if first and again == 1 else SUSPICIOUS)


def short(difference: float, unit: str) -> bool:
    """Whether a difference is a time so short that the host's own doings make it."""
    return unit == SECONDS and abs(difference) < SUSPICIOUS_SECONDS


def unsure(base: Sequence[Attempt], head: Sequence[Attempt]) -> list[tuple[str, str]]:
    """The metrics whose values differ, and of which there are too few."""
    before, after = values(base), values(head)
    return [
        key
        for key in before.keys() & after.keys()
        if odd(before[key], after[key], key[1]) and min(len(before[key]), len(after[key])) <= VALUES
    ]


def metrics(case: str, route: Route, base: Sequence[Attempt], head: Sequence[Attempt]) -> list[Metric]:
    """Every number that both sides have, compared."""
    before, after = values(base), values(head)
    keys = [key for key in before if key in after]
    return [metric(case, route, *key, before[key], after[key]) for key in keys]


def metric(
    case: str, route: Route, name: str, unit: str, base: Sequence[float], head: Sequence[float]
) -> Metric:
    """One number, compared.

    The first values only decide whether more are measured: values that were chosen because they differ
    would prove what they were chosen for.
    """
    unsettled = odd(base, head, unit)
    if len(base) > 1 and len(head) > 1:
        base, head = base[1:], head[1:]
    p, floor = significance.permutation(base, head), significance.noise(base)
    shift = significance.change(base, head)
    enough = min(len(base), len(head)) >= VALUES
    middles = statistics.median(base), statistics.median(head)
    asked = suspicious(*middles, unit) or not floor
    real = p < (ALPHA if asked else RARELY) and (shift is None or abs(shift) > floor)
    real = real and not short(middles[1] - middles[0], unit)
    trend = Trend.UNSETTLED if unsettled else Trend.SAME
    if enough:
        trend = direction(shift, unit) if real else Trend.SAME
    return Metric(
        case=case,
        route=route,
        name=name,
        unit=unit,
        base=tuple(base),
        head=tuple(head),
        base_median=middles[0],
        head_median=middles[1],
        change=shift,
        effect=significance.cliff(base, head),
        p=p,
        noise=floor,
        trend=trend,
    )


def direction(shift: float | None, unit: str) -> Trend:
    """What a change means: more time and more memory are worse, of other numbers nobody has said."""
    if unit not in (SECONDS, BYTES) or shift == 0:
        return Trend.CHANGED if shift != 0 else Trend.SAME
    return Trend.WORSE if shift is None or shift > 0 else Trend.BETTER


def cell(
    subject: Subject, route: Route, base: Sequence[Attempt], head: Sequence[Attempt], repeat: int = 1
) -> Cell:
    """A case on a route, judged."""
    state, p, reason = judge(base, head, repeat)
    about = (subject.case, subject.source, subject.summary, subject.tags, subject.carrier)
    return Cell(*about, route, tuple(base), tuple(head), state, p, reason)


def messages(attempts: Mapping[str, Sequence[Attempt]]) -> list[Message]:
    """What no attempt on base said and one with head did; attempts: those of each case."""
    every = [(case, one) for case, several in attempts.items() for one in several]
    known = {_alike(text) for _, one in every if one.route is Route.BASE for text in one.warnings}
    found: dict[str, Message] = {}
    for case, one in every:
        for text in dict.fromkeys(one.warnings):
            key = _alike(text)
            if one.route is Route.BASE or key in known or OF_THE_MOMENT.search(text):
                continue
            first = found.get(key) or Message(text, 0, case, one.route, one.directory)
            found[key] = Message(first.text, first.count + 1, first.case, first.route, first.directory)
    return list(found.values())


def _alike(text: str) -> str:
    """A message without its numbers."""
    return re.sub(r"\d+", "N", text)
