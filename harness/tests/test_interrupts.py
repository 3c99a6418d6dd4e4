# SPDX-License-Identifier: GPL-2.0-only
"""An interrupt is not lost, and not printed, where Python cannot raise it; and it comes once."""

import signal
import subprocess
import sys

import pytest

# Python runs the handler within the finalizer, which cannot raise what the handler raises.
HEAD = """
import signal, subprocess, sys, time
from harness import interrupts

# Whatever whoever runs the tests has ignored (nohup).
for number in interrupts.ASKS:
    signal.signal(number, signal.SIG_DFL)

class Dropped:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        if self.number:
            signal.raise_signal(self.number)
        else:
            1 / 0
"""
COMES = """
with interrupts.answered():
    try:
        for _ in range({times}):
            Dropped({number})
        time.sleep(20)
    except KeyboardInterrupt:
        time.sleep(5 * interrupts.AGAIN_SECONDS)
        print("interrupted")
"""
IN_BETWEEN = """
interrupts.AGAIN_SECONDS = 0.2
with interrupts.answered():
    try:
        Dropped(signal.SIGTERM)
        print(subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, text=True).stdout)
        time.sleep(20)
    except KeyboardInterrupt:
        print("interrupted")
"""
OTHER_COMES_FIRST = """
with interrupts.answered():
    try:
        Dropped(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        time.sleep(5 * interrupts.AGAIN_SECONDS)
        print("interrupted")
"""
TOO_LATE = """
with interrupts.answered():
    Dropped(signal.SIGTERM)
time.sleep(5 * interrupts.AGAIN_SECONDS)
print("done")
"""
MISTAKE = """
with interrupts.answered():
    Dropped(None)
print("done")
"""


def program(text: str) -> tuple[str, str]:
    """What it prints, and what it complains of."""
    done = subprocess.run([sys.executable, "-c", HEAD + text], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_a_finalizer_swallows_comes_again_and_once(number: signal.Signals, times: int) -> None:
    assert program(COMES.format(number=int(number), times=times)) == ("interrupted\n", "")


def test_what_is_started_in_between_can_be_stopped() -> None:
    printed, complaints = program(IN_BETWEEN)
    ignored = int(printed.split()[1], 16)
    assert not ignored >> signal.SIGTERM - 1 & 1
    assert (printed.split()[-1], complaints) == ("interrupted", "")


def test_one_that_is_answered_is_all() -> None:
    assert program(OTHER_COMES_FIRST) == ("interrupted\n", "")


def test_what_has_ended_is_not_interrupted() -> None:
    assert program(TOO_LATE) == ("done\n", "")


def test_what_else_a_finalizer_raises_is_told() -> None:
    printed, complaints = program(MISTAKE)
    assert printed == "done\n"
    assert "ZeroDivisionError" in complaints
