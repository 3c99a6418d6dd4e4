# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU that is watched: whatever is waited for, its end or a crash on its console ends the wait."""

import contextlib
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from harness import proc
from harness.deadline import Deadline
from harness.events import Events
from harness.vm.console import Console
from harness.vm.loss import ENDS, HOST_REASONS, RUNNING, Limits, Loss, MachineLostError
from harness.vm.monitor import Event, Monitor, MonitorError, MonitorRefusedError

# QEMU writes the last console bytes and events before it ends: time to read them.
SETTLE_SECONDS = 2.0


class Watched:
    """A QEMU process with its monitor and its console."""

    def __init__(
        self, process: proc.Process, monitor: Monitor, console: Console, events: Events, limits: Limits
    ) -> None:
        self.console = console
        self.monitor = monitor
        self.limits = limits
        self.generation = 0
        # Whether any generation has been ready.
        self.booted = False
        # How many of QEMU's events of an end were ordered.
        self.excused = 0
        self._process = process
        self._events = events

    @property
    def pid(self) -> int:
        """QEMU's process id on the host."""
        return self._process.pid

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

    def see(self) -> None:
        """Take in the console while the machine is to end; raise MachineLostError when QEMU itself has."""
        self.console.poll()
        if self._process.poll() is not None:
            self.console.poll()
            raise self._why_it_ended()

    def order(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """A QMP command, and what it returns. Raises MonitorError, or MachineLostError, which says more."""
        try:
            return self.monitor.execute(command, arguments)
        except MonitorRefusedError:
            self.watch()
            raise
        except MonitorError:
            self.look_for_its_end()
            raise

    def look_for_its_end(self) -> None:
        """A connection that is gone may be the first sign of a reset: QEMU's event comes a moment later."""
        Deadline(SETTLE_SECONDS).wait(lambda: False, self.watch)

    @property
    def ends(self) -> list[Event]:
        """QEMU's events of an end that nobody has ordered."""
        return [event for event in self.monitor.events if event.name in ENDS][self.excused :]

    def _ended(self) -> bool:
        return bool(self.ends)

    def _why_it_ended(self) -> MachineLostError:
        # A reset that was ordered is not what QEMU has ended by.
        end = min(self.ends, key=lambda one: one.name != "SHUTDOWN", default=None)
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
        return MachineLostError(
            loss, max(self.generation, self.console.generation), self.booted, text, expected
        )

    @property
    def kernels(self) -> int:
        """How many kernels have printed their first line."""
        return self.console.generation + 1 if self.console.lines else 0

    def _seen(self, needle: str, generation: int) -> bool:
        return self.console.find(needle, generation) is not None
