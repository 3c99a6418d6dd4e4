# SPDX-License-Identifier: GPL-2.0-only
"""How a case gets its machine: from a snapshot if there is one, or else by a cold boot that leaves one.

Whatever is wrong with a snapshot, the machine boots, and the case's log has a line that says why.
"""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.events import Events
from harness.progress import say
from harness.vm import snapshot
from harness.vm.agent import AgentErrnoError
from harness.vm.loss import Limits, MachineLostError
from harness.vm.machine import Machine
from harness.vm.power import power_on, said
from harness.vm.qemu import Hardware
from harness.vm.snapshot import Snapshot, Snapshots

# What a QEMU leaves in the folder of a run, and what the next one must not find there.
LEFT = ("console.log", "qmp.log", "qemu.err")


@dataclass(frozen=True)
class Login:
    """How to get into the guest: our key, and the key by which it is known."""

    key: Path
    host_key: str


@dataclass(frozen=True)
class Start:
    """A machine that is wanted: what it is, where its run is kept, and from where it may go on."""

    hardware: Hardware
    out: Path
    events: Events
    limits: Limits
    login: Login
    # Where there may be one that is ready, and where one is left; None: a cold boot, and nothing is left.
    snapshots: Snapshots | None
    # Where there may be one on which the first steps were done, the longest first. Where one may be left, the
    # machine's memory is files.
    prefixes: Sequence[Snapshots] = ()

    def power_on(
        self, memory: Sequence[str] = (), pass_fds: Sequence[int] = (), options: Sequence[str] = ()
    ) -> contextlib.AbstractContextManager[Machine]:
        """The machine, stopped before its first instruction: see power_on()."""
        what = (self.hardware, self.out, self.events, self.limits, self.login.key)
        return power_on(*what, memory, pass_fds, options)


@contextlib.contextmanager
def started(start: Start) -> Iterator[Machine]:
    """A machine that boot() makes ready, or that is ready already: it has a hello then."""
    with contextlib.ExitStack() as stack:
        machine = None
        for place in (*start.prefixes, start.snapshots):
            if place is not None and machine is None:
                machine = _restored(stack, start, place)
        if machine is None and start.snapshots is not None:
            machine = _saving(stack, start, start.snapshots)
        if machine is None:
            machine = stack.enter_context(start.power_on())
        yield machine


def _restored(stack: contextlib.ExitStack, start: Start, place: Snapshots) -> Machine | None:
    """A machine that goes on from a snapshot; None if there is none that can be used."""
    found: Snapshot | None = None
    try:
        found = place.find(start.hardware)
        if found is None:
            return None
        known = found.known()
        shutil.copyfile(found.console, start.out / LEFT[0])
        with contextlib.ExitStack() as trial:
            ram = _memory(trial, start.hardware) if start.prefixes else ()
            found.into_memory(ram)
            memory = snapshot.shared(ram) if ram else found.back_ends()
            machine = trial.enter_context(start.power_on(memory, ram, ("-incoming", "defer")))
            machine.ram, machine.known = ram, known
            found.load(machine.monitor)
            go_on = functools.partial(machine.resume, start.login.key, start.login.host_key)
            if place.done:
                # What happens to it from here on is the doing of a kernel that was updated to.
                machine.going_on = go_on
            else:
                machine.hello = go_on()
            stack.push(trial.pop_all())
    except (HarnessError, MachineLostError, AgentErrnoError, OSError) as error:
        stderr = start.out / LEFT[2]
        words = said(stderr) if stderr.exists() else ""
        _tell(start.events, "snapshot not used", f"{error}" + (f" ({words})" if words else ""))
        if found is not None:
            # Where that cannot be done, it is for `harness clean` to say.
            with contextlib.suppress(HarnessError, OSError):
                place.discard(found)
        for name in LEFT:
            (start.out / name).unlink(missing_ok=True)
        return None
    return machine


def _memory(stack: contextlib.ExitStack, hardware: Hardware) -> list[int]:
    """Files for a machine's memory."""
    memory = snapshot.new_memory(hardware)
    for fd in memory:
        stack.callback(os.close, fd)
    return memory


def _saving(stack: contextlib.ExitStack, start: Start, snapshots: Snapshots) -> Machine:
    """A machine, switched on, that is saved as soon as it is ready."""
    memory = _memory(stack, start.hardware)
    machine = stack.enter_context(start.power_on(snapshot.shared(memory), memory))
    machine.ram = memory
    machine.at_ready = functools.partial(save, machine, start.hardware, start.events, snapshots)
    return machine


def save(
    machine: Machine,
    hardware: Hardware,
    events: Events,
    snapshots: Snapshots,
    beside: Callable[[], Mapping[str, bytes]] = dict,
) -> bool:
    """Save a machine that is ready; it stood still then. beside: files to be kept with it."""
    before, saved = events.now(), False
    try:
        saved = snapshots.save(machine, hardware, beside())
    except (HarnessError, OSError) as error:
        _tell(events, "snapshot not saved", f"{error}")
    if snapshots.done:
        # It stood still in the middle of a live update, which has not become longer by that.
        events.shift(before - events.now())
    if saved:
        events.emit("saved", generation=machine.generation)
    # Whoever starts from the snapshot has its random numbers too.
    return True


def _tell(events: Events, event: str, why: str) -> None:
    """A line in the case's log, and one for the user."""
    events.emit(event, why=why)
    say(f"{event}: {why}")
