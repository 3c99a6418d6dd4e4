# SPDX-License-Identifier: GPL-2.0-only
"""Kernel builds: keyed by all that goes in, errors that name the cause, incremental for a user's tree."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build import kernel as kernel_module
from harness.build.kernel import BUILD, MARK, Kernel, obtain_kernel, place_for_modules
from harness.build.make import environment
from harness.build.source import Origin, Source
from harness.build.spec import KernelSpec
from harness.build.store import Store, remove
from harness.errors import HarnessError, HostError, UsageError
from harness.tests.fake_kernel import FILES, PATCH, fake_spec, fake_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return fake_tree(tmp_path / "linux")


def use(monkeypatch: pytest.MonkeyPatch, spec: KernelSpec, source: Path) -> None:
    monkeypatch.setattr(kernel_module, "kernel_spec", lambda name: spec)
    origin = Origin("a fake", "7.3.4", "0")
    monkeypatch.setattr(kernel_module, "obtain_source", lambda store, spec: Source(source, origin))


def named(monkeypatch: pytest.MonkeyPatch, store: Store, spec: KernelSpec, source: Path) -> Kernel:
    use(monkeypatch, spec, source)
    return obtain_kernel(store, None)


def test_named_kernel_is_whole(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    kernel = named(monkeypatch, store, fake_spec(tmp_path), tree)
    assert (kernel.name, kernel.release) == ("7.3.4", "7.3.4")
    assert kernel.patches == ("1.patch",)
    assert len(kernel.build_id) == 40
    for path in (kernel.image, kernel.vmlinux, kernel.config):
        assert path.is_file()
    assert "patched" in (kernel.source / "mm/shmem.c").read_text()
    assert "patched" not in (tree / "mm/shmem.c").read_text()
    assert not (tree / BUILD).exists()
    assert not list(kernel.build.rglob("*.o"))
    assert "gcc" in (kernel.source.parent / "build.log").read_text()

    start = time.perf_counter()
    assert obtain_kernel(store, None) == kernel
    assert time.perf_counter() - start < 0.1


def test_a_named_kernel_is_built_from_the_last_one(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    """After a changed patch of ours, of which there are many when they are rebased."""
    first = named(monkeypatch, store, fake_spec(tmp_path), tree)
    second = named(monkeypatch, store, fake_spec(tmp_path, patch=PATCH.replace("patched", "other")), tree)
    log = (second.source.parent / "build.log").read_text()
    assert "shmem.c" in log
    assert "main.c" not in log
    assert "int patched" in (first.source / "mm/shmem.c").read_text()
    assert "int other" in (second.source / "mm/shmem.c").read_text()


def test_modules_are_built_where_their_kernel_was_built_while_it_is_there(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    def place(kernel: Kernel) -> tuple[Path, Path] | None:
        with place_for_modules(store, kernel) as found:
            return found

    area = store.root / "work" / "variants-7.3.4" / "linux"
    first = named(monkeypatch, store, fake_spec(tmp_path), tree)
    assert place(first) == (area, area / BUILD)
    with store.work(first.area):
        assert place(first) is None
    second = named(monkeypatch, store, fake_spec(tmp_path, fragment="CONFIG_SMP=n\n"), tree)
    assert (place(first), place(second)) == (None, (area, area / BUILD))
    # What could not be built has changed the source there, and perhaps a header.
    (tree / "init/main.c").write_text("void _start(void) { wrong }\n")
    with pytest.raises(HarnessError, match="wrong"):
        named(monkeypatch, store, fake_spec(tmp_path, fragment="CONFIG_SMP=m\n"), tree)
    assert place(second) is None
    assert place(replace(second, area="")) is None
    shutil.rmtree(area.parent)
    assert place(second) is None


def test_every_input_makes_another_kernel(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    keys = {named(monkeypatch, store, fake_spec(tmp_path), tree).key}
    keys.add(named(monkeypatch, store, fake_spec(tmp_path, fragment="CONFIG_SMP=n\n"), tree).key)
    keys.add(named(monkeypatch, store, fake_spec(tmp_path, patch=PATCH.replace("patched", "p")), tree).key)
    monkeypatch.setattr(kernel_module, "toolchain", lambda: "gcc 99")
    keys.add(named(monkeypatch, store, fake_spec(tmp_path), tree).key)
    assert len(keys) == 4


def test_lost_symbol_names_fragment_and_line(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    spec = fake_spec(tmp_path, fragment="CONFIG_SMP=y\n\nCONFIG_LOST=y\n")
    with pytest.raises(HarnessError, match=r"base.config:3: CONFIG_LOST=y: CONFIG_LOST is not there"):
        named(monkeypatch, store, spec, tree)
    assert list((store.root / "tmp").iterdir()) == []


def test_build_failure_shows_the_first_error_and_keeps_the_log(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    (tree / "init/main.c").write_text("void _start(void) { wrong }\n")
    with pytest.raises(HarnessError, match=r"init/main.c:1:\d+: error: .*wrong") as caught:
        named(monkeypatch, store, fake_spec(tmp_path), tree)
    log = Path(str(caught.value).rpartition(": ")[2])
    assert "wrong" in log.read_text()
    assert not list((store.root / "tmp").iterdir())


def test_patch_that_does_not_fit_a_named_kernel_is_an_error(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    spec = fake_spec(tmp_path, patch=PATCH.replace("int a", "int z"))
    with pytest.raises(HarnessError, match=r"1.patch does not apply to a fake: Hunk #1 does not fit"):
        named(monkeypatch, store, spec, tree)


def test_users_tree_builds_incrementally_and_is_not_modified(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    use(monkeypatch, fake_spec(tmp_path), tree)
    before = sorted((path, path.lstat().st_mtime_ns) for path in tree.rglob("*"))
    first = obtain_kernel(store, None, tree)
    assert first.name == "tree"
    assert first.release.startswith("7.3.4-tree")
    assert first.patches == ("1.patch",)
    assert sorted((path, path.lstat().st_mtime_ns) for path in tree.rglob("*")) == before
    assert obtain_kernel(store, None, tree) == first

    (tree / "init/main.c").write_text(FILES["init/main.c"] + "int edited;\n")
    second = obtain_kernel(store, None, tree)
    log = (second.source.parent / "build.log").read_text()
    assert "init/main.c" in log
    assert "shmem.c" not in log
    assert second.key != first.key
    assert second.build_id != first.build_id
    # The first one is what it was.
    assert "edited" not in (first.source / "init/main.c").read_text()
    assert "edited" in (second.source / "init/main.c").read_text()


def test_tree_that_patches_do_not_fit_is_built_without_them(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(monkeypatch, fake_spec(tmp_path), tree)
    (tree / "mm/shmem.c").write_text("int rewritten;\n")
    kernel = obtain_kernel(store, None, tree)
    assert kernel.patches == ()
    assert kernel.rejected == (("1.patch", "Hunk #1 does not fit at line 1 of mm/shmem.c"),)
    said = capsys.readouterr().err
    assert f"1.patch does not apply to {tree}: Hunk #1" in said
    assert "will be skipped" in said


def test_tree_that_lacks_something_optional_is_built_without_it(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = fake_spec(tmp_path)
    (tmp_path / "devices.config").write_text("CONFIG_LOST=m\n")
    spec = replace(spec, fragments=(*spec.fragments, tmp_path / "devices.config"))
    use(monkeypatch, spec, tree)
    with pytest.raises(HarnessError, match="CONFIG_LOST is not there"):
        obtain_kernel(store, None, tree)
    use(monkeypatch, replace(spec, optional=(tmp_path / "devices.config",)), tree)
    kernel = obtain_kernel(store, None, tree)
    assert not kernel.complete
    assert "CONFIG_LOST is not there" in kernel.lost[0]
    assert "CONFIG_LOST is not there" in capsys.readouterr().err


def test_killed_tree_build_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    use(monkeypatch, fake_spec(tmp_path), tree)
    obtain_kernel(store, None, tree)
    area = next((store.root / "work").glob("tree-*"))
    assert not (area / MARK).exists()
    (area / MARK).touch()
    (tree / "init/main.c").write_text(FILES["init/main.c"] + "int edited;\n")
    kernel = obtain_kernel(store, None, tree)
    assert "shmem.c" in (kernel.source.parent / "build.log").read_text()


def test_a_build_that_was_killed_leaves_its_mark(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    use(monkeypatch, fake_spec(tmp_path), tree)
    (tree / "Makefile").write_text((tree / "Makefile").read_text() + "\n$(shell kill -KILL $$PPID)\n")
    with pytest.raises(HostError, match="was ended by a signal"):
        obtain_kernel(store, None, tree)
    area = next((store.root / "work").glob("tree-*"))
    assert (area / MARK).exists()


def test_half_a_note_of_how_long_a_build_takes_is_none(
    monkeypatch: pytest.MonkeyPatch, store: Store, tree: Path, tmp_path: Path
) -> None:
    use(monkeypatch, fake_spec(tmp_path), tree)
    obtain_kernel(store, None, tree)
    (note,) = (store.root / "work").glob("lines-*")
    assert int(note.read_text()) > 0
    note.write_text("")
    for area in (store.root / "work").glob("tree-*"):
        remove(area)
    (tree / "init/main.c").write_text(FILES["init/main.c"] + "int edited;\n")
    obtain_kernel(store, None, tree)
    assert int(note.read_text()) > 0


def test_no_such_kernel_and_no_such_tree_are_usage_errors(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no kernel called 2.4; there are: 7.3.4, 7.2.12"):
        obtain_kernel(store, "2.4")
    with pytest.raises(UsageError, match="not a Linux kernel tree"):
        obtain_kernel(store, None, tmp_path)


def test_store_path_with_a_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no path with a space"):
        obtain_kernel(Store(tmp_path / "a b"), None)


def test_users_environment_does_not_reach_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.setenv("ARCH", "arm64")
    assert not {"MAKEFLAGS", "ARCH"} & environment(Path("/ccache")).keys()


def test_what_an_assembler_file_includes_is_compiled_anew(tmp_path: Path) -> None:
    """piggy.S is such a file: what it includes is the kernel."""
    (tmp_path / "piggy.S").write_text('.section .rodata\n.incbin "kernel"\n')
    found = []
    for content in (b"old", b"new"):
        (tmp_path / "kernel").write_bytes(content)
        words = ["gcc", "-Wp,-MMD,piggy.d", "-c", "-o", "piggy.o", "piggy.S"]
        subprocess.run(words, cwd=tmp_path, env=environment(tmp_path / "ccache"), check=True)
        found.append(content in (tmp_path / "piggy.o").read_bytes())
    assert found == [True, True]


def test_interrupted_make_ends_with_us(store: Store, tree: Path, tmp_path: Path) -> None:
    """SIGKILL for the harness takes make along: nothing goes on writing into a draft."""
    (tree / "Makefile").write_text("bzImage modules:\n\t@echo $$$$ > pid; exec sleep 100\n")
    script = (
        "import sys; from pathlib import Path; from harness.build.make import make\n"
        "tree = Path(sys.argv[1])\n"
        "make(('make', 'bzImage'), cwd=tree, ccache=tree, log=tree / 'log', what='x')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tree], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    deadline = time.monotonic() + 10
    while not (tree / "pid").exists() or not (tree / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sleeper = int((tree / "pid").read_text())
    process.kill()
    process.wait()
    while Path(f"/proc/{sleeper}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
