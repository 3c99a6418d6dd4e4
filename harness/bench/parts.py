# SPDX-License-Identifier: GPL-2.0-only
"""How long things take: several runs of each case, the median of each part. Nothing is judged by time."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from harness.bench.runs import ANSWERS, BOOTED, RESUMED
from harness.result import Outcome
from harness.verdict import Verdict

# Parts of a run that are measured beside the segments of the blackout.
TOTAL = "whole run"
READY = {BOOTED: "cold boot to SSH", RESUMED: "snapshot to SSH"}
BLACKOUT = "blackout"


def parts(outcome: Outcome) -> dict[str, float]:
    """The seconds of each part of a run; of several blackouts the first."""
    moments = {mark.name: mark.seconds for mark in reversed(outcome.timeline)}
    found = {TOTAL: outcome.seconds}
    found |= {READY[how]: moments[ANSWERS] - moments[how] for how in READY if how in moments}
    for update in outcome.updates[:1]:
        found[BLACKOUT] = update.seconds
        found |= {f"  {part.name}": part.end - part.start for part in update.parts}
    return found


def table(runs: Sequence[Mapping[str, float]]) -> list[str]:
    """A line for each part: minimum, median, maximum in seconds."""
    lines = [f"{'seconds':<36}{'min':>7}{'median':>8}{'max':>7}"]
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [run[name] for run in runs if name in run]
        lines.append(f"{name:<36}{min(values):7.2f}{statistics.median(values):8.2f}{max(values):7.2f}")
    return lines


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The runs that did not pass: their times mean nothing."""
    return [outcome for outcome in outcomes if outcome.verdict is not Verdict.PASS]
