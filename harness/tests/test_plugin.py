# SPDX-License-Identifier: GPL-2.0-only
"""pytest collects scenarios: passes, failures and errors in it, its JUnit file, and several workers."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.build.store import default_store
from harness.digest import read
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with our conftest.py and an empty folder scenarios."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "scenarios").mkdir()
    return tmp_path


def pytest_in(project: Path, *options: str) -> tuple[int, str, ElementTree.Element]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=junit.xml", *options]
    done = subprocess.run(
        [*command, "--runs=runs", "scenarios"], cwd=project, text=True, capture_output=True, check=False
    )
    return done.returncode, done.stdout + done.stderr, ElementTree.parse(project / "junit.xml").getroot()


def test_a_fault_of_the_kernel_is_a_failure_without_a_traceback(artifacts: Artifacts, project: Path) -> None:
    shutil.copy(ROOT / "harness/tests/negative/warning_after.yaml", project / "scenarios")
    status, output, junit = pytest_in(project, "-n", "2")
    assert status == 1, output
    assert "2 failed" in output
    assert "Traceback" not in output
    for part in ("oracle    kernel log, generation 1", "expected", "seen", "runs/", "lkdtm"):
        assert part in output
    failures = junit.findall(".//failure")
    assert len(failures) == 2
    assert "the kernel reports a problem (WARNING)" in str(failures[0].text)


def test_a_pass_records_its_blackout_and_run_directory(artifacts: Artifacts, project: Path) -> None:
    shutil.copy(ROOT / "scenarios/quickstart.yaml", project / "scenarios")
    status, output, junit = pytest_in(project)
    assert status == 0, output
    names = {str(p.get("name")) for p in junit.findall(".//property")}
    assert names == {"blackout", "run directory"}
    assert len(junit.findall(".//testcase")) == 2
    assert sorted(path.name for path in (project / "runs").iterdir()) == [
        "quickstart[fdbox]",
        "quickstart[luo]",
        "results.jsonl",
    ]
    assert "harness report " in output
    digest = read(project / "runs")
    assert {outcome.case: outcome.verdict for outcome in digest.outcomes} == {
        "quickstart[fdbox]": Verdict.PASS,
        "quickstart[luo]": Verdict.PASS,
    }
    assert all((path / "timeline.svg").is_file() for path in (project / "runs").glob("quickstart*"))


def test_without_a_folder_for_runs_all_workers_use_one_in_the_store(
    artifacts: Artifacts, project: Path
) -> None:
    shutil.copy(ROOT / "scenarios/quickstart.yaml", project / "scenarios")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--junitxml=junit.xml"]
    done = subprocess.run([*command, "scenarios"], cwd=project, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    junit = ElementTree.parse(project / "junit.xml").getroot()
    folders = {Path(str(p.get("value"))).parent for p in junit.findall(".//property[@name='run directory']")}
    assert len(folders) == 1
    runs = next(iter(folders))
    assert runs.parent == default_store().root / "runs"
    head = json.loads((runs / "results.jsonl").read_text().splitlines()[0])
    assert head["command"][1:] == [*command[3:], "scenarios"], "a worker noted what it was started with"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_results_that_cannot_be_noted_are_a_sentence(
    artifacts: Artifacts, project: Path, workers: str
) -> None:
    shutil.copy(ROOT / "scenarios/quickstart.yaml", project / "scenarios")
    (project / "runs" / "results.jsonl").mkdir(parents=True)
    status, output, _ = pytest_in(project, "-n", workers)
    assert status not in (0, 3), output
    assert "results.jsonl" in output
    assert "INTERNALERROR" not in output
    assert "Traceback" not in output


def test_what_could_not_be_tested_is_an_error(artifacts: Artifacts, project: Path) -> None:
    text = (
        "summary: no kernel\nboot: {parameters: [rdinit=/none]}\n"
        "steps:\n  - open: {fd: a, size: 1}\n  - verify: a\n"
    )
    (project / "scenarios" / "dead.yaml").write_text(text)
    status, output, junit = pytest_in(project)
    assert status == 1, output
    assert "1 error" in output
    assert "could not test" in output
    assert "Traceback" not in output
    assert len(junit.findall(".//error")) == 1


KNOWN = """\
summary: s
xfail: {{kernel: "{kernel}", message: "something else: {command}", reason: a bug}}
steps:
  - ssh: "{done}"
"""


def test_a_known_bug_is_xfail_and_one_that_is_gone_is_a_failure(artifacts: Artifacts, project: Path) -> None:
    for name, kernel, command, done in (
        ("known", ">=7", "false", "false"),
        ("gone", ">=7", "false", "true"),
        ("another", ">=7", "true", "false"),
        ("elsewhere", "<7", "false", "false"),
    ):
        text = KNOWN.format(kernel=kernel, command=command, done=done)
        (project / "scenarios" / f"{name}.yaml").write_text(text)
    status, output, junit = pytest_in(project, "-rxX")
    assert status == 1, output
    assert "3 failed, 1 xfailed" in output
    assert "XFAIL scenarios/known.yaml::fdbox - a bug" in output
    assert "[XPASS(strict)] a known bug is gone, so remove the xfail: a bug" in output
    assert [skip.get("type") for skip in junit.iter("skipped")] == ["pytest.xfail"]
    passed = [case for case in junit.iter("testcase") if case.find("failure") is None]
    assert ["known" in str(case.get("classname")) for case in passed] == [True]


def test_a_scenario_that_is_not_valid_is_a_collection_error(project: Path) -> None:
    (project / "scenarios" / "bad.yaml").write_text("summary: x\nsteps:\n  - sael: vm0\n")
    status, output, _ = pytest_in(project)
    assert status == 2
    assert "bad.yaml:3:5" in output
    assert "'seal'" in output
    assert "Traceback" not in output


def test_the_tag_slow_is_a_mark_and_a_kernel_of_its_own_is_kept(project: Path) -> None:
    text = "summary: s\n{}steps:\n  - open: {{fd: a, size: 1}}\n  - verify: a\n"
    (project / "scenarios" / "long.yaml").write_text(text.format("tags: [slow]\n"))
    (project / "scenarios" / "other.yaml").write_text(text.format("kernel: 7.2.12\ntags: [slow]\n"))
    for options, count in (("-m", "slow"), 2), (("-m", "not slow"), 0), ((), 0):
        status, output = collect(project, *options)
        assert status == (0 if count else 5), output
        assert output.count("::fdbox") == count
    assert collect(project, where="scenarios/long.yaml")[1].count("::fdbox") == 1
    status, output, _ = pytest_in(project, "-m", "slow", "-k", "other", "--kernel", "7.3.4", "-rs")
    assert status == 0, output
    assert "a kernel of its own: 7.3.4 would not be tested" in output


def collect(project: Path, *options: str, where: str = "scenarios") -> tuple[int, str]:
    """What pytest says of the scenarios without running them."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", *options]
    done = subprocess.run([*command, where], cwd=project, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kernel", "7.3.44"], "no kernel '7.3.44'; did you mean '7.3.4'?"),
        (["--kernel", "7.3.4", "--tree", "x"], "--kernel and --tree"),
        (["--runs", "/dev/null"], "cannot be a folder for records"),
    ],
)
def test_options_that_cannot_be_are_usage_errors(project: Path, options: list[str], said: str) -> None:
    shutil.copy(ROOT / "scenarios/quickstart.yaml", project / "scenarios")
    status, output = collect(project, *options)
    assert status == pytest.ExitCode.USAGE_ERROR, output
    assert said in output
    assert "Traceback" not in output


def test_tags_are_marks_except_those_that_mean_something_to_pytest(project: Path) -> None:
    for name, tags in (("a", "[smoke, big-one]"), ("b", "[xfail, smoke]"), ("c", "[]")):
        text = f"summary: s\ntags: {tags}\nsteps: [{{create_box: a}}]\n"
        (project / "scenarios" / f"{name}.yaml").write_text(text)
    for options, expected in (
        (["-m", "smoke"], ["a", "b"]),
        (["-m", "big-one"], ["a"]),
        (["-m", "not smoke"], ["c"]),
        (["-m", "xfail"], []),
        (["-k", "xfail"], ["b"]),
    ):
        _, output = collect(project, *options, "-W", "error", "--strict-markers")
        found = [name for name in ("a", "b", "c") if f"scenarios/{name}.yaml::fdbox" in output]
        assert found == expected, output


def test_a_scenario_with_its_own_kernel_is_skipped_for_another(project: Path) -> None:
    (project / "scenarios" / "x.yaml").write_text("summary: s\nkernel: 7.2.12\nsteps: [{create_box: a}]\n")
    status, output, junit = pytest_in(project, "--kernel", "7.3.4", "-rs")
    assert status == 0, output
    assert "a kernel of its own: 7.3.4 would not be tested" in output
    assert len(junit.findall(".//skipped")) == 1
    (outcome,) = read(project / "runs").outcomes
    assert outcome.verdict is Verdict.SKIP
    assert "would not be tested" in outcome.findings[0].seen


def test_what_cases_run_on_is_looked_up_once(artifacts: Artifacts, project: Path) -> None:
    with (project / "conftest.py").open("a") as file:
        file.write("from harness import provision\nwas = provision.obtain\n")
        file.write("provision.obtain = lambda *args: print('looked up') or was(*args)\n")
    text = "summary: s\nrequires: {kernel: '99'}\nsteps:\n  - "
    for name in "abc":
        (project / "scenarios" / f"{name}.yaml").write_text(f"{text}ssh: 'true'\n")
    (project / "scenarios" / "d.yaml").write_text(f"{text}selftest: luo_kexec_simple\n")
    status, output, _ = pytest_in(project, "-s")
    assert (status, output.count("looked up")) == (0, 2), output
    assert "4 skipped" in output


def test_what_an_interrupted_session_did_not_come_to_is_an_error(project: Path) -> None:
    for name in ("a", "b", "c"):
        text = "summary: s\nkernel: 7.2.12\nsteps: [{create_box: a}]\n"
        (project / "scenarios" / f"{name}.yaml").write_text(text)
    stop = "def pytest_runtest_setup(item):\n    if item.path.stem == 'b': raise KeyboardInterrupt\n"
    with (project / "conftest.py").open("a") as conftest:
        conftest.write(f"\n{stop}")
    status, output, _ = pytest_in(project, "--kernel", "7.3.4")
    assert status == 2, output
    assert "harness report " in output
    digest = read(project / "runs")
    seen = {outcome.case: (str(outcome.verdict), outcome.findings[0].what) for outcome in digest.outcomes}
    assert seen["a[fdbox]"][0] == "SKIP"
    assert seen["b[fdbox]"] == seen["c[fdbox]"] == ("ERROR", "did not finish")


def test_several_workers_write_one_file_of_results(project: Path) -> None:
    for n in range(20):
        text = "summary: s\nkernel: 7.2.12\nsteps: [{create_box: a}]\n"
        (project / "scenarios" / f"s{n}.yaml").write_text(text)
    status, output, _ = pytest_in(project, "--kernel", "7.3.4", "-n", "2")
    assert status == 0, output
    lines = [json.loads(line) for line in (project / "runs" / "results.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines[:21]] == ["session", *["planned"] * 20]
    assert sorted(line["case"] for line in lines[21:]) == sorted(f"s{n}[fdbox]" for n in range(20))


def test_a_worker_that_is_killed_leaves_a_case_that_did_not_finish(project: Path) -> None:
    for name in ("a", "b"):
        text = "summary: s\nkernel: 7.2.12\nsteps: [{create_box: a}]\n"
        (project / "scenarios" / f"{name}.yaml").write_text(text)
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    with (project / "conftest.py").open("a") as conftest:
        conftest.write(
            f"\nimport os, signal\ndef pytest_runtest_setup(item):\n    if item.path.stem == 'a': {kill}\n"
        )
    status, output, _ = pytest_in(project, "--kernel", "7.3.4", "-n", "1")
    assert status == 1, output
    digest = read(project / "runs")
    assert [(str(o.verdict), o.findings[0].what) for o in digest.outcomes] == [
        ("ERROR", "did not finish"),
        ("SKIP", "it has a kernel of its own"),
    ]


def test_collecting_alone_writes_nothing(project: Path) -> None:
    shutil.copy(ROOT / "scenarios/quickstart.yaml", project / "scenarios")
    status, output = collect(project, "--runs=runs")
    assert status == 0, output
    assert not list((project / "runs").iterdir())
