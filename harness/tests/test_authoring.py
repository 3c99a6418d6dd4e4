# SPDX-License-Identifier: GPL-2.0-only
"""harness new writes a scenario that is valid and passes; harness list says what there is."""

import json
from pathlib import Path

import pytest

from harness import catalogue, report
from harness.artifacts import Artifacts
from harness.build.spec import kernel_parameters
from harness.cases import plans
from harness.cli import main
from harness.load import load
from harness.plan import Plan, expand, plan
from harness.runner import run
from harness.scenario import Requires
from harness.tests.test_schema import faults
from harness.topics import TEMPLATE
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["mine", "memfd/mine", "scenarios/mine.yaml"])
def test_new_writes_a_valid_scenario(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", name]) == 0
    (file,) = (folder / "scenarios").rglob("*.yaml")
    path = str(file.relative_to(folder))
    assert capsys.readouterr().out == f"{path}: change it, then: harness run {path}\n"
    assert f"harness run {path} " in file.read_text()
    assert main(["check", path]) == 0
    assert faults(file.read_text()) == []


def test_what_is_a_comment_in_the_template_is_valid_too(folder: Path) -> None:
    """All but the step that shows `expect`, which is about another fd."""
    lines = [line.removeprefix("# ") for line in TEMPLATE.read_text().splitlines() if "FILE" not in line]
    header = [line for line in lines if line.startswith(("requires:", "dmesg:", "xfail:"))]
    assert len(header) == 3
    (folder / "x.yaml").write_text("\n".join([*header, TEMPLATE.read_text()]))
    assert main(["check", "x.yaml"]) == 0


@pytest.mark.parametrize("which", ["fdbox,4K", "luo,2M+1"])
def test_the_template_passes(which: str, artifacts: Artifacts, tmp_path: Path) -> None:
    (case,) = (case for case in expand(load(TEMPLATE)) if case.words == which)
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, artifacts, tmp_path / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome)


def test_new_overwrites_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "mine.yaml").write_text("mine")
    assert main(["new", "mine"]) == 129
    assert "scenarios/mine.yaml exists" in capsys.readouterr().err
    assert (folder / "scenarios" / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "/etc/x", "../x", "a b", "a/../b", "-x", "x[luo]", ".yaml"])
def test_names_that_no_scenario_can_have(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "--", name]) == 129
    assert "is no name for a scenario" in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_a_folder_that_is_nearly_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "scenarios" / "memfd").mkdir(parents=True)
    assert main(["new", "memdf/mine"]) == 129
    assert "no folder scenarios/memdf; did you mean 'memfd'?" in capsys.readouterr().err
    assert main(["new", "other/mine"]) == 0


def quickstart() -> list[Plan]:
    return plans([ROOT / "scenarios" / "quickstart.yaml"], None)


def record(runs: Path, name: str, seconds: float, verdict: str = "PASS", kernel: str | None = None) -> None:
    """What a run of the quickstart leaves."""
    run = runs / name / "quickstart[fdbox]"
    run.mkdir(parents=True)
    (run / "plan.json").write_text(json.dumps({"kernel": kernel}))
    (run / "outcome.json").write_text(json.dumps({"verdict": verdict, "seconds": seconds}))


def test_the_expected_time_is_that_of_the_last_whole_run_on_the_same_kernel(tmp_path: Path) -> None:
    record(tmp_path, "1-run", 1.0)
    record(tmp_path, "2-run", 2.0)
    record(tmp_path, "3-run", 3.0, verdict="FAIL")
    record(tmp_path, "4-run", 4.0, kernel="7.3.4-debug")
    (tmp_path / "5-run" / "quickstart[fdbox]").mkdir(parents=True)
    (tmp_path / "5-run" / "quickstart[fdbox]" / "outcome.json").write_text("{")
    assert catalogue.times(quickstart(), tmp_path) == {"quickstart[fdbox]": 2.0}
    assert catalogue.times(quickstart(), tmp_path / "none") == {}


def test_the_table() -> None:
    assert catalogue.table(quickstart(), {"quickstart[fdbox]": 65}) == [
        "case                    time  tags         requires",
        "quickstart[fdbox]  1 min 5 s  smoke memfd  -",
        "quickstart[luo]            -  smoke memfd  -",
        "",
        "2 cases; one after the other 1 min 5 s, and 1 that have not passed yet",
    ]


def test_requirements_in_words() -> None:
    everything = Requires(kernel="7.3", modules=("kvm",), config=("HUGETLBFS",), memory=2 << 30)
    said = ["kernel 7.3 or newer", "module kvm", "HUGETLBFS", "2 GiB free"]
    assert catalogue.requirements(everything) == said


def test_list_by_tag_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(ROOT / "scenarios" / "quickstart.yaml"), str(ROOT / "scenarios" / "luo")]
    assert main(["list", "--json", "--tag", "smoke", *files]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [case["case"] for case in found] == ["quickstart[fdbox]", "quickstart[luo]"]
    assert found[0]["requires"] == {"kernel": None, "modules": [], "config": [], "memory": None}
    assert found[0]["kernels"] == [None, None]
    assert main(["list", *files]) == 0
    assert "luo/guest_counts_on[luo]" in capsys.readouterr().out


def test_several_tags_are_those_of_one_or_of_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(ROOT / "scenarios")
    tags: list[set[str]] = []
    for words in (["smoke"], ["stress"], ["smoke", "stress"]):
        options = [word for tag in words for word in ("--tag", tag)]
        assert main(["list", "--json", *options, folder]) == 0
        tags.append({case["case"] for case in json.loads(capsys.readouterr().out)})
    smoke, stress, both = tags
    assert smoke - stress
    assert stress - smoke
    assert both == smoke | stress


def test_a_tag_that_no_case_has(capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = str(ROOT / "scenarios" / "quickstart.yaml")
    assert main(["list", "--tag", "smok", quickstart]) == 129
    assert "no case has the tag 'smok'; did you mean 'smoke'?" in capsys.readouterr().err
