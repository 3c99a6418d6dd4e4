# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: applied whole or not at all, with the reason, and without touching what stays the same."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.build.patch import apply_series, touched_files
from harness.build.spec import kernel_spec

CHANGE = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1,3 +1,4 @@\n a\n b\n+{new}\n c\n"
ADD = "--- /dev/null\n+++ b/mm/y.c\n@@ -0,0 +1 @@\n+y\n"
TWO = CHANGE + "--- a/mm/none.c\n+++ b/mm/none.c\n@@ -1,3 +1,4 @@\n a\n b\n+n\n c\n"


SERIES = kernel_spec(None).patches


def of_struct_file(files: Iterable[str]) -> list[str]:
    """Those in which struct file, its operations and its life are."""
    return [file for file in files if file.startswith("fs/") or file == "include/linux/fs.h"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "linux" / "mm").mkdir(parents=True)
    (tmp_path / "linux" / "mm" / "x.c").write_text("a\nb\nc\n")
    return tmp_path / "linux"


def patch(source: Path, name: str, text: str) -> Path:
    (source.parent / name).write_text(text)
    return source.parent / name


def test_series_applies_and_hard_links_keep_their_content(source: Path) -> None:
    os.link(source / "mm/x.c", source.parent / "link")
    patches = [patch(source, "1.patch", CHANGE.format(new="n")), patch(source, "2.patch", ADD)]
    done = apply_series(source, source, patches)
    assert done.applied == ("1.patch", "2.patch")
    assert done.rejected == ()
    assert done.touched == touched_files(patches) == ("mm/x.c", "mm/y.c")
    assert (source / "mm/x.c").read_text() == "a\nb\nn\nc\n"
    assert (source / "mm/y.c").read_text() == "y\n"
    assert (source.parent / "link").read_text() == "a\nb\nc\n"
    assert sorted(path.name for path in source.parent.iterdir()) == ["1.patch", "2.patch", "link", "linux"]


def test_same_result_keeps_the_time_of_the_file(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    first = patch(source, "1.patch", CHANGE.format(new="n"))
    apply_series(source, target, [first])
    os.utime(target / "mm/x.c", ns=(1, 1))
    apply_series(source, target, [first])
    assert (target / "mm/x.c").stat().st_mtime_ns == 1
    apply_series(source, target, [patch(source, "1.patch", CHANGE.format(new="other"))])
    assert (target / "mm/x.c").stat().st_mtime_ns > 1


def test_patch_that_does_not_fit_names_hunk_and_file_and_leaves_no_trace(source: Path) -> None:
    (source / "mm/x.c").write_text("something\nelse\n")
    patches = [patch(source, "1.patch", CHANGE.format(new="n")), patch(source, "2.patch", ADD)]
    done = apply_series(source, source, patches)
    assert done.rejected == (("1.patch", "Hunk #1 does not fit at line 1 of mm/x.c"),)
    assert done.applied == ("2.patch",)
    assert (source / "mm/x.c").read_text() == "something\nelse\n"


def test_patch_of_a_missing_file_is_not_applied_in_part(source: Path) -> None:
    done = apply_series(source, source, [patch(source, "1.patch", TWO.format(new="n"))])
    assert done.rejected == (("1.patch", "mm/none.c, which it changes, does not exist"),)
    assert (source / "mm/x.c").read_text() == "a\nb\nc\n"


def test_patch_that_is_already_in_the_source_counts_as_applied(source: Path) -> None:
    patches = [patch(source, "1.patch", CHANGE.format(new="n"))]
    apply_series(source, source, patches)
    os.utime(source / "mm/x.c", ns=(1, 1))
    done = apply_series(source, source, patches)
    assert done.applied == ("1.patch",)
    assert (source / "mm/x.c").stat().st_mtime_ns == 1


def test_no_patch_of_ours_touches_struct_file() -> None:
    assert SERIES
    assert of_struct_file(touched_files(SERIES)) == []


def test_a_patch_that_touches_struct_file_is_found(source: Path) -> None:
    one = patch(source, "1.patch", CHANGE.format(new="n").replace("mm/x.c", "include/linux/fs.h"))
    two = patch(source, "2.patch", ADD.replace("mm/y.c", "fs/open.c"))
    assert of_struct_file(touched_files([*SERIES, one, two])) == ["fs/open.c", "include/linux/fs.h"]
