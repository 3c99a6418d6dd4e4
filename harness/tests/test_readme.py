# SPDX-License-Identifier: GPL-2.0-only
"""What README and docs tell people to do works."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.cli import COMMANDS, main, parse
from harness.load import load_text

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("    harness ")]


def example(text: str) -> str:
    """The first YAML block of a page."""
    match = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert match
    return match[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with README's scenario where README says."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text(example(README))
    return tmp_path


def test_the_readme_has_its_commands() -> None:
    assert [command.split()[1] for command in EXAMPLES] == ["check", "run", "run", "shell", "gate"]


@pytest.mark.parametrize("command", [c for c in EXAMPLES if "--tree" not in c])
def test_a_command_of_the_readme(command: str, folder: Path, artifacts: Artifacts) -> None:
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(
        words, cwd=folder, input="ls /run/fd\nexit\n", text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {"check": "all valid", "run": "2 PASS", "shell": "generation 1"}[command.split()[1]]
    assert expected in done.stdout + done.stderr


def test_the_shell_ends_in_the_machine_with_its_fds(folder: Path, artifacts: Artifacts) -> None:
    words = [sys.executable, "-m", "harness", "shell", "scenarios/mine.yaml[luo]"]
    done = subprocess.run(
        words, cwd=folder, input="ls /run/fd\nexit\n", text=True, capture_output=True, check=False
    )
    assert "high" in done.stdout
    assert "low" in done.stdout


def test_every_command_of_the_pages_is_understood() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text()
    more = [line for line in page.splitlines() if line.startswith("    harness ")]
    assert {line.split()[1] for line in more} == {"new", "check", "list", "plan", "schema", "run"}
    for command in (*EXAMPLES, *more):
        parse(shlex.split(re.split("[#>]", command)[0])[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: harness {command}" in capsys.readouterr().out


def test_the_help_has_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for word in (*COMMANDS, "125 could not test", "129", "130"):
        assert word in text


@pytest.mark.parametrize("arguments", [["run"], ["no-such"], ["run", "--kernel", "a", "--tree", "b", "c"]])
def test_usage_errors_are_129(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 129


def test_a_scenario_that_is_not_valid_is_129(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("summary: x\nsummary: y\nsteps:\n  - sael: vm0\n  - verify: ram\n")
    assert main(["check", str(bad)]) == 129
    said = capsys.readouterr().err
    for part in (f"{bad}:2:1:", f"{bad}:4:5:", f"{bad}:5:13:", "did you mean 'seal'?", "3 errors"):
        assert part in said, said


def test_a_kernel_that_does_not_exist_is_129(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--kernel", "9.9", str(ROOT / "scenarios/quickstart.yaml")]) == 129
    assert "no kernel '9.9'" in capsys.readouterr().err


def test_the_file_of_the_page_about_scenarios_is_valid() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text()
    header = example(page).replace("  - ...\n", "  - delete_box: vm0\n")
    assert load_text(header, Path("scenarios/x.yaml")).kernel == "7.2.12"
