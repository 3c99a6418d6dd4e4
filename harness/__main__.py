# SPDX-License-Identifier: GPL-2.0-only
"""The door: `harness` and `python3 -m harness`. Whatever goes wrong before the harness is there ends here.

Python's own exit code for an uncaught exception is 1, which `git bisect run` takes for a bad kernel.
"""

import os
import signal
import sys

EXIT_ERROR = 125
EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code."""
    _open_standard_streams()
    early = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if early:
        # Half a second of imports: an exception in the midst of them would be anybody's.
        signal.signal(signal.SIGINT, _leave)
    try:
        from harness.cli import main as command_line  # noqa: PLC0415
    except (ImportError, SyntaxError) as error:
        sys.stderr.write(
            f"harness: {error}: this Python ({sys.executable}) is not the one that 'make setup' prepared; "
            'in the checkout: eval "$(make -s env)"\n'
        )
        return EXIT_ERROR
    if early:
        signal.signal(signal.SIGINT, signal.default_int_handler)
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


def _leave(number: int, frame: object) -> None:
    try:
        os.write(2, b"harness: interrupted\n")
    finally:
        os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
