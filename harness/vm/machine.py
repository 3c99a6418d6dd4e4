# SPDX-License-Identifier: GPL-2.0-only
"""One virtual machine over all its generations: boot, jump, arrive."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.deadline import Deadline
from harness.vm import usernet
from harness.vm.agent import AgentErrnoError, AgentLostError
from harness.vm.console import INIT, JUMP, JUMP_REFUSED, MODULES, READY
from harness.vm.loss import Loss
from harness.vm.talk import Talking, goes_on

# The agent answers the order to jump before it carries it out.
JUMP_DELAY_MS = 20


class _LeavingError(Exception):
    """The jump has begun, and nobody will answer any more."""


class Machine(Talking):
    """A running machine; made by power_on()."""

    # The agent's hello of a machine that went on from a snapshot.
    hello: dict[str, Any] | None = None
    # How a machine goes on that was saved in the middle of a live update.
    going_on: Callable[[], dict[str, Any]] | None = None
    # What whoever saved it knew; nothing: it was saved before its first step.
    known: object = None
    # The files that are its memory, of a machine that can be saved.
    ram: Sequence[int] = ()

    def boot(self, key: Path, host_key: str) -> dict[str, Any]:
        """Start the stopped machine, wait until it is ready and return the agent's hello.

        A machine from a snapshot is ready.
        """
        if self.hello is not None:
            return self.hello
        if self.going_on is not None:
            return self.going_on()
        self._login = (usernet.ssh_port(self.monitor), key, host_key)
        self.monitor.execute("cont")
        self._events.emit("power-on", generation=0)
        return self.arrive(0)

    def resume(self, key: Path, host_key: str) -> dict[str, Any]:
        """Let a machine go on that was saved when it was ready; the agent's hello."""
        self._login = (usernet.ssh_port(self.monitor), key, host_key)
        self.console.poll()
        self.generation, self.booted = self.console.generation, True
        self.monitor.execute("cont")
        self._events.emit("resumed", generation=self.generation)
        return self.greet(self.generation, stood_still=True)

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
            self._agent_lost(error, "an answer to 'kexec'")

    def _leaving(self, refusals: int, following: int) -> bool:
        """Whether the order to jump has had an effect: the jump, or a refusal more than before."""
        refused = len(self.console.find_all(JUMP_REFUSED, self.generation)) > refusals
        return refused or self._seen(JUMP, self.generation) or self.kernels > following

    def arrive(self, generation: int) -> dict[str, Any]:
        """Wait until a kernel that has begun to boot is ready; returns its agent's hello."""
        self.await_ready(generation)
        at_ready, self.at_ready = self.at_ready, goes_on
        return self.greet(generation, at_ready())

    def await_ready(self, generation: int) -> None:
        """Wait until a kernel that has begun to boot says that its user space is ready."""
        self.generation = generation
        limit = Deadline(self.limits.boot)
        for marker, event in ((INIT, "init"), (MODULES, "modules"), (READY, "ready")):
            if not limit.wait(functools.partial(self._seen, marker, generation), self.watch):
                text = f"not ready {limit.seconds:.0f} s after its start: '{marker}' is not on the console"
                raise self.lost(Loss.HANG, text, f"'{marker}' on the console")
            self._events.emit(event, generation=generation)

    def greet(self, generation: int, stood_still: bool = False) -> dict[str, Any]:
        """Connect to the agent of a kernel that is ready; its hello. stood_still: see connect()."""
        hello = self.connect(stood_still)
        self._events.emit("agent", generation=generation)
        self.booted = True
        return hello
