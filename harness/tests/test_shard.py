# SPDX-License-Identifier: GPL-2.0-only
"""Shards: each case in exactly one, the same for every job, none without work; and put together again."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import shard
from harness.cases import plans
from harness.digest import read
from harness.errors import UsageError
from harness.journal import Journal
from harness.merge import merge
from harness.shard import Shard
from harness.tests.outcomes import ONE_OF_EACH, PASSED, a_case, subject_of, written
from harness.verdict import Verdict

ROOT = Path(__file__).parents[2]
CASES = [a_case(Verdict.PASS, f"memfd/{letter}[fdbox]") for letter in "abcdef"]


def some_cases(seed: int) -> list[tuple[str, float]]:
    numbers = random.Random(seed)
    return [(f"case{n}", numbers.choice([0.5, 1.0, 5.5, numbers.uniform(1, 60)])) for n in range(1 + seed)]


@pytest.mark.parametrize("seed", range(40))
def test_each_case_is_in_one_shard_and_none_is_much_longer(seed: int) -> None:
    cases = some_cases(seed)
    for count in {1, min(2, len(cases)), min(7, len(cases)), len(cases)}:
        numbers = shard.split(cases, count)
        assert len(numbers) == len(cases)
        assert set(numbers) == set(range(1, count + 1))
        loads = [sum(s for (_, s), n in zip(cases, numbers, strict=True) if n == one) for one in set(numbers)]
        longest = max(seconds for _, seconds in cases)
        # What is above the mean is at most the case that came last.
        assert max(loads) <= sum(loads) / count + longest


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_cases_makes_no_difference(seed: int) -> None:
    cases = some_cases(seed + 5)
    first = dict(zip(cases, shard.split(cases, 3), strict=True))
    random.Random(seed).shuffle(cases)
    assert dict(zip(cases, shard.split(cases, 3), strict=True)) == first


def test_the_scenarios_are_split_equally() -> None:
    found = plans([ROOT / "scenarios"], None)
    cases = [(one.case, shard.expected(one)) for one in found]
    numbers = shard.split(cases, 4)
    loads = [sum(s for (_, s), n in zip(cases, numbers, strict=True) if n == one) for one in range(1, 5)]
    assert max(loads) - min(loads) < 5
    seconds = dict(cases)
    assert seconds["update/several_in_a_row[fdbox,5]"] > 2 * seconds["quickstart[fdbox]"]


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "a/b", "1/2/3", "-1/2", "1 / 2", "१/२"])
def test_what_is_no_shard_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="2/3 is the second of three"):
        shard.parse(text)


def test_a_shard_without_work_is_refused() -> None:
    with pytest.raises(UsageError, match="2 cases cannot be split into 3 shards"):
        shard.split([("a", 1.0), ("b", 1.0)], 3)


def run_shard(folder: Path, ours: Shard, key: str = "x", cases: list = CASES) -> Path:  # type: ignore[type-arg]
    """A folder as the job of a shard leaves it."""
    numbers = shard.split([(one.case, one.seconds) for one in cases], ours.count)
    mine = [one for one, number in zip(cases, numbers, strict=True) if number == ours.number]
    every = [(subject_of(one), number) for one, number in zip(cases, numbers, strict=True)]
    journal = Journal(folder, "one")
    journal.begin(["test"], map(subject_of, mine), shard.record(ours, key, every))
    for outcome in mine:
        journal.ended(outcome)
    return folder


def test_all_shards_together_are_the_whole(tmp_path: Path) -> None:
    folders = [run_shard(tmp_path / str(n), Shard(n, 3)) for n in (1, 2, 3)]
    digest = read(merge(folders, tmp_path / "all"))
    assert sorted(one.case for one in digest.outcomes) == [one.case for one in CASES]
    assert digest.verdict is Verdict.PASS
    assert digest.notes == ()


def test_a_shard_alone_is_judged_by_its_own_cases(tmp_path: Path) -> None:
    digest = read(run_shard(tmp_path, Shard(1, 3)))
    assert [one.verdict for one in digest.outcomes] == [Verdict.PASS] * 2


def test_the_cases_of_a_missing_shard_are_errors_with_their_names(tmp_path: Path) -> None:
    folders = [run_shard(tmp_path / str(n), Shard(n, 3)) for n in (1, 3)]
    digest = read(merge(folders, tmp_path / "all"))
    assert digest.verdict is Verdict.ERROR
    lost = digest.of(Verdict.ERROR)
    assert [one.case for one in lost] == ["memfd/b[fdbox]", "memfd/e[fdbox]"]
    assert {one.findings[0].what for one in lost} == {"did not finish"}
    assert "shard 2/3 is missing" in lost[0].findings[0].seen
    assert lost[0].source == CASES[0].source


def test_a_missing_shard_of_other_tests_is_an_error_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "1", "one")
    journal.begin(["test"], [subject_of(PASSED)], shard.record(Shard(1, 2), "x", [(subject_of(PASSED), 1)]))
    journal.ended(PASSED)
    digest = read(merge([tmp_path / "1"], tmp_path / "all"))
    assert [str(one.verdict) for one in digest.outcomes] == ["PASS", "ERROR"]
    assert "shard 2/2" in digest.outcomes[1].case


def test_shards_of_different_runs_do_not_fit_together(tmp_path: Path) -> None:
    folders = [run_shard(tmp_path / str(n), Shard(n, 2), key=f"kernel {n}") for n in (1, 2)]
    digest = read(merge(folders, tmp_path / "all"))
    assert len(digest.of(Verdict.ERROR)) == 6
    assert "of 2 different runs" in digest.of(Verdict.ERROR)[0].findings[0].seen


def test_two_kernels_in_two_shards_each_are_whole(tmp_path: Path) -> None:
    folders = [
        run_shard(tmp_path / f"{key}{n}", Shard(n, 2), key=key) for n in (1, 2) for key in ("7.2", "7.3")
    ]
    digest = read(merge(folders, tmp_path / "all"))
    assert len(digest.of(Verdict.PASS)) == len(digest.outcomes) == 12


def test_runs_that_were_not_split_are_put_together(tmp_path: Path) -> None:
    written(tmp_path / "a", *ONE_OF_EACH)
    written(tmp_path / "b", PASSED)
    digest = read(merge([tmp_path / "a", tmp_path / "b"], tmp_path / "all"))
    assert len(digest.outcomes) == 7
    assert digest.verdict is Verdict.FAIL


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    digest = read(merge([run_shard(tmp_path / "1", Shard(1, 1)), tmp_path / "2"], tmp_path / "all"))
    assert digest.verdict is Verdict.ERROR
    assert "its job failed" in digest.of(Verdict.ERROR)[0].findings[0].seen


def test_a_case_that_did_not_finish_and_a_broken_line_stay(tmp_path: Path) -> None:
    folder = run_shard(tmp_path / "1", Shard(1, 1))
    path = folder / "results.jsonl"
    path.write_text(path.read_text()[:-100])
    digest = read(merge([folder], tmp_path / "all"))
    assert [one.case for one in digest.of(Verdict.ERROR)] == ["memfd/f[fdbox]"]
    assert "not a whole line" in digest.notes[0]


def test_run_directories_are_where_they_are_now(tmp_path: Path) -> None:
    folder = run_shard(tmp_path / "1", Shard(1, 1))
    (folder / "memfd" / "a[fdbox]").mkdir(parents=True)
    by_case = {one.case: one.directory for one in read(merge([folder], tmp_path / "all")).outcomes}
    assert by_case["memfd/a[fdbox]"] == folder / "memfd" / "a[fdbox]"
    assert by_case["memfd/b[fdbox]"] == PASSED.directory


def test_what_cannot_be_merged_is_a_sentence(tmp_path: Path) -> None:
    folder = run_shard(tmp_path / "1", Shard(1, 1))
    for folders, out, said in (
        ([folder, folder], tmp_path / "all", "named more than once"),
        ([tmp_path / "none"], tmp_path / "all", "nothing to merge"),
        ([folder], folder, "is there already"),
        ([folder], folder / "results.jsonl", "cannot be written"),
    ):
        with pytest.raises(UsageError, match=said):
            merge(folders, out)
    broken = json.dumps({"kind": "session", "session": "s", "format": 1, "shard": {"whole": "x", "count": 2}})
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "results.jsonl").write_text(broken)
    with pytest.raises(UsageError, match="shard not understood"):
        merge([tmp_path / "2"], tmp_path / "all")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with six cases that are skipped, which takes no machine, and a test."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "scenarios").mkdir()
    for name in "abcdef":
        text = "summary: s\nkernel: 7.2.12\nsteps: [{create_box: a}]\n"
        (tmp_path / "scenarios" / f"{name}.yaml").write_text(text)
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    return tmp_path


def run_pytest(project: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--kernel", "7.3.4", *options]
    done = subprocess.run(command, cwd=project, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_pytest_runs_a_shard_and_merge_misses_the_other(project: Path) -> None:
    for number, workers in ((1, "2"), (2, "0")):
        status, output = run_pytest(
            project, "--shard", f"{number}/2", f"--runs=runs{number}", "-n", workers, "scenarios"
        )
        assert status == 0, output
        assert "3 skipped" in output
    folders = [project / "runs1", project / "runs2"]
    assert [one.verdict for one in read(merge(folders, project / "all")).outcomes] == [Verdict.SKIP] * 6
    digest = read(merge(folders[1:], project / "half"))
    assert len(digest.of(Verdict.ERROR)) == 3
    assert {one.case for one in digest.outcomes} == {f"{name}[fdbox]" for name in "abcdef"}


def test_a_worker_refuses_too_many_shards_too(project: Path) -> None:
    status, output = run_pytest(project, "-n", "1", "--shard", "1/8", ".")
    assert status == pytest.ExitCode.INTERRUPTED, output
    assert "7 cases cannot be split into 8 shards" in output
    assert "INTERNALERROR" not in output


def test_pytest_splits_other_tests_too_and_refuses_what_cannot_be(project: Path) -> None:
    _, output = run_pytest(project, "--collect-only", "-q", "--shard", "1/7", ".")
    assert "1/7 tests collected (6 deselected)" in output
    for shards, said in (
        ("1/8", "7 cases cannot be split into 8 shards"),
        ("x", "2/3 is the second of three"),
    ):
        status, output = run_pytest(project, "--shard", shards, ".")
        assert status == pytest.ExitCode.USAGE_ERROR, output
        assert said in output
        assert "Traceback" not in output
