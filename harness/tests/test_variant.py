# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a git tree, taken out without a trace in it."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from harness.build.variant import changed_files, find_commit, take_out
from harness.errors import UsageError

WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}


def git(tree: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=tree, env=os.environ | WHO, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two commits; files that .gitattributes would have git-archive leave out or change; a dirty index."""
    tree = tmp_path / "linux"
    for name in ("Makefile", "Kconfig", "scripts/kconfig/merge_config.sh", "mm/shmem.c", "gone.c"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"{name} 1\n")
    (tree / ".gitattributes").write_text("Kconfig export-ignore\n*.c text eol=lf\n")
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "one")
    git(tree, "tag", "v1")
    (tree / "mm/shmem.c").write_text("two\n")
    (tree / "gone.c").unlink()
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "mm: two\n\nMore.")
    (tree / "Makefile").write_text("dirty\n")
    (tree / "Kconfig").write_text("staged\n")
    git(tree, "add", "Kconfig")
    return tree


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file with its time and contents."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_nothing_of_the_users_changes(tree: Path, tmp_path: Path) -> None:
    before = state(tree)
    area = tmp_path / "area"
    area.mkdir()
    for name in ("v1", "main", "HEAD~1"):
        take_out(find_commit(tree, name), area)
    assert state(tree) == before


def test_a_commit_is_taken_out_whole_and_only_what_differs_is_written(tree: Path, tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    folder = take_out(find_commit(tree, "v1"), area)
    assert (folder / "mm/shmem.c").read_text() == "mm/shmem.c 1\n"
    assert (folder / "Kconfig").read_text() == "Kconfig 1\n"
    first = state(folder)
    (folder / "left.o").touch()
    take_out(find_commit(tree, "main"), area)
    second = state(folder)
    assert (folder / "mm/shmem.c").read_text() == "two\n"
    assert not (folder / "gone.c").exists()
    assert second["Makefile"] == first["Makefile"]


def test_a_lock_that_was_left_does_not_matter(tree: Path, tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    (area / "index.lock").touch()
    assert (take_out(find_commit(tree, "v1"), area) / "gone.c").exists()


def test_a_commit_is_known_by_hash_and_subject(tree: Path) -> None:
    found = find_commit(tree, "main")
    assert (found.name, found.subject) == ("main", "mm: two")
    assert found.hash == git(tree, "rev-parse", "main").strip()
    assert changed_files(find_commit(tree, "v1"), found) == ("gone.c", "mm/shmem.c")


@pytest.mark.parametrize("name", ["v2", "--all", "-x", "main:Makefile", ""])
def test_what_is_no_commit_is_refused(tree: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"has no commit .*; it has .*(main|v1)"):
        find_commit(tree, name)


def test_a_tree_without_git_is_refused(tree: Path, tmp_path: Path) -> None:
    tree.joinpath(".git").rename(tmp_path / "git")
    with pytest.raises(UsageError, match="not a git repository"):
        find_commit(tree, "main")


def test_what_an_interrupted_checkout_left_is_no_part_of_the_next(tree: Path, tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    commit = find_commit(tree, "HEAD")
    folder = take_out(commit, area)
    before = {path.relative_to(folder) for path in folder.rglob("*")}
    # Written by git, which was killed before it noted that.
    (folder / "of_another_commit.h").touch()
    (area / "taking").touch()
    assert take_out(commit, area) == folder
    assert {path.relative_to(folder) for path in folder.rglob("*")} == before
    assert not (area / "taking").exists()
