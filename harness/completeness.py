# SPDX-License-Identifier: GPL-2.0-only
"""Oracle 6: what must have been looked at and was not. Missing evidence is never a PASS."""

from collections.abc import Iterable, Iterator

from harness.calls import is_readable
from harness.commandactions import Selftest
from harness.evidence import Evidence
from harness.fdactions import Open, Verify
from harness.kinds import KINDS, Kind
from harness.plan import Plan
from harness.record import Record
from harness.result import Blame, Oracle
from harness.world import World, settle


def unverified(records: Iterable[Record], evidence: Evidence) -> None:
    """Oracle 6: what came out of a box and was not looked at. Nothing is missing once something is found."""
    for record in records:
        if record.unverified and not evidence.findings:
            what = f"no evidence: '{record.name}' came out of its box and was never verified"
            evidence.find(Oracle.EVIDENCE, what, f"verify: {record.name}", "none", blame=Blame.HARNESS)


def missing(plan: Plan, evidence: Evidence) -> None:
    """Oracle 6: what must have been looked at and was not. Nothing is missing once something is found."""
    if evidence.findings:
        return
    boots = sum(step.jumps or step.restarts for step in plan.steps)
    lacking = [
        (f"{oracle} of generation {generation}", generation)
        for generation in range(boots + 1)
        for oracle in (Oracle.IDENTITY, Oracle.LOG, Oracle.EVIDENCE)
        if not evidence.proven(oracle, generation=generation)
    ]
    lacking += [
        (f"{oracle} of step {number} (verify)", boots)
        for number, oracle in verifications(plan)
        if not evidence.proven(oracle, step=number)
    ]
    lacking += [
        (f"{Oracle.SELFTEST} of step {step.number}", boots)
        for step in plan.steps
        if isinstance(step.action, Selftest) and not evidence.proven(Oracle.SELFTEST, step=step.number)
    ]
    if not evidence.proven(Oracle.LEAKS, generation=boots):
        lacking.append((f"{Oracle.LEAKS} at the end", boots))
    for what, generation in lacking:
        evidence.find(
            Oracle.EVIDENCE,
            f"no evidence: {what}",
            "a proof",
            "none",
            blame=Blame.HARNESS,
            generation=generation,
        )


def verifications(plan: Plan) -> Iterator[tuple[int, Oracle]]:
    """The `verify` steps by number, each with the oracle that must have spoken."""
    world = World(plan.carrier, None)
    opens = [step.action for step in plan.steps if isinstance(step.action, Open)]
    unreadable = {action.fd for action in opens if not is_readable(action)}
    for step in plan.steps:
        if isinstance(step.action, Verify):
            fd = step.action.fd
            has_contents = KINDS[world.kinds.get(fd, Kind.MEMFD)].memory and fd not in unreadable
            yield step.number, Oracle.CONTENTS if has_contents else Oracle.FIDELITY
        settle(world, step)
