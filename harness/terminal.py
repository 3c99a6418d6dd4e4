# SPDX-License-Identifier: GPL-2.0-only
"""A shell in the guest: on the user's own terminal, or with a pipe or file as its script."""

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Any

import paramiko

from harness.verdict import EXIT_CODES, Verdict
from harness.vm.loss import MachineLostError
from harness.vm.machine import Machine

CHUNK = 65536
LOST = EXIT_CODES[Verdict.ERROR]


def interact(machine: Machine) -> int:
    """Run a shell in the guest until it ends; its exit status, or LOST when the machine is gone before.

    On a terminal it has one too. Otherwise standard input is its script, which ends where the input ends.
    """
    stdin = sys.stdin.fileno()
    if os.isatty(stdin):
        columns, lines = shutil.get_terminal_size()
        channel = machine.open_shell(os.environ.get("TERM", "dumb"), columns, lines)
    else:
        channel = machine.open_script()
    try:
        with _raw(stdin), contextlib.closing(channel):
            return _pump(machine, channel, stdin)
    except MachineLostError as error:
        print(f"the machine is gone: {error}", file=sys.stderr)
        return LOST


def _pump(machine: Machine, channel: paramiko.Channel, stdin: int) -> int:
    """Pass on what is typed and what is printed until the shell has ended and all of it is shown."""
    channel.setblocking(0)
    typed: bytes | None = b""
    while not _show(channel):
        # What the guest does not take yet is kept, and no more is read: it may be waiting for us to read.
        sources: list[Any] = [channel] if typed or typed is None else [channel, stdin]
        ready, _, _ = select.select(sources, [], [], 0.2)
        machine.watch()
        if machine.console.generation != machine.generation:
            print("another kernel is running now: the shell went with the old one", file=sys.stderr)
            return LOST
        with contextlib.suppress(OSError):  # the shell has just ended: seen above
            if stdin in ready:
                typed = os.read(stdin, CHUNK) or None
                if typed is None:
                    channel.shutdown_write()
            if typed and channel.send_ready():
                typed = typed[channel.send(typed) :]
    status = channel.recv_exit_status()
    if status >= 0:
        return status
    # A machine that has ended takes the connection along, which may be seen first.
    machine.look_for_its_end()
    print("the shell has no exit status: it was killed, or its connection is gone", file=sys.stderr)
    return LOST


def _show(channel: paramiko.Channel) -> bool:
    """Show what the guest has printed; whether the shell has ended and that was all."""
    ended = channel.exit_status_ready() and (channel.eof_received or channel.closed)
    while channel.recv_ready():
        sys.stdout.buffer.write(channel.recv(CHUNK))
    while channel.recv_stderr_ready():
        sys.stderr.buffer.write(channel.recv_stderr(CHUNK))
    sys.stdout.flush()
    sys.stderr.flush()
    return bool(ended)


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
