# SPDX-License-Identifier: GPL-2.0-only
"""The rate of the emulated time stamp counter, so that a guest need not measure it.

Under TCG the guest's counter is the host's (QEMU: cpu_get_ticks() in softmmu/cpu-timers.c), and the kernel
measures its rate against the PM timer in a boot's first milliseconds. On a busy host that goes wrong: 60 MHz
and 721 MHz were seen instead of 2596. Then time in that generation runs 40 times too fast, which ends in
soft lockups and RCU stalls that no kernel is to blame for. The host has the time to measure well.
"""

import ctypes
import mmap
import platform
import statistics
import time

# rdtsc; shl rdx, 32; or rax, rdx; ret
_READ = bytes.fromhex("0f31 48c1e220 4809d0 c3")
_SECONDS = 0.05
_TRIES = 100


def frequency() -> int | None:
    """The host's TSC rate in kHz; None where there is none, or no program may make code."""
    if platform.machine() != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(_READ)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)

    def now() -> tuple[float, int]:
        """Time in ns and the counter at that time: of many readings, the one that was interrupted least."""
        readings = [(time.monotonic_ns(), read(), time.monotonic_ns()) for _ in range(_TRIES)]
        before, counter, after = min(readings, key=lambda reading: reading[2] - reading[0])
        return (before + after) / 2, counter

    rates = []
    for _ in range(5):
        start, first = now()
        time.sleep(_SECONDS)
        end, last = now()
        rates.append((last - first) * 1e6 / (end - start))
    return round(statistics.median(rates))
