# SPDX-License-Identifier: GPL-2.0-only
"""The oracles: each asks the machine for its facts, compares, and leaves a proof or a finding."""

import re
from collections.abc import Iterable
from pathlib import Path

from harness import identity, klog, outside
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.evidence import Evidence
from harness.record import Record
from harness.result import Blame, Oracle
from harness.scenario import Allowed
from harness.vm.agent import AgentErrnoError, Reply
from harness.vm.machine import Machine

SCRATCH = "/sys/kernel/debug/kho/out"
# How long the console may lag behind the kernel's own log, in seconds.
CONSOLE_LAG = 10.0
# Log levels up to this one reach the console (loglevel=7 shows what is below 7: include/linux/kern_levels.h).
CONSOLE_LEVEL = 6
KMEMLEAK = "/sys/kernel/debug/kmemleak"
# It reports nothing younger, in seconds (mm/kmemleak.c, MSECS_MIN_AGE).
KMEMLEAK_AGE = 5
ORDERED_PANIC = Allowed("Kernel panic - not syncing: sysrq triggered crash", "the scenario ordered it")


class Outside:
    """Oracle 2: guest memory read through QMP, without asking the guest's kernel."""

    def __init__(self) -> None:
        # Of KHO; where pages may have been moved to.
        self.scratch: list[outside.Range] = []

    def learn_scratch(self, machine: Machine) -> None:
        """Remember where KHO's scratch memory is; later generations inherit it. Without KHO there is none."""
        lists = read_all(machine, f"{SCRATCH}/scratch_phys", f"{SCRATCH}/scratch_len")
        starts, sizes = ([int(number, 16) for number in (text or b"").split()] for text in lists)
        self.scratch = [outside.Range(*area) for area in zip(starts, sizes, strict=True)]

    def check(self, machine: Machine, record: Record, evidence: Evidence, blame: Blame) -> None:
        """Compare the pages of a record, as they are in memory now, with what was written."""
        differences = [
            found
            for batch in outside.batches(record.frames)
            if (found := self._difference(machine, record, batch))
        ]
        difference = min(differences, key=lambda one: one.offset, default=None)
        pages = sum(run.count for run in record.frames)
        seen = str(difference) if difference else f"{pages} pages in memory"
        if difference or not record.whole:
            evidence.find(
                Oracle.OUTSIDE,
                f"the memory of '{record.name}', read from outside, is not what was written",
                str(record.contents),
                seen,
                blame=blame,
            )
        else:
            evidence.prove(Oracle.OUTSIDE, f"'{record.name}': {pages} pages read through QMP, byte for byte")

    def _difference(
        self, machine: Machine, record: Record, batch: outside.Batch
    ) -> outside.Difference | None:
        """The first difference in what is read at once."""
        memory = machine.memory(batch.area.address, batch.area.size)
        return outside.compare(batch, memory, record.contents.read, record.contents.masked)

    def in_place(self, before: Record, now: Record, holes_stay: bool, evidence: Evidence) -> None:
        """See that the pages are in the same frames as before the kexec."""
        index = outside.moved(before.frames, now.frames, self.scratch, holes_stay)
        if index is None:
            evidence.prove(Oracle.OUTSIDE, f"'{now.name}': the same page frames as before the kexec")
            return
        evidence.find(
            Oracle.OUTSIDE,
            f"'{now.name}' is not the memory that was preserved: page {index} is in another page frame",
            "the page frames that it had before the kexec",
            "the same contents or not, this is other memory",
        )


def log(
    machine: Machine, generation: int, dmesg: str, allowed: Iterable[Allowed], evidence: Evidence
) -> None:
    """Oracle 3: the log of one generation has no report that the scenario does not expect.

    dmesg: the kernel's own log as far as it was taken. A report of a machine that was never ready explains
    why nothing could be tested.
    """
    lines = machine.console.text(generation)
    # The kernel's own log too: what user space writes to the console can cut through a line.
    lines += [line for line in klog.messages(dmesg) if line not in set(lines)]
    ordered = (ORDERED_PANIC,) if generation in evidence.panics else ()
    reports = klog.unexpected(klog.scan(lines), (*allowed, *ordered))
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
        evidence.prove(Oracle.LOG, f"{len(lines)} lines, no report", generation)


def log_is_whole(machine: Machine, evidence: Evidence, out: Path) -> None:
    """Keep the kernel's own log, and see that its last message reached the console: nothing was cut off."""
    text = machine.call("kmsg")["text"]
    dmesg_file(out, machine.generation).write_text(text, encoding="utf-8")
    last = klog.last_message(text, CONSOLE_LEVEL)
    console, limit = machine.console, Deadline(CONSOLE_LAG)
    # A name in it can be any bytes, and what these become differs on the two ways here; its time is in front.
    needle = re.split(r"[^ -~]", last or "")[0]
    arrived = last and limit.wait(lambda: console.find(needle, machine.generation) is not None, machine.watch)
    dropped = [line for line in console.text(machine.generation) if klog.DROPPED.search(line)]
    if arrived and not dropped:
        evidence.prove(Oracle.EVIDENCE, "the console has the kernel's log to its end, nothing dropped")
        return
    evidence.find(
        Oracle.EVIDENCE,
        "the console does not have the whole kernel log",
        f"the last message: {last}",
        dropped[0] if dropped else f"it is not on the console after {CONSOLE_LAG:.0f} s",
        blame=Blame.HARNESS,
    )


def look_for_leaks(machine: Machine, evidence: Evidence) -> None:
    """Have a kernel with kmemleak look for memory that nothing refers to any more; the log has what it finds.

    Twice, because what has changed since the last look is not reported.
    """
    if read(machine, KMEMLEAK) is None:
        return
    result = machine.run(f"echo scan >{KMEMLEAK} && sleep {KMEMLEAK_AGE} && echo scan >{KMEMLEAK}")
    if result.status:
        evidence.find(
            Oracle.EVIDENCE,
            "the kernel does not look for leaks any more",
            "it does",
            result.stderr.strip(),
            blame=Blame.HARNESS,
        )


def dmesg_file(out: Path, generation: int) -> Path:
    """Where the log of a generation is kept."""
    return out / f"dmesg.{generation}.log"


def who(
    machine: Machine, hello: dict[str, object], modules: Iterable[str]
) -> tuple[identity.Identity, list[tuple[str, tuple[str, ...]]]]:
    """The identity of the running boot: the agent's hello, and the KHO data that the kernel was handed.

    And of the modules those that it did not load and should, each with what was said of it.
    """
    metadata, listed = read_all(machine, identity.METADATA_PATH, "/proc/modules")
    try:
        count = identity.kho_count(metadata)
    except ValueError as error:
        raise HarnessError(f"cannot tell a live update from a reset on this kernel: {error}") from error
    now = identity.Identity(str(hello["boot_id"]), str(hello["release"]), str(hello["build_id"]), count)
    lines = machine.console.text(machine.generation)
    # What init says on the console is for people: the kernel may talk in between.
    loaded = {line.split()[0] for line in (listed or b"").decode().splitlines()}
    missing = [name for name in modules if name.replace("-", "_") not in loaded]
    return now, [(name, tuple(line for line in lines if name in line)) for name in missing]


def read(machine: Machine, path: str) -> bytes | None:
    """A file of the guest; None if there is none."""
    return read_all(machine, path)[0]


def read_all(machine: Machine, *paths: str) -> list[bytes | None]:
    """Files of the guest; None for one that is not there."""
    return contents(machine.in_a_row(*(("file", {"path": path}) for path in paths)))


def contents(replies: Iterable[Reply]) -> list[bytes | None]:
    """The files in the agent's replies to `file`; None for one that is not there."""
    found: list[bytes | None] = []
    for reply in replies:
        if not isinstance(reply, AgentErrnoError):
            found.append(bytes.fromhex(reply["hex"]))
        elif reply.errno == "ENOENT":
            found.append(None)
        else:
            raise reply
    return found


def identify(mismatches: Iterable[identity.Mismatch], text: str, evidence: Evidence) -> None:
    """Oracle 5: turn mismatches into findings, or leave the proof."""
    found = False
    for mismatch in mismatches:
        found = True
        evidence.find(Oracle.IDENTITY, mismatch.what, mismatch.expected, mismatch.seen)
    if not found:
        evidence.prove(Oracle.IDENTITY, text)
