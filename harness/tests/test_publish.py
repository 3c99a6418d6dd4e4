# SPDX-License-Identifier: GPL-2.0-only
"""`harness report`: each format of a results.jsonl, into a file or a pipe; what cannot be is a sentence."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness import markdown
from harness.cli import main
from harness.publish import FORMATS
from harness.tests import ktap_checker
from harness.tests.outcomes import NASTY_CASE, ONE_OF_EACH, PASSED, written
from harness.timeline import AFTER, BEFORE, CHECKS, LOAD, LOST, OTHER, PARTS
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reports.md").read_text()
# What the page tells people to type.
COMMANDS = [
    line.strip().removeprefix("- ").split("  #")[0].strip()
    for line in PAGE.splitlines()
    if re.match(r"\s+(- )?harness ", line)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder in which one case did not finish and one line is broken."""
    written(tmp_path, *ONE_OF_EACH, NASTY_CASE, PASSED)
    lines = (tmp_path / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_text("".join(lines)[:-100])
    return tmp_path


def report(folder: Path, form: str) -> str:
    assert main(["report", str(folder), "--format", form, "-o", str(folder / "out")]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["out", "results.jsonl"]
    return (folder / "out").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_what_did_not_finish_is_in_every_format(folder: Path, form: str) -> None:
    text = report(folder, form)
    assert "did not finish" in text
    assert "not a whole line" in text
    assert "memfd/holes" in text


def test_each_format_is_what_it_says(folder: Path) -> None:
    data = json.loads(report(folder, "json"))
    assert data["verdict"] == "FAIL"
    assert data["counts"] == {"PASS": 1, "FAIL": 2, "ERROR": 2, "SKIP": 1, "XFAIL": 1, "XPASS": 1}
    assert data["cases"][0]["case"] == "memfd/pass[fdbox]"
    assert len(ElementTree.fromstring(report(folder, "junit")).findall(".//testcase")) == 8
    assert sum(len(test.subtests) for test in ktap_checker.parse(report(folder, "ktap"))) == 8
    assert report(folder, "markdown").startswith(
        "## FAIL: 1 PASS, 2 FAIL, 2 ERROR, 1 SKIP, 1 XFAIL, 1 XPASS of 8"
    )
    assert report(folder, "terminal").endswith(
        "1 PASS, 2 FAIL, 2 ERROR, 1 SKIP, 1 XFAIL, 1 XPASS of 8 cases\n"
    )


def test_standard_output_and_the_file_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder / "results.jsonl"), "--format", "ktap"]) == 0
    assert capsys.readouterr().out == report(folder, "ktap")


def test_terminal_shows_few_cases_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, PASSED)
    main(["report", str(tmp_path)])
    assert (
        "blackout    1.400 s from the order to jump to the first fd back in user space"
        in capsys.readouterr().out
    )


def test_what_cannot_be_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, PASSED)
    for arguments, said in (
        ([str(tmp_path / "none")], "none: No such file or directory"),
        ([str(tmp_path), "-o", str(tmp_path / "no" / "x")], "x cannot be written: No such file or directory"),
        ([str(tmp_path), "-o", str(tmp_path)], "cannot be written: Is a directory"),
    ):
        assert main(["report", *arguments]) == 129
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path), "--format", "xml"])
    assert end.value.code == 129


def test_a_pipe_that_nobody_reads_is_an_interruption(folder: Path) -> None:
    command = f"{sys.executable} -m harness report {folder} --format json | (exec <&-; sleep 2)"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 130), done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("harness report")])
def test_a_command_of_the_page(command: str, folder: Path) -> None:
    words = command.replace("DIR", ".").replace(" runs ", " . ")
    line = f'harness() {{ {sys.executable} -m harness "$@"; }}; {words}'
    environment = {**os.environ, "GITHUB_STEP_SUMMARY": "summary", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = [path for path in folder.iterdir() if path.name != "results.jsonl"]
    assert done.stdout or made[0].stat().st_size


def test_the_page_has_every_format_verdict_and_part() -> None:
    formats = {word for c in COMMANDS for word in re.findall(r"--format (\w+)", c)}
    assert formats | {"terminal"} == set(FORMATS)
    rows = {line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")}
    assert set(Verdict) <= rows
    parts = {*PARTS.values(), *BEFORE, *AFTER, LOAD, CHECKS, OTHER, LOST}
    assert {f"`{name}`" for name in parts} <= rows
    assert parts == {*markdown.BEFORE, *(name for names in markdown.COLUMNS.values() for name in names)}
    assert {f"`{kind}`" for kind in ("session", "planned", "started", "result")} <= rows
