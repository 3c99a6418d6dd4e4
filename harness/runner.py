# SPDX-License-Identifier: GPL-2.0-only
"""One case from power-on to its outcome: the only entry for the command line, pytest and the gate."""

import json
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness import checks, drawing, identity, leaks, requirements
from harness.artifacts import Artifacts
from harness.boxactions import CreateBox
from harness.completeness import missing, unverified
from harness.errors import HarnessError, HostError, UsageError
from harness.events import Events
from harness.evidence import Evidence
from harness.fds import Fds, StepFailedError
from harness.generations import Generations
from harness.journal import Journal
from harness.judgement import hidden, judge, reasons
from harness.kinds import Carrier
from harness.plan import Plan
from harness.planfile import plan_to_json
from harness.prefix import Prefixes, Progress, Shared, recall, restore
from harness.provision import hardware, with_parameters
from harness.releases import within
from harness.result import Blame, Finding, Oracle, Outcome, Subject
from harness.scenario import Xfail
from harness.steps import Executor
from harness.timeline import marks, updates
from harness.vm.agent import AgentErrnoError
from harness.vm.loss import HOST_LOSSES, Limits, MachineLostError
from harness.vm.machine import Machine
from harness.vm.start import Login, Start, started
from harness.wording import step_title

# The outcome, in the folder of a run.
OUTCOME = "outcome.json"


def run(
    plan: Plan,
    artifacts: Artifacts,
    out: Path,
    at_end: Callable[[Machine], None] | None = None,
    journal: Journal | None = None,
    shared: Shared | None = None,
) -> Outcome:
    """Run a plan; everything about it is in the folder out, which must be empty or absent.

    at_end: called with the machine after the last step, failed or not, unless the machine is lost; journal:
    where the outcome is noted too; shared: what other cases do as well, so that it is done once.

    Raises UsageError when out has something in it, HarnessError when it cannot be written. Never raises for a
    fault of the kernel; any other fault of ours is an ERROR outcome too. Only what asks us to stop
    (KeyboardInterrupt) gets through; then QEMU is gone as well, and the outcome says so.
    """
    out = out.absolute()
    check_free(out)
    try:
        if journal:
            journal.started(plan.case, out)
        out.mkdir(parents=True, exist_ok=True)
        try:
            with (out / "plan.json").open("x", encoding="utf-8") as file:
                file.write(plan_to_json(plan))
        except FileExistsError as error:
            # Somebody else has begun just now.
            raise UsageError(f"{out} holds another run: name an empty folder, or none") from error
        with Events(out / "events.jsonl") as events:
            evidence = Evidence(events)
            try:
                events.emit("start", case=plan.case)
                _guarded(plan, artifacts, out, evidence, at_end, shared)
            except KeyboardInterrupt:
                stopped = ("the run was interrupted", "a run to its end", "it was asked to stop")
                evidence.find(Oracle.MACHINE, *stopped, blame=Blame.HARNESS)
                _conclude(plan, artifacts, out, evidence, journal)
                raise
            return _conclude(plan, artifacts, out, evidence, journal)
    except OSError as error:
        raise HostError(f"cannot keep the records of this run in {out}: {error.strerror}") from error


def check_free(out: Path) -> None:
    """Raises UsageError when a run cannot have the folder out for its records: it is in use, or no folder."""
    try:
        used = any(out.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{out} cannot be a folder for records: {error.strerror}") from error
    if used:
        raise UsageError(f"{out} holds another run: name an empty folder, or none")


def check_writable(folder: Path) -> None:
    """Make a folder for run directories. Raises UsageError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f"{folder} cannot be a folder for records: {error.strerror}") from error


def _guarded(
    plan: Plan,
    artifacts: Artifacts,
    out: Path,
    evidence: Evidence,
    at_end: Callable[[Machine], None] | None,
    shared: Shared | None,
) -> None:
    """Run the plan; what goes wrong on our side is a finding."""
    try:
        absent(plan, artifacts, evidence)
        if not evidence.findings:
            _run(plan, artifacts, out, evidence, at_end, shared)
    except (HarnessError, AgentErrnoError, OSError) as error:
        evidence.find(Oracle.MACHINE, str(error), "a test", "no test", blame=Blame.HARNESS)
    except Exception as error:  # noqa: BLE001
        # A mistake of ours must not pass for a kernel's fault.
        detail = tuple(traceback.format_exc().splitlines())
        what = f"a mistake in the harness itself: {error!r}"
        evidence.find(Oracle.MACHINE, what, "a test", "no test", blame=Blame.HARNESS, detail=detail)


def _conclude(
    plan: Plan, artifacts: Artifacts, out: Path, evidence: Evidence, journal: Journal | None
) -> Outcome:
    """Judge what was found, and keep it."""
    missing(plan, evidence)
    events, bugs = evidence.events, known_bugs(plan, artifacts)
    for bug in hidden(evidence.findings, bugs, plan.steps, events.entries):
        what = f"no evidence: another known bug ended the run before this one could show: {bug.reason}"
        evidence.find(Oracle.EVIDENCE, what, "a run to its last step", "an earlier end", blame=Blame.HARNESS)
    findings = tuple(evidence.findings)
    verdict = judge(findings, bugs)
    outcome = Outcome(
        **vars(subject(plan)),
        verdict=verdict,
        findings=tuple(placed(finding, plan) for finding in findings),
        proofs=tuple(evidence.proofs),
        timeline=marks(events.entries),
        updates=updates(events.entries),
        seconds=events.now() - events.elsewhere,
        setting=(
            *artifacts.describe(plan).items(),
            *((("shared", evidence.shared),) if evidence.shared else ()),
        ),
        directory=out,
        known=reasons(verdict, findings, bugs),
        numbers=tuple(evidence.numbers),
    )
    events.emit("verdict", verdict=outcome.verdict)
    text = json.dumps(outcome.to_json(), indent=2, default=str) + "\n"
    (out / OUTCOME).write_text(text, encoding="utf-8")
    if outcome.updates:
        (out / drawing.NAME).write_text(drawing.svg(outcome), encoding="utf-8")
    if journal:
        journal.ended(outcome)
    return outcome


def known_bugs(plan: Plan, artifacts: Artifacts) -> tuple[Xfail, ...]:
    """What the kernels of this run are known to do wrong."""
    releases = [artifacts.kernels[name].release for name in (plan.kernel, *plan.next_kernels)]
    return tuple(
        bug for bug in plan.xfail if any(within(one, span) for one in releases for span in bug.kernels)
    )


def subject(plan: Plan) -> Subject:
    """What is known of a plan's case before it runs."""
    return Subject(plan.case, plan.source, plan.summary, plan.tags, str(plan.carrier))


def placed(finding: Finding, plan: Plan) -> Finding:
    """A finding with the place of its step, and the step in words."""
    step = next((step for step in plan.steps if step.number == finding.step), None)
    return replace(finding, where=str(step.where), doing=step_title(step)) if step else finding


def _run(
    plan: Plan,
    artifacts: Artifacts,
    out: Path,
    evidence: Evidence,
    at_end: Callable[[Machine], None] | None,
    shared: Shared | None,
) -> None:
    plan = with_parameters(plan, artifacts.accel.parameters)
    slowest = max(artifacts.kernels[name].slowness for name in (plan.kernel, *plan.next_kernels))
    limits = Limits().scaled(artifacts.accel.slowness * slowest)
    guest = artifacts.guest
    login = Login(guest.ssh_key, guest.host_key)
    snapshots = None if plan.cold else artifacts.snapshots
    made = hardware(plan, artifacts)
    prefixes = Prefixes(snapshots, made, plan, shared) if snapshots and shared else None
    places = prefixes.places() if prefixes else ()
    with started(Start(made, out, evidence.events, limits, login, snapshots, places)) as machine:
        try:
            _play(plan, artifacts, machine, out, evidence, at_end, prefixes)
        except MachineLostError as error:
            evidence.generation = error.generation
            lost(error, machine, evidence)
        finally:
            _keep_logs(plan, machine, out, evidence)


def _keep_logs(plan: Plan, machine: Machine, out: Path, evidence: Evidence) -> None:
    """Keep what each generation said on the console, and judge it."""
    evidence.step = None
    machine.console.poll()
    for generation in range(machine.console.generation + 1):
        lines = machine.console.text(generation)
        console = out / f"console.{generation}.log"
        console.write_text("\n".join(lines) + "\n", encoding="utf-8")
        dmesg = checks.dmesg_file(out, generation)
        text = dmesg.read_text(encoding="utf-8") if dmesg.exists() else ""
        checks.log(machine, generation, text, plan.dmesg, evidence)


def _play(
    plan: Plan,
    artifacts: Artifacts,
    machine: Machine,
    out: Path,
    evidence: Evidence,
    at_end: Callable[[Machine], None] | None,
    prefixes: Prefixes | None,
) -> None:
    guest = artifacts.guest
    hello = machine.boot(guest.ssh_key, guest.host_key)
    if hello["version"] != guest.agent_version:
        raise HarnessError(
            f"the guest's agent has version {hello['version']}, the host expects {guest.agent_version}: "
            "the guest image is stale, run 'harness build'"
        )
    known = machine.known if isinstance(machine.known, Progress) else None
    if known:
        recall(known, evidence, out)
    now = known.identity if known else _identified(plan, artifacts, machine, hello, evidence)
    fds = Fds(plan.carrier, machine, evidence, checks.Outside())
    generations = Generations(
        plan, artifacts.kernels, artifacts.loads, machine, evidence, out, fds, now, plan.kernel
    )
    executor = Executor(plan, machine, evidence, fds, generations)
    if known:
        restore(known, executor)
        baseline = known.baseline
    else:
        fds.outside.learn_scratch(machine)
        baseline = leaks.take(machine, generations.kernel, shrink=False)
    try:
        done, todo = plan.split(known.step if known else 0)
        if known:
            executor.arrive(done[-1], hello)
        for step in todo:
            if prefixes:
                prefixes.leave_at(step, executor, baseline)
            executor.step(step)
        generations.settle_armed()
    except StepFailedError:
        evidence.events.emit("stopped", step=evidence.step)
    evidence.step = None
    why = "somebody has the machine at the end" if at_end else plan.keeps
    if why:
        evidence.prove(Oracle.LEAKS, f"not looked for: {why}")
    elif not evidence.findings:
        given_back(plan, executor, baseline)
    checks.look_for_leaks(machine, evidence)
    checks.log_is_whole(machine, evidence, out)
    unverified([*fds.unseen, *fds.open.values()], evidence)
    if at_end:
        at_end(machine)


def _identified(
    plan: Plan, artifacts: Artifacts, machine: Machine, hello: dict[str, object], evidence: Evidence
) -> identity.Identity:
    """The first kernel, which has the modules that it should and is the one that was built."""
    now, missing = checks.who(machine, hello, artifacts.loads(plan.kernel, plan.cmdline))
    for module, said in missing:
        raise HarnessError(f"module {module} did not load: {' / '.join(said) or 'init never tried'}")
    how = "cold boot" if machine.hello is None else "snapshot of a cold boot"
    text = f"{how} of {now.release}, build id {now.build_id[:12]} as built"
    checks.identify(identity.check_cold(now, artifacts.kernels[plan.kernel].build_id), text, evidence)
    return now


def given_back(plan: Plan, executor: Executor, baseline: leaks.Memory) -> None:
    """Oracle 4: let go of everything, and see that all memory is back, as far as that can be compared."""
    machine, evidence = executor.machine, executor.evidence
    names = (step.action.box for step in plan.steps if isinstance(step.action, CreateBox))
    if not leaks.let_go(machine, dict.fromkeys(names) if plan.carrier is Carrier.LUO else (), evidence):
        return
    if executor.generations.running != plan.kernel:
        evidence.prove(Oracle.LEAKS, "everything was let go of; another kernel's memory is not compared")
        return

    def look(shrink: bool) -> leaks.Memory:
        return leaks.take(machine, executor.generations.kernel, shrink)

    leaks.check(baseline, leaks.settled(baseline, look), evidence)


def absent(plan: Plan, artifacts: Artifacts, evidence: Evidence) -> None:
    """Find what the plan requires and what is not there."""
    for expected, seen in requirements.unmet(plan, artifacts):
        what = f"requires {expected}"
        evidence.find(Oracle.REQUIREMENT, what, expected, seen, blame=Blame.NOBODY)


def lost(error: MachineLostError, machine: Machine, evidence: Evidence) -> None:
    """The finding for a lost machine: the kernel's, unless the host did it or the kernel never came up."""
    evidence.events.emit("lost", loss=error.loss, text=f"{error}")
    ours = error.loss in HOST_LOSSES
    what = "the machine was lost" if error.booted or ours else "the kernel does not boot"
    evidence.find(
        Oracle.MACHINE,
        f"{what}: {error.loss}",
        error.expected,
        str(error),
        blame=Blame.HARNESS if ours or not error.booted else Blame.KERNEL,
        detail=tuple(machine.console.tail(error.generation)),
    )
