# SPDX-License-Identifier: GPL-2.0-only
"""Every wrong scenario in golden/scenario/*.yaml must be refused with exactly the text beside it in *.txt.

To see what changed: HARNESS_GOLDEN=write pytest harness/tests/test_load.py, then git diff.
"""

import os
from pathlib import Path

import pytest

from harness.boxactions import Put, Seal
from harness.commandactions import Qmp
from harness.diagnostic import ScenarioError
from harness.fdactions import Open
from harness.kernelactions import Kexec
from harness.kinds import Carrier
from harness.load import load, load_all, load_text
from harness.world import Known
from harness.yamltree import parse

GOLDEN = Path(__file__).parent / "golden" / "scenario"
KNOWN = Known(("7.3.4", "7.2.12", "next"), ("fdbox", "fdbox_memfd", "fdbox_gmem", "vfio_mock", "kvm"))
SMALL = "summary: small\nsteps:\n  - kexec:\n"


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path, KNOWN)
    return str(caught.value).replace(f"{GOLDEN}/", "") + "\n"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_refused(path: Path) -> None:
    found, golden = refusal(path), path.with_suffix(".txt")
    if os.environ.get("HARNESS_GOLDEN") == "write":
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_faults_are_in_order_and_have_places(path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(path, KNOWN)
    places = [fault.where for fault in caught.value.diagnostics]
    assert places == sorted(places)
    assert all(place.file == path and place.line >= 1 and place.column >= 1 for place in places)


def test_all_goldens_are_used() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {path.stem for path in GOLDEN.glob("*.yaml")}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text(SMALL)
    (tmp_path / "bad.yaml").write_text("summary: x\n")
    with pytest.raises(ScenarioError) as caught:
        load_all([tmp_path / "quikstart.yaml", tmp_path, tmp_path / "quickstart.yaml", tmp_path / "bad.yaml"])
    messages = [str(fault).replace(f"{tmp_path}", "DIR") for fault in caught.value.diagnostics]
    assert messages == [
        "DIR/quikstart.yaml: no such file; did you mean 'quickstart.yaml'?",
        "DIR: this is a folder: name the .yaml files in it",
        "DIR/bad.yaml:1:1: 'steps' is missing: what is done, in order: steps: [{create_box: vm0}, ...]",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.touch(mode=0)
    with pytest.raises(ScenarioError, match=r"x\.yaml: cannot be read: Permission denied"):
        load(path)


def test_aliases_that_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(ScenarioError, match="aliases make this file larger"):
        load_text("\n".join(lines), Path("bomb.yaml"))


def test_nested_too_deeply() -> None:
    with pytest.raises(ScenarioError, match="nested too deeply"):
        load_text("a: " + "[" * 5000, Path("deep.yaml"))


def test_yaml_1_2_scalars() -> None:
    text = (
        "[on, off, yes, No, true, 0o17, 017, 0x1F, 1:30, 2026-01-01, ~, null, 1.5, 1e3, .inf, '7', <<, 1_000]"
    )
    value = parse(text, Path("x")).value
    assert value == (
        *("on", "off", "yes", "No", True, 15, 17, 31, "1:30", "2026-01-01", None, None, 1.5, 1000.0),
        *(float("inf"), "7", "<<", "1_000"),
    )


def test_short_forms_defaults_and_aliases() -> None:
    scenario = load_text(
        """\
summary: all the short forms
tags: smoke
carrier: luo
dmesg: [{message: "WARNING: .* foo", reason: it is a test}]
unseen: it is a test
steps:
  - create_box: &box vm0
  - open: {fd: ram, size: 4K+1}
  - put: {box: *box, fd: ram}
  - seal: *box
  - kexec: next
  - qmp: {execute: human-monitor-command, arguments: {command-line: info usernet, list: [1, {a: null}]}}
""",
        Path("x.yaml"),
    )
    assert scenario.tags == ("smoke",)
    assert scenario.carriers == (Carrier.LUO,)
    assert scenario.dmesg[0].pattern == "WARNING: .* foo"
    assert [step.action for step in scenario.steps[1:]] == [
        Open("ram", 4097),
        Put("vm0", "ram", "ram"),
        Seal("vm0"),
        Kexec("next"),
        Qmp("human-monitor-command", {"command-line": "info usernet", "list": (1, {"a": None})}),
    ]
    assert [(step.number, step.where.line, step.where.column) for step in scenario.steps][:2] == [
        (1, 7, 5),
        (2, 8, 5),
    ]


def test_byte_order_mark_and_windows_lines() -> None:
    scenario = load_text(("\ufeff" + SMALL).removeprefix("\ufeff").replace("\n", "\r\n"), Path("x.yaml"))
    assert scenario.steps[0].where.line == 3


def test_quickstart_loads_on_both_carriers() -> None:
    scenario = load(Path(__file__).parents[2] / "scenarios" / "quickstart.yaml", KNOWN)
    assert scenario.carriers == (Carrier.FDBOX, Carrier.LUO)
