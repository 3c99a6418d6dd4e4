# SPDX-License-Identifier: GPL-2.0-only
"""Importing the harness: what goes wrong before it is there is told in a sentence, by the right exit code.

Python's own exit code for an uncaught exception is 1, which `git bisect run` takes for a bad kernel.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

# As in verdict.py, which an old Python may not be able to import.
EXIT_ERROR = 125
EXIT_INTERRUPTED = 130


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Within it Ctrl-C ends the process at once, and a Python that lacks something is told to the user."""
    early = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if early:
        # Half a second of imports: an exception in the midst of them would be anybody's.
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    except (ImportError, SyntaxError) as error:
        sys.stderr.write(
            f"harness: {error}: this Python ({sys.executable}) is not the one that 'make setup' prepared; "
            'in the checkout: eval "$(make -s env)"\n'
        )
        raise SystemExit(EXIT_ERROR) from error
    if early:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: object) -> None:
    try:
        os.write(2, b"harness: interrupted\n")
    finally:
        os._exit(EXIT_INTERRUPTED)
