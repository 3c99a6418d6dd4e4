# SPDX-License-Identifier: GPL-2.0-only
"""pytest collects scenarios: every *.yaml in a folder `scenarios` is a file, every case an item.

A kernel that breaks an expectation is a failure, a case that could not be tested is an error, and neither
is a Python traceback.
"""

import contextlib
import datetime
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness import prefix, proc, provision, report, shard
from harness.artifacts import Artifacts
from harness.build.names import known
from harness.build.spec import kernel_names, kernel_parameters, smallest_machine
from harness.build.store import default_store
from harness.diagnostic import nearest
from harness.digest import not_run
from harness.errors import HarnessError, UsageError
from harness.journal import Journal
from harness.load import load
from harness.plan import Case, Plan, expand, plan
from harness.prefix import Shared
from harness.result import Blame, Finding, Oracle, Outcome
from harness.runner import check_writable, run, subject
from harness.slots import place
from harness.verdict import Verdict

# Keys of what the controller tells its workers: the folder for run directories, the name of the session, and
# its process id.
RUNS = "live update runs"
SESSION = "live update session"
CONTROLLER = "live update controller"
JOURNAL = pytest.StashKey[Journal]()
# What is undone when the session ends.
AT_END = pytest.StashKey[contextlib.ExitStack]()
# What cases run on, by what they need: looked up once, for there is much to be read and started.
MADE = pytest.StashKey[dict[tuple[object, ...], Artifacts]]()
# What a shard notes about itself.
RECORD = pytest.StashKey[Mapping[str, object]]()
# Marks with a meaning: not for tags.
PYTESTS_OWN = frozenset(
    {
        "xfail",
        "skip",
        "skipif",
        "parametrize",
        "usefixtures",
        "filterwarnings",
        "tryfirst",
        "trylast",
        "xdist_group",
    }
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which kernel, and where the run directories go."""
    group = parser.getgroup("live update")
    group.addoption(
        "--kernel", metavar="NAME", help="a kernel of kernel/kernels.yaml, instead of the default"
    )
    group.addoption("--cold", action="store_true", help="boot every machine; no snapshots")
    group.addoption("--tree", type=Path, metavar="DIR", help="a kernel source tree; it is not changed")
    group.addoption(
        "--runs", type=Path, metavar="DIR", help="folder for the run directories (default: in the store)"
    )
    group.addoption(
        "--shard", metavar="I/N", help="the I-th of N parts of what is selected, all equally long: docs/ci.md"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A worker of xdist dies with its controller, and its QEMU with it. What cannot be is said at once."""
    kernel = config.getoption("--kernel")
    if kernel is not None and kernel not in kernel_names():
        raise pytest.UsageError(f"--kernel: no kernel '{kernel}'{nearest(kernel, kernel_names())}")
    if kernel is not None and config.getoption("--tree"):
        raise pytest.UsageError("--kernel and --tree: one of them")
    try:
        shard.parse(config.getoption("--shard") or "1/1")
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    # A folder alone does not mean what takes minutes: -m slow does, or the name of a file.
    if not config.option.markexpr and all(Path(arg).is_dir() for arg in config.args):
        config.option.markexpr = "not slow"
    if hasattr(config, "workerinput"):
        proc.die_with_parent(signal.SIGTERM, config.workerinput[CONTROLLER])
        config.option.runs = Path(config.workerinput[RUNS])
        config.stash[JOURNAL] = Journal(config.option.runs, config.workerinput[SESSION])
        return
    stamp = f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-pytest"
    if config.getoption("--runs"):
        try:
            check_writable(config.getoption("--runs"))
        except HarnessError as error:
            raise pytest.UsageError(f"--runs: {error}") from error
    else:
        config.option.runs = default_store().root / "runs" / stamp
    config.stash[JOURNAL] = Journal(config.option.runs.absolute(), stamp)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the run directories go, one folder for all, and whose worker it is."""
    journal = node.config.stash[JOURNAL]
    told = {RUNS: str(journal.folder), SESSION: journal.session, CONTROLLER: os.getpid()}
    node.workerinput.update(told)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave of what -m and -k have selected the shard that is ours."""
    if not config.getoption("--shard"):
        return
    ours = shard.parse(config.getoption("--shard"))
    try:
        numbers = shard.split([(item.nodeid, expected(item)) for item in items], ours.count)
    except UsageError as error:
        if not hasattr(config, "workerinput"):
            raise pytest.UsageError(str(error)) from error
        # A worker of xdist has only this way to tell its controller.
        items.clear()
        session.shouldfail = str(error)
        return
    cases = [(one, number) for one, number in zip(items, numbers, strict=True) if isinstance(one, CaseItem)]
    on = config.getoption("--tree")
    key = shard.whole([(item.nodeid, f"{on or ''} {item.plan.kernel}") for item, _ in cases])
    if cases:
        config.stash[RECORD] = shard.record(ours, key, [(subject(item.plan), n) for item, n in cases])
    mine = [item for item, number in zip(items, numbers, strict=True) if number == ours.number]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(mine)])
    items[:] = mine


def expected(item: pytest.Item) -> float:
    """The seconds that a test is going to take, compared with others."""
    return shard.expected(item.plan) if isinstance(item, CaseItem) else shard.OTHER


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Note what is going to be run; of xdist's workers, who all know, the first one does."""
    items = [item for item in session.items if isinstance(item, CaseItem)]
    record = session.config.stash.get(RECORD, None)
    if (items or record) and not session.config.option.collectonly:
        journal = session.config.stash[JOURNAL]
        # A worker of xdist was started with `python -c`.
        command = getattr(session.config, "workerinput", {}).get("mainargv", sys.argv)
        try:
            journal.begin(command, [subject(item.plan) for item in items], record)
        except HarnessError as error:
            session.items.clear()
            session.shouldfail = str(error)
            return
        shared = prefix.shared([item.plan for item in items])
        for item in items:
            if steps := shared.get(item.plan.case):
                item.shared = Shared(journal.session, steps)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Leave no machine behind, when the session ends, that only its own cases could have used."""
    config = session.config
    if not hasattr(config, "workerinput"):
        stack = config.stash[AT_END] = contextlib.ExitStack()
        # In a store that cannot be written no case runs, and nothing is left.
        with contextlib.suppress(HarnessError):
            stack.enter_context(prefix.forgotten(default_store(), config.stash[JOURNAL].session))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what began with the session."""
    if AT_END in session.config.stash:
        session.config.stash[AT_END].close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where the results are."""
    journal = config.stash[JOURNAL]
    if journal.path.exists():
        terminalreporter.write_sep("=", "live update")
        terminalreporter.write_line(f"results: {journal.path}")
        terminalreporter.write_line(f"reports: harness report {shlex.quote(str(journal.folder))}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take *.yaml in a folder `scenarios`."""
    if file_path.suffix == ".yaml" and "scenarios" in file_path.parts:
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A YAML file with one scenario."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its cases; a file that is not valid is a collection error with every mistake in it."""
        try:
            scenario = load(self.path, known())
        except HarnessError as error:
            raise self.CollectError(str(error)) from error
        for case in expand(scenario):
            item = CaseItem.from_parent(self, name=case.words, case=case)
            # Words for -k, and marks for -m; but a mark `xfail` would turn a failure into a pass.
            item.extra_keyword_matches.update(scenario.tags)
            for tag in set(scenario.tags) - PYTESTS_OWN:
                self.config.addinivalue_line("markers", f"{tag}: a tag of scenarios")
                item.add_marker(tag)
            yield item


class ScenarioFailedError(Exception):
    """The kernel broke an expectation; the text is the report."""


class CaseItem(pytest.Item):
    """One case. It runs in the setup phase, so that what could not be tested is an error, not a failure."""

    def __init__(self, *, case: Case, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.case = case
        self.outcome: Outcome | None = None
        self.report = ""
        self.shared: Shared | None = None

    @cached_property
    def plan(self) -> Plan:
        """What is run."""
        return plan(self.case, kernel_parameters, self.config.getoption("--kernel"), smallest_machine)

    def setup(self) -> None:
        """Build what is missing and run the case."""
        self.outcome = self._play()
        self.report = report.render(self.outcome)
        self.user_properties.append(("run directory", str(self.outcome.directory)))
        self.user_properties += [("blackout", f"{seconds:.3f}") for seconds in self.outcome.blackouts]
        self.user_properties += [(f"measured {n.name}", f"{n}") for n in self.outcome.numbers]
        if self.outcome.verdict is Verdict.ERROR:
            pytest.fail(self.report, pytrace=False)
        if self.outcome.verdict is Verdict.SKIP:
            pytest.skip("; ".join(f"{finding.what}: {finding.seen}" for finding in self.outcome.findings))
        if self.outcome.known:
            # pytest's own words, so that -rxX, JUnit and --runxfail are as everybody knows them.
            reason = "; ".join(self.outcome.known)
            if self.outcome.verdict is Verdict.XPASS:
                reason = f"{report.MEANING[Verdict.XPASS]}: {reason}"
            self.add_marker(pytest.mark.xfail(reason=reason, raises=ScenarioFailedError, strict=True))

    def _play(self) -> Outcome:
        """What the case comes to; the journal has it too."""
        kernel, tree = self.config.getoption("--kernel"), self.config.getoption("--tree")
        names = (self.plan.kernel, *self.plan.next_kernels)
        journal = self.config.stash[JOURNAL]
        if kernel not in (None, self.plan.kernel) or (tree and None not in names):
            words = (
                "it has a kernel of its own",
                f"{kernel or tree}",
                f"{kernel or tree} would not be tested",
            )
            finding = Finding(Oracle.REQUIREMENT, Blame.NOBODY, 0, None, *words)
        else:
            try:
                made = self._made(tree)
                out = journal.folder / self.case.id
                with place(default_store(), self.plan.machine.memory):
                    return run(self.plan, made, out, journal=journal, shared=self.shared)
            except HarnessError as error:
                finding = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, str(error), "a test", "no test")
        outcome = not_run(subject(self.plan), finding)
        journal.ended(outcome)
        return outcome

    def _made(self, tree: Path | None) -> Artifacts:
        """What the case runs on. Raises HarnessError."""
        made, key = self.config.stash.setdefault(MADE, {}), provision.needs(self.plan)
        if key not in made:
            cold = self.config.getoption("--cold")
            made[key] = provision.obtain(self.plan, default_store(), tree, cold)
        return made[key]

    def runtest(self) -> None:
        """Pass on the verdict."""
        assert self.outcome is not None
        if self.outcome.verdict in {Verdict.FAIL, Verdict.XFAIL}:
            raise ScenarioFailedError(self.report)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The report, not a traceback of ours."""
        if isinstance(excinfo.value, ScenarioFailedError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says this is."""
        return self.path, None, self.case.id
