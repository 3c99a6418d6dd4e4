# SPDX-License-Identifier: GPL-2.0-only
"""harness schema."""

import argparse
import json
import sys

from harness.schema import schema


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def command(options: argparse.Namespace) -> int:
    """Print the schema."""
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    return 0
