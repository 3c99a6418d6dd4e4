# SPDX-License-Identifier: GPL-2.0-only
"""git bisect in a repository of ours: the right commit, what cannot be tested, and no trace in the user's."""

from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.build.variant import Commit
from harness.cli import main
from harness.commands.bisect import evidence, told, verdict_code
from harness.commands.series import series_code
from harness.errors import HostError, UsageError
from harness.gate.bisect import LOG, bisect, only_skipped, search
from harness.result import Outcome
from harness.tests.outcomes import PASSED, a_case, written
from harness.tests.test_variant import git, state
from harness.verdict import Verdict

GATE = Path(__file__).parent / "gate"
SCENARIOS = Path(__file__).parents[2] / "scenarios"


def by_subject(commit: Commit) -> int:
    """Test a commit by its subject, which stands for a build and a run."""
    return 125 if "cannot" in commit.subject else int("bad" in commit.subject)


def history(tmp_path: Path, *subjects: str) -> Path:
    """A kernel tree with a commit for each subject."""
    tree = tmp_path / "linux"
    for name in ("Makefile", "Kconfig", "scripts/kconfig/merge_config.sh"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    git(tree, "init", "-q", "-b", "main")
    for number, subject in enumerate(subjects):
        (tree / "x").write_text(str(number))
        git(tree, "add", "-A")
        git(tree, "commit", "-qm", subject)
        git(tree, "tag", f"c{number}")
    return tree


def look(tmp_path: Path, tree: Path, good: str, bad: str) -> list[str]:
    found = search(tree, good, bad, tmp_path / "out")
    return [commit.subject for commit in bisect(found, by_subject, lambda line: None)]


def test_the_commit_is_found_and_the_users_tree_is_as_it_was(tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two", "three", "bad: four", "bad: five", "bad: six")
    before = state(tree)
    assert look(tmp_path, tree, "c0", "main") == ["bad: four"]
    assert state(tree) == before
    assert "first bad commit" in (tmp_path / "out" / LOG).read_text()


def test_a_clone_that_was_cut_off_is_enough(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    tree = history(tmp_path / "whole", "one", "two", "three", "bad: four", "bad: five")
    clone = tmp_path / "clone"
    git(tree, "clone", "-q", "--depth", "4", f"file://{tree}", str(clone))
    assert look(tmp_path, clone, "HEAD~3", "HEAD") == ["bad: four"]


def test_what_cannot_be_tested_is_skipped(tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two", "cannot: a", "three", "bad: four", "cannot: b", "bad: five")
    assert look(tmp_path, tree, "c0", "main") == ["bad: four"]


def test_where_nothing_more_can_be_tested_all_that_it_can_be_are_named(tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "cannot: a", "cannot: b", "bad: four")
    assert sorted(look(tmp_path, tree, "c0", "main")) == ["bad: four", "cannot: a", "cannot: b"]


def test_what_a_test_raises_ends_it(tmp_path: Path) -> None:
    """A full disk, say: nothing is found, and it is not that a commit cannot be tested."""

    def full(commit: Commit) -> int:
        raise HostError(f"disk full at {commit.subject}")

    tree = history(tmp_path, "one", "two", "three", "four")
    with pytest.raises(HostError, match=r"disk full at (two|three)"):
        bisect(search(tree, "c0", "main", tmp_path / "out"), full, lambda line: None)


def test_two_commits_need_no_test_between_them(tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "bad: two")
    assert look(tmp_path, tree, "c0", "main") == ["bad: two"]


def test_what_git_says_is_passed_on_and_what_is_between_us_is_not(tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two", "three", "bad: four", "bad: five", "bad: six")
    said: list[str] = []
    bisect(search(tree, "c0", "main", tmp_path / "out"), by_subject, said.append)
    assert any(line.startswith("Bisecting: ") for line in said)
    assert any("bad: four" in line for line in said)
    assert not [line for line in said if "to be tested" in line]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--good", "c0", "--bad", "c1", "/none.yaml"], "/none.yaml"),
        (["--good", "c0", "--bad", "c1", "SKEW"], "it names its kernels itself: "),
        (["--good", "c1", "--bad", "c0", "QUICK"], "does not lead to"),
        (["--good", "nope", "QUICK"], "has no commit 'nope'"),
    ],
    ids=["scenario", "other kernels", "turned round", "no such commit"],
)
def test_what_cannot_be_bisected_is_said_before_anything_is_built(
    words: list[str],
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = history(tmp_path, "one", "two")
    files = {
        "SKEW": str(SCENARIOS / "update" / "to_a_newer_kernel.yaml"),
        "QUICK": str(SCENARIOS / "quickstart.yaml"),
    }
    assert main(["bisect", "--tree", str(tree), *(files.get(word, word) for word in words)]) == 129
    assert error in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_commits_that_are_no_way_are_refused(tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two")
    with pytest.raises(UsageError, match="does not lead to"):
        search(tree, "c1", "c0", tmp_path)
    with pytest.raises(UsageError, match="are the same commit"):
        search(tree, "c1", "main", tmp_path)


def test_steps_that_a_budget_had_no_time_for_are_named(
    artifacts: Artifacts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The base is there; of the steps none is built."""
    words = ["series", "--series", str(GATE / "does-not-apply.patch"), str(GATE / "harmless.patch")]
    assert main([*words, "--tag", "smoke", "--budget", "0.00001", "--out", str(tmp_path / "out")]) == 125
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in said] == ["not run: patch 1/2", "not run: patch 2/2"]


def test_only_whole_hashes_are_taken_from_what_git_says() -> None:
    said = f"The first bad commit could be any of:\n{'a' * 40}\n{'b' * 40}\nWe cannot bisect more!\n"
    assert only_skipped(said) == ["a" * 40, "b" * 40]
    assert only_skipped("fatal: no") == []


def test_the_evidence_is_what_failed_on_the_commit(tmp_path: Path) -> None:
    failed = a_case(Verdict.FAIL)
    commit = Commit(tmp_path, "x", "0123456789abcdef", "three")
    assert "could not be tested" in evidence(tmp_path, commit)
    written(tmp_path / commit.hash[:12], PASSED, failed)
    found = evidence(tmp_path, commit)
    assert found.startswith(f"FAIL {failed.case}")
    assert failed.findings[0].what in found
    assert told([]) == "it cannot be built or run: see above"
    assert told([PASSED, failed]).count(";") >= 1


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.PASS], 0),
        ([Verdict.PASS, Verdict.FAIL], 1),
        ([Verdict.XFAIL], 1),
        ([Verdict.XPASS], 0),
        ([Verdict.SKIP], 125),
        ([Verdict.PASS, Verdict.ERROR], 125),
        ([], 125),
    ],
)
def test_exit_codes_for_git(verdicts: list[Verdict], code: int) -> None:
    runs = [
        Outcome("x", Path("x"), "", (), "luo", verdict, (), (), (), (), 0.0, (), None) for verdict in verdicts
    ]
    assert verdict_code(runs) == code


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 0], 0), ([0, 125], 125), ([125, 1, 0], 1), ([0, 130], 130), ([], 0)]
)
def test_exit_codes_of_a_series(codes: list[int], code: int) -> None:
    assert series_code(codes) == code
