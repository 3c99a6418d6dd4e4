# SPDX-License-Identifier: GPL-2.0-only
"""What the host does to a machine on purpose: it stands still, gets an NMI, starts again from nothing."""

from collections.abc import Callable
from typing import Any

from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.vm.loss import Loss
from harness.vm.machine import Machine

PANIC_ORDER = "echo c >/proc/sysrq-trigger"


def pause(machine: Machine, seconds: float) -> None:
    """Stop all CPUs for a while. Raises HarnessError when QEMU does not."""
    machine.order("stop")
    state = machine.order("query-status")["status"]
    if state != "paused":
        raise HarnessError(f"the machine was ordered to stand still and is {state}")
    Deadline(seconds).wait(lambda: False, machine.watch)
    machine.order("cont")


def inject_nmi(machine: Machine) -> None:
    """Send a non-maskable interrupt."""
    machine.order("inject-nmi")


def power_cut(machine: Machine) -> dict[str, Any]:
    """Reset the machine; returns the hello of the agent after the boot from nothing."""
    # Nothing runs between what the console has now and the reset: which kernel it was is known for sure.
    machine.order("stop")
    machine.console.poll()
    machine.console.cut_short(machine.generation)

    def order() -> None:
        machine.order("system_reset")
        machine.order("cont")

    return restart(machine, order)


def panic(machine: Machine) -> dict[str, Any]:
    """Have the kernel panic and reset; returns the hello of the agent after the boot from nothing."""

    def order() -> None:
        machine.start(PANIC_ORDER)
        limit = Deadline(machine.limits.shutdown)
        if not limit.wait(lambda: machine.console.panic is not None, machine.see):
            raise machine.lost(Loss.NO_PANIC, "the kernel was ordered to panic, and did not", "a panic")
        # It was ordered; one after it was not.
        machine.console.panic = None

    return restart(machine, order)


def restart(machine: Machine, order: Callable[[], None]) -> dict[str, Any]:
    """Carry out what resets the machine, and wait for the boot from nothing."""
    following = machine.generation + 1
    before = len(machine.ends)
    machine.order("set-action", {"reboot": "reset"})
    order()
    machine.disconnect()
    limit = Deadline(machine.limits.shutdown)
    if not limit.wait(lambda: len(machine.ends) > before, machine.see):
        raise machine.lost(Loss.NO_RESET, "the machine was ordered to start again, and did not", "a reset")
    limit = Deadline(machine.limits.silence)
    if not limit.wait(lambda: machine.kernels > following, machine.see):
        raise machine.lost(Loss.SILENCE, "no output after the reset", "the first line of a kernel")
    # SeaBIOS resets the machine once more before it boots. From here on a reset is the end again.
    machine.excused += len(machine.ends)
    machine.order("set-action", {"reboot": "shutdown"})
    return machine.arrive(following)
