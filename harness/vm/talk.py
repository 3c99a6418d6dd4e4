# SPDX-License-Identifier: GPL-2.0-only
"""Talking to the guest: its agents, commands and shells, over SSH."""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import paramiko

from harness import proc
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.events import Events
from harness.kinds import UNPRIVILEGED
from harness.vm import renewal, usernet
from harness.vm.agent import Agent, AgentErrnoError, AgentLostError, Reply, Request, granted
from harness.vm.console import Console
from harness.vm.loss import Limits, Loss
from harness.vm.monitor import Monitor, MonitorError
from harness.vm.shell import CommandEndlessError, Result, Shell, ShellError, ShellRefusedError, dial_until
from harness.vm.watch import Watched

# The command that speaks to the agent.
CONNECT = "agent connect"
RESTART = "agent restart"
# What paramiko says of a command whose channel has closed without a status.
NO_STATUS = -1
# Between two tries to open a channel, in seconds.
CHANNEL_PAUSE = 0.05


@dataclass(frozen=True)
class Process:
    """A process of the guest that runs an agent."""

    agent: Agent
    # Its folder, in which its socket is, and its number.
    dir: str
    pid: int


def goes_on() -> bool:
    """Whether the machine stood still: no."""
    return False


class Talking(Watched):
    """A machine whose guest can be talked to."""

    def __init__(
        self, process: proc.Process, monitor: Monitor, console: Console, events: Events, limits: Limits
    ) -> None:
        super().__init__(process, monitor, console, events, limits)
        # The process that calls are made by.
        self.acting: str | None = None
        # Called again and again while the next call is under way.
        self.meanwhile: Callable[[], None] | None = None
        self._shell: Shell | None = None
        # The agents by the names of their processes; None: the first one.
        self._processes: dict[str | None, Process] = {}
        self._started = 0
        self._login: tuple[int, Path, str] | None = None
        # Called once when a kernel is ready and nobody has spoken to it; returns whether it stood still then.
        self.at_ready: Callable[[], bool] = goes_on

    def connect(self, stood_still: bool = False) -> dict[str, Any]:
        """Log in and greet the agent of the running generation. stood_still: it has to hear the news."""
        if self._login is None:
            raise HarnessError("the machine was never started")
        try:
            self._shell = dial_until(Deadline(self.limits.ssh), self.watch, *self._login)
            self._processes = {None: Process(Agent(self._shell.channel(CONNECT)), "/run", 0)}
        except ShellError as error:
            text = f"the guest is ready but cannot be reached: {error}"
            with contextlib.suppress(MonitorError):
                # For whoever looks for the cause.
                self._events.emit("network", text=usernet.state(self.monitor))
            raise self.lost(Loss.SSH, text, "an SSH login") from error
        news: tuple[Request, ...] = (("renew", renewal.news()),) if stood_still else ()
        try:
            return granted(self.in_a_row(*news, ("hello", {})))[-1]
        except AgentErrnoError as error:
            raise HarnessError(f"the agent cannot begin: {error}") from error

    def disconnect(self) -> None:
        """Close SSH: over user networking its TCP connection gets no end at a kexec."""
        if self._shell is not None:
            self._shell.close()
        self._shell = None
        self._processes = {}

    def call(self, op: str, **arguments: object) -> dict[str, Any]:
        """One operation of the agent; raises AgentErrnoError (the guest refused) or MachineLostError."""
        agent = self._asked((op, arguments))
        return self._answer(agent, op, self._watch_meanwhile())

    def in_a_row(self, *requests: Request) -> list[Reply]:
        """Operations one after the other, asked for at once; what each came to. Raises MachineLostError."""
        agent, watch = self._asked(*requests), self._watch_meanwhile()
        replies: list[Reply] = []
        for op, _ in requests:
            try:
                replies.append(self._answer(agent, op, watch))
            except AgentErrnoError as error:
                replies.append(error)
        return replies

    def ask(self, op: str, **arguments: object) -> None:
        """Ask the agent for an operation, without waiting for its end."""
        self._asked((op, arguments))

    def _asked(self, *requests: Request) -> Agent:
        agent = self._running(self.acting).agent
        try:
            agent.send(*requests)
        except AgentLostError as error:
            self._agent_lost(error, f"an answer to '{requests[0][0]}'")
        return agent

    def _agent_lost(self, error: AgentLostError, expected: str) -> NoReturn:
        """The agent is gone, perhaps because its machine is: that says more, and is found a little later."""
        self.look_for_its_end()
        raise self.lost(Loss.AGENT, str(error), expected) from error

    def _answer(self, agent: Agent, op: str, watch: Callable[[], None]) -> dict[str, Any]:
        try:
            return agent.receive(op, Deadline(self.limits.call), watch)
        except AgentLostError as error:
            self._agent_lost(error, f"an answer to '{op}'")

    @property
    def took(self) -> float:
        """Seconds that the last operation took, by the guest's clock."""
        return self._running(self.acting).agent.seconds

    def at_once(self, requests: Sequence[tuple[str | None, Request]]) -> list[Reply]:
        """Operations at the same time, each with the process that does it; what each of them came to."""
        processes = [self._running(name) for name, _ in requests]
        agents = [self._connect_to(process.dir) for process in processes]
        limit, watch = Deadline(self.limits.call), self._watch_meanwhile()
        results: list[Reply] = []
        try:
            for agent, (_, request) in zip(agents, requests, strict=True):
                agent.send(request)
            for agent, (_, (op, _)) in zip(agents, requests, strict=True):
                try:
                    results.append(agent.receive(op, limit, watch))
                except AgentErrnoError as error:
                    results.append(error)
        except AgentLostError as error:
            self._agent_lost(error, "answers to calls at the same time")
        for agent in agents:
            agent.finish(Deadline(self.limits.ssh), self.watch)
        return results

    def process_dir(self, name: str | None) -> str:
        """Where the agent of a process is found in the guest; the process is started if it is not there."""
        return self._running(name).dir

    def end_process(self, name: str) -> None:
        """Kill a process, if it was ever started."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.agent.close()
            self.call("process_end", pid=process.pid)

    def _running(self, name: str | None) -> "Process":
        if None not in self._processes:
            raise HarnessError("not connected to the agent")
        if name not in self._processes:
            self._started += 1
            first = self._processes[None].agent
            who = {"name": f"{name}.{self._started}", "uid": UNPRIVILEGED.get(str(name), 0)}
            try:
                made = first.call("process", Deadline(self.limits.call), self.watch, **who)
            except AgentLostError as error:
                self._agent_lost(error, "another process")
            self._processes[name] = Process(self._connect_to(made["dir"]), made["dir"], made["pid"])
        return self._processes[name]

    def _connect_to(self, folder: str) -> Agent:
        return self._connected(f"AGENT_DIR={folder} {CONNECT}")

    def _connected(self, command: str) -> Agent:
        """The agent that a command connects to."""
        if self._shell is None:
            raise HarnessError("not connected to the guest")
        limit = Deadline(self.limits.ssh)
        while True:
            self.watch()
            try:
                return Agent(self._shell.channel(command))
            except ShellError as error:
                # dropbear refuses a channel now and then that comes just after another one has ended.
                if limit.expired:
                    raise self.lost(Loss.SSH, str(error), "another connection to the agent") from error
            time.sleep(CHANNEL_PAUSE)

    def restart_agent(self) -> None:
        """End the agent and every process that it has started, and so all that they hold; start it anew."""
        agent = self._connected(f"{RESTART} && exec {CONNECT}")
        for process in self._processes.values():
            process.agent.close()
        self._processes = {None: Process(agent, "/run", 0)}

    def start(self, command: str) -> None:
        """Start a shell command in the guest, and do not wait for its end."""
        if self._shell is None:
            raise HarnessError(f"{command!r}: not connected to the guest")
        try:
            self._shell.channel(command)
        except ShellError as error:
            raise self.lost(Loss.SSH, str(error), "a command") from error

    def run(self, command: str) -> Result:
        """Run a shell command in the guest."""
        if self._shell is None:
            raise HarnessError(f"{command!r}: not connected to the guest")
        limit, watch = Deadline(self.limits.call), self._watch_meanwhile()
        try:
            while True:
                with contextlib.suppress(ShellRefusedError):
                    result = self._shell.run(command, limit, watch)
                    if result.status == NO_STATUS:
                        self.look_for_its_end()
                    return result
                self.watch()
                if limit.expired:
                    raise ShellError(f"{command!r}: no channel for {limit.seconds:.0f} s")
                time.sleep(CHANNEL_PAUSE)
        except CommandEndlessError as error:
            raise self.lost(Loss.COMMAND, str(error), "the command's end") from error
        except ShellError as error:
            self.look_for_its_end()
            raise self.lost(Loss.SSH, str(error), "the command's end") from error

    def open_shell(self, term: str, columns: int, lines: int) -> paramiko.Channel:
        """An interactive shell on a terminal of its own."""
        if self._shell is None:
            raise HarnessError("not connected to the guest")
        try:
            return self._shell.terminal(term, columns, lines)
        except ShellError as error:
            raise self.lost(Loss.SSH, str(error), "a terminal") from error

    def open_script(self) -> paramiko.Channel:
        """A shell without a terminal: what is sent is its script."""
        if self._shell is None:
            raise HarnessError("not connected to the guest")
        try:
            return self._shell.channel("exec sh")
        except ShellError as error:
            raise self.lost(Loss.SSH, str(error), "a shell") from error

    def memory(self, address: int, size: int) -> bytes:
        """Guest-physical memory as QEMU has it, through a file of which nothing is left, whoever dies."""
        with os.fdopen(os.memfd_create("memory"), "rb") as file:
            name = f"/proc/{os.getpid()}/fd/{file.fileno()}"
            self.order("pmemsave", {"val": address, "size": size, "filename": name})
            return file.read()

    def _watch_meanwhile(self) -> Callable[[], None]:
        """What to do at each look, once for a call: watch, and what was to be done meanwhile."""
        meanwhile, self.meanwhile = self.meanwhile, None

        def watch() -> None:
            if meanwhile is not None:
                meanwhile()
            self.watch()

        return watch
