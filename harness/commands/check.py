# SPDX-License-Identifier: GPL-2.0-only
"""harness check."""

import argparse

from harness.cases import PLAN_SUFFIX, plans, split
from harness.commands.selection import add_scenarios

arguments = add_scenarios


def command(options: argparse.Namespace) -> int:
    """Plan every case; what is wrong with one is raised."""
    found = plans(options.files, None)
    written = sum(split(path)[0].suffix == PLAN_SUFFIX for path in dict.fromkeys(options.files))
    scenarios = len({one.source for one in found[: len(found) - written]})
    files = f"{scenarios} scenarios" + (f", {written} plans" if written else "")
    print(f"{files}, {len(found)} cases: all valid")
    return 0
