# SPDX-License-Identifier: GPL-2.0-only
"""SSH, against a server in this process."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import paramiko
import pytest

from harness import proc
from harness.deadline import Deadline
from harness.events import Events
from harness.vm import shell as shell_module
from harness.vm.console import Console
from harness.vm.loss import Limits, Loss, MachineLostError
from harness.vm.machine import Machine
from harness.vm.monitor import Monitor
from harness.vm.shell import CommandEndlessError, Shell, ShellError, ShellRefusedError, dial_until

SECONDS = 20.0


class Server(paramiko.ServerInterface):
    """Lets everybody in, opens channels, and runs nothing."""

    def check_auth_none(self, _username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, _channel: paramiko.Channel, _command: bytes) -> bool:
        return False


class Refusing(Server):
    """Gives no channel."""

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return paramiko.common.OPEN_FAILED_RESOURCE_SHORTAGE


class Slow(Server):
    """Gives a channel when it is told to."""

    def __init__(self) -> None:
        self.answer = threading.Event()

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        self.answer.wait(SECONDS)
        return paramiko.common.OPEN_SUCCEEDED


class Endless(Server):
    """Its commands never end."""

    def check_channel_exec_request(self, _channel: paramiko.Channel, _command: bytes) -> bool:
        return True


@contextlib.contextmanager
def served(server: paramiko.ServerInterface) -> Iterator[Shell]:
    """A shell on a server."""
    ours, theirs = socket.socketpair()
    with (
        contextlib.closing(paramiko.Transport(theirs)) as host,
        contextlib.closing(paramiko.Transport(ours)) as transport,
    ):
        host.add_server_key(paramiko.ECDSAKey.generate())
        host.start_server(threading.Event(), server)
        transport.start_client(timeout=SECONDS)
        transport.auth_none("root")
        yield Shell(transport)


@contextlib.contextmanager
def sleeping(server: paramiko.ServerInterface, limits: Limits, folder: Path) -> Iterator[Machine]:
    """A machine whose QEMU is a process that sleeps, logged in to a server."""
    with (
        served(server) as shell,
        proc.spawn(["sleep", "60"]) as process,
        Events(folder / "events.jsonl") as events,
    ):
        (folder / "console.log").touch()
        monitor = cast(Monitor, SimpleNamespace(events=[]))
        machine = Machine(process, monitor, Console(folder / "console.log"), events, limits)
        machine._shell = shell
        yield machine


def run(shell: Shell) -> None:
    shell.run("true", Deadline(SECONDS), lambda: None)


def test_no_channel_is_refused() -> None:
    with served(Refusing()) as shell, pytest.raises(ShellRefusedError):
        run(shell)


def test_a_channel_that_is_closed_as_soon_as_it_is_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_session(_self: paramiko.Transport, timeout: float) -> paramiko.Channel:
        raise paramiko.SSHException(f"what paramiko says when a channel has gone before {timeout} s")

    monkeypatch.setattr(paramiko.Transport, "open_session", open_session)
    with served(Server()) as shell, pytest.raises(ShellRefusedError):
        run(shell)


def test_a_channel_that_is_not_open_yet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a host that is busy: there is no command so far, so it can be tried again."""
    monkeypatch.setattr(shell_module, "DIAL_SECONDS", 0.2)
    slow = Slow()
    with served(slow) as shell:
        with pytest.raises(ShellRefusedError, match="Timeout opening channel"):
            run(shell)
        slow.answer.set()


def test_a_command_without_an_end_is_told_from_one_that_was_not_started() -> None:
    with served(Endless()) as shell, pytest.raises(CommandEndlessError, match="did not end within 0 s"):
        shell.run("sleep", Deadline(0.2), lambda: None)


def test_a_command_that_may_have_been_started_is_not_refused() -> None:
    with served(Server()) as shell, pytest.raises(ShellError) as raised:
        run(shell)
    assert not isinstance(raised.value, ShellRefusedError)


def test_a_connection_that_is_gone_is_not_refused() -> None:
    with served(Server()) as shell:
        shell.close()
        with pytest.raises(ShellError) as raised:
            run(shell)
        assert not isinstance(raised.value, ShellRefusedError)


def test_what_came_of_all_tries_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first is not answered, as by a guest that nothing reaches; later ones find nobody who listens."""
    monkeypatch.setattr(shell_module, "DIAL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        looks = iter((lambda: None, silent.close))

        def watch() -> None:
            next(looks, lambda: None)()

        with pytest.raises(ShellError) as caught:
            dial_until(Deadline(1.0), watch, port, tmp_path / "key", "ssh-ed25519 AAAA")
    # On a busy host paramiko is the first to give up.
    unanswered = r"(no keys were exchanged in 0 s|Error reading SSH protocol banner) \(1 times\)"
    assert re.search(rf"SSH on 127\.0\.0\.1:{port}: {unanswered}", str(caught.value))
    assert "Connection refused" in str(caught.value)
    assert str(caught.value).endswith(", in 1 s")


@pytest.mark.parametrize(
    ("server", "seconds", "loss"),
    [(Refusing, 0.2, Loss.SSH), (Server, SECONDS, Loss.SSH), (Endless, 0.2, Loss.COMMAND)],
    ids=["no channel", "no command", "no end"],
)
def test_whose_fault_it_is_that_a_command_has_no_result(
    server: type[Server], seconds: float, loss: Loss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That of the kernel only where the command was started; QEMU is another process, which lives."""
    monkeypatch.setattr("harness.vm.watch.SETTLE_SECONDS", 0.1)
    with (
        sleeping(server(), Limits(call=seconds), tmp_path) as machine,
        pytest.raises(MachineLostError) as lost,
    ):
        machine.run("true")
    assert lost.value.loss is loss
