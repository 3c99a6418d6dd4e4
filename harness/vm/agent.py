# SPDX-License-Identifier: GPL-2.0-only
"""The agent in the guest, spoken to in JSON lines over one SSH channel (protocol: guests/agent)."""

import functools
import json
from collections.abc import Callable
from typing import Any

import paramiko

from harness.deadline import Deadline
from harness.vm.shell import wait_for_more


class AgentLostError(Exception):
    """The agent did not answer: time ran out, or the connection went away."""


class AgentErrnoError(Exception):
    """A call in the guest failed: the agent's operation, errno and call by name, and the agent's words."""

    def __init__(self, op: str, errno: str, call: str, text: str) -> None:
        super().__init__(f"{op}: {call or 'the agent'} failed with {errno}: {text}")
        self.op = op
        self.errno = errno
        self.call = call
        self.text = text


class Agent:
    """One connection to the agent; requests are answered in order."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._number = 0
        self._buffer = b""
        # How long the last operation took, in seconds, by the guest's clock.
        self.seconds = 0.0

    def call(
        self, op: str, deadline: Deadline, watch: Callable[[], None], **arguments: object
    ) -> dict[str, Any]:
        """Ask for one operation; its result. Raises AgentErrnoError (the guest said no) or AgentLostError."""
        self.send(op, **arguments)
        return self.receive(op, deadline, watch)

    def send(self, op: str, **arguments: object) -> None:
        """Ask for one operation, without waiting; receive() has its result. Raises AgentLostError."""
        self._number += 1
        request = json.dumps({"id": self._number, "op": op, **arguments}) + "\n"
        try:
            self._channel.sendall(request.encode())
        except (OSError, paramiko.SSHException) as error:
            raise AgentLostError(f"{op}: the connection to the agent is gone ({error})") from error

    def receive(self, op: str, deadline: Deadline, watch: Callable[[], None]) -> dict[str, Any]:
        """The result of what was asked for last. Raises AgentErrnoError or AgentLostError."""
        if not deadline.wait(self._received, watch, functools.partial(wait_for_more, self._channel)):
            raise AgentLostError(f"{op}: no answer from the agent in {deadline.seconds:.0f} s")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            return self._result(op, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AgentLostError(
                f"{op}: the agent's answer makes no sense ({error!r}): {line[:200]!r}"
            ) from error

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _received(self) -> bool:
        while self._channel.recv_ready():
            self._buffer += self._channel.recv(1 << 20)
        if b"\n" in self._buffer:
            return True
        if self._channel.closed or self._channel.eof_received:
            raise AgentLostError("the agent ended its connection")
        return False

    def _result(self, op: str, reply: dict[str, Any]) -> dict[str, Any]:
        if reply.get("id") != self._number:
            raise AgentLostError(f"{op}: the agent answered request {reply.get('id')}, not {self._number}")
        self.seconds = reply["ns"] / 1e9
        if error := reply.get("error"):
            raise AgentErrnoError(op, error["errno"], error.get("call", ""), error.get("text", ""))
        return dict(reply["ok"])
