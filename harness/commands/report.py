# SPDX-License-Identifier: GPL-2.0-only
"""harness report."""

import argparse
from pathlib import Path

from harness import publish


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("results", type=Path, metavar="DIR", help="a run folder, or its results.jsonl")
    parser.add_argument(
        "--format", choices=publish.FORMATS, default="terminal", help="docs/reports.md (default: %(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of standard output")


def command(options: argparse.Namespace) -> int:
    """0 when there is a report, whatever it says."""
    publish.publish(options.results, options.format, options.output)
    return 0
