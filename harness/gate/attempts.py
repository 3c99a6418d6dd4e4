# SPDX-License-Identifier: GPL-2.0-only
"""From the outcome of a run to an attempt: what of it is compared, and what is shown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import klog
from harness.gate.cells import Attempt, Measure, Route
from harness.gate.routes import ON
from harness.plaintext import one_line
from harness.result import SECONDS, Blame, Finding, Oracle, Outcome
from harness.verdict import Verdict

# KERN_WARNING, include/linux/kern_levels.h.
WARNING = 4
BLACKOUT = "blackout"
# Parts of a live update whose time is the kernel's own work for it.
PARTS = ("put", "prepare", "seal", "unseal", "get")
# How runner.py begins what it says of a kernel that was never ready.
NOT_READY = ("the kernel does not boot", "module ")


def attempt(outcome: Outcome, route: Route, releases: Sequence[str] = ()) -> Attempt:
    """The attempt that an outcome is. releases: what the kernels are called, to be left out of messages."""
    finding = shown(outcome)
    skipped = finding is not None and finding.blame is Blame.NOBODY
    return Attempt(
        route=route,
        verdict=outcome.verdict,
        finding=one_line(f"{finding.what}: {finding.seen}" if skipped else finding.what) if finding else "",
        where=finding.where if finding else "",
        doing=finding.doing if finding else "",
        expected=one_line(finding.expected) if finding else "",
        seen=one_line(finding.seen) if finding else "",
        directory=outcome.directory,
        seconds=outcome.seconds,
        measures=tuple(measures(outcome)),
        warnings=warnings(outcome.directory, releases) if outcome.directory else (),
        detail=finding.detail if finding else (),
        boots=not any(not_ready(one) for one in outcome.findings),
    )


def shown(outcome: Outcome) -> Finding | None:
    """The finding that says most: the kernel's, if there is one, and the first."""
    for blame in (Blame.KERNEL, Blame.HARNESS, Blame.NOBODY):
        for finding in outcome.findings:
            if finding.blame is blame:
                return finding
    return None


def not_ready(finding: Finding) -> bool:
    """Whether the first kernel never came so far that it could be tested."""
    ours = finding.oracle is Oracle.MACHINE and finding.blame is Blame.HARNESS and finding.generation == 0
    return ours and finding.step is None and finding.what.startswith(NOT_READY)


def measures(outcome: Outcome) -> Iterable[Measure]:
    """The numbers of a run that passed: those of `measure` steps, the blackout, the kernel's own parts."""
    if outcome.verdict not in {Verdict.PASS, Verdict.XPASS}:
        return
    for number in outcome.numbers:
        yield Measure(number.name, number.value, number.unit)
    for update in outcome.updates:
        for part in (*update.before, *update.parts):
            if part.name in PARTS:
                yield Measure(part.name, round(part.end - part.start, 6), SECONDS)
        if update.arrived:
            yield Measure(BLACKOUT, update.seconds, SECONDS)


def warnings(directory: Path, releases: Sequence[str]) -> tuple[str, ...]:
    """The kernel messages at warning level and above of all generations, undated, each once.

    Of a generation that died only the console is left, which has no levels: the reports in it count.
    """
    found: list[str] = []
    for file in sorted(directory.glob("dmesg.*.log")):
        found += klog.loud(file.read_text(encoding="utf-8", errors="replace"), WARNING)
    for file in sorted(directory.glob("console.*.log")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [klog.undated(report.title) for report in klog.scan(lines)]
    for release in sorted(releases, key=len, reverse=True):
        found = [line.replace(release, "RELEASE") for line in found]
    return tuple(dict.fromkeys(found))


def parse_name(name: str) -> tuple[str, Route] | None:
    """The case and the route in the name of a plan of ours."""
    case, separator, route = name.rpartition(ON)
    return (case, Route(route)) if separator and route in set(Route) else None
