# SPDX-License-Identifier: GPL-2.0-only
"""What a machine that stood still has to be told when it goes on: what time it is, and entropy of its own.

Without it two machines from one snapshot would draw the same random numbers, and both would live in the past.
"""

import os
import time

ENTROPY = 32


def news() -> dict[str, object]:
    """The arguments of the agent's 'renew', as of now."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return {"seconds": seconds, "nanoseconds": nanoseconds, "entropy": os.urandom(ENTROPY).hex()}
