# SPDX-License-Identifier: GPL-2.0-only
"""Waiting with an end: every wait has a Deadline and looks, while it waits, for what could make it vain."""

import time
from collections.abc import Callable

# The first looks come quickly, for answers that take a millisecond; later ones leave the processor alone.
FIRST_POLL_SECONDS = 0.001
LAST_POLL_SECONDS = 0.02


class Deadline:
    """A point in time, seconds from now on the monotonic clock, after which waiting makes no sense."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining <= 0

    def wait(
        self,
        done: Callable[[], bool],
        watch: Callable[[], None],
        pause: Callable[[float], object] = time.sleep,
        longest: float = LAST_POLL_SECONDS,
    ) -> bool:
        """Look at done() until it is true (True) or time is up (False).

        watch() is called before each look: it raises when what is waited for cannot come any more. pause():
        waits at most so many seconds, and no longer than until there may be something to be seen. longest:
        between two looks, in seconds.
        """
        seconds = FIRST_POLL_SECONDS
        while True:
            watch()
            if done():
                return True
            if self.expired:
                return False
            pause(min(seconds, self.remaining))
            seconds = min(seconds * 2, longest)
