# SPDX-License-Identifier: GPL-2.0-only
"""The cases that there are, for people and for programs: what each needs, and how long it takes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.contents import size
from harness.plan import Plan
from harness.progress import duration
from harness.scenario import Requires
from harness.verdict import Verdict

# What a case came to when it ran to its end: only then it took its time.
WHOLE = frozenset({Verdict.PASS, Verdict.XFAIL, Verdict.XPASS})
# So many of the newest runs are looked at.
RUNS = 200
UNKNOWN = "-"


def times(plans: Sequence[Plan], runs: Path) -> dict[str, float]:
    """The seconds that cases took when they last ran to their end, on the same kernel, by their names."""
    found: dict[str, float] = {}
    folders = sorted(runs.iterdir(), reverse=True)[:RUNS] if runs.is_dir() else []
    for folder in folders:
        for plan in plans:
            if plan.case not in found and (seconds := time(folder / plan.case, plan)) is not None:
                found[plan.case] = seconds
    return found


def time(run: Path, plan: Plan) -> float | None:
    """The seconds that a run of the plan took; None if that is not known."""
    try:
        kernel = json.loads((run / "plan.json").read_text())["kernel"]
        outcome = json.loads((run / "outcome.json").read_text())
        whole = kernel == plan.kernel and outcome["verdict"] in WHOLE
        return float(outcome["seconds"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        # It did not come to that, or is of another version of ours.
        return None


def table(plans: Sequence[Plan], seconds: Mapping[str, float]) -> list[str]:
    """A line for each case, and the sum."""
    rows = [("case", "time", "tags", "requires")]
    for plan in plans:
        known = duration(seconds[plan.case]) if plan.case in seconds else UNKNOWN
        rows.append(
            (plan.case, known, " ".join(plan.tags), "; ".join(requirements(plan.requires)) or UNKNOWN)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip()
        for row in rows
    ]
    unknown = len(plans) - len(seconds)
    rest = f", and {unknown} that have not passed yet" if unknown else ""
    total = duration(sum(seconds.values())) if seconds else UNKNOWN
    return [*lines, "", f"{len(plans)} cases; one after the other {total}{rest}"]


def requirements(requires: Requires) -> list[str]:
    """What a case requires, in words."""
    said = [f"kernel {requires.kernel} or newer"] if requires.kernel else []
    said += [f"module {name}" for name in requires.modules]
    said += list(requires.config)
    return said + ([f"{size(requires.memory)} free"] if requires.memory is not None else [])


def entry(plan: Plan, seconds: float | None) -> dict[str, Any]:
    """All that is to be known of a case before it runs, as JSON data."""
    return {
        "case": plan.case,
        "source": str(plan.source),
        "summary": plan.summary,
        "tags": list(plan.tags),
        "carrier": str(plan.carrier),
        "kernels": [plan.kernel, *plan.next_kernels],
        "seconds": seconds,
        "requires": vars(plan.requires),
        "modules": list(plan.needed),
        "memory": plan.machine.memory << 20,
        "xfail": [bug.reason for bug in plan.xfail],
    }
