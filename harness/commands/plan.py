# SPDX-License-Identifier: GPL-2.0-only
"""harness plan."""

import argparse
import sys

from harness.cases import plans
from harness.commands.selection import add_kernel, add_scenarios, add_tags
from harness.planfile import plan_to_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_kernel(parser)
    add_tags(parser)
    add_scenarios(parser)


def command(options: argparse.Namespace) -> int:
    """Print the plans."""
    for one in plans(options.files, options.kernel, options.tag):
        sys.stdout.write(plan_to_json(one))
    return 0
