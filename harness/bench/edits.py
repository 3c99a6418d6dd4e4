# SPDX-License-Identifier: GPL-2.0-only
"""From an edited line to a verdict: in a copy of the module's sources, and in a copy of the kernel's.

What was edited has to be in what was run: the line is a text, which is looked for in what was built.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.build.source import obtain_source
from harness.build.spec import kernel_spec
from harness.build.store import Store, default_store

ROOT = Path(__file__).parents[2]
# What a run of the harness needs of a checkout.
NEEDED = ("harness", "kernel", "kmod", "guests", "scenarios")
MODULE = Path("kmod/control.c")
KERNEL = Path("mm/memfd_luo.c")
CASE = "scenarios/quickstart.yaml[{}]"


def edit_kmod(name: str) -> Subject:
    """One line of the fdbox module."""

    def measure(out: Path) -> Mapping[str, float]:
        copy = checkout(out)
        stamp = f"bench {time.time_ns()}"
        seconds = edited(copy / MODULE, f'MODULE_INFO(bench, "{stamp}");', copy, [CASE.format("fdbox")], out)
        newest = max((default_store().root / "modules").iterdir(), key=lambda entry: entry.stat().st_mtime)
        if stamp.encode() not in (newest / "fdbox.ko").read_bytes():
            raise NotDoneError(f"{name}: the module that ran does not have the edited line")
        return {name: seconds}

    return Subject(name, measure, prepare=lambda out: run_once(checkout(out), [CASE.format("fdbox")], out))


def edit_mm(store: Store, name: str) -> Subject:
    """One line of the kernel."""
    words = ["--tree", str(tree_place(store)), CASE.format("luo")]

    def prepare(out: Path) -> None:
        fresh_tree(store)
        run_once(ROOT, words, out)

    def measure(out: Path) -> Mapping[str, float]:
        stamp = f"bench {time.time_ns()}"
        line = f'const char memfd_luo_bench[] __attribute__((used)) = "{stamp}";'
        seconds = edited(fresh_tree(store), line, ROOT, words, out)
        newest = max(store.root.glob("kernel/tree-*"), key=lambda entry: entry.stat().st_mtime)
        images = list(newest.glob("linux/*/vmlinux"))
        if not any(stamp.encode() in image.read_bytes() for image in images):
            raise NotDoneError(f"{name}: the kernel that ran does not have the edited line")
        return {name: seconds}

    return Subject(name, measure, most=3, prepare=prepare)


def tree_place(store: Store) -> Path:
    """Where the tree is that is edited: always there, so that the next benchmark builds only what differs."""
    origin = obtain_source(store, kernel_spec(None)).origin
    return store.root / "work" / f"bench-{origin.sha256[:8]}" / "linux"


def fresh_tree(store: Store) -> Path:
    """The tree as it was before any edit; returns the file that is edited."""
    source, tree = obtain_source(store, kernel_spec(None)).folder, tree_place(store)
    with store.work(tree.parent.name):
        if not tree.exists():
            draft = tree.with_name("copying")
            proc.run(["cp", "--archive", "--no-target-directory", source, draft])
            draft.rename(tree)
        shutil.copy2(source / KERNEL, tree / KERNEL)
    return tree / KERNEL


def checkout(out: Path) -> Path:
    """A copy of this checkout, as far as a run needs it."""
    for part in NEEDED:
        shutil.copytree(ROOT / part, out / "checkout" / part, ignore=shutil.ignore_patterns("__pycache__"))
    return out / "checkout"


def edited(file: Path, line: str, root: Path, words: list[str], out: Path) -> float:
    """Add a line to a file; seconds until the harness has its verdict."""
    start = time.monotonic()
    with file.open("a") as source:
        source.write(f"{line}\n")
    run_once(root, words, out)
    return time.monotonic() - start


def run_once(root: Path, words: list[str], out: Path) -> None:
    """Run a case by the harness of a checkout. Raises NotDoneError when it does not pass."""
    argv = [sys.executable, "-m", "harness", "run", "--out", str(out / f"run.{time.time_ns()}"), *words]
    try:
        proc.run(
            argv, cwd=root, env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]}, log=out / "run.log"
        )
    except proc.ProcessError as error:
        raise NotDoneError(f"a run after an edit did not pass: {error}") from error
