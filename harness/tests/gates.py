# SPDX-License-Identifier: GPL-2.0-only
"""Answers of the gate of all kinds, for tests of what is made of them."""

from dataclasses import replace
from pathlib import Path

from harness.gate.answers import Gate, Side
from harness.gate.cells import Attempt, Cell, Measure, Message, Metric, NotRun, Route, State, Trend
from harness.tests.outcomes import KERNEL_SAYS, NASTY
from harness.verdict import Verdict

RUNS = Path("/runs/20261121-190000-gate")
BASE = Side(
    name="v7.3",
    kernel="7.3.4",
    source="/home/me/linux",
    commit="0123456789abcdef0123456789abcdef01234567",
    subject="Linux 7.3",
    release="7.3.0",
    build_id="83ab61f0c2d4e5f60718293a4b5c6d7e8f901234",
    modules="5f0c2d4e",
    made="kernel taken from the store",
)
HEAD = replace(
    BASE,
    name="my-branch",
    commit="89abcdef0123456789abcdef0123456789abcdef",
    subject="mm: memfd_luo: keep the seals",
    patches=("mm: memfd_luo: split the seal path", "mm: memfd_luo: keep the seals"),
    build_id="b1eaf9f06cdb5f60718293a4b5c6d7e8f9012345",
    made="kernel built in 14 s",
    seconds=14.2,
)


def attempt(route: Route, verdict: Verdict = Verdict.PASS, number: int = 0, **changes: object) -> Attempt:
    """A run."""
    bad = verdict is not Verdict.PASS
    made = Attempt(
        route=route,
        verdict=verdict,
        finding="the contents of 'ram' changed" if bad else "",
        where="scenarios/memfd/holes.yaml:9:5" if bad else "",
        doing="step 8: verify: {fd: ram}" if bad else "",
        expected="CRC-32 aa in MiB 3" if bad else "",
        seen="CRC-32 bb" if bad else "",
        directory=RUNS / "memfd" / "holes[fdbox]" / f"{route.folder}.{number}",
        seconds=3.9,
        measures=() if bad else (Measure("blackout", 2.11, "s"), Measure("folios", 7, "")),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def a_cell(
    state: State, case: str = "", route: Route = Route.HEAD, bad: tuple[int, int] = (0, 0), of: int = 4
) -> Cell:
    """A cell of that state; bad: how many of the runs failed, on base and on the route."""
    base = [attempt(Route.BASE, Verdict.FAIL if n < bad[0] else Verdict.PASS, n) for n in range(of)]
    head = [attempt(route, Verdict.FAIL if n < bad[1] else Verdict.PASS, n) for n in range(of)]
    return Cell(
        case=case or f"memfd/{state.value.replace(' ', '_')}[fdbox]",
        source=Path("scenarios/memfd/holes.yaml"),
        summary="holes stay holes",
        tags=("memfd",),
        carrier="fdbox",
        route=route,
        base=tuple(base),
        head=tuple(head),
        state=state,
        p=0.014 if bad[0] != bad[1] else 1.0,
        reason=f"{bad[0]} of {of} failed on base, {bad[1]} of {of} on head",
    )


SAME = a_cell(State.SAME, of=1)
REGRESSION = a_cell(State.REGRESSION, route=Route.FORWARD, bad=(0, 4))
REPORT = (
    "[    1.0] WARNING: CPU: 0 PID: 1 at mm/memfd_luo.c:120 memfd_luo_retrieve+0x1/0x2",
    "[    1.0] Call Trace:",
)
REGRESSION = replace(REGRESSION, head=tuple(replace(one, detail=REPORT) for one in REGRESSION.head))
UNTESTED = a_cell(State.COULD_NOT_TEST, of=2)
UNTESTED = replace(
    UNTESTED,
    head=tuple(
        attempt(Route.HEAD, Verdict.ERROR, n, finding="SSH does not answer", expected="an SSH login", seen="")
        for n in range(2)
    ),
    p=None,
    reason="head: SSH does not answer",
)
NO_KVM = attempt(Route.BASE, Verdict.SKIP, finding="/dev/kvm: not there", where="", expected="", seen="")
NEW = replace(
    a_cell(State.NEW, of=1), base=(NO_KVM,), p=None, reason="0 of 1 failed on head; base: /dev/kvm: not there"
)
NEW_BROKEN = replace(
    NEW,
    case="memfd/new_and_broken[fdbox]",
    head=(attempt(Route.HEAD, Verdict.FAIL),),
    reason="1 of 1 failed on head; base: /dev/kvm: not there",
)
HANGS = replace(
    a_cell(State.REGRESSION, "memfd/hangs[luo]", bad=(0, 4)),
    head=tuple(
        attempt(
            Route.HEAD, Verdict.ERROR, n, finding="the kernel does not boot", where="", doing="", boots=False
        )
        for n in range(4)
    ),
)
SLOWER = Metric(
    case="memfd/holes[fdbox]",
    route=Route.HEAD,
    name="blackout",
    unit="s",
    base=(2.05, 2.09, 2.11, 2.12, 2.2),
    head=(2.8, 2.87, 2.91, 2.95, 3.01),
    base_median=2.11,
    head_median=2.91,
    change=0.379,
    effect=1.0,
    p=0.004,
    noise=0.06,
    trend=Trend.WORSE,
)
FASTER = replace(SLOWER, name="seal", head_median=1.05, change=-0.5, effect=-1.0, trend=Trend.BETTER)
OTHER = replace(
    SLOWER,
    name="folios",
    unit="",
    base=(7,) * 5,
    head=(9,) * 5,
    base_median=7,
    head_median=9,
    change=0.286,
    trend=Trend.CHANGED,
)
UNSETTLED = replace(SLOWER, name="put", p=0.2, trend=Trend.UNSETTLED)
STEADY = replace(SLOWER, name="get", head_median=2.12, change=0.005, p=0.8, trend=Trend.SAME)
MESSAGE = Message(
    "memfd_luo: 3 folios are not preserved", 4, REGRESSION.case, Route.FORWARD, REGRESSION.head[0].directory
)
LEFT = (
    NotRun("memfd/large[fdbox]", Route.HEAD, "the budget of 3 min 0 s had no time for it", missing=True),
    NotRun("memfd/large[fdbox]", Route.BACK, "the budget of 3 min 0 s had no time for it", missing=True),
    NotRun("guest_memfd/counts[fdbox]", Route.HEAD, "base has no KVM"),
)
EVERYTHING = Gate(
    base=BASE,
    head=HEAD,
    cells=(
        SAME,
        REGRESSION,
        a_cell(State.FIXED, bad=(4, 0)),
        a_cell(State.STILL_FAILING, bad=(2, 2), of=2),
        a_cell(State.FLAKY, bad=(1, 2)),
        NEW,
        NEW_BROKEN,
        UNTESTED,
        HANGS,
    ),
    metrics=(SLOWER, FASTER, OTHER, UNSETTLED, STEADY),
    messages=(MESSAGE,),
    not_run=LEFT,
    command=("harness", "gate", "--base", "v7.3", "--head", "my-branch", "--tree", "/home/me/linux"),
    started="2026-11-21T19:00:00.000+00:00",
    seconds=161.0,
    host="tcg; 2 machines at once on 2 cores",
    directory=RUNS,
    notes=("7.3.4 is configured without KVM",),
)
GOOD = replace(EVERYTHING, cells=(SAME,), metrics=(STEADY,), messages=(), not_run=(), notes=())
BROKEN_HEAD = replace(
    GOOD,
    head=replace(
        HEAD, problem="patch 2/2 does not apply: mm/memfd_luo.c: hunk 1 at line 120", build_id="", release=""
    ),
    cells=(),
    metrics=(),
)
NASTY_CELL = replace(
    REGRESSION,
    case=f"nasty/{NASTY}[fdbox]",
    source=Path(f"scenarios/nasty/{NASTY}.yaml"),
    summary=NASTY,
    head=tuple(
        replace(one, finding=NASTY, doing=NASTY, expected=NASTY, seen=NASTY, detail=(*KERNEL_SAYS, NASTY))
        for one in REGRESSION.head
    ),
)
NASTY_GATE = replace(
    EVERYTHING,
    base=replace(BASE, name=NASTY, subject=NASTY, source=NASTY),
    head=replace(HEAD, patches=(NASTY, "# not a heading", "* no item"), problem=NASTY),
    cells=(NASTY_CELL, SAME),
    metrics=(replace(SLOWER, name=NASTY, case=NASTY),),
    messages=(replace(MESSAGE, text=NASTY), replace(MESSAGE, text="```")),
    not_run=(NotRun(NASTY, Route.HEAD, NASTY),),
    command=("harness", NASTY),
    notes=(NASTY, "__init__ and *stars*"),
)
# What docs/gate.md shows.
EXAMPLE = replace(
    EVERYTHING,
    cells=(
        *(replace(SAME, case=f"memfd/case{n}[luo]") for n in range(21)),
        replace(
            REGRESSION,
            case="memfd/seals[luo]",
            source=Path("scenarios/memfd/seals.yaml"),
            summary="each seal survives a live update",
            carrier="luo",
            head=tuple(
                attempt(
                    Route.FORWARD,
                    Verdict.FAIL,
                    finding="the seals of 'ram' changed",
                    where="scenarios/memfd/seals.yaml:14:5",
                    doing="step 9: verify: {fd: ram}",
                    expected="SEAL, SHRINK, GROW",
                    seen="SEAL, SHRINK",
                    directory=RUNS / "memfd" / "seals[luo]" / "base-to-head.1",
                )
                for _ in range(4)
            ),
            base=tuple(
                attempt(Route.BASE, directory=RUNS / "memfd" / "seals[luo]" / f"base.{n}") for n in range(4)
            ),
        ),
    ),
    metrics=(replace(SLOWER, case="memfd/large_one_survives[luo,256M]"), STEADY),
    messages=(
        replace(
            MESSAGE,
            text="memfd_luo: unknown seals 0x8",
            case="memfd/seals[luo]",
            directory=RUNS / "memfd" / "seals[luo]" / "base-to-head.1",
        ),
    ),
    not_run=LEFT[:2],
    notes=(),
)
# Short enough for a golden file that says everything.
SMALL = replace(
    EXAMPLE,
    cells=(replace(EXAMPLE.cells[-1], base=EXAMPLE.cells[-1].base[:1], head=EXAMPLE.cells[-1].head[:1]),),
    metrics=(SLOWER,),
)
EVERY = {
    "example": EXAMPLE,
    "small": SMALL,
    "everything": EVERYTHING,
    "good": GOOD,
    "no head": BROKEN_HEAD,
    "nasty": NASTY_GATE,
    "slower": replace(GOOD, metrics=(SLOWER,)),
    "unsettled": replace(GOOD, metrics=(UNSETTLED,)),
    "hangs": replace(GOOD, cells=(HANGS, SAME)),
    "untested": replace(GOOD, cells=(UNTESTED, SAME)),
    "interrupted": replace(GOOD, interrupted=True),
    "in part": replace(GOOD, not_run=LEFT),
    "not all of it": replace(GOOD, not_run=LEFT[2:]),
    "nothing": replace(GOOD, cells=(), metrics=()),
    "nothing for these kernels": replace(GOOD, cells=(), metrics=(), not_run=LEFT[2:]),
    "a shard without anything for them": replace(GOOD, cells=(), metrics=(), not_run=LEFT[2:], shard=(2, 3)),
    "fixed": replace(GOOD, cells=(a_cell(State.FIXED, bad=(4, 0)),)),
}
