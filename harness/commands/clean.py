# SPDX-License-Identifier: GPL-2.0-only
"""harness clean."""

import argparse

from harness.build.store import default_store
from harness.clean import clean

# A kernel is there again in some minutes, and from the compiler's cache sooner.
CLEAN_DAYS = 14


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "--days", type=days, default=CLEAN_DAYS, metavar="N", help="unused for so long (default: %(default)s)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be removed")


def days(text: str) -> int:
    """A number of days. Less than one could be in use: a run holds no lock on the kernel that it runs."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of days, 1 or more")
    return int(text)


def command(options: argparse.Namespace) -> int:
    """Remove, and say what."""
    for line in clean(default_store(), options.days, options.dry_run):
        print(line)
    return 0
