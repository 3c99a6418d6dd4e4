# SPDX-License-Identifier: GPL-2.0-only
"""harness gate."""

import argparse
import sys

from harness import shard
from harness.commands.sides import WHOLE, add_cases, add_sides, compare, request, wanted
from harness.gate import folder, sides, terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_sides(parser)
    add_cases(parser)
    parser.add_argument("--shard", metavar="I/N", help="only the I-th of N parts of the cases")


def command(options: argparse.Namespace) -> int:
    """Build both sides, run the cases, print the answer."""
    asked = request(options, shard.parse(options.shard) if options.shard else WHOLE)
    if options.out:
        folder.check_open(options.out)
    recipes = sides.recipes(asked.store, wanted(options))
    base, head = (sides.make(asked.store, one) for one in recipes)
    found = compare(asked, base, head, sides.touched(*recipes), options.out)
    print(terminal.render(found, colour=sys.stdout.isatty()))
    return found.exit_code
