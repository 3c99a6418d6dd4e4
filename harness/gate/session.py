# SPDX-License-Identifier: GPL-2.0-only
"""One gate from two built sides to its answer; what it has done is in its run folder, so it can go on there.

<folder>/results.jsonl          every attempt with its outcome, as it ends: what a resumed gate goes by
<folder>/<case>/<route>.<n>/    a run directory for each attempt
<folder>/gate.json              the answer; without it, or interrupted, there is something to go on with
"""

import contextlib
import datetime
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness import digest
from harness.artifacts import Artifacts, needs_selftests, obtain_for
from harness.build.kernel import Kernel
from harness.build.spec import KernelSpec
from harness.build.store import Store
from harness.deadline import Deadline
from harness.errors import HarnessError, UsageError
from harness.gate import cells, compare, order, sides
from harness.gate.attempts import attempt, parse_name
from harness.gate.cells import Attempt, Gate, NotRun, Route
from harness.gate.order import Next
from harness.gate.routes import BASE, HEAD, on_route, own_kernels, routes
from harness.gate.sides import Made
from harness.journal import Journal
from harness.plan import Case, Plan
from harness.planfile import plan_to_json
from harness.pool import Pool
from harness.progress import say
from harness.publish import write_whole
from harness.result import Blame, Finding, Oracle, Outcome
from harness.runner import check_writable, run, subject
from harness.slots import place
from harness.verdict import Verdict

# What was interrupted longer ago is begun anew: the base is measured on the same day as the head.
RESUME_SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class Job:
    """One attempt to be made."""

    next: Next
    plan: Plan
    made: Artifacts
    out: Path
    store: Store
    journal: Journal


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
    # Seconds of former runs of this gate.
    before: float = 0.0

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

    def note(self, one: Next, outcome: Outcome) -> None:
        """Take an outcome in."""
        self.attempts.setdefault((one.case.id, one.route), []).append(
            attempt(outcome, one.route, self.releases)
        )


def key(made: Sequence[Made], plans: Iterable[Plan]) -> str:
    """What tells one gate from another: both sides as built, and what is run on them."""
    parts = [f"{one.side.build_id} {one.side.modules}" for one in made]
    parts += [plan_to_json(plan) for plan in plans]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def choose_folder(runs: Path, mark: str) -> Path:
    """The folder of the last gate of this key that was interrupted not long ago; or a new one."""
    for folder in sorted(runs.glob(f"*-gate-{mark}"), reverse=True):
        recent = folder.stat().st_mtime > time.time() - RESUME_SECONDS
        if recent and (not (folder / cells.NAME).exists() or cells.read(folder).interrupted):
            return folder
    return runs / f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-gate-{mark}"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Have a run folder to oneself. Raises UsageError when another gate is at work in it."""
    check_writable(folder)
    try:
        with FileLock(folder / "lock").acquire(timeout=0):
            yield
    except Timeout as error:
        raise UsageError(f"another gate with the same arguments is at work in {folder}") from error


def gate(
    session: Session, command: Sequence[str], left_out: Sequence[NotRun], shard: tuple[int, int]
) -> Gate:
    """Run until all is settled, the budget ends, or somebody stops us; the answer is in the folder too."""
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    began, interrupted = time.monotonic(), False
    resume(session)
    try:
        work(session, command)
    except KeyboardInterrupt:
        interrupted = True
    found = conclude(session, left_out)
    found = replace(
        found,
        command=tuple(command),
        started=started,
        seconds=session.before + time.monotonic() - began,
        shard=shard,
        interrupted=interrupted,
    )
    return keep(found, session.folder)


def keep(found: Gate, folder: Path) -> Gate:
    """Write the answer into its folder."""
    check_writable(folder)
    found = replace(found, directory=folder)
    write_whole(folder / cells.NAME, cells.dump(found))
    return found


def resume(session: Session) -> None:
    """Take in what an interrupted gate has done here: what could not be tested then is tried again."""
    with contextlib.suppress(UsageError):
        session.before = cells.read(session.folder).seconds
    try:
        done = digest.read(session.folder).outcomes
    except UsageError:
        return
    known = {case.id: case for case in session.cases}
    count = 0
    for outcome in done:
        named = parse_name(outcome.case)
        if named and named[0] in known and outcome.verdict is not Verdict.ERROR:
            session.note(Next(known[named[0]], named[1]), outcome)
            count += 1
    if count:
        say(f"going on with {session.folder}: {count} attempts are there already")


def work(session: Session, command: Sequence[str]) -> None:
    """Make attempts until nothing is open."""
    journal = Journal(session.folder, f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}")
    journal.begin(command, [])
    pool: Pool[Job, Outcome] = Pool(run_job, session.jobs)
    while todo := order.batch(session.cases, session.attempts, session.repeat, session.jobs):
        if session.limit and session.limit.expired:
            return
        jobs = [job(session, one, journal) for one in todo]
        with contextlib.closing(pool.results(jobs)) as results:
            for done, result in results:
                outcome = result if isinstance(result, Outcome) else lost(done, result)
                session.note(done.next, outcome)
                say(f"{outcome.verdict} {done.plan.case} ({outcome.seconds:.1f} s)")


def job(session: Session, one: Next, journal: Journal) -> Job:
    """An attempt with all that it needs; everything on one image, so that only the kernels differ."""
    plan = session.plan(one)
    tests = needs_selftests(plan)
    if tests not in session.artifacts:
        session.artifacts[tests] = both(session, tests)
    made = session.artifacts[tests]
    return Job(one, plan, made, free(session.folder / one.case.id, one.route), session.store, journal)


def both(session: Session, tests: bool) -> Artifacts:
    """Base and head, each with its own modules, in one guest image."""
    made = {BASE: session.base, HEAD: session.head}
    kernels: dict[str | None, Kernel] = {name: one.kernel for name, one in made.items() if one.kernel}
    kmod: dict[str | None, Path] = {name: one.kmod for name, one in made.items()}
    return obtain_for(session.store, kernels, BASE, tests, kmod)


def free(folder: Path, route: Route) -> Path:
    """The first run directory of a route that nobody has used."""
    name = route.name.lower()
    return next(path for n in range(1, 10_000) if not (path := folder / f"{name}.{n}").exists())


def run_job(one: Job) -> Outcome:
    """Make an attempt, in a worker, when there is a place for its machine."""
    with place(one.store, one.plan.machine.memory):
        return run(one.plan, one.made, one.out, journal=one.journal)


def lost(one: Job, error: HarnessError) -> Outcome:
    """The outcome of an attempt whose worker died."""
    what = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, str(error), "a test", "no test")
    outcome = digest.not_run(subject(one.plan), what, one.out)
    one.journal.ended(outcome)
    return outcome


def conclude(session: Session, left_out: Sequence[NotRun]) -> Gate:
    """The answer, as far as it is known."""
    found, numbers, missing = [], [], list(left_out)
    for case in session.cases:
        base = session.attempts.get((case.id, Route.BASE), [])
        for route in routes(case):
            head = session.attempts.get((case.id, route), [])
            if route is Route.BASE:
                continue
            if reason := why_not(base, head):
                missing.append(NotRun(case.id, route, reason))
                continue
            about = replace(subject(on_route(case, route, session.specs)), case=case.id)
            found.append(compare.cell(about, route, base, head))
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
        not_run=tuple(missing),
        notes=tuple(sides.notes((session.base, session.head))),
    )


def why_not(base: Sequence[Attempt], head: Sequence[Attempt]) -> str:
    """Why a case was not run on a route; empty: it was."""
    if not base or not head:
        return "the budget ended before"
    if all(one.verdict is Verdict.SKIP for one in (*base, *head)):
        return base[0].finding
    return ""


def without(cases: Iterable[Case]) -> tuple[list[Case], list[NotRun]]:
    """The cases that can be run on base and head, and those that are about kernels of their own."""
    ours, other = [], []
    for case in cases:
        if named := own_kernels(case):
            other.append(NotRun(case.id, Route.HEAD, f"it names its kernels itself: {', '.join(named)}"))
        else:
            ours.append(case)
    return ours, other
