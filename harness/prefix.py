# SPDX-License-Identifier: GPL-2.0-only
"""Cases of a scenario that begin with the same steps: what they have in common is run once.

Where the last kexec that they have in common arrives, the first case to get there leaves its machine, saved
when the kernel is ready and before anybody has spoken to it, with all that the host knows of the run. The
others of the session go on from there: what was done before is their evidence too, what comes after, from
the identity of that kernel on, each does by itself. After a step that failed nothing is left.
"""

import contextlib
import functools
import itertools
import pickle
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import leaks
from harness.actions import Step
from harness.build.store import Store
from harness.commandactions import Qmp
from harness.evidence import Evidence
from harness.identity import Identity
from harness.outside import Range
from harness.plan import Plan
from harness.planfile import plan_to_json
from harness.record import Record
from harness.result import Number, Proof
from harness.scenario import Requires
from harness.steps import Executor
from harness.vm import snapshot, start
from harness.vm.qemu import Hardware
from harness.vm.snapshot import KNOWN, SnapshotError, Snapshots
from harness.vm.talk import goes_on

# What the oracles have read by then, in the folder of a run.
LOGS = ("dmesg.*.log", "selftest.*.log")


@dataclass(frozen=True)
class Progress:
    """What the host knows of a run in the middle of a jump: the next kernel is ready, nobody has looked."""

    case: str
    # The step that jumped.
    step: int
    # The run's clock, and what has happened by then.
    seconds: float
    entries: tuple[dict[str, object], ...]
    proofs: tuple[Proof, ...]
    numbers: tuple[Number, ...]
    boxed: Mapping[tuple[str, str], Record]
    # How many times a file was opened.
    opens: int
    # Fds that were never looked at, and are gone.
    unseen: Sequence[Record]
    scratch: tuple[Range, ...]
    # The kernel that was left, and the step that loaded the next one.
    identity: Identity
    running: str | None
    loaded: int | None
    # What memory is compared with, in the scenario and at the end.
    memory: leaks.Memory | None
    baseline: leaks.Memory
    logs: Mapping[str, str]


@dataclass(frozen=True)
class Shared:
    """What a case shares with others of its session: all up to each of these steps; see shared()."""

    session: str
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Prefixes:
    """Where a case's machine is left on the way, and where it may be found."""

    snapshots: Snapshots
    hardware: Hardware
    plan: Plan
    shared: Shared

    def places(self) -> tuple[Snapshots, ...]:
        """All of them, the last first."""
        return tuple(map(self.place, sorted(self.shared.steps, reverse=True)))

    def place(self, step: int) -> Snapshots:
        """The place for machines on which everything up to a step was done, as it is done here."""
        return self.snapshots.after(self.shared.session, plan_to_json(prefix(self.plan, step)))

    def leave_at(self, step: Step, executor: Executor, baseline: leaks.Memory) -> None:
        """Have the machine left when the kernel is ready into which a step jumps, if that is shared."""
        if step.number in self.shared.steps:
            executor.machine.at_ready = functools.partial(_leave, self, executor, step, baseline)


def shared(plans: Sequence[Plan]) -> Mapping[str, tuple[int, ...]]:
    """By case the steps after which another one goes on from the same state: the last jump that two have in
    common. Those without are not in it."""
    found: dict[str, set[int]] = defaultdict(set)
    groups = defaultdict(list)
    for one in plans:
        if one.cold is None:
            groups[one.source].append(one)
    for group in groups.values():
        for one, other in itertools.combinations(group, 2):
            if step := last_jump(one, other):
                found[one.case].add(step)
                found[other.case].add(step)
    return {case: tuple(sorted(steps)) for case, steps in found.items()}


def last_jump(one: Plan, other: Plan) -> int | None:
    """The number of the last jump up to which two plans are the same.

    Nothing is broken while it is done, and before it nothing has ended the machine, which would have made
    the console's kernels others than those that it shows.
    """
    last = None
    for mine, others in zip(one.steps, other.steps, strict=False):
        # What QEMU was told is not saved with the machine.
        if mine != others or mine.restarts or isinstance(mine.action, Qmp):
            break
        if mine.jumps and mine.fault is None:
            last = mine.number
    return last if last and prefix(one, last) == prefix(other, last) else None


@contextlib.contextmanager
def forgotten(store: Store, session: str) -> Iterator[None]:
    """When the context ends, no machine of the session is left: the next one finds out everything anew.

    What sessions left that were killed goes when it begins: each holds a lock while it lives.
    """
    with store.lock(snapshot.session_lock(session)):
        snapshot.forget_dead(store)
        try:
            yield
        finally:
            snapshot.forget(store, session)


def prefix(plan: Plan, step: int) -> Plan:
    """Of a plan what decides what happens up to a step, and nothing else."""
    return replace(
        plan,
        case="",
        summary="",
        tags=(),
        requires=Requires(),
        dmesg=(),
        xfail=(),
        keeps=None,
        steps=tuple(one for one in plan.steps if one.number <= step),
        jumps=tuple(one for one in plan.jumps if one.step <= step),
    )


def _leave(prefixes: Prefixes, executor: Executor, step: Step, baseline: leaks.Memory) -> bool:
    machine, evidence = executor.machine, executor.evidence
    if evidence.findings or executor.generations.armed or not machine.ram:
        return goes_on()

    def beside() -> dict[str, bytes]:
        try:
            return {KNOWN: pickle.dumps(progress(executor, step, baseline))}
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise SnapshotError(f"what the host knows cannot be written: {error}") from error

    return start.save(machine, prefixes.hardware, evidence.events, prefixes.place(step.number), beside)


def progress(executor: Executor, step: Step, baseline: leaks.Memory) -> Progress:
    """What the host knows now, in the middle of a step that jumps."""
    evidence, fds, generations = executor.evidence, executor.fds, executor.generations
    # The first entry names the case.
    return Progress(
        case=executor.plan.case,
        step=step.number,
        seconds=evidence.events.now(),
        entries=tuple(evidence.events.entries[1:]),
        proofs=tuple(evidence.proofs),
        numbers=tuple(evidence.numbers),
        boxed=fds.boxed,
        opens=fds.opens,
        unseen=(*fds.unseen, *fds.missed(fds.open)),
        scratch=tuple(fds.outside.scratch),
        identity=generations.now,
        running=generations.running,
        loaded=generations.loaded,
        memory=executor.memory,
        baseline=baseline,
        logs={path.name: path.read_text() for name in LOGS for path in generations.out.glob(name)},
    )


def recall(known: Progress, evidence: Evidence, out: Path) -> None:
    """Make what was found out before this run's own."""
    events = evidence.events
    # The last one: others are of machines that could not be used.
    *_, resumed = (float(str(entry["t"])) for entry in events.entries if entry["event"] == "resumed")
    events.follow(known.entries, known.seconds - resumed)
    evidence.proofs[:], evidence.numbers[:] = known.proofs, known.numbers
    evidence.shared = f"steps 1 to {known.step}, as done by {known.case}"
    events.emit("shared", step=known.step, case=known.case)
    for name, text in known.logs.items():
        (out / name).write_text(text, encoding="utf-8")


def restore(known: Progress, executor: Executor) -> None:
    """Let the host know what it knew."""
    executor.memory = known.memory
    executor.generations.running, executor.generations.loaded = known.running, known.loaded
    executor.fds.boxed, executor.fds.opens = dict(known.boxed), known.opens
    executor.fds.unseen = list(known.unseen)
    executor.fds.outside.scratch = list(known.scratch)
