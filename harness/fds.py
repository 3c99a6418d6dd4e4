# SPDX-License-Identifier: GPL-2.0-only
"""The fds of a run, as the host knows them: what is done to them, and what they must be afterwards."""

from dataclasses import dataclass, field, replace

from harness import calls, carriers, checks, fdchecks
from harness.actions import Get, Put
from harness.contents import Contents
from harness.errors import HarnessError
from harness.evidence import Evidence
from harness.fdactions import Bind, Guest, Map, Open
from harness.kinds import KINDS, Carrier
from harness.record import PROMISES, GuestState, Property, Record
from harness.result import Blame, Oracle
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
        readable = calls.is_readable(action)
        self.open[action.fd] = Record(action.fd, action.kind, contents, readable=readable)

    def carry(self, action: carriers.BoxAction) -> None:
        """What concerns a box."""
        operation = carriers.operation(self.carrier, action)
        if operation is not None:
            op, arguments = operation
            self.machine.call(op, **arguments)

    def put(self, action: Put) -> None:
        """Look at the fd for the last time before it leaves: this is what it must be when it is back."""
        record = self.record(action.fd)
        if record.unverified and record.visible:
            self.verify(record)
        now = fdchecks.look(self.machine, record) if record.visible else record
        if now.has_contents:
            # A difference here is our own: we could not read memory that nothing has touched yet.
            self.outside.check(self.machine, now, self.evidence, Blame.HARNESS)
        self.carry(action)
        del self.open[action.fd]
        self.boxed[action.box, action.name] = replace(now, unverified=False)

    def get(self, action: Get) -> None:
        """Take an fd out of a box: it must be what it was."""
        self.carry(action)
        record = self.boxed.pop((action.box, action.name), None)
        if record is not None:  # else the kernel made one up, and the step must fail
            bound = record.bound and record.generation == self.machine.generation
            self.open[action.fd] = replace(record, name=action.fd, unverified=True, bound=bound)

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

    def change(self, action: calls.FdAction) -> None:
        """Do something to an fd; what it was like before is seen before that."""
        record = self.record(action.fd)
        # A device that arrived is not bound, and must not change by being bound.
        arrived = isinstance(action, Bind) and record.unverified
        if record.unverified and not arrived:
            self.verify(record)
        for op, arguments in calls.operations(action):
            self.machine.call(op, **arguments)
        after = calls.after(action, self.open[action.fd])
        self.open[action.fd] = after if arrived else replace(after, properties={})
        if isinstance(action, Map):
            self.open[action.buffer] = calls.touched(action, self.record(action.buffer))

    def run_guest(self, action: Guest) -> None:
        """Run the guest of a virtual machine; in another kernel it goes on from what the host remembers."""
        record, memory = self.record(action.vm), self.record(action.memory)
        before, now = record.guest, self.machine.generation
        if before is None:
            self.machine.call("guest_start", vm=action.vm, fd=action.memory)
        elif before.generation < now:
            self.machine.call("guest_resume", vm=action.vm, fd=action.memory, state=before.state)
        name = before.vm if before and before.generation == now else action.vm
        reply = self.machine.call("guest_run", vm=name, count=action.count)
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

    def end(self) -> None:
        """The kernel that held the open fds has ended."""
        self.open.clear()

    def close(self, name: str) -> None:
        """Close an fd."""
        self.machine.call("close", fd=name)
        self.open.pop(name, None)
