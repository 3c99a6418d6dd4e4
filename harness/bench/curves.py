# SPDX-License-Identifier: GPL-2.0-only
"""How the time for keeping fds grows with their size and their number: the scenarios beside this file."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.artifacts import Artifacts
from harness.bench.runs import passed
from harness.bench.sample import NotDoneError, Subject
from harness.cases import plans
from harness.fdactions import Open
from harness.plan import Plan
from harness.result import Outcome
from harness.runner import run
from harness.timeline import by_name

HERE = Path(__file__).parent
SCENARIOS = (HERE / "size.yaml", HERE / "count.yaml")
# The numbers of each of these cases, and what a second is in their units. Sealing is timed by the host: on
# LUO it is nothing, and so nothing that could be measured in the guest.
NUMBERS = ("put", "seal", "unseal", "get", "blackout")
SEAL = "seal"
LARGE = 1 << 30
UNITS = {"s": 1.0, "ns": 1e-9}


def curves(kernel: str | None, obtain: Callable[[Plan], Artifacts]) -> Iterator[Subject]:
    """A subject for each point of each curve."""
    for plan in plans(list(SCENARIOS), kernel):
        yield point(plan, obtain)


def point(plan: Plan, obtain: Callable[[Plan], Artifacts]) -> Subject:
    """One case of one of the scenarios: measured twice, or once where it takes minutes."""
    sizes = [step.action.size or 0 for step in plan.steps if isinstance(step.action, Open)]

    def measure(out: Path) -> Mapping[str, float]:
        return numbers(passed(run(plan, obtain(plan), out / "run")))

    return Subject(plan.case, measure, most=1 if max(sizes, default=0) >= LARGE else 2)


def numbers(outcome: Outcome) -> dict[str, float]:
    """The seconds of what was measured. Raises NotDoneError when a number is missing."""
    found = {n.name: n.value * UNITS[n.unit] for n in outcome.numbers if n.unit in UNITS}
    for update in outcome.updates[:1]:
        found[SEAL] = by_name(update.before).get(SEAL, 0.0)
    missing = [name for name in NUMBERS if name not in found]
    if missing:
        raise NotDoneError(f"{outcome.case} did not measure {', '.join(missing)}")
    return {f"{outcome.case} {name}": found[name] for name in NUMBERS}
