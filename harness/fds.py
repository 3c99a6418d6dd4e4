# SPDX-License-Identifier: GPL-2.0-only
"""The fds of a run, as the host knows them: what is done to them, and what they must be afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from harness import calls, checks, fdchecks
from harness.boxactions import Get, Put
from harness.calls import SimpleAction
from harness.contents import Contents
from harness.errors import HarnessError
from harness.evidence import Evidence
from harness.fdactions import Bind, Change, Close, Dup, Guest, Interrupts, Map, Open, Register, Reset, Unmap
from harness.kinds import KINDS, UNPRIVILEGED, Carrier
from harness.record import PROMISES, GuestState, Property, Record
from harness.result import Blame, Oracle
from harness.vm.agent import KERNEL, AgentErrnoError
from harness.vm.machine import Machine


class StepFailedError(Exception):
    """A step did not do what the scenario says; the finding is in the evidence, later steps make no sense."""


@dataclass
class Fds:
    """The fds that are open, and those in boxes."""

    carrier: Carrier
    machine: Machine
    evidence: Evidence
    outside: checks.Outside
    open: dict[str, Record] = field(default_factory=dict)
    boxed: dict[tuple[str, str], Record] = field(default_factory=dict)
    # How many times a file was opened.
    opens: int = 0
    # Those that came through a live update and were never looked at, of which nobody has an fd any more.
    unseen: list[Record] = field(default_factory=list)

    def record(self, name: str) -> Record:
        """What is known of an open fd."""
        if name not in self.open:
            raise HarnessError(f"'{name}' is not open: a step before may have done something else")
        return self.open[name]

    def create(self, action: Open) -> None:
        """Open a file and fill it."""
        op, arguments = calls.opening(action)
        self.machine.call(op, **arguments)
        contents = Contents(action.size or 0)
        if action.fill:
            self.machine.call("fill", fd=action.fd, seed=action.fill.seed)
            contents = contents.write(0, contents.size, action.fill.seed)
        readable, process = calls.is_readable(action), self.machine.acting
        self.opens += 1
        self.open[action.fd] = Record(
            *(action.fd, action.kind, contents),
            readable=readable,
            process=process,
            file=self.opens,
            opened=self.opens,
        )

    def before(self, action: SimpleAction) -> None:
        """What there is to be seen before an action."""
        match action:
            case Put(fd=fd):
                self._last_look(self.record(fd))
            case Change() | Bind() | Map() | Unmap() | Interrupts() | Reset() | Register():
                # What it was like, as long as it is that.
                record = self.record(action.fd)
                if record.unverified and not arrives(action, record):
                    self.verify(record)

    def after(self, action: SimpleAction) -> None:
        """What follows for the host's records when an action has succeeded."""
        match action:
            case Put(box, fd, name):
                self.boxed[box, name] = replace(self.open.pop(fd), unverified=False)
            case Get(box, fd, name):
                record = self.boxed.pop((box, name), None)
                if record is not None:  # else the kernel made one up, and the step must fail
                    bound = record.bound and record.generation == self.machine.generation
                    now = replace(record, name=fd, unverified=True, process=self.machine.acting)
                    self.open[fd] = replace(now, bound=bound)
            case Dup(fd, name, process):
                self.open[name] = replace(self.record(fd), name=name, process=process or self.machine.acting)
            case Close(fd):
                self.leave([fd] if fd in self.open else [])
            case Change() | Bind() | Map() | Unmap() | Interrupts() | Reset() | Register():
                record = self.record(action.fd)
                done = calls.after(action, record)
                if isinstance(action, Change) and action.access is not None:
                    self.opens += 1
                    done = replace(done, opened=self.opens)
                self.open[action.fd] = done if arrives(action, record) else replace(done, properties={})
                if isinstance(action, Change):
                    self._follow(done)
                if isinstance(action, Map):
                    self.open[action.buffer] = calls.touched(action, self.record(action.buffer))

    def _follow(self, changed: Record) -> None:
        """Let the records of the file's other fds follow a change, of those in boxes too."""
        for name, other in self.open.items():
            if other.file == changed.file and name != changed.name:
                self.open[name] = replace(other, contents=changed.contents, properties={})
        same = [key for key, other in self.boxed.items() if other.file == changed.file]
        if not same:
            return
        now = fdchecks.look(self.machine, changed)
        for key in same:
            followed = self.boxed[key].follow(now)
            if changed.opened != followed.opened and Property.MAPPINGS in followed.properties:
                mappings = fdchecks.mappings_as(self.machine.call, changed, followed)
                followed = replace(followed, properties={**followed.properties, Property.MAPPINGS: mappings})
            self.boxed[key] = followed

    def _last_look(self, record: Record) -> None:
        """Look at the fd for the last time before it leaves: this is what it must be when it is back."""
        if record.process in UNPRIVILEGED or not record.visible:
            return  # there is nothing that could be seen, and it must not leave
        if record.unverified:
            self.verify(record)
        now = fdchecks.look(self.machine, record)
        if now.has_contents:
            # A difference here is our own: we could not read memory that nothing has touched yet.
            self.outside.check(self.machine, now, self.evidence, Blame.HARNESS)
        self.open[record.name] = replace(now, unverified=False)

    def verify(self, record: Record) -> None:
        """Everything that is promised of the fd, against the record."""
        found = len(self.evidence.findings)
        if record.has_contents:
            fdchecks.contents(self.machine, record, self.evidence)
        if record.properties or not KINDS[record.kind].memory:
            self._compare(record)
        if record.dma:
            names = {dma.buffer: dma.buffer for dma in record.dma if dma.buffer in self.open}
            fdchecks.writes(self.machine, record, names, self.evidence)
        if len(self.evidence.findings) > found:
            raise StepFailedError
        self.open[record.name] = replace(record, unverified=False)

    def _compare(self, record: Record) -> None:
        now = fdchecks.look(self.machine, record)
        before = record if record.properties else now
        fdchecks.fidelity(before, now, self.carrier, self.evidence)
        if not record.has_contents:
            return
        self.outside.check(self.machine, now, self.evidence, Blame.KERNEL)
        if record.generation < now.generation:
            holes_stay = Property.HOLES in PROMISES[record.kind, self.carrier]
            self.outside.in_place(record, now, holes_stay, self.evidence)

    def run_guest(self, action: Guest) -> None:
        """Run the guest of a virtual machine; in another kernel it goes on from what the host remembers."""
        record, memory = self.record(action.vm), self.record(action.memory)
        before, now = record.guest, self.machine.generation
        if before is None:
            self.machine.call("guest_start", vm=action.vm, fd=action.memory)
        elif before.generation < now:
            self.machine.call("guest_resume", vm=action.vm, fd=action.memory, state=before.state)
        name = before.vm if before and before.generation == now else action.vm
        reply = self._count(name, action)
        started = before.counter if before else 0
        expected, counter = started + action.count & 0xFFFFFFFF, reply["counter"]
        if counter != expected:
            what = f"the guest of '{action.vm}' did not go on where it was"
            self.evidence.find(Oracle.GUEST, what, f"{started} + {action.count}", f"{counter}")
            raise StepFailedError
        text = f"counted from {started} to {counter} in '{action.memory}'"
        self.evidence.prove(Oracle.GUEST, f"the guest of '{action.vm}' {text}")
        guest = GuestState(name, now, counter, reply["state"])
        self.open[action.vm] = replace(record, guest=guest)
        self.open[action.memory] = replace(memory, contents=calls.run_by_guest(memory.contents))

    def _count(self, name: str, action: Guest) -> dict[str, Any]:
        try:
            return self.machine.call("guest_run", vm=name, count=action.count)
        except AgentErrnoError as error:
            if error.call != KERNEL:
                raise
            # No call failed: it is the guest that does not do what it did.
            what = f"the guest of '{action.vm}' does not run as it did"
            self.evidence.find(Oracle.GUEST, what, f"it counts {action.count} on", error.text)
            raise StepFailedError from error

    def end(self, process: str) -> None:
        """A process has ended, and with it the fds that it held."""
        self.leave([name for name, record in self.open.items() if record.process == process])

    def leave(self, names: Iterable[str]) -> None:
        """Fds are not open any more."""
        leaving = tuple(names)
        self.unseen += self.missed(leaving)
        for name in leaving:
            del self.open[name]

    def missed(self, names: Iterable[str]) -> list[Record]:
        """Those of open fds that came through a live update and were never looked at."""
        records = (self.open[name] for name in names)
        return [one for one in records if one.unverified and one.generation < self.evidence.generation]


def arrives(action: SimpleAction, record: Record) -> bool:
    """Whether a device that came through a live update is bound: that must not change it."""
    return isinstance(action, Bind) and record.unverified
