# SPDX-License-Identifier: GPL-2.0-only
"""The door for processes: errors in words, output kept, nobody left behind."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import proc
from harness.errors import HarnessError
from harness.pool import Pool
from harness.proc import ProcessError, run, spawn


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_run_returns_output_and_keeps_it(tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "log"
    assert run(["sh", "-c", "echo one; echo two >&2"], log=log, on_line=lines.append) == "one\ntwo\n"
    assert lines == ["one", "two"]
    assert log.read_text() == "$ sh -c 'echo one; echo two >&2'\none\ntwo\n"


def test_a_failure_says_what_was_run_and_what_it_said() -> None:
    with pytest.raises(ProcessError, match=r"(?s)sh -c.*exited with 3.*because") as error:
        run(["sh", "-c", "echo because; exit 3"])
    assert error.value.status == 3


def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        run(["no-such-program"])


def test_the_whole_group_is_gone_when_the_context_ends() -> None:
    script = "sleep 60 & echo $!; wait"
    with spawn(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert alive(child)
    end = time.monotonic() + 5
    while alive(child) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(child)


ORPHAN = """
import subprocess, time
from harness.proc import spawn
with spawn(["sleep", "60"]) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_a_child_dies_with_a_harness_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        end = time.monotonic() + 5
        while alive(child) and time.monotonic() < end:
            time.sleep(0.01)
        assert not alive(child)


@pytest.mark.parametrize(
    ("script", "stays"),
    [("exit 0", False), ("exit 1", False), ("kill -TERM $$", False), ("kill -KILL $$", True)],
)
def test_a_mark_stays_where_something_was_killed(tmp_path: Path, script: str, stays: bool) -> None:
    mark = tmp_path / "mark"
    with contextlib.suppress(ProcessError):
        run(["sh", "-c", f"test -e {mark} || exit 9; {script}"], mark=mark)
    assert mark.exists() is stays


@pytest.mark.parametrize(("trap", "stays"), [("exit 1", False), ("", True)])
def test_a_mark_stays_where_somebody_did_not_want_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str, stays: bool
) -> None:
    monkeypatch.setattr(proc, "GRACE_SECONDS", 0.2)
    mark = tmp_path / "mark"

    def ctrl_c(line: str) -> None:
        raise KeyboardInterrupt

    script = f"trap '{trap}' TERM; echo; while :; do sleep 0.05; done"
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", script], on_line=ctrl_c, mark=mark)
    assert mark.exists() is stays


def work(number: int) -> int:
    if number == 3:
        raise HarnessError("three")
    if number == 4:
        sys.exit(9)
    return number * number


def test_pool_gives_every_item_its_result() -> None:
    results = dict(Pool(work, 2).results([1, 2, 3, 4, 5]))
    assert (results[1], results[2], results[5]) == (1, 4, 25)
    assert str(results[3]) == "three"
    assert "died (exit status 9)" in str(results[4])
