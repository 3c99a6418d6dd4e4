# SPDX-License-Identifier: GPL-2.0-only
"""One virtual machine over all its generations: boot, talk, jump, and know when it is lost."""

import contextlib
import functools
import re
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import paramiko

from harness import proc
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.events import Events
from harness.kinds import UNPRIVILEGED
from harness.vm.agent import Agent, AgentErrnoError, AgentLostError
from harness.vm.console import INIT, JUMP, JUMP_REFUSED, MODULES, READY, Console
from harness.vm.monitor import Event, Monitor, MonitorError
from harness.vm.qemu import SCRIPT_NAME, Hardware, argv, script
from harness.vm.shell import Result, Shell, ShellError, ShellRefusedError, dial_until

# The agent answers the order to jump before it carries it out.
JUMP_DELAY_MS = 20
# The command that speaks to the agent.
CONNECT = "agent connect"
# killall succeeds as long as there is an agent: until the last has ended.
AGENT_ENDS = "while killall -9 agent 2>/dev/null; do :; done; rm -rf /run/process /run/fd; agent serve"
# Between two tries to open a channel, in seconds.
CHANNEL_PAUSE = 0.05
# QEMU writes the last console bytes and events before it ends: time to read them.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Limits:
    """How long each wait may take, in seconds. They end a hang; they measure nothing."""

    # From power-on, or from the first line of the next kernel, to the ready marker.
    boot: float = 90.0
    # From "Starting new kernel" to the next kernel's first line.
    silence: float = 30.0
    # From the order to jump to "Starting new kernel".
    shutdown: float = 30.0
    ssh: float = 30.0
    call: float = 120.0

    def scaled(self, factor: float) -> "Limits":
        """All limits, times factor."""
        return Limits(*(getattr(self, name) * factor for name in self.__dataclass_fields__))


class Loss(StrEnum):
    """How a machine can be lost. Each is a finding of its own."""

    PANIC = "panic"
    RESET = "reset"
    OFF = "powered off"
    SILENCE = "silence after the jump"
    NO_JUMP = "no jump"
    HANG = "hang"
    SSH = "SSH does not answer"
    COMMAND = "a command does not end"
    NO_RESET = "no reset"
    NO_PANIC = "no panic"
    AGENT = "the agent does not answer"
    QEMU = "QEMU ended"


RUNNING = "a machine that goes on running"
# QMP events that no live update causes.
ENDS = frozenset({"SHUTDOWN", "RESET"})
# ShutdownCause in QEMU's qapi/run-state.json: somebody on the host did it.
HOST_REASONS = frozenset({"host-qmp-quit", "host-signal", "host-ui", "host-error"})
# Ours or the host's fault, whenever they happen; the others are the kernel's once it has booted. What was
# ordered to break and does not is no fault of the kernel's: nothing could be tested.
HOST_LOSSES = frozenset({Loss.QEMU, Loss.SSH, Loss.NO_RESET, Loss.NO_PANIC})


class MachineLostError(Exception):
    """The machine cannot go on: how it was lost, in which generation, and whether it had ever been ready."""

    def __init__(self, loss: Loss, generation: int, booted: bool, text: str, expected: str) -> None:
        super().__init__(text)
        self.loss = loss
        self.generation = generation
        self.booted = booted
        self.expected = expected


class _LeavingError(Exception):
    """The jump has begun, and nobody will answer any more."""


@dataclass(frozen=True)
class Process:
    """A process of the guest that runs an agent."""

    agent: Agent
    # Its folder, in which its socket is, and its number.
    dir: str
    pid: int


class Machine:
    """A running machine; made by power_on()."""

    def __init__(
        self, process: proc.Process, monitor: Monitor, console: Console, events: Events, limits: Limits
    ) -> None:
        self.console = console
        self.monitor = monitor
        self.generation = 0
        # Whether any generation has been ready.
        self.booted = False
        self._process = process
        self._events = events
        self.limits = limits
        self._shell: Shell | None = None
        # The agents by the names of their processes; None: the first one.
        self._processes: dict[str | None, Process] = {}
        # The process that calls are made by.
        self.acting: str | None = None
        # Called again and again while the next call is under way.
        self.meanwhile: Callable[[], None] | None = None
        # How many of QEMU's events of an end were ordered.
        self.excused = 0
        self._started = 0
        self._login: tuple[int, Path, str] | None = None

    # -- life ---------------------------------------------------------------------------------------------

    def boot(self, key: Path, host_key: str) -> dict[str, Any]:
        """Start the stopped machine, wait until it is ready and return the agent's hello."""
        self._login = (self._ssh_port(), key, host_key)
        self.monitor.execute("cont")
        self._events.emit("power-on", generation=0)
        return self.arrive(0)

    def jump(self, at_once: int = 1, meanwhile: Callable[[], None] | None = None) -> dict[str, Any]:
        """Order the loaded kexec and wait for the next kernel; returns its agent's hello.

        at_once: how many processes ask for it; meanwhile: called when the old kernel has said that it goes.

        Raises AgentErrnoError when reboot(2) refuses; the machine goes on then.
        """
        following = self.generation + 1
        refusals = len(self.console.find_all(JUMP_REFUSED, self.generation))
        self._order_jump(at_once, functools.partial(self._leaving, refusals, following))
        self._events.emit("jump", generation=self.generation)
        self.disconnect()
        limit = Deadline(self.limits.shutdown)
        if not limit.wait(functools.partial(self._leaving, refusals, following), self.watch):
            raise self.lost(Loss.NO_JUMP, "the old kernel never said 'Starting new kernel'", "the jump")
        refused = self.console.find_all(JUMP_REFUSED, self.generation)[refusals:]
        if refused:
            self.connect()
            errno = refused[0].text.rpartition(" ")[2]
            raise AgentErrnoError("kexec", errno, "reboot", refused[0].text)
        self._events.emit("old kernel gone", generation=self.generation)
        if meanwhile is not None:
            meanwhile()
        limit = Deadline(self.limits.silence)
        if not limit.wait(lambda: self.kernels > following, self.watch):
            text = f"no output for {limit.seconds:.0f} s after 'Starting new kernel'"
            raise self.lost(Loss.SILENCE, text, "the next kernel's first line")
        self._events.emit("next kernel", generation=following)
        return self.arrive(following)

    def _order_jump(self, at_once: int, leaving: Callable[[], bool]) -> None:
        """Give the order; on a busy host the jump can come before the answer, which is lost then."""

        def watch() -> None:
            self.watch()
            if leaving():
                raise _LeavingError

        agent = self._running(None).agent
        orders = {"delay_ms": JUMP_DELAY_MS, "at_once": at_once}
        try:
            agent.call("kexec", Deadline(self.limits.call), watch, **orders)
        except _LeavingError:
            self._events.emit("order not answered", generation=self.generation)
        except AgentLostError as error:
            raise self.lost(Loss.AGENT, str(error), "an answer to 'kexec'") from error

    def _leaving(self, refusals: int, following: int) -> bool:
        """Whether the order to jump has had an effect: the jump, or a refusal more than before."""
        refused = len(self.console.find_all(JUMP_REFUSED, self.generation)) > refusals
        return refused or self._seen(JUMP, self.generation) or self.kernels > following

    def arrive(self, generation: int) -> dict[str, Any]:
        """Wait until a kernel that has begun to boot is ready; returns its agent's hello."""
        self.generation = generation
        limit = Deadline(self.limits.boot)
        for marker, event in ((INIT, "init"), (MODULES, "modules"), (READY, "ready")):
            if not limit.wait(functools.partial(self._seen, marker, generation), self.watch):
                text = f"not ready {limit.seconds:.0f} s after its start: '{marker}' is not on the console"
                raise self.lost(Loss.HANG, text, f"'{marker}' on the console")
            self._events.emit(event, generation=generation)
        hello = self.connect()
        self._events.emit("agent", generation=generation)
        self.booted = True
        return hello

    def connect(self) -> dict[str, Any]:
        """Log in and greet the agent of the running generation."""
        if self._login is None:
            raise HarnessError("the machine was never started")
        try:
            self._shell = dial_until(Deadline(self.limits.ssh), self.watch, *self._login)
            self._processes = {None: Process(Agent(self._shell.channel(CONNECT)), "/run", 0)}
        except ShellError as error:
            text = f"the guest is ready but cannot be reached: {error}"
            raise self.lost(Loss.SSH, text, "an SSH login") from error
        return self.call("hello")

    def disconnect(self) -> None:
        """Close SSH: over user networking its TCP connection gets no end at a kexec."""
        if self._shell is not None:
            self._shell.close()
        self._shell = None
        self._processes = {}

    @property
    def pid(self) -> int:
        """QEMU's process id on the host."""
        return self._process.pid

    # -- talk ---------------------------------------------------------------------------------------------

    def call(self, op: str, **arguments: object) -> dict[str, Any]:
        """One operation of the agent; raises AgentErrnoError (the guest refused) or MachineLostError."""
        agent = self.ask(op, **arguments)
        try:
            return agent.receive(op, Deadline(self.limits.call), self._watch_meanwhile())
        except AgentLostError as error:
            raise self.lost(Loss.AGENT, str(error), f"an answer to '{op}'") from error

    def ask(self, op: str, **arguments: object) -> Agent:
        """Ask the agent for an operation, without waiting for its end."""
        agent = self._running(self.acting).agent
        try:
            agent.send(op, **arguments)
        except AgentLostError as error:
            raise self.lost(Loss.AGENT, str(error), f"an answer to '{op}'") from error
        return agent

    @property
    def took(self) -> float:
        """Seconds that the last operation took, by the guest's clock."""
        return self._running(self.acting).agent.seconds

    def at_once(
        self, requests: Sequence[tuple[str | None, str, Mapping[str, object]]]
    ) -> list[dict[str, Any] | AgentErrnoError]:
        """Operations at the same time, each with the process that does it; what each of them came to."""
        processes = [self._running(name) for name, _, _ in requests]
        agents = [self._connect_to(process.dir) for process in processes]
        limit = Deadline(self.limits.call)
        results: list[dict[str, Any] | AgentErrnoError] = []
        try:
            for agent, (_, op, arguments) in zip(agents, requests, strict=True):
                agent.send(op, **arguments)
            for agent, (_, op, _) in zip(agents, requests, strict=True):
                try:
                    results.append(agent.receive(op, limit, self.watch))
                except AgentErrnoError as error:
                    results.append(error)
        except AgentLostError as error:
            raise self.lost(Loss.AGENT, str(error), "answers to calls at the same time") from error
        for agent in agents:
            agent.close()
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
                raise self.lost(Loss.AGENT, str(error), "another process") from error
            self._processes[name] = Process(self._connect_to(made["dir"]), made["dir"], made["pid"])
        return self._processes[name]

    def _connect_to(self, folder: str) -> Agent:
        if self._shell is None:
            raise HarnessError("not connected to the guest")
        limit = Deadline(self.limits.ssh)
        while True:
            self.watch()
            try:
                return Agent(self._shell.channel(f"AGENT_DIR={folder} {CONNECT}"))
            except ShellError as error:
                # dropbear refuses a channel now and then that comes just after another one has ended.
                if limit.expired:
                    raise self.lost(Loss.SSH, str(error), "another connection to the agent") from error
            time.sleep(CHANNEL_PAUSE)

    def restart_agent(self) -> None:
        """End the agent and every process that it has started, and so all that they hold; start it anew."""
        self.run(AGENT_ENDS)
        for process in self._processes.values():
            process.agent.close()
        self._processes = {None: Process(self._connect_to("/run"), "/run", 0)}

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
                    return self._shell.run(command, limit, watch)
                self.watch()
                if limit.expired:
                    raise ShellError(f"{command!r}: no channel for {limit.seconds:.0f} s")
                time.sleep(CHANNEL_PAUSE)
        except ShellError as error:
            raise self.lost(Loss.COMMAND, str(error), "the command's end") from error

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

    def memory(self, address: int, size: int, scratch: Path) -> bytes:
        """Guest-physical memory as QEMU has it; scratch: a file to pass it through, gone afterwards."""
        try:
            self.monitor.execute("pmemsave", {"val": address, "size": size, "filename": str(scratch)})
            return scratch.read_bytes()
        except MonitorError:
            self.watch()  # it may be the machine that ended
            raise
        finally:
            scratch.unlink(missing_ok=True)

    # -- watch --------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Take in the console; raise MachineLostError when the machine can no longer go on."""
        self.console.poll()
        if self._process.poll() is None and not self._ended():
            # A panic in early boot ends in a hang, whatever panic= says.
            panic = self.console.panic
            if panic and time.monotonic() - panic.seen > SETTLE_SECONDS:
                raise self.lost(Loss.PANIC, panic.text, RUNNING)
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SETTLE_SECONDS)
        Deadline(SETTLE_SECONDS).wait(self._ended, self.console.poll)
        self.console.poll()
        raise self._why_it_ended()

    def _watch_meanwhile(self) -> Callable[[], None]:
        """What to do at each look, once for a call: watch, and what was to be done meanwhile."""
        meanwhile, self.meanwhile = self.meanwhile, None

        def watch() -> None:
            if meanwhile is not None:
                meanwhile()
            self.watch()

        return watch

    @property
    def ends(self) -> list[Event]:
        """QEMU's events of an end that nobody has ordered."""
        return [event for event in self.monitor.events if event.name in ENDS][self.excused :]

    def _ended(self) -> bool:
        return bool(self.ends)

    def _why_it_ended(self) -> MachineLostError:
        end = next(iter(self.ends), None)
        if self.console.panic:
            return self.lost(Loss.PANIC, self.console.panic.text, RUNNING)
        if end is None:
            status = self._process.returncode
            return self.lost(Loss.QEMU, f"QEMU ended by itself with status {status}: see qemu.err", RUNNING)
        reason = str(end.data.get("reason"))
        if reason in HOST_REASONS:
            return self.lost(Loss.QEMU, f"QEMU was ended from outside ({reason})", RUNNING)
        if "reset" in reason:
            text = f"the machine was reset ({reason}): a firmware boot, not a kexec"
            return self.lost(Loss.RESET, text, "a kexec: QEMU sees no reset")
        return self.lost(Loss.OFF, f"the machine was switched off ({reason})", RUNNING)

    def lost(self, loss: Loss, text: str, expected: str) -> MachineLostError:
        """The error for a machine that is lost now."""
        self._events.emit("lost", loss=loss, text=text)
        return MachineLostError(
            loss, max(self.generation, self.console.generation), self.booted, text, expected
        )

    @property
    def kernels(self) -> int:
        """How many kernels have printed their first line."""
        return self.console.generation + 1 if self.console.lines else 0

    def _seen(self, needle: str, generation: int) -> bool:
        return self.console.find(needle, generation) is not None

    def _ssh_port(self) -> int:
        table = self.monitor.hmp("info usernet")
        match = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", table)
        if not match:
            raise HarnessError(f"QEMU shows no forwarded SSH port:\n{table}")
        return int(match[1])


@contextlib.contextmanager
def power_on(
    hardware: Hardware, out: Path, events: Events, limits: Limits, ssh_key: Path | None = None
) -> Iterator[Machine]:
    """A machine, stopped before its first instruction; when the context ends, QEMU is gone.

    Writes into out: qemu.sh (boots the same machine by hand), console.log, qmp.log, qemu.err. ssh_key: the
    one that qemu.sh names.
    """
    runner = out / SCRIPT_NAME
    runner.write_text(script(hardware, ssh_key))
    runner.chmod(runner.stat().st_mode | stat.S_IXUSR)
    console = Console(out / "console.log")
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        stderr_path = out / "qemu.err"
        stderr = stack.enter_context(stderr_path.open("w"))
        back_ends = (f"file,path={str(console.path).replace(',', ',,')}", f"socket,fd={theirs.fileno()}")
        command = argv(hardware, *back_ends)
        process = stack.enter_context(
            proc.spawn(command, stdout=stderr, stderr=stderr, pass_fds=[theirs.fileno()])
        )
        theirs.close()
        try:
            monitor = Monitor(ours, out / "qmp.log")
        except HarnessError as error:
            words = "; ".join(stderr_path.read_text(errors="replace").splitlines()[-3:])
            raise HarnessError(f"QEMU did not start: {words or error}. Its command: {runner}") from error
        stack.callback(monitor.close)
        machine = Machine(process, monitor, console, events, limits)
        stack.callback(console.poll)
        stack.callback(machine.disconnect)
        yield machine
