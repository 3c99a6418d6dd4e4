# SPDX-License-Identifier: GPL-2.0-only
"""harness bisect."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import report
from harness.build.spec import kernel_spec
from harness.build.store import Store, default_store
from harness.build.variant import Commit
from harness.commands.sides import add_tree, positive
from harness.digest import read
from harness.errors import HarnessError, HostError, UsageError
from harness.gate import bisect, sides
from harness.gate.cells import Route
from harness.gate.order import Next
from harness.gate.routes import chosen
from harness.gate.session import Session, job, run_job, without
from harness.gate.sides import Recipe
from harness.journal import Journal, run_folder
from harness.plan import Case
from harness.progress import say
from harness.result import Outcome
from harness.verdict import EXIT_CODES, EXIT_ERROR, Verdict, exit_code

EXITS = (
    "Exit code: 0 one commit was found, 125 it was not, 129 the command means nothing, 130 interrupted. "
    "docs/gate.md says how it looks."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.epilog = EXITS
    add_tree(parser, required=True)
    parser.add_argument("--good", metavar="COMMIT", required=True, help="one on which it works")
    parser.add_argument(
        "--bad", metavar="COMMIT", default="HEAD", help="one on which it fails (default: HEAD)"
    )
    parser.add_argument(
        "--runs",
        type=positive,
        default=1,
        help="runs of each commit, which is good only if all of them pass (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: in the store)")
    parser.add_argument("scenario", type=Path, metavar="SCENARIO", help="a scenario file, or FILE[CARRIER]")


def command(options: argparse.Namespace) -> int:
    """See that good is good and bad is bad, then have git look between them. 0: found; 125: not found."""
    store = default_store()
    cases = tested(options.scenario)
    folder = options.out or run_folder(store.root, "bisect")
    found = bisect.search(options.tree, options.good, options.bad, folder)

    def test(commit: Commit) -> list[Outcome]:
        return run_commit(store, options.runs, cases, commit, folder)

    for commit, code in ((found.bad, EXIT_CODES[Verdict.FAIL]), (found.good, 0)):
        outcomes = test(commit)
        if verdict_code(outcomes) != code:
            raise HarnessError(f"{commit.name} is not {'bad' if code else 'good'}: {told(outcomes)}")
    suspects = bisect.bisect(found, lambda commit: verdict_code(test(commit)), say)
    for commit in suspects:
        print(f"{commit.hash} {commit.subject}")
        print(evidence(folder, commit))
    print(f"bisect log: {folder / bisect.LOG}")
    if len(suspects) == 1:
        return 0
    print(f"one of these {len(suspects)} is the first bad commit: the others between could not be tested")
    return EXIT_ERROR


def tested(scenario: Path) -> list[Case]:
    """The cases that tell good from bad. Raises UsageError when there is none that a commit can be put to."""
    cases, other = without(chosen([scenario], []))
    if not cases:
        raise UsageError(f"{scenario}: {other[0].reason}, so it says nothing about a commit")
    return cases


def run_commit(store: Store, runs: int, cases: Sequence[Case], commit: Commit, folder: Path) -> list[Outcome]:
    """Run the cases on a commit, up to the first that fails; nothing when it cannot be built, or not run."""
    recipe = Recipe("bisect", commit.hash[:12], kernel_spec(None), commit)
    made = sides.make(store, recipe)
    if made.kernel is None:
        say(f"{commit.hash[:12]} cannot be built: {made.side.problem}")
        return []
    session = Session(store, made, made, cases, folder / commit.hash[:12], 1, 1, None)
    journal = Journal(session.folder, commit.hash)
    journal.begin(sys.argv, [])
    outcomes: list[Outcome] = []
    for _ in range(runs):
        for case in cases:
            try:
                outcomes.append(run_job(job(session, Next(case, Route.BASE), journal)))
            except HostError:
                raise
            except HarnessError as error:
                say(f"{commit.hash[:12]} cannot be tested: {error}")
                return []
            say(f"{outcomes[-1].verdict} {case.id} on {commit.hash[:12]} {commit.subject}")
            if outcomes[-1].verdict in {Verdict.FAIL, Verdict.ERROR}:
                return outcomes
    return outcomes


def verdict_code(outcomes: Sequence[Outcome]) -> int:
    """For git bisect. A skipped case says nothing about the commit; a known failure is a failure here."""
    if any(one.verdict is Verdict.XFAIL for one in outcomes):
        return EXIT_CODES[Verdict.FAIL]
    return exit_code(Verdict.PASS if one.verdict is Verdict.XPASS else one.verdict for one in outcomes)


def told(outcomes: Sequence[Outcome]) -> str:
    """What the runs of a commit came to, on one line."""
    return "; ".join(report.headline(one) for one in outcomes) or "it cannot be built or run: see above"


def evidence(folder: Path, commit: Commit) -> str:
    """What failed on a commit, in full."""
    try:
        outcomes = read(folder / commit.hash[:12]).outcomes
    except HarnessError:
        return "  it could not be tested"
    bad = [one for one in outcomes if verdict_code([one]) == 1] or list(outcomes)
    return report.render(bad[0]) if bad else "  it could not be tested"
