# SPDX-License-Identifier: GPL-2.0-only
"""The command line; its exit codes suit `git bisect run`."""

import argparse
import contextlib
import datetime
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness import artifacts, authoring, bench, publish, report
from harness.build.kernel import obtain_kernel
from harness.build.spec import kernel_names
from harness.build.store import Store, default_store
from harness.cases import PLAN_SUFFIX, plans, single, split
from harness.clean import clean
from harness.digest import is_green, not_run
from harness.errors import HarnessError, UsageError
from harness.journal import Journal
from harness.plan import Plan
from harness.planfile import plan_to_json
from harness.pool import Pool
from harness.progress import Output, stage
from harness.result import (
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    Blame,
    Finding,
    Oracle,
    Outcome,
    Verdict,
    exit_code,
)
from harness.runner import check_free, check_writable, run, subject
from harness.terminal import interact
from harness.vm.machine import Machine

EPILOG = """\
exit codes, as `git bisect run` takes them: 0 every case passed, or failed as it is known to (XFAIL); 1 a
kernel under test broke an expectation, or a known bug is gone (XPASS); 125 could not test; 129 usage error
or invalid scenario; 130 interrupted
"""


# A kernel is there again in some minutes, and from the compiler's cache sooner.
CLEAN_DAYS = 14


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for a usage error, 2, would mark a good commit bad."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 129."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """The whole command line."""
    about = "End-to-end tests for live update of the Linux kernel."
    top = Parser(prog="harness", description=about, epilog=EPILOG)
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    kernel = Parser(add_help=False)
    which = kernel.add_mutually_exclusive_group()
    which.add_argument(
        "--kernel", metavar="NAME", help="a kernel of kernel/kernels.yaml, instead of the default"
    )
    which.add_argument(
        "--tree", type=Path, metavar="DIR", help="a kernel source tree of your own; it is not changed"
    )
    files = Parser(add_help=False)
    what = "scenario files, or folders of them; FILE[CARRIER]: one case"
    files.add_argument("files", nargs="+", type=Path, metavar="SCENARIO", help=what)

    one = commands.add_parser(
        "run", parents=[kernel, files], help="run scenarios; plan.json of a run repeats it"
    )
    one.add_argument(
        "-j", "--jobs", type=int, default=os.cpu_count() or 1, help="cases at once (default: %(default)s)"
    )
    one.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the run directories (default: in the store)"
    )
    one.set_defaults(handler=run_command)
    one = commands.add_parser("check", parents=[files], help="check scenarios without running them")
    one.set_defaults(handler=check_command)
    one = commands.add_parser("plan", parents=[kernel, files], help="print what would be run, as JSON")
    one.set_defaults(handler=plan_command)
    one = commands.add_parser("build", parents=[kernel], help="build kernel, modules and guest image")
    one.add_argument("--all", action="store_true", help="every kernel of kernel/kernels.yaml")
    one.set_defaults(handler=build_command)
    one = commands.add_parser(
        "bench", parents=[kernel, files], help="run each case several times, show medians"
    )
    one.add_argument("-n", "--runs", type=int, default=5, help="runs of each case (default: %(default)s)")
    one.set_defaults(handler=bench_command)
    one = commands.add_parser("report", help="the results of a run folder for people, CI and other tools")
    one.add_argument("results", type=Path, metavar="DIR", help="a run folder, or its results.jsonl")
    one.add_argument(
        "--format", choices=publish.FORMATS, default="terminal", help="docs/reports.md (default: %(default)s)"
    )
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of standard output")
    one.set_defaults(handler=report_command)
    one = commands.add_parser("clean", help="remove from the store what was not used for some days")
    one.add_argument(
        "--days", type=days, default=CLEAN_DAYS, metavar="N", help="unused for so long (default: %(default)s)"
    )
    one.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    one.set_defaults(handler=clean_command)
    one = commands.add_parser(
        "shell", parents=[kernel], help="a shell in a booted machine, or in one after a scenario"
    )
    one.add_argument(
        "case", nargs="?", type=Path, metavar="SCENARIO", help="play its steps first: FILE, or FILE[CARRIER]"
    )
    one.set_defaults(handler=shell_command)
    authoring.add_commands(commands)
    return top


def days(text: str) -> int:
    """A number of days. Less than one could be in use: a run holds no lock on the kernel that it runs."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of days, 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; --help and what argparse refuses end by SystemExit."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1)
            signal.signal(number, _interrupt)
    try:
        options = parser().parse_args(arguments)
        code = int(options.handler(options))
        sys.stdout.flush()
    except SystemExit:
        end(0)
        raise
    except UsageError as error:
        return end(EXIT_USAGE, f"{error}")
    except HarnessError as error:
        return end(EXIT_CODES[Verdict.ERROR], f"harness: {error}")
    except KeyboardInterrupt:
        return end(EXIT_INTERRUPTED, "harness: interrupted; no machine is left running")
    except BrokenPipeError:
        # Whoever read what we print has left: `harness run ... | head`.
        return end(EXIT_INTERRUPTED)
    except OSError as error:
        return end(EXIT_CODES[Verdict.ERROR], f"harness: {error}")
    except Exception:  # noqa: BLE001
        # Python's own exit code for it is 1, which would mark a good commit bad.
        mistake = "harness: this is a mistake in the harness itself, please report it"
        return end(EXIT_CODES[Verdict.ERROR], f"{traceback.format_exc()}{mistake}")
    return code


def end(code: int, last_words: str = "") -> int:
    """Say something, if anybody still listens. What cannot be printed must not become Python's exit code."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"{last_words}\n" if last_words else "")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _interrupt(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Job:
    """A plan with what it runs on and where."""

    plan: Plan
    made: artifacts.Artifacts
    out: Path
    journal: Journal


def run_command(options: argparse.Namespace) -> int:
    """harness run."""
    store = default_store()
    todo = plans(options.files, options.kernel)
    folder = options.out or run_folder(store, "run")
    for one in todo:
        check_free(folder / one.case)
    if options.out:
        check_writable(options.out)
    # Looked up once for all cases on the same kernels.
    apart = {_needs(one): one for one in todo}
    made = {needs: artifacts.obtain(one, store, options.tree) for needs, one in apart.items()}
    journal = Journal(folder, f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}")
    journal.begin(sys.argv, map(subject, todo))
    jobs = [Job(one, made[_needs(one)], folder / one.case, journal) for one in todo]
    console = Output(highlight=False, soft_wrap=True)
    verdicts: list[Verdict] = []
    pool: Pool[Job, Outcome] = Pool(_run_job, max(1, options.jobs))
    with (
        stage(f"running {len(jobs)} cases", total=len(jobs), console=console) as progress,
        contextlib.closing(pool.results(jobs)) as results,
    ):
        for job, result in results:
            progress.advance()
            outcome = result if isinstance(result, Outcome) else _lost(job, result)
            verdicts.append(outcome.verdict)
            _print(console, outcome, brief=len(jobs) > report.FEW)
    count = ", ".join(f"{verdicts.count(v)} {v}" for v in Verdict if v in verdicts)
    console.print(f"{count} of {len(jobs)} cases; results: {journal.path}", markup=False)
    return exit_code(verdicts)


def _needs(one: Plan) -> tuple[object, ...]:
    """What tells the artifacts of one plan from those of another."""
    return (artifacts.needs_selftests(one), one.kernel, *one.next_kernels)


def run_folder(store: Store, what: str) -> Path:
    """A new folder for run directories, by date and time."""
    return store.root / "runs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-{what}"


def _run_job(job: Job) -> Outcome:
    return run(job.plan, job.made, job.out, journal=job.journal)


def _lost(job: Job, error: HarnessError) -> Outcome:
    """The outcome of a case that whoever ran it could not tell."""
    what = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, str(error), "a test", "no test")
    outcome = not_run(subject(job.plan), what, job.out)
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


def report_command(options: argparse.Namespace) -> int:
    """harness report: 0 when there is one, whatever it says."""
    publish.publish(options.results, options.format, options.output)
    return 0


def check_command(options: argparse.Namespace) -> int:
    """harness check."""
    found = plans(options.files, None)
    written = sum(split(path)[0].suffix == PLAN_SUFFIX for path in dict.fromkeys(options.files))
    scenarios = len({one.source for one in found[: len(found) - written]})
    files = f"{scenarios} scenarios" + (f", {written} plans" if written else "")
    print(f"{files}, {len(found)} cases: all valid")
    return 0


def plan_command(options: argparse.Namespace) -> int:
    """harness plan."""
    for one in plans(options.files, options.kernel):
        sys.stdout.write(plan_to_json(one))
    return 0


def build_command(options: argparse.Namespace) -> int:
    """harness build."""
    store = default_store()
    wanted: tuple[str | None, ...] = kernel_names() if options.all else (options.kernel,)
    for name in wanted:
        kernel = obtain_kernel(store, name, None if options.all else options.tree)
        made = artifacts.obtain_for(store, {name: kernel}, name)
        if not options.tree:
            # What cases that run the kernel's own tests need besides.
            artifacts.obtain_for(store, {name: kernel}, name, selftests=True)
        print(f"kernel       {kernel.release}, build id {kernel.build_id}: {kernel.image}")
        print(f"guest image  {made.guest.initramfs}")
        print(f"accelerator  {made.accel.name}: {made.accel.reason}")
    return 0


def clean_command(options: argparse.Namespace) -> int:
    """harness clean."""
    for line in clean(default_store(), options.days, options.dry_run):
        print(line)
    return 0


def bench_command(options: argparse.Namespace) -> int:
    """harness bench: one run at a time, on a machine that does nothing else."""
    store = default_store()
    folder = run_folder(store, "bench")
    for chosen in plans(options.files, options.kernel):
        made = artifacts.obtain(chosen, store, options.tree)
        count = max(1, options.runs)
        outcomes = [run(chosen, made, folder / str(n) / chosen.case) for n in range(count)]
        for bad in bench.failed(outcomes):
            print(report.render(bad))
            return exit_code([bad.verdict])
        print(f"{chosen.case}, {len(outcomes)} runs, {made.accel.name}")
        print("\n".join(bench.table([bench.parts(outcome) for outcome in outcomes])) + "\n")
    return 0


def shell_command(options: argparse.Namespace) -> int:
    """harness shell: ends with the status of the shell, or of its script; see terminal.py."""
    if sys.stdin is None:
        raise UsageError("harness shell reads commands, and its standard input is closed")
    store = default_store()
    chosen = single(options.case, options.kernel) if options.case else artifacts.bare_plan(options.kernel)
    made = artifacts.obtain(chosen, store, options.tree)
    status: int | None = None

    def at_end(machine: Machine) -> None:
        nonlocal status
        about = f"{chosen.case}: generation {machine.generation}; fds are in /run/fd"
        print(f"{about}; 'exit' ends the machine", file=sys.stderr)
        status = interact(machine)

    outcome = run(chosen, made, run_folder(store, "shell"), at_end=at_end)
    if outcome.findings:
        print(report.render(outcome))
    return status or EXIT_CODES[outcome.verdict]
