# SPDX-License-Identifier: GPL-2.0-only
"""harness bench."""

import argparse

from harness import artifacts, bench, report
from harness.build.store import default_store
from harness.cases import plans
from harness.commands.selection import add_cold, add_kernel, add_scenarios
from harness.journal import run_folder
from harness.runner import run
from harness.verdict import exit_code


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_kernel(parser)
    add_cold(parser)
    add_scenarios(parser)
    parser.add_argument("-n", "--runs", type=int, default=5, help="runs of each case (default: %(default)s)")


def command(options: argparse.Namespace) -> int:
    """One run at a time, on a machine that does nothing else."""
    store = default_store()
    folder = run_folder(store.root, "bench")
    for chosen in plans(options.files, options.kernel):
        made = artifacts.obtain(chosen, store, options.tree, options.cold)
        count = max(1, options.runs)
        outcomes = [run(chosen, made, folder / str(n) / chosen.case) for n in range(count)]
        for bad in bench.failed(outcomes):
            print(report.render(bad))
            return exit_code([bad.verdict])
        print(f"{chosen.case}, {len(outcomes)} runs, {made.accel.name}")
        print("\n".join(bench.table([bench.parts(outcome) for outcome in outcomes])) + "\n")
    return 0
