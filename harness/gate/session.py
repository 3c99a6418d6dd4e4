# SPDX-License-Identifier: GPL-2.0-only
"""One gate from two built sides to its answer."""

import contextlib
import datetime
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import digest, shard
from harness.artifacts import Artifacts, obtain_for
from harness.build.kernel import Kernel
from harness.build.spec import KernelSpec
from harness.build.store import Store
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.gate import compare, folder, order, sides
from harness.gate.answers import Gate
from harness.gate.attempts import attempt
from harness.gate.cells import Attempt, NotRun, Route
from harness.gate.order import Next
from harness.gate.routes import BASE, HEAD, on_route, own_kernels, routes
from harness.gate.sides import Made
from harness.journal import Journal
from harness.plan import Case, Plan
from harness.pool import Pool
from harness.progress import duration, say
from harness.provision import needs_selftests
from harness.result import Blame, Finding, Oracle, Outcome
from harness.runner import run, subject
from harness.slots import WAIT_SECONDS, place
from harness.verdict import Verdict

# Seconds that an attempt waits for its place, also where the budget has ended meanwhile.
LEAST_WAIT = 60.0


@dataclass(frozen=True)
class Job:
    """One attempt to be made."""

    next: Next
    plan: Plan
    made: Artifacts
    out: Path
    store: Store
    journal: Journal
    limit: Deadline | None


@dataclass
class Session:
    """What a gate knows while it goes."""

    store: Store
    base: Made
    head: Made
    cases: Sequence[Case]
    folder: Path
    jobs: int
    repeat: int
    limit: Deadline | None
    attempts: dict[tuple[str, Route], list[Attempt]] = field(default_factory=dict)
    artifacts: dict[bool, Artifacts] = field(default_factory=dict)
    # Seconds that the attempts took, and that they were expected to take.
    taken: float = 0.0
    expected: float = 0.0

    @property
    def specs(self) -> Mapping[str | None, KernelSpec]:
        """What the sides are configured like."""
        return {BASE: self.base.spec, HEAD: self.head.spec}

    @property
    def releases(self) -> tuple[str, ...]:
        """What the kernels are called."""
        return (self.base.side.release, self.head.side.release)

    def plan(self, one: Next) -> Plan:
        """The plan of an attempt."""
        return on_route(one.case, one.route, self.specs)

    def in_time(self, turn: Sequence[Next]) -> bool:
        """Whether a turn that begins now is going to end within the budget, by how fast this host is."""
        if self.limit is None:
            return True
        pace = self.taken / self.expected if self.expected else 1.0
        each = [pace * shard.expected(self.plan(one)) for one in turn]
        return order.together(each, self.jobs) <= self.limit.remaining

    def note(self, one: Next, outcome: Outcome) -> None:
        """Take an outcome in."""
        if outcome.seconds:
            self.taken += outcome.seconds
            self.expected += shard.expected(self.plan(one))
        self.attempts.setdefault((one.case.id, one.route), []).append(
            attempt(outcome, one.route, self.releases)
        )


def gate(
    session: Session,
    command: Sequence[str],
    left_out: Sequence[NotRun],
    part: tuple[int, int] = (1, 1),
    whole: str = "",
) -> Gate:
    """Run until all is settled, the budget ends, or somebody stops us; the answer is in the folder too.

    part and whole: see Gate.
    """
    started = now()
    began, interrupted = time.monotonic(), False
    before = folder.seconds(session.folder)
    resume(session)
    try:
        work(session, command)
    except KeyboardInterrupt:
        interrupted = True
    found = conclude(session, left_out, interrupted)
    more = any(order.turns(session.cases, session.attempts, session.repeat))
    seconds = before + time.monotonic() - began
    found = replace(found, command=tuple(command), started=started, seconds=seconds)
    found = replace(found, shard=part, whole=whole, unfinished=more, host=host(session))
    return folder.keep(found, session.folder)


def now() -> str:
    """The time, as an answer has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def host(session: Session) -> str:
    """What ran the attempts; empty when there was none, but in an earlier part of this gate."""
    names = {one.accel.name for one in session.artifacts.values()}
    machines = f"{session.jobs} machine{'s' * (session.jobs > 1)} at once on {os.cpu_count()} cores"
    return f"{', '.join(sorted(names))}; {machines}" if names else ""


def resume(session: Session) -> None:
    """Take in what an interrupted gate has done."""
    done = folder.done(session.folder, session.cases)
    for one, outcome in done:
        session.note(one, outcome)
    if done:
        say(f"going on with {session.folder}: {len(done)} attempts are there already")


def work(session: Session, command: Sequence[str]) -> None:
    """Make attempts until nothing is open, or there is no time for what is."""
    journal = Journal(session.folder, f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}")
    journal.begin(command, [])
    waiting: list[Next] = []
    busy: Counter[str] = Counter()

    def pull() -> Job | None:
        if not waiting:
            waiting.extend(next_turn(session, busy))
            busy.update(one.case.id for one in waiting)
        return job(session, waiting.pop(0), journal) if waiting else None

    pool: Pool[Job, Outcome] = Pool(run_job, session.jobs)
    with contextlib.closing(pool.feed(pull)) as results:
        for done, result in results:
            outcome = result if isinstance(result, Outcome) else lost(done, result)
            session.note(done.next, outcome)
            busy[done.next.case.id] -= 1
            say(f"{outcome.verdict} {done.plan.case} ({outcome.seconds:.1f} s)")


def next_turn(session: Session, busy: Mapping[str, int]) -> list[Next]:
    """What is run next: the turn of the most telling case that has one, for which there is time.

    A case whose last turn has not ended waits for it.
    """
    idle = [case for case in session.cases if not busy.get(case.id)]
    turns = order.turns(idle, session.attempts, session.repeat)
    return next((turn for turn in turns if session.in_time(turn)), [])


def job(session: Session, one: Next, journal: Journal) -> Job:
    """An attempt with all that it needs; everything on one image, so that only the kernels differ."""
    plan = session.plan(one)
    tests = needs_selftests(plan)
    if tests not in session.artifacts:
        session.artifacts[tests] = both(session, tests)
    made = replace(session.artifacts[tests], snapshots=None) if one.cold else session.artifacts[tests]
    out = folder.free(session.folder, one.case.id, one.route)
    return Job(one, plan, made, out, session.store, journal, session.limit)


def both(session: Session, tests: bool) -> Artifacts:
    """Base and head, each with its own modules, in one guest image."""
    made = {BASE: session.base, HEAD: session.head}
    kernels: dict[str | None, Kernel] = {name: one.kernel for name, one in made.items() if one.kernel}
    kmod: dict[str | None, Path] = {name: one.kmod for name, one in made.items()}
    return obtain_for(session.store, kernels, BASE, tests, kmod)


def run_job(one: Job) -> Outcome:
    """Make an attempt, in a worker, when there is a place for its machine."""
    # A turn that has begun is brought to its end.
    patience = max(one.limit.remaining, LEAST_WAIT) if one.limit else WAIT_SECONDS
    with place(one.store, one.plan.machine.memory, patience):
        return run(one.plan, one.made, one.out, journal=one.journal)


def lost(one: Job, error: HarnessError) -> Outcome:
    """The outcome of an attempt whose worker died."""
    what = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, str(error), "a test", "no test")
    outcome = digest.not_run(subject(one.plan), what, one.out.absolute())
    one.journal.ended(outcome)
    return outcome


def conclude(session: Session, left_out: Sequence[NotRun], interrupted: bool = False) -> Gate:
    """The answer, as far as it is known."""
    found, numbers, not_run = [], [], list(left_out)
    early = "it was interrupted before"
    if session.limit and not interrupted:
        early = f"the budget of {duration(session.limit.seconds)} had no time for it"
    for case in session.cases:
        base = session.attempts.get((case.id, Route.BASE), [])
        for route in routes(case):
            head = session.attempts.get((case.id, route), [])
            if route is Route.BASE:
                continue
            if not base or not head:
                not_run.append(NotRun(case.id, route, early, missing=True))
                continue
            if all(one.verdict is Verdict.SKIP for one in (*base, *head)):
                not_run.append(NotRun(case.id, route, base[0].finding))
                continue
            about = replace(subject(on_route(case, route, session.specs)), case=case.id)
            found.append(compare.cell(about, route, base, head, session.repeat))
            numbers += compare.metrics(case.id, route, base, head)
    by_case: dict[str, list[Attempt]] = {}
    for (name, _), several in session.attempts.items():
        by_case.setdefault(name, []).extend(several)
    return Gate(
        base=session.base.side,
        head=session.head.side,
        cells=tuple(found),
        metrics=tuple(numbers),
        messages=tuple(compare.messages(by_case)),
        not_run=tuple(not_run),
        notes=tuple(sides.notes((session.base, session.head))),
        interrupted=interrupted,
    )


def without(cases: Iterable[Case]) -> tuple[list[Case], list[NotRun]]:
    """The cases that can be run on base and head, and those that are about kernels of their own."""
    ours, other = [], []
    for case in cases:
        if named := own_kernels(case):
            other.append(NotRun(case.id, Route.HEAD, f"it names its kernels itself: {', '.join(named)}"))
        else:
            ours.append(case)
    return ours, other
