# SPDX-License-Identifier: GPL-2.0-only
"""Commands for the author of a scenario: schema, manual, new, list."""

import argparse
import json
import sys

from harness.schema import schema


def schema_command(options: argparse.Namespace) -> int:
    """harness schema."""
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    return 0
