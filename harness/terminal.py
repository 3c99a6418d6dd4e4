# SPDX-License-Identifier: GPL-2.0-only
"""An interactive shell in the guest on the user's own terminal."""

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator

from harness.vm.machine import Machine

# Ctrl-D, as a terminal sends it.
END_OF_INPUT = b"\x04"


def interact(machine: Machine) -> None:
    """Connect the terminal to a shell in the guest until it ends; a pipe as standard input is its script."""
    columns, lines = shutil.get_terminal_size()
    channel = machine.open_shell(os.environ.get("TERM", "dumb"), columns, lines)
    stdin = sys.stdin.fileno()
    sources = [channel, stdin]
    with _raw(stdin), contextlib.closing(channel):
        while True:
            ready, _, _ = select.select(sources, [], [], 0.2)
            machine.watch()
            if channel in ready:
                data = channel.recv(65536)
                if not data:
                    return
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
            if stdin in ready:
                typed = os.read(stdin, 4096)
                if not typed:
                    sources.remove(stdin)
                with contextlib.suppress(OSError):  # the shell has just ended: seen above
                    channel.sendall(typed or END_OF_INPUT)


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Pass every key to the guest, Ctrl-C included; the terminal is as before at the end."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        signal.signal(signal.SIGINT, interrupt)
