# SPDX-License-Identifier: GPL-2.0-only
"""The gate, series and bisect on a real git tree of the kernel, to the end; and after an interruption.

    pytest -m slow harness/tests/test_gate_tree.py

The tree is kept in the store, and its commits are the same each time: what was built for it is built once.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.build.source import obtain_source
from harness.build.spec import kernel_spec
from harness.build.store import default_store
from harness.build.worktree import NAME, find_worktree
from harness.cli import main
from harness.gate import answers
from harness.gate.cells import State
from harness.verdict import EXIT_INTERRUPTED

B4 = Path(__file__).parents[2] / "docs" / "b4.sh"
QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
LUO = f"{QUICKSTART}[luo]"
MEMFD = "mm/memfd_luo.c"
# The history on top of the release: subject, what is replaced in mm/memfd_luo.c, by what.
RIGHT, WRONG = "err_free_ser:\n\tkho_unpreserve_free(ser);", "err_free_ser:\n\tkho_unpreserve_free(srr);"
FULL, EMPTY = (f"if ({no}ser->nr_folios) {{\n\t\tfolios_ser = kho_restore_vmalloc(" for no in ("", "!"))
# The second of these: memfd_luo_finish() has the same line before it.
RETRIEVE = "vfs_setpos(file, ser->pos, MAX_LFS_FILESIZE);\n\ti_size_write(file_inode(file), ser->size);\n\n\t"
HARMLESS = "memfd_luo: an error is unlikely"
BROKEN = "memfd_luo: only what is empty is retrieved"
HISTORY = (
    (HARMLESS, "if (seals < 0)", "if (unlikely(seals < 0))"),
    ("memfd_luo: a letter is wrong", RIGHT, WRONG),
    ("memfd_luo: the letter again", WRONG, RIGHT),
    (BROKEN, RETRIEVE + FULL, RETRIEVE + EMPTY),
    ("memfd_luo: it cannot be helped", "if (err && err !=", "if (unlikely(err) && err !="),
)
WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
       for what, value in {"NAME": "a", "EMAIL": "a@b", "DATE": "@1 +0000"}.items()}  # fmt: skip
pytestmark = pytest.mark.slow


def git(tree: Path, *words: str) -> str:
    """What git says; it changes nothing that it was not told to change."""
    own = {**os.environ, **WHO, "GIT_OPTIONAL_LOCKS": "0"}
    return subprocess.run(
        ["git", *words], cwd=tree, env=own, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="session")
def tree() -> Iterator[Path]:
    """The release as a commit `v0`, and HISTORY on top of it as v1 to v5, which is `main`."""
    store = default_store()
    source = obtain_source(store, kernel_spec(None))
    with store.work("tree-test") as area:
        tree, mark = area / "linux", area / "made"
        recipe = f"{source.origin.sha256} {HISTORY}"
        if not mark.exists() or mark.read_text() != recipe:
            mark.unlink(missing_ok=True)
            make_tree(source.folder, tree)
            mark.write_text(recipe)
        git(tree, "checkout", "--quiet", "--force", "main")
        yield tree


def make_tree(source: Path, tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["cp", "--archive", source, tree], check=True)
    git(tree, "init", "--quiet", "-b", "main")
    for setting in ("core.compression 1", "gc.auto 0"):
        git(tree, "config", *setting.split())
    # Debian's package ignores all that is not Debian's.
    git(tree, "add", "--all", "--force")
    git(tree, "commit", "--quiet", "-m", "Linux")
    git(tree, "tag", "v0")
    for number, (subject, old, new) in enumerate(HISTORY, 1):
        edit(tree, old, new)
        git(tree, "commit", "--quiet", "--all", "-m", subject)
        git(tree, "tag", f"v{number}")


def edit(tree: Path, old: str, new: str) -> None:
    file = tree / MEMFD
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def seen(tree: Path) -> object:
    """All that could have changed in a tree: what git says of it, and every file of git's own."""
    said = [git(tree, *words.split()) for words in ("status --porcelain", "for-each-ref", "rev-parse HEAD")]
    files = {path: path.stat().st_mtime_ns for path in (tree / ".git").rglob("*") if path.is_file()}
    return said, files, (tree / MEMFD).stat().st_mtime_ns


def test_bisect_finds_the_commit(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = seen(tree)
    words = ["bisect", "--tree", str(tree), "--good", "v0", "--bad", "main", "--out", str(tmp_path / "out")]
    assert main([*words, LUO]) == 0
    said = capsys.readouterr().out
    first = git(tree, "rev-parse", "v4").strip()
    assert f"{first} {BROKEN}" in said
    # The evidence: what failed, and where.
    assert "quickstart.yaml:" in said
    assert "CRC-32" in said
    assert seen(tree) == before


def test_series_names_the_step(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mbox = tmp_path / "x.mbox"
    mbox.write_text(git(tree, "format-patch", "--stdout", "v1..v4"))
    before = seen(tree)
    words = ["--series", str(mbox), "--scenarios", LUO, "--out", str(tmp_path / "out")]
    assert main(["series", *words]) == 1
    *_, one, two, three = capsys.readouterr().out.splitlines()
    assert one.startswith("could not test: patch 1/3 (memfd_luo: a letter is wrong): ")
    assert "error: " in one
    assert two.startswith("no regression: patch 2/3 (memfd_luo: the letter again): ")
    assert three.startswith(f"regression: patch 3/3 ({BROKEN}): ")
    found = [answers.read(tmp_path / "out" / f"{number:04}") for number in range(1, 4)]
    assert [one.exit_code for one in found] == [125, 0, 1]
    # Compared with the last one that could be built.
    assert [one.base.name for one in found] == ["7.3.4", "7.3.4", "patch 2/3"]
    assert seen(tree) == before


def test_b4_is_told_of_a_series_under_review(tree: Path, tmp_path: Path) -> None:
    """As b4 0.16 has it: on a branch of b4's, with a commit of its own on top (b4/review/_review.py)."""
    mine = git(tree, "commit-tree", "-p", "v1", "-m", "of b4's", "v1^{tree}").strip()
    git(tree, "branch", "b4/review/seals", mine)
    tracking = tmp_path / "tracking.json"
    first = git(tree, "rev-parse", "v1").strip()
    tracking.write_text(json.dumps({"series": {"change-id": "seals", "first-patch-commit": first}}))
    own = {**os.environ, "B4_TRACKING_FILE": str(tracking), "TMPDIR": str(tmp_path)}
    script = [str(B4), "--scenarios", LUO]
    try:
        done = subprocess.run(
            script, cwd=tree, env=own, input="", capture_output=True, text=True, check=False
        )
    finally:
        git(tree, "branch", "-D", "b4/review/seals")
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    assert (entry["tool"], entry["status"]) == ("live-update", "pass"), entry
    assert HARMLESS in entry["details"]


def test_what_is_not_committed_is_gated_and_an_interruption_is_no_loss(tree: Path, tmp_path: Path) -> None:
    """In the middle of a build, and of a run; the same command then goes on."""
    out = tmp_path / "out"
    git(tree, "checkout", "--quiet", "v3")
    # Never the same: so there is something to be built.
    edit(tree, "static int memfd_luo_freeze(", f"/* {time.time_ns()} */\nstatic int memfd_luo_freeze(")
    before = seen(tree)
    words = ["gate", "--tree", str(tree), "--scenarios", LUO, "--out", str(out), "-j1"]
    stopped(words, "building kernel 7.3.4-head")
    stopped(words, "PASS quickstart[luo] on base ")
    assert answers.read(out).interrupted
    code, said = run(words)
    assert code == 0, said
    assert "attempts are there already" in said
    assert "building" not in said
    found = answers.read(out)
    assert (found.head.name, found.head.commit) == (NAME, find_worktree(default_store(), tree).hash)
    assert {cell.state for cell in found.cells} == {State.SAME}
    assert found.base.commit == git(tree, "rev-parse", "v3").strip()
    assert seen(tree) == before
    forget(found.head.build_id)


def run(words: Sequence[str], stop_at: str = "") -> tuple[int, str]:
    """Run the harness up to its end, or to a second after these words, as Ctrl-C in a terminal would end it.

    However it ends, no process and no draft of it is left.
    """
    command = [sys.executable, "-m", "harness", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        said = ""
        for line in process.stdout:
            said += line
            if stop_at and stop_at in line:
                time.sleep(1)  # in the middle of it
                os.killpg(process.pid, signal.SIGINT)
                break
        said += process.stdout.read()
        code = process.wait()
    assert not processes_of(process.pid)
    assert not [*(default_store().root / "tmp").glob(f"*~{process.pid}~*")]
    return code, said


def stopped(words: Sequence[str], stop_at: str) -> None:
    """Interrupt the harness in the middle of what it says in these words."""
    code, said = run(words, stop_at)
    assert stop_at in said
    assert code == EXIT_INTERRUPTED, said
    assert "Traceback" not in said


def processes_of(session: int) -> list[str]:
    """The processes of a session that are alive, whoever is their parent now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # proc(5): state, parent, process group, session.
            state, _, _, its = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its) == session and state != "Z":
                found.append((folder / "cmdline").read_text())
    return found


def forget(build_id: str) -> None:
    """Remove a kernel that no one else wants from the store."""
    store = default_store()
    for entry in (store.root / "kernel").glob("*-head-*"):
        if build_id in (entry / "kernel.json").read_text():
            store.discard(entry, f"kernel-{entry.name}")
