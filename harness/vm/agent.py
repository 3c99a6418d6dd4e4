# SPDX-License-Identifier: GPL-2.0-only
"""The agent in the guest, spoken to in JSON lines over one SSH channel (protocol: guests/agent)."""

import contextlib
import functools
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import paramiko

from harness.deadline import Deadline
from harness.vm.shell import wait_for_more


class AgentLostError(Exception):
    """The agent did not answer: time ran out, or the connection went away."""


# Instead of a call, where the agent saw that something came out wrong: broken(), guests/agent/request.c.
KERNEL = "the kernel"


class AgentErrnoError(Exception):
    """A call in the guest failed: the agent's operation, errno and call by name, and the agent's words."""

    def __init__(self, op: str, errno: str, call: str, text: str) -> None:
        super().__init__(f"{op}: {call or 'the agent'} failed with {errno}: {text}")
        self.op = op
        self.errno = errno
        self.call = call
        self.text = text


# An operation by its name, and its arguments.
Request = tuple[str, Mapping[str, object]]
# What an operation came to.
Reply = dict[str, Any] | AgentErrnoError


def granted(replies: Iterable[Reply]) -> list[dict[str, Any]]:
    """The results of operations; raises the first AgentErrnoError among them."""
    results = []
    for reply in replies:
        if isinstance(reply, AgentErrnoError):
            raise reply
        results.append(reply)
    return results


class Agent:
    """One connection to the agent; requests are answered in order."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._number = 0
        # The numbers of what was asked for and not answered yet.
        self._asked: deque[int] = deque()
        self._buffer = b""
        # How long the last operation took, in seconds, by the guest's clock.
        self.seconds = 0.0

    def call(
        self, op: str, deadline: Deadline, watch: Callable[[], None], **arguments: object
    ) -> dict[str, Any]:
        """Ask for one operation; its result. Raises AgentErrnoError (the guest said no) or AgentLostError."""
        self.send((op, arguments))
        return self.receive(op, deadline, watch)

    def send(self, *requests: Request) -> None:
        """Ask for operations, without waiting; receive() has the result of each. Raises AgentLostError."""
        lines = []
        for op, arguments in requests:
            self._number += 1
            self._asked.append(self._number)
            lines.append(json.dumps({"id": self._number, "op": op, **arguments}) + "\n")
        try:
            self._channel.sendall("".join(lines).encode())
        except (OSError, paramiko.SSHException) as error:
            raise AgentLostError(
                f"{requests[0][0]}: the connection to the agent is gone ({error})"
            ) from error

    def receive(self, op: str, deadline: Deadline, watch: Callable[[], None]) -> dict[str, Any]:
        """The result of the first that was asked for and not received.

        Raises AgentErrnoError or AgentLostError.
        """
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

    def finish(self, deadline: Deadline, watch: Callable[[], None]) -> None:
        """End the connection, and wait until the guest's end is gone too, or time runs out.

        dropbear confuses a channel that we have closed, and whose command still ends, with the next one.
        """
        with contextlib.suppress(OSError, paramiko.SSHException):
            self._channel.shutdown_write()
            deadline.wait(lambda: self._channel.closed, watch)
        self._channel.close()

    def _received(self) -> bool:
        while self._channel.recv_ready():
            self._buffer += self._channel.recv(1 << 20)
        # Nobody reads it: but as long as it is there, there is something to be read.
        while self._channel.recv_stderr_ready():
            self._channel.recv_stderr(1 << 20)
        if b"\n" in self._buffer:
            return True
        if self._channel.closed or self._channel.eof_received:
            raise AgentLostError("the agent ended its connection")
        return False

    def _result(self, op: str, reply: dict[str, Any]) -> dict[str, Any]:
        number = self._asked.popleft()
        if reply.get("id") != number:
            raise AgentLostError(f"{op}: the agent answered request {reply.get('id')}, not {number}")
        self.seconds = reply["ns"] / 1e9
        if error := reply.get("error"):
            raise AgentErrnoError(op, error["errno"], error.get("call", ""), error.get("text", ""))
        return dict(reply["ok"])
