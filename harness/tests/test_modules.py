# SPDX-License-Identifier: GPL-2.0-only
"""Which modules init loads: the rule, and the real init."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import report
from harness.artifacts import Artifacts
from harness.modules import loaded, parameter
from harness.provision import bare_plan
from harness.runner import run
from harness.verdict import Verdict

DEFAULT = ("fdbox", "fdbox_memfd")


@pytest.mark.parametrize(
    ("cmdline", "names"),
    [
        ("kho=on", DEFAULT),
        ("guest.modules=", DEFAULT),
        ("guest.modules=kvm,kvm-amd kho=on", (*DEFAULT, "kvm", "kvm-amd")),
        ("guest.modules=-fdbox_memfd,vfio", ("fdbox", "vfio")),
        ("guest.modules=vfio,-fdbox guest.modules=-fdbox_memfd,fdbox,kvm", ("vfio", "kvm")),
        ("guest.modules=fdbox,vfio,vfio", (*DEFAULT, "vfio")),
    ],
)
def test_rule(cmdline: str, names: tuple[str, ...]) -> None:
    assert loaded(DEFAULT, cmdline) == names


def test_parameter() -> None:
    assert parameter(["kvm", "vfio"], ["fdbox"]) == "guest.modules=kvm,vfio,-fdbox"


def test_init_loads_what_the_command_line_says(artifacts: Artifacts, tmp_path: Path) -> None:
    """The same rule, in shell; one that cannot be loaded is said, and the run is an ERROR."""
    named = "irqbypass,kvm,iommufd,-fdbox_memfd,fdbox,none,vfio,kvm"
    chosen = bare_plan(None)
    chosen = replace(chosen, cmdline=f"{chosen.cmdline} guest.modules={named}")
    outcome = run(chosen, artifacts, tmp_path / "run")
    text = report.render(outcome)
    assert outcome.verdict is Verdict.ERROR, text
    assert "module none did not load" in text
    # The kernel may talk in between: a line of its may be behind one of init's.
    console = (tmp_path / "run/console.0.log").read_text()
    assert re.findall(r"fdbox-guest: module (\S+): (failed|loaded)", console) == [
        (name, "failed" if name == "none" else "loaded") for name in artifacts.loads(None, chosen.cmdline)
    ]
    assert "none" in artifacts.loads(None, chosen.cmdline)
