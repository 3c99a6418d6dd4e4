# SPDX-License-Identifier: GPL-2.0-only
"""Arguments that several commands have: which kernel, which cases."""

import argparse
from pathlib import Path

# What may stand behind the name of a scenario.
IN_BRACKETS = "FILE[CARRIER]: its cases on that; FILE[CARRIER,VALUE,...]: one case, as harness list has it"


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """--kernel or --tree."""
    which = parser.add_mutually_exclusive_group()
    add_kernel_name(which)
    which.add_argument(
        "--tree", type=Path, metavar="DIR", help="a kernel source tree of your own; it is not changed"
    )


# argparse has no public name for what a parser and a group of it have in common.
def add_kernel_name(parser: argparse._ActionsContainer) -> None:
    """--kernel."""
    parser.add_argument(
        "--kernel", metavar="NAME", help="a kernel of kernel/kernels.yaml, instead of the default"
    )


def add_cold(parser: argparse.ArgumentParser) -> None:
    """--cold."""
    parser.add_argument(
        "--cold", action="store_true", help="boot every machine; neither start from a snapshot nor leave one"
    )


def add_scenarios(parser: argparse.ArgumentParser) -> None:
    """The cases."""
    what = f"scenario files, or folders of them; {IN_BRACKETS}"
    parser.add_argument("files", nargs="+", type=Path, metavar="SCENARIO", help=what)


def add_tags(parser: argparse.ArgumentParser) -> None:
    """--tag."""
    what = "only cases with this tag; given several times, with one of these"
    parser.add_argument("--tag", action="append", default=[], help=what)
