# SPDX-License-Identifier: GPL-2.0-only
"""What a scenario breaks on purpose, carried out; each with the proof that it was broken."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from harness import checks, faults
from harness.actions import Action
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.evidence import Evidence
from harness.fds import StepFailedError
from harness.kernelactions import Load
from harness.result import Blame, Oracle
from harness.scalars import ERRNOS
from harness.vm import outage
from harness.vm.machine import Machine

# kmod/vfio_mock_faults.c says so when it does what it was told to.
STRUCK = "vfio_mock: as told: {operation} of device {device}"
ORDERS = "/sys/module/vfio_mock/parameters/fault"
ROOM = "/run/pressure"
MAKE_ROOM = (
    f"[ ! -d {ROOM} ] || {{ echo 'there is pressure already: end it by {{pressure: 0%}}' >&2; exit 1; }}; "
    f"mkdir {ROOM} && mount -t tmpfs -o size=100% pressure {ROOM}"
)
FILL = f"dd if=/dev/zero of={ROOM}/all bs=1M oflag=append conv=notrunc count="
EMPTY = f"[ ! -d {ROOM} ] || {{ umount {ROOM} && rmdir {ROOM}; }}"
AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)
# Memory is taken in whole MiB, and not by us alone: so many of them may be missing.
SLACK = 8
# What others gave back just before (files closed, another pressure) becomes available a little later.
FILLS = 10
NMIS = re.compile(r"^ *NMI:((?: +\d+)+)", re.MULTILINE)


@dataclass
class Armed:
    """What a handler was told, and how often it had done that before."""

    fault: faults.Handler
    generation: int
    before: int


def strike(machine: Machine, fault: faults.Fault, evidence: Evidence) -> Armed | None:
    """Break something between two steps; what is still to happen then. Raises HarnessError."""
    match fault:
        case faults.Pause(time):
            outage.pause(machine, faults.milliseconds(time) / 1000)
            evidence.prove(Oracle.STEP, f"the machine stood still for {time}")
        case faults.Nmi():
            before = nmis(machine)
            outage.inject_nmi(machine)
            nmis_came(machine, before, evidence)
        case faults.Kill():
            kill(machine, evidence)
        case faults.Pressure(share):
            command(machine, EMPTY)
            if faults.percent(share):
                fill(machine, faults.percent(share), evidence)
        case faults.Handler():
            return arm(machine, fault)
        case faults.Panic() | faults.PowerCut() | faults.Allocation():
            raise HarnessError(f"'{faults.word_of(fault)}' is not done like this")
        case _:
            assert_never(fault)
    return None


@contextlib.contextmanager
def beside(
    machine: Machine, action: Action, fault: faults.Fault | None, evidence: Evidence
) -> Iterator[Callable[[], None] | None]:
    """Break something while a step is done; what is to be called while its call is under way."""
    generation = machine.generation
    match fault:
        case faults.Pause(time):
            paused: list[str] = []

            def stand_still() -> None:
                if not paused:
                    outage.pause(machine, faults.milliseconds(time) / 1000)
                    paused.append(time)

            yield stand_still
            if not paused:
                raise HarnessError("the machine was to stand still between two kernels, and stayed in one")
            evidence.prove(Oracle.STEP, f"meanwhile the machine stood still for {time}")
        case faults.Nmi():
            before = nmis(machine)
            yield lambda: outage.inject_nmi(machine)
            nmis_came(machine, before, evidence)
        case faults.Pressure(share):
            fill(machine, faults.percent(share), evidence)
            yield None
            if machine.generation == generation:
                command(machine, EMPTY)
        case faults.Handler():
            # A module that is loaded with this step is told by a parameter (with_parameters()).
            armed = expected(machine, fault) if isinstance(action, Load) else arm(machine, fault)
            yield None
            if machine.generation == generation:
                command(machine, f"echo >{ORDERS}")
            struck(machine, armed, evidence)
        case faults.Kill():
            raise HarnessError("'kill' is a step of its own")
        case None | faults.Panic() | faults.PowerCut() | faults.Allocation():
            yield None
        case _:
            assert_never(fault)


def command(machine: Machine, text: str) -> None:
    """Run a command of ours in the guest. Raises HarnessError when it fails."""
    result = machine.run(text)
    if result.status:
        raise HarnessError(f"{text}: status {result.status}: {(result.stderr or result.stdout).strip()}")


def nmis(machine: Machine) -> int:
    """How many NMIs the CPUs have taken."""
    found = NMIS.search((checks.read(machine, "/proc/interrupts") or b"").decode())
    if not found:
        raise HarnessError("/proc/interrupts does not count NMIs")
    return sum(map(int, found[1].split()))


def nmis_came(machine: Machine, before: int, evidence: Evidence) -> None:
    """Prove that an NMI was taken. Raises HarnessError when none was."""
    limit = Deadline(checks.CONSOLE_LAG)
    if not limit.wait(lambda: nmis(machine) > before, machine.watch):
        raise HarnessError("an NMI was ordered, and no CPU has taken one")
    evidence.prove(Oracle.STEP, f"{nmis(machine) - before} NMIs were taken")


def kill(machine: Machine, evidence: Evidence) -> None:
    """Kill all agents, and start another one."""
    machine.restart_agent()
    if left := machine.call("fds")["fds"]:
        raise HarnessError(f"everything was to be killed that holds an fd, and '{left[0]}' is still held")
    evidence.prove(Oracle.STEP, "every process that held something was killed")


def available(machine: Machine) -> int:
    """How much memory is available, in MiB."""
    return int(AVAILABLE.findall((checks.read(machine, "/proc/meminfo") or b"").decode())[0]) >> 10


def fill(machine: Machine, percent: int, evidence: Evidence) -> None:
    """Take so much of the memory that is available. Raises HarnessError where that cannot be had."""
    before = left = available(machine)
    goal = before - before * percent // 100
    command(machine, MAKE_ROOM)
    for _ in range(FILLS):
        command(machine, f"{FILL}{left - goal}")
        left = available(machine)
        if left <= goal + SLACK:
            evidence.prove(Oracle.STEP, f"of {before} MiB of memory {left} MiB were left")
            return
    raise HarnessError(f"of {before} MiB {goal} were to be left, and {left} MiB are available")


def order(fault: faults.Handler) -> str:
    """What vfio_mock is told."""
    number = ERRNOS[fault.errno] if fault.errno else 0
    return f"{fault.operation}:{fault.device}:{number}:{faults.milliseconds(fault.delay)}:1"


def arm(machine: Machine, fault: faults.Handler) -> Armed:
    """Tell a handler what to do when it is called next."""
    command(machine, f"echo {order(fault)} >{ORDERS}")
    return expected(machine, fault)


def expected(machine: Machine, fault: faults.Handler) -> Armed:
    """What a handler will do from now on."""
    return Armed(fault, machine.generation, told(machine, fault, machine.generation))


def with_parameters(action: Load, fault: faults.Fault | None) -> Load:
    """The loading of a module that is told what to do."""
    more = (f"fault={order(fault)}",) if isinstance(fault, faults.Handler) else ()
    return replace(action, parameters=action.parameters + more)


def told(machine: Machine, fault: faults.Handler, generation: int) -> int:
    """How often the handler has done what it was told."""
    words = STRUCK.format(operation=fault.operation, device=fault.device)
    return len(machine.console.find_all(words, generation))


def struck(machine: Machine, armed: Armed, evidence: Evidence) -> None:
    """See that the handler was called, or leave a finding."""
    limit = Deadline(checks.CONSOLE_LAG)
    happened = limit.wait(
        lambda: told(machine, armed.fault, armed.generation) > armed.before, machine.console.poll
    )
    words = f"{armed.fault.operation} of device {armed.fault.device}"
    if happened:
        evidence.prove(Oracle.STEP, f"the handler did as it was told in {words}")
        return
    what = f"the handler was told what to do in {words}, and was never asked"
    evidence.find(Oracle.STEP, what, "it is asked", "it was not", blame=Blame.HARNESS)
    raise StepFailedError


def arguments(fault: faults.Fault | None) -> dict[str, object]:
    """What the agent is told besides what it has to do."""
    return {"fail_nth": fault.nth} if isinstance(fault, faults.Allocation) else {}
