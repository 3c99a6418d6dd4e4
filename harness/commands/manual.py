# SPDX-License-Identifier: GPL-2.0-only
"""harness manual."""

import argparse
import sys

from harness.manual import manual


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def command(options: argparse.Namespace) -> int:
    """Print the manual."""
    sys.stdout.write(manual())
    return 0
