# SPDX-License-Identifier: GPL-2.0-only
"""harness gate."""

import argparse
import sys

from harness import shard
from harness.build.store import default_store
from harness.commands.sides import WHOLE, add_cases, add_sides, budget, compare, wanted
from harness.gate import sides, terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_sides(parser)
    add_cases(parser)
    parser.add_argument("--shard", metavar="I/N", help="only the I-th of N parts of the cases")


def command(options: argparse.Namespace) -> int:
    """Build both sides, run the cases, print the answer."""
    limit, store = budget(options), default_store()
    part = shard.parse(options.shard) if options.shard else WHOLE
    recipes = sides.recipes(store, wanted(options))
    base, head = (sides.make(store, one) for one in recipes)
    found = compare(store, options, base, head, sides.touched(*recipes), options.out, limit, part)
    print(terminal.render(found, colour=sys.stdout.isatty()))
    return found.exit_code
