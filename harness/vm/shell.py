# SPDX-License-Identifier: GPL-2.0-only
"""SSH to one generation of the guest: commands, an interactive shell, the agent's channel."""

import base64
import contextlib
import functools
import logging
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paramiko

from harness.deadline import Deadline

DIAL_SECONDS = 5.0
# What goes wrong comes to us as an exception; the library would print it too.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


class ShellError(Exception):
    """SSH did not work; the machine decides whose fault that is."""


class ShellRefusedError(ShellError):
    """The server gave no channel so far, or closed it at once, and ran nothing: dropbear does that at times,
    when others have just ended, and a busy host is slow."""


class CommandEndlessError(ShellError):
    """A command was started, and did not end in time."""


@dataclass(frozen=True)
class Result:
    """What a command in the guest left: exit status and output."""

    status: int
    stdout: str
    stderr: str


class Shell:
    """An SSH connection. Over user networking the guest's end gets no FIN at a kexec: close it before."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    @classmethod
    def dial(cls, port: int, key: Path, host_key: str) -> "Shell":
        """Connect and log in as root; raises ShellError.

        That the port accepts proves nothing: QEMU's hostfwd does while nothing listens in the guest.
        """
        with contextlib.ExitStack() as stack:
            try:
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), DIAL_SECONDS))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport = stack.enter_context(contextlib.closing(paramiko.Transport(sock)))
                transport.banner_timeout = DIAL_SECONDS
                transport.start_client(timeout=DIAL_SECONDS)
                # When time is up it returns as if all were well.
                if not transport.initial_kex_done:
                    raise ShellError(
                        f"SSH on 127.0.0.1:{port}: no keys were exchanged in {DIAL_SECONDS:.0f} s"
                    )
                kind, data = host_key.split()[:2]
                server = transport.get_remote_server_key()
                if server.get_name() != kind or server.asbytes() != base64.b64decode(data):
                    raise ShellError(f"port {port} answers with a host key that is not this guest's")
                transport.auth_publickey("root", paramiko.Ed25519Key.from_private_key_file(str(key)))
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise ShellError(f"SSH on 127.0.0.1:{port}: {error or type(error).__name__}") from error
            stack.pop_all()
        return cls(transport)

    def channel(self, command: str) -> paramiko.Channel:
        """Start a command and return its channel; raises ShellError, or ShellRefusedError."""
        try:
            channel = self._transport.open_session(timeout=DIAL_SECONDS)
        except (OSError, EOFError, paramiko.SSHException) as error:
            text = f"SSH channel for {command!r}: {error or type(error).__name__}"
            # The connection is there: it was refused, closed as soon as it was open, or not answered.
            if self._transport.is_active():
                raise ShellRefusedError(text) from error
            raise ShellError(text) from error
        try:
            channel.exec_command(command)
        except (OSError, EOFError, paramiko.SSHException) as error:
            # It may have been started all the same: dropbear was seen to do that.
            raise ShellError(f"SSH channel for {command!r}: {error or type(error).__name__}") from error
        return channel

    def run(self, command: str, deadline: Deadline, watch: Callable[[], None]) -> Result:
        """Run a command to its end; raises ShellError when time runs out or the connection is lost."""
        channel = self.channel(command)
        streams: dict[str, list[bytes]] = {"stdout": [], "stderr": []}

        def finished() -> bool:
            while channel.recv_ready():
                streams["stdout"].append(channel.recv(65536))
            while channel.recv_stderr_ready():
                streams["stderr"].append(channel.recv_stderr(65536))
            return bool(
                channel.exit_status_ready()
                and (channel.eof_received or channel.closed)
                and not (channel.recv_ready() or channel.recv_stderr_ready())
            )

        with contextlib.closing(channel):
            if not deadline.wait(finished, watch, functools.partial(wait_for_more, channel)):
                raise CommandEndlessError(f"{command!r} did not end within {deadline.seconds:.0f} s")
            status = channel.recv_exit_status()
        out, err = (b"".join(streams[name]).decode("utf-8", "replace") for name in ("stdout", "stderr"))
        return Result(status, out, err)

    def terminal(self, term: str, columns: int, lines: int) -> paramiko.Channel:
        """An interactive shell with a pseudo-terminal."""
        try:
            channel = self._transport.open_session(timeout=DIAL_SECONDS)
            channel.get_pty(term, columns, lines)
            channel.invoke_shell()
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ShellError(f"SSH terminal: {error or type(error).__name__}") from error
        return channel

    def close(self) -> None:
        """Disconnect."""
        self._transport.close()


def wait_for_more(channel: paramiko.Channel, seconds: float) -> None:
    """Wait at most so long for output of a command, or for its end."""
    if channel.eof_received:
        # No output comes any more. The status is told before the end or after it.
        channel.status_event.wait(seconds)
    else:
        select.select([channel], [], [], seconds)


def dial_until(deadline: Deadline, watch: Callable[[], None], port: int, key: Path, host_key: str) -> Shell:
    """Dial until it works; raises a ShellError when time is up: what came of all the tries."""
    tries: Counter[str] = Counter()
    while True:
        watch()
        try:
            return Shell.dial(port, key, host_key)
        except ShellError as error:
            tries[str(error)] += 1
            if deadline.expired:
                told = "; ".join(f"{text} ({count} times)" for text, count in tries.most_common())
                raise ShellError(f"{told}, in {deadline.seconds:.0f} s") from error
        time.sleep(0.05)
