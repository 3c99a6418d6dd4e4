# SPDX-License-Identifier: GPL-2.0-only
"""What is in a user's git tree right now, taken without a trace in it."""

import time
from pathlib import Path

import pytest

from harness.build.store import Store
from harness.build.variant import between, changed_files, find_commit, take_out
from harness.build.worktree import find_worktree
from harness.errors import UsageError
from harness.gate.sides import Wanted, recipes, steps, touched
from harness.tests.test_bisect import history
from harness.tests.test_variant import git, state


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two commits, and what people do before the third."""
    tree = history(tmp_path, "one", "two")
    (tree / ".gitignore").write_text("*.o\n")
    (tree / "Makefile").write_text("changed\n")
    (tree / "Kconfig").write_text("staged\n")
    git(tree, "add", "Kconfig")
    (tree / "Kconfig").write_text("staged, and changed again\n")
    (tree / "x").unlink()
    (tree / "new.c").write_text("new\n")
    (tree / "new.o").write_text("built\n")
    return tree


def test_everything_is_in_it_and_nothing_of_the_users_changes(store: Store, tree: Path) -> None:
    git(tree, "hash-object", "-w", "new.c")
    before = state(tree)
    found = find_worktree(store, tree)
    with store.work("out") as area:
        folder = take_out(found, area)
        assert (folder / "Makefile").read_text() == "changed\n"
        assert (folder / "Kconfig").read_text() == "staged, and changed again\n"
        assert (folder / "new.c").read_text() == "new\n"
        assert not (folder / "new.o").exists()
        assert not (folder / "x").exists()
    assert changed_files(find_commit(tree, "HEAD"), found) == (
        ".gitignore",
        "Kconfig",
        "Makefile",
        "new.c",
        "x",
    )
    assert state(tree) == before


def test_a_file_that_was_changed_right_after_it_was_committed_is_read(store: Store, tmp_path: Path) -> None:
    tree = history(tmp_path, "one")
    file = tree / "Makefile"
    file.write_text("level = 1\n")
    git(tree, "commit", "--quiet", "--all", "--message", "two")
    # In the same place, of the same size, within the same second.
    with file.open("r+") as same:
        same.write("level = 2\n")
    time.sleep(1)
    found = find_worktree(store, tree)
    with store.work("out") as area:
        assert (take_out(found, area) / "Makefile").read_text() == "level = 2\n"


def test_the_same_files_are_the_same_commit(store: Store, tree: Path) -> None:
    first = find_worktree(store, tree)
    (tree / "new.c").touch()
    assert find_worktree(store, tree) == first
    (tree / "new.c").write_text("more\n")
    assert find_worktree(store, tree).hash != first.hash


def test_it_is_what_a_gate_compares_with_head_when_no_head_is_named(store: Store, tree: Path) -> None:
    base, head = recipes(store, Wanted(tree=tree))
    assert base.commit
    assert head.commit
    assert (base.commit.subject, head.name) == ("two", "the working tree")
    assert head.commit.subject == f"changes that are not committed, on {base.commit.hash[:12]} (two)"
    assert "new.c" in touched(base, head)
    found = [one.commit for one in steps(store, Wanted("c0", tree=tree)) if one.commit]
    assert [one.subject for one in found] == ["one", "two", head.commit.subject]
    assert between(base.commit, head.commit) == [head.commit]
    assert found[-1].objects


def test_a_clean_tree_is_its_head(store: Store, tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two")
    assert find_worktree(store, tree).subject == "two"
    with pytest.raises(UsageError, match=r"base and head are the same: HEAD and HEAD; nothing in .* changed"):
        recipes(store, Wanted(tree=tree))
    assert recipes(store, Wanted("c0", tree=tree))[1].name == "HEAD"


def test_a_tree_that_is_no_repository_is_refused(store: Store, tree: Path, tmp_path: Path) -> None:
    (tree / ".git").rename(tmp_path / "git")
    with pytest.raises(UsageError, match="not a git repository"):
        find_worktree(store, tree)
