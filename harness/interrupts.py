# SPDX-License-Identifier: GPL-2.0-only
"""What asks us to stop is a KeyboardInterrupt in the main thread, wherever that is.

A handler of Python's runs between any two bytecodes, also those of a finalizer (`__del__`, a weakref's
callback), which drops what it raises: Python tells sys.unraisablehook of it and goes on. Then a timer raises
it again.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

ASKS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What raises a KeyboardInterrupt: to be blocked where one would do harm.
STOPS = (*ASKS, signal.SIGALRM)
# Until it is raised again; a finalizer of ours takes microseconds.
AGAIN_SECONDS = 0.01


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """From now on ASKS interrupt; and while it lasts, what a finalizer swallowed comes again.

    What is ignored already (nohup(1)) stays so. For the main thread.
    """
    listen()
    before, alarm = sys.unraisablehook, signal.signal(signal.SIGALRM, _interrupt)

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            before(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        sys.unraisablehook = before


def listen() -> None:
    """Let ASKS interrupt, the first time and, for a forked process, once more; but for what is ignored."""
    for number in ASKS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Raise it, once: nobody has to ask again. Only Ctrl-C may, by whoever does not want to wait."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    if number in {signal.SIGTERM, signal.SIGHUP}:
        # Not SIG_IGN, which whatever is started from now on would have too.
        signal.signal(number, _ignore)
    raise KeyboardInterrupt


def _ignore(number: int, frame: object) -> None:
    pass
