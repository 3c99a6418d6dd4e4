# SPDX-License-Identifier: GPL-2.0-only
"""A private copy of a user's kernel tree: all sources, nothing built, and only what changed changes."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.build.tree import list_sources, sync_tree
from harness.tests.fake_kernel import FILES, PATCH, fake_tree

OLD_NS = 10**18


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return fake_tree(tmp_path / "linux")


@pytest.fixture
def area(tmp_path: Path) -> Path:
    (tmp_path / "area").mkdir()
    return tmp_path / "area"


def git(tree: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=tree, check=True, capture_output=True, text=True
    ).stdout


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def age(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(OLD_NS, OLD_NS))


def changed(folder: Path) -> set[str]:
    return {name for name in files(folder) if (folder / name).stat().st_mtime_ns != OLD_NS}


def test_tree_without_git_is_copied_without_build_products(tree: Path, area: Path) -> None:
    for name in ("init/main.o", ".config", "include/config/auto.conf", "out/.gitignore", "out/vmlinux.c"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("*\n" if name.endswith(".gitignore") else "built\n")
    assert files(sync_tree(tree, area, ()).folder) == set(FILES)


def test_tree_of_a_debian_package_is_copied(tree: Path, area: Path) -> None:
    """Its .gitignore ends by ignoring everything at the top."""
    with (tree / ".gitignore").open("a") as ignore:
        ignore.write("/*\n!/debian/\n")
    for name in (".config", "vmlinux", "init/main.o"):
        (tree / name).write_text("built\n")
    assert files(sync_tree(tree, area, ()).folder) == set(FILES)


def test_dirty_git_tree_is_copied_as_it_is(tree: Path, area: Path) -> None:
    git(tree, "init", "--quiet")
    (tree / "forced.o").write_text("tracked although ignored\n")
    (tree / "gone.c").write_text("tracked and removed\n")
    git(tree, "add", "--force", ".")
    git(tree, "commit", "--quiet", "-m", "x")
    (tree / "gone.c").unlink()
    (tree / "new.c").write_text("not tracked yet\n")
    (tree / "init/main.c").write_text("edited\n")
    before = (tree / ".git/index").stat().st_mtime_ns
    copy = sync_tree(tree, area, ()).folder
    assert files(copy) == {*FILES, "forced.o", "new.c"}
    assert (copy / "init/main.c").read_text() == "edited\n"
    assert (tree / ".git/index").stat().st_mtime_ns == before


def test_symbolic_links_stay_links(tree: Path, area: Path) -> None:
    (tree / "link").symlink_to("Makefile")
    assert (sync_tree(tree, area, ()).folder / "link").readlink() == Path("Makefile")


def test_only_what_changed_changes(tree: Path, area: Path) -> None:
    first = sync_tree(tree, area, ())
    age(first.folder)
    (tree / "init/main.c").write_text("edited\n")
    os.utime(tree / "init/main.c", ns=(1, 1))  # back in time, as a restored backup is
    (tree / "Kconfig").touch()
    (tree / "mm/shmem.c").unlink()
    second = sync_tree(tree, area, ())
    assert changed(second.folder) == {"init/main.c"}
    assert not (second.folder / "mm/shmem.c").exists()
    assert second.identity != first.identity
    assert sync_tree(tree, area, ()).identity == second.identity


def test_patched_file_changes_only_with_its_content(tree: Path, area: Path, tmp_path: Path) -> None:
    patch = tmp_path / "1.patch"
    patch.write_text(PATCH)
    copy = sync_tree(tree, area, (patch,)).folder
    assert "patched" in (copy / "mm/shmem.c").read_text()
    age(copy)
    (tree / "init/main.c").write_text("edited\n")
    sync_tree(tree, area, (patch,))
    assert changed(copy) == {"init/main.c"}
    (tree / "mm/shmem.c").write_text("int more;\n" + FILES["mm/shmem.c"])
    sync_tree(tree, area, (patch,))
    assert (copy / "mm/shmem.c").read_text().count("\n") == 5


def test_patch_that_is_no_longer_wanted_is_taken_back(tree: Path, area: Path, tmp_path: Path) -> None:
    patch = tmp_path / "1.patch"
    patch.write_text(PATCH + "--- /dev/null\n+++ b/mm/added.c\n@@ -0,0 +1 @@\n+int added;\n")
    copy = sync_tree(tree, area, (patch,)).folder
    assert (copy / "mm/added.c").exists()
    sync_tree(tree, area, ())
    assert (copy / "mm/shmem.c").read_text() == FILES["mm/shmem.c"]
    assert not (copy / "mm/added.c").exists()


def test_copy_that_was_interrupted_is_completed(
    monkeypatch: pytest.MonkeyPatch, tree: Path, area: Path
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        (area / "linux/half.c").write_text("ha")
        raise KeyboardInterrupt

    (tree / "half.c").write_text("half\n")
    with monkeypatch.context() as patched:
        patched.setattr("harness.build.tree._copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sync_tree(tree, area, ())
    (tree / "half.c").unlink()
    assert files(sync_tree(tree, area, ()).folder) == set(FILES)


def test_names_with_spaces_and_newlines_are_listed(tree: Path, area: Path) -> None:
    (tree / "a b\nc").write_text("x")
    assert "a b\nc" in list_sources(tree, area)
    assert (sync_tree(tree, area, ()).folder / "a b\nc").is_file()
