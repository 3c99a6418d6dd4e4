# SPDX-License-Identifier: GPL-2.0-only
"""The oracles: each asks the machine for its facts, compares, and leaves a proof or a finding."""

import re
from collections.abc import Iterable
from pathlib import Path

from harness import identity, klog, outside
from harness.deadline import Deadline
from harness.evidence import Evidence
from harness.record import PROMISES, Record, properties, runs
from harness.result import Blame, Oracle
from harness.scenario import Allowed, Carrier
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine

SCRATCH = "/sys/kernel/debug/kho/out"
# How long the console may lag behind the kernel's own log, in seconds.
CONSOLE_LAG = 10.0
# Log levels up to this one reach the console (loglevel=7 shows what is below 7: include/linux/kern_levels.h).
CONSOLE_LEVEL = 6
# guests/init says so.
MODULE_FAILED = re.compile(r"fdbox-guest: module (\S+): failed")


def look(machine: Machine, record: Record) -> Record:
    """The record with what the fd is like and where its memory is, now."""
    stat = machine.call("stat", fd=record.name)
    extents = machine.call("extents", fd=record.name)
    frames = runs(machine.call("pages", fd=record.name))
    return record.seen(properties(stat, extents), frames, machine.generation)


def contents(machine: Machine, record: Record, evidence: Evidence) -> None:
    """Oracle 1: the guest's digest of the fd against the host's own of what was written."""
    reply = machine.call("digest", fd=record.name)
    expected = record.digest()
    if reply["size"] != record.size:
        evidence.find(
            Oracle.CONTENTS, f"'{record.name}' has another size", f"{record.size}", f"{reply['size']} bytes"
        )
    elif reply["chunks"] != expected:
        chunk = next(i for i, (a, b) in enumerate(zip(reply["chunks"], expected, strict=True)) if a != b)
        evidence.find(
            Oracle.CONTENTS,
            f"the contents of '{record.name}' changed",
            f"{describe(record)}: CRC-32 {expected[chunk]} of the MiB at {chunk << 20:#x}",
            f"CRC-32 {reply['chunks'][chunk]}",
        )
    else:
        evidence.prove(
            Oracle.CONTENTS, f"'{record.name}': {describe(record)}, read in the guest, byte for byte"
        )


def fidelity(record: Record, now: Record, carrier: Carrier, evidence: Evidence) -> None:
    """Oracle 1: every promised property of the fd is what it was; each has a finding of its own."""
    promised = sorted(PROMISES[record.kind, carrier])
    changed = [p for p in promised if now.properties[p] != record.properties[p]]
    for name in changed:
        evidence.find(
            Oracle.FIDELITY,
            f"the {name} of '{record.name}' changed",
            f"{record.properties[name]}",
            f"{now.properties[name]}",
        )
    if not changed:
        evidence.prove(Oracle.FIDELITY, f"'{record.name}': {', '.join(promised)} as before")


class Outside:
    """Oracle 2: guest memory read through QMP, without asking the guest's kernel."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._scratch: list[outside.Range] = []

    def learn_scratch(self, machine: Machine) -> None:
        """Remember where KHO's scratch memory is; later generations inherit it. Without KHO there is none."""
        lists = [read(machine, f"{SCRATCH}/{name}") or b"" for name in ("scratch_phys", "scratch_len")]
        starts, sizes = ([int(number, 16) for number in text.split()] for text in lists)
        self._scratch = [outside.Range(*area) for area in zip(starts, sizes, strict=True)]

    def check(
        self, machine: Machine, record: Record, evidence: Evidence, before: Record | None = None
    ) -> None:
        """Compare the pages of a record with what was written, and with where they were before a kexec.

        Without `before` this is the look ahead of the kexec, and a difference is our own: we could not read
        memory that nothing has touched yet.
        """
        blame = Blame.KERNEL if before else Blame.HARNESS
        memory = [
            (area, machine.memory(area.address, area.size, self._out / f"memory.{number}"))
            for number, area in enumerate(outside.ranges(record.frames))
        ]
        difference = outside.compare(record.frames, memory, record.pages)
        if difference:
            evidence.find(
                Oracle.OUTSIDE,
                f"the memory of '{record.name}', read from outside, is not what was written",
                describe(record),
                str(difference),
                blame=blame,
            )
        if before:
            self._in_place(before, record, evidence)
        if not difference:
            pages = sum(run.count for run in record.frames)
            evidence.prove(Oracle.OUTSIDE, f"'{record.name}': {pages} pages read through QMP, byte for byte")

    def _in_place(self, before: Record, now: Record, evidence: Evidence) -> None:
        index = outside.moved(before.frames, now.frames, self._scratch)
        if index is None:
            evidence.prove(Oracle.OUTSIDE, f"'{now.name}': the same page frames as before the kexec")
            return
        evidence.find(
            Oracle.OUTSIDE,
            f"'{now.name}' is not the memory that was preserved: page {index} is in another page frame",
            "the page frames that it had before the kexec",
            "the same contents or not, this is other memory",
        )


def describe(record: Record) -> str:
    """What a record's contents are, in words."""
    if record.seed is None:
        return f"{size(record.size)} of zeros"
    return f"{size(record.size)} of the pattern of seed {record.seed}"


def size(count: int) -> str:
    """Bytes for people: '16 MiB', '4097 bytes'."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def log(machine: Machine, generation: int, allowed: Iterable[Allowed], evidence: Evidence) -> None:
    """Oracle 3: the console of one generation has no report that the scenario does not expect.

    A report of a machine that was never ready explains why nothing could be tested.
    """
    reports = klog.unexpected(klog.scan(machine.console.text(generation)), tuple(allowed))
    for report in reports:
        evidence.find(
            Oracle.LOG,
            f"the kernel reports a problem ({report.kind})",
            "no such message, or a `dmesg:` entry that expects it",
            report.title,
            blame=Blame.KERNEL if machine.booted else Blame.HARNESS,
            generation=generation,
            detail=report.lines,
        )
    if not reports:
        count = len(machine.console.text(generation))
        evidence.prove(Oracle.LOG, f"{count} console lines, no report", generation)


def log_is_whole(machine: Machine, evidence: Evidence, out: Path) -> None:
    """Keep the kernel's own log, and see that its last message reached the console: nothing was cut off."""
    text = machine.call("kmsg")["text"]
    (out / f"dmesg.{machine.generation}.log").write_text(text)
    last = klog.last_message(text, CONSOLE_LEVEL)
    limit = Deadline(CONSOLE_LAG)
    if last and limit.wait(lambda: machine.console.find(last, machine.generation) is not None, machine.watch):
        return
    evidence.find(
        Oracle.EVIDENCE,
        "the console does not have the whole kernel log",
        f"the last message: {last}",
        f"it is not on the console after {CONSOLE_LAG:.0f} s",
        blame=Blame.HARNESS,
    )


def failed_modules(machine: Machine) -> list[str]:
    """The modules that init could not load into the running generation."""
    found = (MODULE_FAILED.search(line) for line in machine.console.text(machine.generation))
    return [match[1] for match in found if match]


def who(machine: Machine, hello: dict[str, object]) -> identity.Identity:
    """The identity of the running boot: the agent's hello, and the KHO data that the kernel was handed."""
    count = identity.kho_count(read(machine, identity.METADATA_PATH))
    return identity.Identity(str(hello["boot_id"]), str(hello["release"]), str(hello["build_id"]), count)


def read(machine: Machine, path: str) -> bytes | None:
    """A file of the guest; None if there is none."""
    try:
        return bytes.fromhex(machine.call("file", path=path)["hex"])
    except AgentErrnoError as error:
        if error.errno != "ENOENT":
            raise
        return None


def identify(mismatches: Iterable[identity.Mismatch], text: str, evidence: Evidence) -> None:
    """Oracle 5: turn mismatches into findings, or leave the proof."""
    found = False
    for mismatch in mismatches:
        found = True
        evidence.find(Oracle.IDENTITY, mismatch.what, mismatch.expected, mismatch.seen)
    if not found:
        evidence.prove(Oracle.IDENTITY, text)
