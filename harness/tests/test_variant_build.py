# SPDX-License-Identifier: GPL-2.0-only
"""Variants of a kernel: built from one another, with patches or of another commit; failures name causes."""

import re
from pathlib import Path

import pytest

from harness.build import variant as variant_module
from harness.build.kernel import Kernel
from harness.build.source import Origin, Source
from harness.build.spec import KernelSpec
from harness.build.store import Store
from harness.build.variant import PatchError, Variant, find_commit, obtain_variant
from harness.errors import HarnessError
from harness.tests.fake_kernel import fake_spec, fake_tree
from harness.tests.test_series import DIFF
from harness.tests.test_variant import git, state

MAIN = "init/main.c"
GOOD, BROKEN = "void _start(void) { int x; }", "void _start(void) { wrong }"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def spec(tmp_path: Path) -> KernelSpec:
    return fake_spec(tmp_path)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of the named kernel."""
    tree = fake_tree(tmp_path / "linux")
    monkeypatch.setattr(
        variant_module, "obtain_source", lambda store, spec: Source(tree, Origin("a fake", "7.3.4", "0"))
    )
    return tree


def patch(tmp_path: Path, new: str, old: str = "void _start(void) { }") -> Path:
    file = tmp_path / "series" / "0001-x.patch"
    file.parent.mkdir(exist_ok=True)
    file.write_text(DIFF.format(file=MAIN, old=old, new=new))
    return file


def built(kernel: Kernel) -> list[str]:
    """What was compiled for it."""
    log = (kernel.source.parent / "build.log").read_text()
    return re.findall(r"^gcc -c -o \S+ (\S+)$", log, re.MULTILINE)


def test_only_what_differs_from_the_last_variant_is_compiled(
    store: Store, spec: KernelSpec, tree: Path, tmp_path: Path
) -> None:
    before = state(tree)
    base = obtain_variant(store, Variant(spec, "-base"))
    head = obtain_variant(store, Variant(spec, "-head", series=(patch(tmp_path, GOOD),)))
    assert (base.release, head.release) == ("7.3.4-base", "7.3.4-head")
    assert sorted(built(base)) == ["init/main.c", "mm/shmem.c"]
    assert built(head) == ["init/main.c"]
    assert "int x" in (head.source / MAIN).read_text()
    assert "int x" not in (base.source / MAIN).read_text()
    # Those of this project are on top.
    assert head.patches == ("0001-x.patch", "1.patch")
    assert state(tree) == before
    assert obtain_variant(store, Variant(spec, "-base")) == base


def test_a_patch_that_does_not_apply_is_named_and_leaves_nothing(
    store: Store, spec: KernelSpec, tree: Path, tmp_path: Path
) -> None:
    series = (patch(tmp_path, GOOD, old="other"),)
    with pytest.raises(PatchError, match=r"0001-x\.patch does not apply: Hunk #1 .* line 1 of init/main\.c"):
        obtain_variant(store, Variant(spec, "-head", series=series))
    assert not list((store.root / "tmp").iterdir())
    assert obtain_variant(store, Variant(spec, "-base")).release == "7.3.4-base"


def test_a_kernel_that_does_not_build_names_the_first_error_and_the_next_one_builds(
    store: Store, spec: KernelSpec, tree: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        HarnessError, match=r"7\.3\.4-head does not build: init/main\.c:1:\d+: error: .*wrong"
    ):
        obtain_variant(store, Variant(spec, "-head", series=(patch(tmp_path, BROKEN),)))
    assert obtain_variant(store, Variant(spec, "-base")).release == "7.3.4-base"


def test_what_of_ours_does_not_fit_any_more_is_left_out_and_said(
    store: Store, spec: KernelSpec, tree: Path, tmp_path: Path
) -> None:
    file = tmp_path / "0001-y.patch"
    file.write_text(DIFF.format(file="mm/shmem.c", old="int shmem;", new="int other;"))
    kernel = obtain_variant(store, Variant(spec, "-head", series=(file,)))
    assert kernel.patches == ("0001-y.patch",)
    assert [name for name, _ in kernel.rejected] == ["1.patch"]
    assert not kernel.complete


def test_commits_are_built_from_one_another(store: Store, spec: KernelSpec, tree: Path) -> None:
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "one")
    (tree / MAIN).write_text(f"{GOOD}\n")
    git(tree, "commit", "-qam", "two")
    before = state(tree)
    one, two = (
        obtain_variant(store, Variant(spec, f"-{name}", find_commit(tree, commit)))
        for name, commit in (("base", "main~1"), ("head", "main"))
    )
    assert built(two) == ["init/main.c"]
    texts = [(kernel.source / MAIN).read_text() for kernel in (one, two)]
    assert ["int x" in text for text in texts] == [False, True]
    assert state(tree) == before
