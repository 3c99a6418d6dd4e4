# SPDX-License-Identifier: GPL-2.0-only
"""Cases that are measured: started from a snapshot, or booted; and the parts of a live update."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.artifacts import Artifacts
from harness.bench.sample import NotDoneError, Subject
from harness.plan import Plan
from harness.report import render
from harness.result import Outcome
from harness.runner import run
from harness.verdict import Verdict

RESUMED = "started from a snapshot"
BOOTED = "power-on"
ANSWERS = "agent answers"
WARM = "warm case"
COLD = "cold case"
WARM_START = "warm start to the first answer by SSH"
COLD_START = "cold boot to the first answer by SSH"
BLACKOUT = "blackout"
# Not QEMU's, which is a process of its own.
OWN = "warm case, CPU time of the harness"


def warm(plan: Plan, made: Artifacts) -> Subject:
    """The case from a snapshot, which is left by the run before the first round."""

    def measure(out: Path) -> Mapping[str, float]:
        before = time.process_time()
        outcome = passed(run(plan, made, out / "run"))
        own = time.process_time() - before
        start, answers = moment(outcome, RESUMED), moment(outcome, ANSWERS)
        return {
            WARM: outcome.seconds,
            WARM_START: answers,
            "from the snapshot's going on to the first answer by SSH": answers - start,
            BLACKOUT: blackout(outcome),
            OWN: own,
        }

    return Subject(WARM, measure, prepare=lambda out: passed(run(plan, made, out / "run")))


def cold(plan: Plan, made: Artifacts) -> Subject:
    """The case from power-on."""
    alone = replace(made, snapshots=None)

    def measure(out: Path) -> Mapping[str, float]:
        outcome = passed(run(plan, alone, out / "run"))
        moment(outcome, BOOTED)
        return {COLD: outcome.seconds, COLD_START: moment(outcome, ANSWERS)}

    return Subject(COLD, measure)


def passed(outcome: Outcome) -> Outcome:
    """An outcome that is a PASS. Raises NotDoneError: what a run that failed took means nothing."""
    if outcome.verdict is not Verdict.PASS:
        raise NotDoneError(render(outcome))
    return outcome


def moment(outcome: Outcome, name: str) -> float:
    """When something happened first, in seconds since the start. Raises NotDoneError if it did not."""
    for mark in outcome.timeline:
        if mark.name == name:
            return mark.seconds
    raise NotDoneError(f"{outcome.case} passed, and was not what is measured: no '{name}' in it")


def blackout(outcome: Outcome) -> float:
    """How long the first live update took. Raises NotDoneError if there was none."""
    for update in outcome.updates:
        if update.arrived:
            return update.seconds
    raise NotDoneError(f"{outcome.case} passed, and has no live update in it")
