# SPDX-License-Identifier: GPL-2.0-only
"""Arguments that several commands have: which kernel, which cases."""

import argparse
from pathlib import Path


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
    what = "scenario files, or folders of them; FILE[CARRIER]: one case"
    parser.add_argument("files", nargs="+", type=Path, metavar="SCENARIO", help=what)
