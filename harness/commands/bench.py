# SPDX-License-Identifier: GPL-2.0-only
"""harness bench."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness import provision, report
from harness.artifacts import Artifacts
from harness.bench import page, parts
from harness.bench.bare import bare
from harness.bench.curves import curves
from harness.bench.edits import edit_kmod, edit_mm
from harness.bench.overhead import overhead
from harness.bench.runs import cold, warm
from harness.bench.sample import Subject, rounds
from harness.bench.suites import suites
from harness.bench.targets import KMOD, MM, NEHALEM, SHIPPED, SUITE, VNG
from harness.bench.vng import virtme_ng
from harness.build.store import Store, default_store
from harness.cases import plans
from harness.commands.selection import add_cold, add_kernel
from harness.errors import UsageError
from harness.journal import run_folder
from harness.machinespec import CPU_MODEL
from harness.plan import Plan
from harness.progress import say
from harness.runner import run
from harness.verdict import exit_code
from harness.vm.accel import host

# The memfd case that is measured warm and cold.
CASE = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
# What comes before and after the figures in the page.
MARKS = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_kernel(parser)
    add_cold(parser)
    what = "show the parts of these cases; without any, measure everything that docs/performance.md has"
    parser.add_argument("files", nargs="*", type=Path, metavar="SCENARIO", help=what)
    parser.add_argument("-n", "--runs", type=int, default=5, help="runs of each case (default: %(default)s)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="measure only what has this word in its name",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="put the figures into this page, the plots beside it",
    )


def command(options: argparse.Namespace) -> int:
    """One run at a time, on a machine that does nothing else."""
    return show_parts(options) if options.files else measure(options)


def show_parts(options: argparse.Namespace) -> int:
    """The parts of some cases."""
    store = default_store()
    folder = run_folder(store.root, "bench")
    for chosen in plans(options.files, options.kernel):
        made = provision.obtain(chosen, store, options.tree, options.cold)
        count = max(1, options.runs)
        outcomes = [run(chosen, made, folder / str(n) / chosen.case) for n in range(count)]
        for bad in parts.failed(outcomes):
            print(report.render(bad))
            return exit_code([bad.verdict])
        print(f"{chosen.case}, {len(outcomes)} runs, {made.accel.name}")
        print("\n".join(parts.table([parts.parts(outcome) for outcome in outcomes])) + "\n")
    return 0


def measure(options: argparse.Namespace) -> int:
    """Everything, side by side; 1 when a run did not do its work."""
    if options.tree or options.cold:
        raise UsageError("--tree and --cold are for the parts of scenarios: name some")
    store = default_store()
    plan = plans([CASE.with_name(f"{CASE.name}[fdbox]")], options.kernel)[0]
    made = provision.obtain(plan, store)
    subjects = [
        subject
        for subject in everything(store, plan, made, options.kernel)
        if not options.only or any(word in subject.name for word in options.only)
    ]
    if not subjects:
        raise UsageError(f"nothing that is measured has a name with {' or '.join(options.only)}")
    folder = run_folder(store.root, "bench")
    about = page.host(f"{made.accel.name} ({made.accel.reason})", host().split(" ", 1)[1])
    found = rounds(subjects, max(1, options.runs), folder, say)
    (folder / "bench.json").write_text(page.as_json(about, found), encoding="utf-8")
    text = page.markdown(about, found)
    print(text)
    if options.output:
        write(options.output, text)
        for kind in page.UNITS:
            if drawn := page.svg(kind, found.series):
                options.output.with_name(page.plot(kind)).write_text(drawn, encoding="utf-8")
    print(f"figures: {folder / 'bench.json'}")
    return 1 if found.undone else 0


def everything(store: Store, plan: Plan, made: Artifacts, kernel: str | None) -> Iterator[Subject]:
    """All that is measured, in the order of a round."""
    first = made.kernels[plan.kernel]
    yield warm(plan, made)
    yield cold(plan, made)
    yield bare(store, first, SHIPPED, None)
    yield bare(store, first, NEHALEM, CPU_MODEL)
    yield virtme_ng(store, kernel, VNG)
    yield from overhead(store)
    yield from curves(kernel, lambda one: provision.obtain(one, store))
    yield edit_kmod(KMOD)
    yield edit_mm(store, MM)
    yield from suites({workers: SUITE.format(workers) for workers in (1, 2)})


def write(file: Path, text: str) -> None:
    """Put figures between the marks of a page."""
    before, after = "", ""
    with contextlib.suppress(FileNotFoundError):
        old = file.read_text(encoding="utf-8")
        if any(mark not in old for mark in MARKS):
            raise UsageError(
                f"{file} has no '{MARKS[0].strip()}' and '{MARKS[1].strip()}' around its figures"
            )
        before, after = old.partition(MARKS[0])[0], old.partition(MARKS[1])[2]
    file.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")
