# SPDX-License-Identifier: GPL-2.0-only
"""What harness gate and harness series have in common: two sides, the cases to run on them, running these."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import shard
from harness.build.store import Store, default_store
from harness.commands.selection import IN_BRACKETS, add_tags
from harness.deadline import Deadline
from harness.gate import folder, order, session
from harness.gate.answers import Gate
from harness.gate.cells import NotRun
from harness.gate.history import failed_lately
from harness.gate.routes import chosen, on_route, routes
from harness.gate.session import Session
from harness.gate.sides import Made, Wanted
from harness.plan import Case

WHOLE = shard.Shard(1, 1)
EXITS = (
    "Exit code: 0 no regression, 1 regression, 125 could not test all of it, 129 the command means nothing, "
    "130 interrupted: the same command goes on where it was. docs/gate.md explains the answer."
)
SCENARIOS = Path(__file__).parents[2] / "scenarios"


def add_sides(parser: argparse.ArgumentParser) -> None:
    """--base, --head, --tree, --series."""
    parser.add_argument(
        "--base",
        metavar="NAME",
        help="a commit of --tree (default: HEAD), or a kernel of kernel/kernels.yaml (default: its default)",
    )
    parser.add_argument(
        "--head",
        metavar="NAME",
        help="the same, for the other side (default: what is in --tree now, uncommitted changes included; "
        "with --series: the base and these)",
    )
    add_tree(parser)
    parser.add_argument(
        "--series",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="the head is the base with these patches: an mbox, patches, folders of them; "
        "for the kernel, or for kmod/ and kernel/ of this project",
    )


def add_tree(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """--tree."""
    what = "a git tree of the kernel; nothing in it changes"
    parser.add_argument("--tree", type=Path, metavar="DIR", required=required, help=what)


def add_cases(parser: argparse.ArgumentParser) -> None:
    """Which cases, how often, for how long; and what it comes to."""
    parser.epilog = EXITS
    parser.add_argument(
        "--scenarios",
        type=Path,
        nargs="+",
        default=[SCENARIOS],
        metavar="SCENARIO",
        help=f"scenario files, or folders of them; {IN_BRACKETS} (default: all)",
    )
    add_tags(parser)
    parser.add_argument(
        "--budget",
        type=minutes,
        metavar="MINUTES",
        help="stop after so many, builds included; the most telling cases come first, and cases that were "
        "not run make the answer 'could not test' (125)",
    )
    parser.add_argument(
        "--repeat", type=positive, default=1, metavar="N", help="attempts at least (default: %(default)s)"
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        default=os.cpu_count() or 1,
        help="machines at once (default: %(default)s); other gates on this host count too",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: in the store)")


def positive(text: str) -> int:
    """A number of things."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number, 1 or more")
    return int(text)


def minutes(text: str) -> float:
    """A budget."""
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of minutes, more than 0")
    return found


def wanted(options: argparse.Namespace) -> Wanted:
    """The sides that the options name."""
    return Wanted(options.base, options.head, options.tree, tuple(options.series))


@dataclass(frozen=True)
class Request:
    """What is to be run on whatever is compared."""

    store: Store
    cases: Sequence[Case]
    jobs: int
    repeat: int
    # When to stop; None: when everything is done.
    limit: Deadline | None
    part: shard.Shard


def request(options: argparse.Namespace, part: shard.Shard = WHOLE) -> Request:
    """What the options ask for. The budget begins now; kernels take minutes, so nothing is built before."""
    limit = Deadline(options.budget * 60) if options.budget else None
    cases = chosen(options.scenarios, options.tag)
    return Request(default_store(), cases, options.jobs, options.repeat, limit, part)


def compare(
    asked: Request, base: Made, head: Made, files: tuple[str, ...], out: Path | None, again: bool = False
) -> Gate:
    """Run the cases on two sides, and keep the answer.

    files: in which the sides differ; again: an answer that is there already, to the same question, is taken.
    """
    cases, left_out = session.without(asked.cases)
    runs = asked.store.root / "runs"
    part = (asked.part.number, asked.part.count)
    whole = shard.whole([(case.id, f"{asked.repeat}") for case in cases])
    if base.kernel is None or head.kernel is None:
        problem = (base.side.problem or head.side.problem).partition("\n")[0]
        left_out += [NotRun(case.id, one, problem, missing=True) for case in cases for one in routes(case)]
        found = Gate(base.side, head.side, (), (), (), tuple(left_out), command=tuple(sys.argv))
        mark = folder.key((base, head), [], asked.repeat)
        found = replace(found, shard=part, whole=whole, started=session.now())
        return folder.keep(found, out or folder.choose(runs, mark))
    now = Session(asked.store, base, head, cases, Path(), asked.jobs, asked.repeat, asked.limit)
    now.cases = ordered(asked.store, now, asked.part, files)
    plans = [now.plan(order.Next(case, route)) for case in now.cases for route in routes(case)]
    mark = folder.key((base, head), plans, asked.repeat)
    if again and out and (known := folder.answered(out, mark)):
        return known
    now.folder = out or folder.choose(runs, mark)
    with folder.alone(now.folder, mark):
        return session.gate(now, sys.argv, left_out, part, whole)


def ordered(store: Store, now: Session, part: shard.Shard, files: tuple[str, ...]) -> list[Case]:
    """The cases of this shard, most telling first."""
    seconds = {
        case.id: sum(shard.expected(on_route(case, route, now.specs)) for route in routes(case))
        for case in now.cases
    }
    numbers = (
        shard.split([(case.id, seconds[case.id]) for case in now.cases], part.count) if now.cases else []
    )
    ours = [case for case, number in zip(now.cases, numbers, strict=True) if number == part.number]
    return order.most_telling(ours, order.about(files), failed_lately(store.root / "runs"), seconds)
