# SPDX-License-Identifier: GPL-2.0-only
"""The examples for CI systems: valid files, commands that there are, and the script that they run, run."""

import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.artifacts import Artifacts
from harness.cli import parse
from harness.digest import read
from harness.gate.routes import chosen
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "ci"
PAGE = (ROOT / "docs" / "ci.md").read_text()
JOB = EXAMPLES / "job.sh"
SCRIPT = "docs/ci/job.sh"
# What CI systems put in for these.
VALUES = {
    "${{ matrix.shard }}": "2",
    "$CI_NODE_INDEX": "2",
    "$CI_NODE_TOTAL": "3",
}
SCENARIO = """\
summary: no kernel is that new
requires: {kernel: "99.1"}
steps:
  - create_box: vm0
"""


def load(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def github_steps() -> list[dict[str, Any]]:
    return [step for job in load("github.yml")["jobs"].values() for step in job["steps"]]


def lines() -> dict[str, list[str]]:
    """The shell lines of each example, and of the page."""
    gitlab = load("gitlab.yml")
    return {
        "github.yml": [step["run"] for step in github_steps() if "run" in step],
        "gitlab.yml": [line for job in ("shard", "report") for line in gitlab[job]["script"]],
        "ci.md": [line.strip() for line in PAGE.splitlines() if line.startswith("    ")],
    }


def harness_words(line: str) -> list[str] | None:
    """What job.sh makes of a line's arguments: the words of a command of harness."""
    for name, value in VALUES.items():
        line = line.replace(name, value)
    words = shlex.split(line.split("  #")[0])
    if words[0] == "harness":
        return words[1:]
    if words[0] != SCRIPT:
        return None
    what, *rest = words[1:]
    if what == "report":
        return ["report", "merge", *rest[1:], "--out", rest[0], "--format", "junit"]
    assert what == "shard"
    return [*rest[2:], "--shard", rest[0], "--out", rest[1]]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml", "ci.md"])
def test_every_command_of_an_example_is_understood(name: str) -> None:
    found = [words for line in lines()[name] if (words := harness_words(line))]
    assert {words[0] for words in found} >= {"run", "report"}
    for words in found:
        parse(words)


def test_the_github_example() -> None:
    jobs = load("github.yml")["jobs"]
    shards = jobs["shard"]["strategy"]["matrix"]["shard"]
    (line,) = [line for line in lines()["github.yml"] if " shard " in line]
    assert f"/{len(shards)} " in line
    assert shards == list(range(1, len(shards) + 1))
    (cache,) = [step for step in github_steps() if str(step.get("uses")).startswith("actions/cache")]
    for pattern in re.findall(r"'([^']+)'", cache["with"]["key"]):
        assert list(ROOT.glob(pattern)), pattern
    assert cache["with"]["path"] == load("github.yml")["env"]["XDG_CACHE_HOME"]
    # What failed is what somebody wants to see.
    after = [step for step in github_steps() if "upload" in str(step.get("uses")) or "SUMMARY" in str(step)]
    assert len(after) == 3
    assert all(step["if"] == "always()" for step in [*after, jobs["report"]])
    assert jobs["report"]["needs"] == "shard"
    # Artifacts of all shards in one folder, each under its number.
    (upload, _) = [step["with"] for step in github_steps() if "upload" in str(step.get("uses"))]
    (fetch,) = [step["with"] for step in github_steps() if "download" in str(step.get("uses"))]
    assert upload["path"] == fetch["path"]
    assert f" {fetch['path']}/${{{{ matrix.shard }}}} " in line
    assert fetch["merge-multiple"] is True


def test_no_run_directory_has_a_name_that_an_upload_refuses() -> None:
    found = [case.id for case in chosen([ROOT / "scenarios"], [])]
    assert found
    # github.com/actions/toolkit, packages/artifact, path-and-artifact-name-validation.ts
    assert [name for name in found if set(name) & set('":<>|*?\r\n')] == []


def test_the_gitlab_example() -> None:
    found = load("gitlab.yml")
    assert found["shard"]["parallel"] > 1
    assert all((ROOT / file).is_file() for file in found["shard"]["cache"]["key"]["files"])
    (store,) = found["shard"]["cache"]["paths"]
    assert found["variables"]["XDG_CACHE_HOME"] == f"$CI_PROJECT_DIR/{store}"
    assert found["shard"]["artifacts"] == {"when": "always", "paths": ["runs"]}
    assert found["report"]["when"] == found["report"]["artifacts"]["when"] == "always"
    (line,) = found["report"]["script"]
    out = line.split()[2]
    assert found["report"]["artifacts"]["reports"]["junit"] == f"{out}.xml"
    assert f"{out}.md" in found["report"]["artifacts"]["paths"]


def job(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([JOB, *words], cwd=folder, text=True, capture_output=True, check=False)


def test_the_script_runs_shards_and_reports_them(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "scenarios" / f"{name}.yaml").write_text(SCENARIO)
    (tmp_path / "scenarios" / "a.yaml").write_text(SCENARIO.replace("99.1", "7.2"))
    for number in (1, 2):
        done = job(tmp_path, "shard", f"{number}/2", f"runs/{number}", "run", "scenarios")
        assert done.returncode == 0, done.stderr
    done = job(tmp_path, "report", "all", "runs/1", "runs/2")
    assert done.returncode == 0, done.stderr
    assert len(ElementTree.parse(tmp_path / "all.xml").findall(".//skipped")) == 2
    assert (tmp_path / "all.md").read_text().startswith("## PASS: 1 PASS, 2 SKIP of 3 cases")
    # The host of one shard is lost.
    done = job(tmp_path, "report", "some", "runs/1")
    assert done.returncode == 125, done.stderr
    assert "shard 2/2 is missing" in (tmp_path / "some.md").read_text()
    assert read(tmp_path / "some").of(Verdict.ERROR)
    # None has left anything.
    assert job(tmp_path, "report", "none", "runs/3").returncode == 129


def test_the_page_names_the_examples_and_the_exit_codes() -> None:
    for file in EXAMPLES.iterdir():
        assert f"(ci/{file.name})" in PAGE, file
    for code in ("0", "1", "125"):
        assert re.search(rf"\b{code}\b", PAGE)
