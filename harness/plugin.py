# SPDX-License-Identifier: GPL-2.0-only
"""pytest collects scenarios: every *.yaml in a folder `scenarios` is a file, every case an item.

A kernel that breaks an expectation is a failure, a case that could not be tested is an error, and neither
is a Python traceback.
"""

import datetime
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import artifacts, proc, report
from harness.build.spec import kernel_names, kernel_parameters, smallest_machine
from harness.build.store import default_store
from harness.diagnostic import nearest
from harness.errors import HarnessError
from harness.load import load
from harness.plan import Case, expand, plan
from harness.result import Outcome, Verdict
from harness.runner import check_writable, run

# Key of the folder for run directories in what the controller tells its workers.
RUNS = "live update runs"
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
    group.addoption("--tree", type=Path, metavar="DIR", help="a kernel source tree; it is not changed")
    group.addoption(
        "--runs", type=Path, metavar="DIR", help="folder for the run directories (default: in the store)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """A worker of xdist dies with its controller, and its QEMU with it. What cannot be is said at once."""
    kernel = config.getoption("--kernel")
    if kernel is not None and kernel not in kernel_names():
        raise pytest.UsageError(f"--kernel: no kernel '{kernel}'{nearest(kernel, kernel_names())}")
    if kernel is not None and config.getoption("--tree"):
        raise pytest.UsageError("--kernel and --tree: one of them")
    if hasattr(config, "workerinput"):
        proc.die_with_parent(signal.SIGTERM, os.getppid())
        config.option.runs = Path(config.workerinput[RUNS])
    elif config.getoption("--runs"):
        try:
            check_writable(config.getoption("--runs"))
        except HarnessError as error:
            raise pytest.UsageError(f"--runs: {error}") from error
    else:
        stamp = f"{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-pytest"
        config.option.runs = default_store().root / "runs" / stamp


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the run directories go: one folder for all of them."""
    node.workerinput[RUNS] = str(node.config.getoption("--runs").absolute())


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
            scenario = load(self.path, kernel_names())
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

    def setup(self) -> None:
        """Build what is missing and run the case."""
        config = self.config
        kernel, tree = config.getoption("--kernel"), config.getoption("--tree")
        chosen = plan(self.case, kernel_parameters, kernel, smallest_machine)
        if kernel not in (None, chosen.kernel) or (
            tree and None not in (chosen.kernel, *chosen.next_kernels)
        ):
            pytest.skip(f"it has a kernel of its own: {kernel or tree} would not be tested")
        try:
            made = artifacts.obtain(chosen, default_store(), tree)
        except HarnessError as error:
            pytest.fail(f"could not test: {error}", pytrace=False)
        out = Path(config.getoption("--runs")) / self.case.id
        try:
            self.outcome = run(chosen, made, out)
        except HarnessError as error:
            pytest.fail(f"could not test: {error}", pytrace=False)
        self.report = report.render(self.outcome, chosen)
        self.user_properties.append(("run directory", str(out)))
        self.user_properties += [("blackout", str(seconds)) for seconds in self.outcome.blackouts]
        self.user_properties += [(f"measured {n.name}", f"{n}") for n in self.outcome.numbers]
        if self.outcome.verdict is Verdict.ERROR:
            pytest.fail(self.report, pytrace=False)
        if self.outcome.verdict is Verdict.SKIP:
            pytest.skip(self.report)
        if self.outcome.known:
            # pytest's own words, so that -rxX, JUnit and --runxfail are as everybody knows them.
            reason = "; ".join(self.outcome.known)
            if self.outcome.verdict is Verdict.XPASS:
                reason = f"{report.MEANING[Verdict.XPASS]}: {reason}"
            self.add_marker(pytest.mark.xfail(reason=reason, raises=ScenarioFailedError, strict=True))

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
