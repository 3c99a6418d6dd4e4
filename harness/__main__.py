# SPDX-License-Identifier: GPL-2.0-only
"""The door: `harness` and `python3 -m harness`."""

import os
import sys

from harness.imports import importing


def main() -> int:
    """Run the command line and return its exit code."""
    _open_standard_streams()
    with importing():
        from harness.cli import main as command_line  # noqa: PLC0415
    return command_line()


def _open_standard_streams() -> None:
    """Where one was closed (`<&-`), open /dev/null: or else the next file opened would be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # Text that nobody wants still has to go somewhere. sys.stdin stays None: there is nothing to read.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123


if __name__ == "__main__":
    sys.exit(main())
