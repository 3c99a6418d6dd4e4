# SPDX-License-Identifier: GPL-2.0-only
"""An interrupt is not lost, and not printed, where Python cannot raise it."""

import signal
import subprocess
import sys

import pytest

# Python runs the handler within the finalizer, which cannot raise what the handler raises.
PROGRAM = """
import signal, time
from harness import interrupts

class Dropped:
    def __del__(self):
        signal.raise_signal({number})

with interrupts.answered():
    try:
        for _ in range({times}):
            Dropped()
        time.sleep(20)
        print("lost")
    except KeyboardInterrupt:
        print("interrupted")
"""


def program(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_within_a_finalizer_comes_again(number: signal.Signals) -> None:
    done = program(PROGRAM.format(number=int(number), times=1))
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_one_that_comes_often_comes_once() -> None:
    done = program(PROGRAM.format(number=int(signal.SIGTERM), times=3))
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_what_else_a_finalizer_raises_is_told() -> None:
    script = PROGRAM.replace("signal.raise_signal({number})", "1 / 0").replace("sleep(20)", "sleep(0)")
    done = program(script.format(times=1))
    assert done.stdout == "lost\n"
    assert "ZeroDivisionError" in done.stderr
