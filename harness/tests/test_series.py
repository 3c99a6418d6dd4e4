# SPDX-License-Identifier: GPL-2.0-only
"""A patch series as people send it, taken apart; and this project's sources with patches."""

from pathlib import Path

import pytest

from harness.build.patch import touched_files
from harness.build.series import obtain_project, obtain_series
from harness.build.store import Store
from harness.build.variant import PatchError
from harness.errors import UsageError

DIFF = """\
diff --git a/{file} b/{file}
--- a/{file}
+++ b/{file}
@@ -1 +1 @@
-{old}
+{new}
"""
PATCHES = Path(__file__).parent / "gate"


def mail(subject: str, file: str, old: str = "a", new: str = "b", mbox: bool = True) -> str:
    head = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n" if mbox else ""
    about = f"From: Zoë <z@example.org>\nSubject: {subject}\nContent-Type: text/plain; charset=UTF-8\n"
    return f"{head}{about}\nWhy.\n---\n{DIFF.format(file=file, old=old, new=new)}-- \n2.47\n\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_mailbox_is_put_in_order_and_the_rest_is_left_out(tmp_path: Path, store: Store) -> None:
    box = tmp_path / "x.mbox"
    cover = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
    cover += "From: a <a@b>\nSubject: [PATCH v2 0/2] Two things\n\nBoth are good.\n\n"
    reply = cover.replace("[PATCH", "Re: [PATCH") + "> --- a/mm/x.c\n> +++ b/mm/x.c\nNo.\n\n"
    second, first = mail("[PATCH v2 2/2] mm: second", "mm/y.c"), mail("[PATCH v2 1/2] mm: first", "mm/x.c")
    box.write_text(cover + second + reply + first)
    series = obtain_series(store, [box])
    assert series.titles == ("mm: first", "mm: second")
    assert [touched_files([one]) for one in series.kernel] == [("mm/x.c",), ("mm/y.c",)]
    assert series.files == ("mm/x.c", "mm/y.c")
    assert series.ours == ()
    assert series == obtain_series(store, [box])


def test_a_single_mail_and_a_bare_diff(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.eml").write_text(mail("[PATCH] kmod: one", "kmod/box.c", mbox=False))
    (tmp_path / "b.diff").write_text(DIFF.format(file="mm/x.c", old="a", new="b"))
    series = obtain_series(store, [tmp_path / "a.eml", tmp_path / "b.diff"])
    assert series.titles == ("kmod: one", "b")
    assert [path.name for path in series.ours] == ["0001-kmod-one.patch"]
    assert [path.name for path in series.kernel] == ["0002-b.patch"]


def test_an_encoded_mail_is_decoded(tmp_path: Path, store: Store) -> None:
    text = mail("=?UTF-8?q?=5BPATCH=5D_mm=3A_for_Zo=C3=AB?=", "mm/x.c", new="a=3Db")
    text = text.replace("charset=UTF-8\n", "charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n")
    (tmp_path / "x.mbox").write_text(text)
    series = obtain_series(store, [tmp_path / "x.mbox"])
    assert series.titles == ("mm: for Zoë",)
    assert "+a=b\n" in series.kernel[0].read_text()


def test_a_folder_goes_by_its_series_file_or_by_name(tmp_path: Path, store: Store) -> None:
    for name in ("1.patch", "2.patch", "notes.txt"):
        (tmp_path / name).write_text(DIFF.format(file=f"mm/{name}.c", old="a", new="b"))
    assert obtain_series(store, [tmp_path]).titles == ("1", "2")
    (tmp_path / "series").write_text("2.patch # first\n\n1.patch -p1\n")
    assert obtain_series(store, [tmp_path]).titles == ("2", "1")


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, "no patch in this folder"),
        ({"a.patch": "nothing\n"}, "there is no patch in it"),
        ({"series": "b.patch\n"}, "b.patch does not exist"),
        (
            {"a.mbox": mail("[PATCH 1/2] x", "mm/x.c") + mail("[PATCH v2 1/2] x", "mm/x.c")},
            "more than one version",
        ),
        (
            {
                "a.patch": DIFF.format(file="kmod/box.c", old="a", new="b")
                + DIFF.format(file="mm/x.c", old="a", new="b")
            },
            "kmod/box.c of this project and mm/x.c of the kernel",
        ),
    ],
)
def test_what_is_no_series_is_refused(
    tmp_path: Path, store: Store, files: dict[str, str], error: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=error):
        obtain_series(store, [tmp_path])


def test_a_missing_file_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        obtain_series(store, [Path("/none.mbox")])


def test_linux_has_a_folder_kernel_too(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.patch").write_text(DIFF.format(file="kernel/kexec_core.c", old="a", new="b"))
    assert len(obtain_series(store, [tmp_path]).kernel) == 1


def project(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("kmod", "kernel", "docs"):
        (root / name).mkdir(parents=True)
        (root / name / "x").write_text("a\n")
    return root


def test_a_project_with_patches_is_a_copy(tmp_path: Path, store: Store) -> None:
    root = project(tmp_path)
    patch = tmp_path / "a.patch"
    patch.write_text(DIFF.format(file="kmod/x", old="a", new="b"))
    made = obtain_project(store, [patch], root)
    assert (made / "kmod" / "x").read_text() == "b\n"
    assert (made / "kernel" / "x").read_text() == (root / "kmod" / "x").read_text() == "a\n"
    assert obtain_project(store, [], root) == root


def test_a_patch_that_does_not_apply_is_named_with_file_and_hunk(tmp_path: Path, store: Store) -> None:
    patch = tmp_path / "0001-a.patch"
    patch.write_text(DIFF.format(file="kmod/x", old="other", new="b"))
    with pytest.raises(PatchError, match=r"0001-a\.patch does not apply: Hunk #1 .* line 1 of kmod/x"):
        obtain_project(store, [patch], project(tmp_path))


@pytest.mark.parametrize("patch", sorted(PATCHES.glob("*.patch")), ids=lambda path: path.stem)
def test_the_patches_that_prove_the_gate_still_apply(patch: Path, store: Store) -> None:
    series = obtain_series(store, [patch])
    if patch.stem == "does-not-apply":
        with pytest.raises(PatchError, match=r"Hunk #1 does not fit at line \d+ of kmod/seal\.c"):
            obtain_project(store, series.ours)
    else:
        obtain_project(store, series.ours)
