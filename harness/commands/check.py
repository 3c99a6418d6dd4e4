# SPDX-License-Identifier: GPL-2.0-only
"""harness check."""

import argparse

from harness.cases import PLAN_SUFFIX, plans, split
from harness.commands.selection import add_scenarios

arguments = add_scenarios


def number(count: int, what: str) -> str:
    """So many things."""
    return f"{count} {what}{'s' * (count != 1)}"


def command(options: argparse.Namespace) -> int:
    """Plan every case; what is wrong with one is raised."""
    found = plans(options.files, None)
    written = sum(split(path)[0].suffix == PLAN_SUFFIX for path in dict.fromkeys(options.files))
    scenarios = len({one.source for one in found[: len(found) - written]})
    files = number(scenarios, "scenario") + (f", {number(written, 'plan')}" if written else "")
    print(f"{files}, {number(len(found), 'case')}: all valid")
    return 0
