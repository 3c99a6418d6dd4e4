# SPDX-License-Identifier: GPL-2.0-only
"""harness shell."""

import argparse
import sys
from pathlib import Path

from harness import provision, report
from harness.build.store import default_store
from harness.cases import single
from harness.commands.selection import add_cold, add_kernel
from harness.errors import UsageError
from harness.journal import run_folder
from harness.runner import run
from harness.terminal import interact
from harness.verdict import EXIT_CODES
from harness.vm.machine import Machine


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_kernel(parser)
    add_cold(parser)
    parser.add_argument(
        "case", nargs="?", type=Path, metavar="SCENARIO", help="play its steps first: FILE, or FILE[CARRIER]"
    )


def command(options: argparse.Namespace) -> int:
    """Ends with the status of the shell, or of its script; see terminal.py."""
    if sys.stdin is None:
        raise UsageError("harness shell reads commands, and its standard input is closed")
    store = default_store()
    chosen = single(options.case, options.kernel) if options.case else provision.bare_plan(options.kernel)
    made = provision.obtain(chosen, store, options.tree, options.cold)
    status: int | None = None

    def at_end(machine: Machine) -> None:
        nonlocal status
        about = f"{chosen.case}: generation {machine.generation}; fds are in /run/fd"
        print(f"{about}; 'exit' ends the machine", file=sys.stderr)
        status = interact(machine)

    outcome = run(chosen, made, run_folder(store.root, "shell"), at_end=at_end)
    if outcome.findings:
        print(report.render(outcome))
    return status or EXIT_CODES[outcome.verdict]
