# SPDX-License-Identifier: GPL-2.0-only
"""The command line; its exit codes suit `git bisect run`."""

import argparse
import datetime
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from harness import artifacts, bench, report
from harness.build.kernel import obtain_kernel
from harness.build.spec import kernel_names, kernel_parameters
from harness.build.store import Store, default_store
from harness.errors import HarnessError, UsageError
from harness.load import load_all
from harness.plan import Plan, expand, names, plan
from harness.planfile import plan_from_json, plan_to_json
from harness.pool import Pool
from harness.progress import stage
from harness.result import EXIT_CODES, EXIT_INTERRUPTED, EXIT_USAGE, Outcome, Verdict, exit_code
from harness.runner import run
from harness.terminal import interact
from harness.vm.machine import Machine, MachineLostError

EPILOG = """\
exit codes, as `git bisect run` takes them: 0 every case passed; 1 a kernel under test broke an expectation;
125 could not test; 129 usage error or invalid scenario; 130 interrupted
"""


# Of so many cases each is shown whole, even if it passed.
FEW = 4


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
    files.add_argument(
        "files", nargs="+", type=Path, metavar="SCENARIO", help="scenario files, or folders of them"
    )

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
    one = commands.add_parser(
        "shell", parents=[kernel], help="a shell in a booted machine, or in one after a scenario"
    )
    one.add_argument(
        "case", nargs="?", metavar="SCENARIO", help="play its steps first: FILE, or FILE[carrier]"
    )
    one.set_defaults(handler=shell_command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options = parser().parse_args(arguments)
    try:
        return int(options.handler(options))
    except UsageError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return EXIT_CODES[Verdict.ERROR]
    except KeyboardInterrupt:
        print("harness: interrupted; no machine is left running", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001
        # Python's own exit code for it is 1, which would mark a good commit bad.
        traceback.print_exc()
        print("harness: this is a mistake in the harness itself, please report it", file=sys.stderr)
        return EXIT_CODES[Verdict.ERROR]


def _interrupt(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def scenario_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named, sorted."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{path}: no *.yaml in this folder")
        found += inside
    return list(dict.fromkeys(found))


def plans(paths: Sequence[Path], kernel: str | None) -> list[Plan]:
    """The plans of scenario files and of plan.json files."""
    if kernel is not None and kernel not in kernel_names():
        raise UsageError(f"no kernel '{kernel}': kernel/kernels.yaml has {', '.join(kernel_names())}")
    written = [path for path in paths if path.suffix == ".json"]
    scenarios = load_all(scenario_files([p for p in paths if p not in written]), kernel_names())
    known = names(scenario.source for scenario in scenarios)
    found = [plan(case, kernel_parameters, kernel) for s in scenarios for case in expand(s, known[s.source])]
    for path in written:
        try:
            found.append(plan_from_json(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: {error}") from error
    twice = [case for case, count in Counter(one.case for one in found).items() if count > 1]
    if twice:
        raise UsageError(f"named more than once: {', '.join(twice)}")
    return found


@dataclass(frozen=True)
class Job:
    """A plan with what it runs on and where."""

    plan: Plan
    made: artifacts.Artifacts
    out: Path


def run_command(options: argparse.Namespace) -> int:
    """harness run."""
    store = default_store()
    todo = plans(options.files, options.kernel)
    folder = options.out or run_folder(store, "run")
    # Looked up once for all cases on the same kernels.
    apart = {_kernels(one): one for one in todo}
    made = {names: artifacts.obtain(one, store, options.tree) for names, one in apart.items()}
    jobs = [Job(one, made[_kernels(one)], folder / one.case) for one in todo]
    console = Console(highlight=False, soft_wrap=True)
    verdicts: list[Verdict] = []
    pool: Pool[Job, Outcome] = Pool(_run_job, max(1, options.jobs))
    with stage(f"running {len(jobs)} cases", total=len(jobs), console=console) as progress:
        for job, result in pool.results(jobs):
            progress.advance()
            verdicts.append(result.verdict if isinstance(result, Outcome) else Verdict.ERROR)
            _print(console, job, result, brief=len(jobs) > FEW)
    count = ", ".join(f"{verdicts.count(v)} {v}" for v in Verdict if v in verdicts)
    console.print(f"{count} of {len(jobs)} cases")
    return exit_code(verdicts)


def _kernels(one: Plan) -> tuple[str | None, ...]:
    return (one.kernel, *one.next_kernels)


def run_folder(store: Store, what: str) -> Path:
    """A new folder for run directories, by date and time."""
    return store.root / "runs" / f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-{what}"


def _run_job(job: Job) -> Outcome:
    return run(job.plan, job.made, job.out)


def _print(console: Console, job: Job, result: Outcome | HarnessError, brief: bool) -> None:
    """Print a result; brief: of a case that passed only the first line."""
    if isinstance(result, HarnessError):
        console.print(
            f"ERROR {job.plan.case}: {result}; what there is: {job.out}", style="bold yellow", markup=False
        )
        return
    first, *rest = report.render(result, job.plan).splitlines()
    console.print(first, style=report.STYLES[result.verdict], markup=False)
    if brief and result.verdict is Verdict.PASS:
        return
    console.print("\n".join(rest), markup=False)
    console.print()


def check_command(options: argparse.Namespace) -> int:
    """harness check."""
    files = scenario_files(options.files)
    cases = [case for scenario in load_all(files, kernel_names()) for case in expand(scenario)]
    print(f"{len(files)} scenarios, {len(cases)} cases: all valid")
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
        print(f"kernel       {kernel.release}, build id {kernel.build_id}: {kernel.image}")
        print(f"guest image  {made.guest.initramfs}")
        print(f"accelerator  {made.accel.name}: {made.accel.reason}")
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
            print(report.render(bad, chosen))
            return exit_code([bad.verdict])
        print(f"{chosen.case}, {len(outcomes)} runs, {made.accel.name}")
        print("\n".join(bench.table([bench.parts(outcome) for outcome in outcomes])) + "\n")
    return 0


def shell_command(options: argparse.Namespace) -> int:
    """harness shell."""
    store = default_store()
    chosen = _shell_plan(options)
    made = artifacts.obtain(chosen, store, options.tree)
    out = run_folder(store, "shell")

    shown = False

    def at_end(machine: Machine) -> None:
        nonlocal shown
        shown = True
        print(f"{chosen.case}: generation {machine.generation}; fds are in /run/fd; 'exit' ends the machine")
        try:
            interact(machine)
        except MachineLostError as error:
            print(f"the machine is gone: {error}")

    outcome = run(chosen, made, out, at_end=at_end)
    if outcome.findings:
        print(report.render(outcome, chosen))
    return 0 if shown else EXIT_CODES[outcome.verdict]


def _shell_plan(options: Any) -> Plan:
    if options.case is None:
        return artifacts.bare_plan(options.kernel)
    path, bracket, carrier = str(options.case).partition("[")
    found = plans([Path(path)], options.kernel)
    fitting = [one for one in found if not bracket or one.carrier == carrier.rstrip("]")]
    if not fitting:
        raise UsageError(f"{path} has no case [{carrier}; it has {', '.join(one.case for one in found)}")
    return fitting[0]
