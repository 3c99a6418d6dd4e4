# SPDX-License-Identifier: GPL-2.0-only
"""What is absent makes a case SKIP, with the reason; everything else runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.digest import read
from harness.errors import UsageError
from harness.journal import Journal
from harness.plan import Plan
from harness.provision import bare_plan
from harness.report import render
from harness.requirements import unmet
from harness.result import Outcome
from harness.runner import run
from harness.scenario import Requires
from harness.verdict import Verdict

MEMINFO = "MemTotal: 9 kB\nMemAvailable:    2048 kB\n"


def requiring(**words: object) -> Plan:
    return replace(bare_plan(None), requires=Requires(**words))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, []),
        ({"kernel": "7.1", "modules": ("fdbox", "kvm"), "config": ("SHMEM", "TMPFS=y"), "memory": 4096}, []),
        ({"kernel": "99.1"}, ["a kernel not older than 99.1"]),
        ({"modules": ("fdbox", "none")}, ["the module none"]),
        ({"config": ("NO_SUCH", "SHMEM=m", "SHMEM")}, ["a kernel with NO_SUCH, SHMEM=m"]),
        ({"memory": 4 << 20}, ["4 MiB of free memory on the host"]),
    ],
)
def test_what_is_absent(
    words: dict[str, object], said: list[str], artifacts: Artifacts, tmp_path: Path
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(MEMINFO)
    assert [expected for expected, _ in unmet(requiring(**words), artifacts, meminfo)] == said


def test_a_module_that_a_rejected_patch_left_unbuilt(artifacts: Artifacts) -> None:
    whole = artifacts.kernels[None]
    kernel = replace(whole, rejected=(("0001-x.patch", "Hunk #1 does not fit"),))
    lacking = replace(artifacts, kernels={None: kernel}, modules={None: ("fdbox",)})
    needing = replace(bare_plan(None), needed=("fdbox", "fdbox_memfd"))
    ((expected, seen),) = unmet(needing, lacking)
    assert expected == "the module fdbox_memfd"
    assert "0001-x.patch does not apply: Hunk #1 does not fit" in seen
    # Of a kernel that takes every patch it is a mistake of ours, which must not look like a SKIP.
    assert not list(unmet(needing, replace(lacking, kernels={None: whole})))


def test_a_case_is_skipped_without_a_machine(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = requiring(kernel="99.1")
    outcome = run(chosen, artifacts, tmp_path / "run")
    text = render(outcome)
    assert outcome.verdict is Verdict.SKIP, text
    assert "requires a kernel not older than 99.1" in text
    assert not (tmp_path / "run/console.log").exists()


class Asked(Journal):
    """Somebody asks us to stop as soon as the result is noted."""

    def ended(self, outcome: Outcome) -> None:
        """Note it."""
        super().ended(outcome)
        raise KeyboardInterrupt


def test_a_result_that_was_noted_is_not_noted_again(artifacts: Artifacts, tmp_path: Path) -> None:
    journal = Asked(tmp_path, "1")
    journal.begin(["test"], [])
    with pytest.raises(KeyboardInterrupt):
        run(requiring(kernel="99.1"), artifacts, tmp_path / "run", journal=journal)
    assert [outcome.verdict for outcome in read(tmp_path).outcomes] == [Verdict.SKIP]


def test_of_two_that_begin_in_one_folder_one_has_it(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()

    class Other(Journal):
        """Somebody else, a moment earlier."""

        def started(self, case: str, directory: Path) -> None:
            """Begin there."""
            (directory / "plan.json").touch()

    with pytest.raises(UsageError, match="holds another run"):
        run(requiring(kernel="99.1"), artifacts, tmp_path / "run", journal=Other(tmp_path, "1"))
