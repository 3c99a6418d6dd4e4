# SPDX-License-Identifier: GPL-2.0-only
"""What asks us to stop is a KeyboardInterrupt in the main thread, wherever that is, and never gets lost.

A handler of Python's runs between any two bytecodes, also those of a finalizer (`__del__`, a weakref's
callback), which drops what it raises: Python tells sys.unraisablehook of it and goes on.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

# SIGINT is one already; a second of these is ignored, the first one puts everything away.
ASKS = (signal.SIGTERM, signal.SIGHUP)
# Until it is raised once more; a finalizer of ours takes microseconds.
AGAIN_SECONDS = 0.01


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """While it lasts, an interrupt that a finalizer swallowed comes again; from now on, ASKS interrupt.

    What is ignored already (nohup(1)) stays so. For the main thread.
    """
    for number in ASKS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    before = sys.unraisablehook

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            signal.signal(signal.SIGALRM, _interrupt)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            before(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _interrupt(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
