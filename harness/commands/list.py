# SPDX-License-Identifier: GPL-2.0-only
"""harness list."""

import argparse
import json
import sys
from pathlib import Path

from harness import catalogue
from harness.build.store import default_store
from harness.cases import FOLDER, plans
from harness.commands.selection import add_kernel_name, add_tags


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    what = "scenario files, or folders of them (default: the folder scenarios)"
    parser.add_argument("files", nargs="*", type=Path, metavar="SCENARIO", default=[FOLDER], help=what)
    add_tags(parser)
    add_kernel_name(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, with all there is to know")


def command(options: argparse.Namespace) -> int:
    """Say what cases there are, and when they passed last."""
    chosen = plans(options.files, options.kernel, options.tag)
    seconds = catalogue.times(chosen, default_store().root / "runs")
    if options.json:
        entries = [catalogue.entry(one, seconds.get(one.case)) for one in chosen]
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
    else:
        print("\n".join(catalogue.table(chosen, seconds)))
    return 0
