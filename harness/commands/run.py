# SPDX-License-Identifier: GPL-2.0-only
"""harness run."""

import argparse
import contextlib
import datetime
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import prefix, provision, report, shard, workload
from harness.artifacts import Artifacts
from harness.build.store import default_store
from harness.cases import plans
from harness.commands.selection import add_cold, add_kernel, add_scenarios, add_tags
from harness.digest import is_green, not_run
from harness.errors import HarnessError
from harness.journal import Journal, run_folder
from harness.plan import Plan
from harness.pool import Pool
from harness.prefix import Shared
from harness.progress import Output, stage
from harness.result import Blame, Finding, Oracle, Outcome
from harness.runner import check_free, check_writable, run, subject
from harness.slots import place
from harness.verdict import Verdict, exit_code


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_kernel(parser)
    add_cold(parser)
    add_tags(parser)
    add_scenarios(parser)
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        help="cases at once (default: as many as cores and memory allow; more than that wait for each other)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the run directories (default: in the store)"
    )
    parser.add_argument(
        "--shard", metavar="I/N", default="1/1", help="the I-th of N parts of the cases, all equally long"
    )


@dataclass(frozen=True)
class Job:
    """A plan with what it runs on and where."""

    plan: Plan
    made: Artifacts
    out: Path
    journal: Journal
    shared: Shared | None


def command(options: argparse.Namespace) -> int:
    """Run all cases, several at once."""
    store = default_store()
    todo, part = _shard(options)
    folder = options.out or run_folder(store.root, "run")
    for one in todo:
        check_free(folder / one.case)
    if options.out:
        check_writable(options.out)
    # Looked up once for all cases on the same kernels.
    apart = {provision.needs(one): one for one in todo}
    made = {key: provision.obtain(one, store, options.tree, options.cold) for key, one in apart.items()}
    journal = Journal(folder, f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}")
    journal.begin(sys.argv, map(subject, todo), part)
    at_once = options.jobs
    if at_once is None:
        at_once = workload.workers(todo, workload.cores(), workload.available())
    order = workload.longest_first(todo) if at_once > 1 else todo
    points = prefix.shared(todo)
    shared = {case: Shared(journal.session, steps) for case, steps in points.items()}
    jobs = [
        Job(one, made[provision.needs(one)], folder / one.case, journal, shared.get(one.case))
        for one in order
    ]
    console = Output(highlight=False, soft_wrap=True)
    verdicts: list[Verdict] = []
    pool: Pool[Job, Outcome] = Pool(_run_job, max(1, at_once))
    with (
        stage(f"running {len(jobs)} cases", total=len(jobs), console=console) as progress,
        prefix.forgotten(store, journal.session),
        contextlib.closing(pool.results(jobs)) as results,
    ):
        for job, result in results:
            progress.advance()
            outcome = result if isinstance(result, Outcome) else _lost(job, result)
            verdicts.append(outcome.verdict)
            _print(console, outcome, brief=len(jobs) > report.FEW)
    count = ", ".join(f"{verdicts.count(v)} {v}" for v in Verdict if v in verdicts)
    console.print(f"{count} of {len(jobs)} cases; results: {journal.path}", markup=False)
    return exit_code(verdicts, part is not None)


def _shard(options: argparse.Namespace) -> tuple[list[Plan], Mapping[str, object] | None]:
    """The plans to be run, and if these are not all, what the shard notes about itself."""
    ours = shard.parse(options.shard)
    every = plans(options.files, options.kernel, options.tag)
    if ours.count == 1:
        return every, None
    numbers = shard.split([(one.case, shard.expected(one)) for one in every], ours.count)
    key = shard.whole([(one.case, f"{options.tree or ''} {one.kernel}") for one in every])
    record = shard.record(ours, key, [(subject(one), n) for one, n in zip(every, numbers, strict=True)])
    return [one for one, n in zip(every, numbers, strict=True) if n == ours.number], record


def _run_job(job: Job) -> Outcome:
    with place(default_store(), job.plan.machine.memory):
        return run(job.plan, job.made, job.out, journal=job.journal, shared=job.shared)


def _lost(job: Job, error: HarnessError) -> Outcome:
    """The outcome of a case that whoever ran it could not tell."""
    what = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, str(error), "a test", "no test")
    outcome = not_run(subject(job.plan), what, job.out.absolute())
    job.journal.ended(outcome)
    return outcome


def _print(console: Output, outcome: Outcome, brief: bool) -> None:
    """Print a result; brief: of a case that is as it should be only the first line."""
    first, *rest = report.render(outcome).splitlines()
    console.print(first, style=report.STYLES[outcome.verdict], markup=False)
    if brief and is_green(outcome.verdict) and outcome.verdict is not Verdict.SKIP:
        return
    console.print("\n".join(rest), markup=False)
    console.print()
