# SPDX-License-Identifier: GPL-2.0-only
"""How a machine can be lost, and how long it may take before it is."""

from dataclasses import dataclass
from enum import StrEnum


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
    # From a look at a device to its next count.
    count: float = 10.0

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
HOST_REASONS = frozenset({"host-qmp-quit", "host-qmp-system-reset", "host-signal", "host-ui", "host-error"})
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
