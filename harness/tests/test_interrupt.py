# SPDX-License-Identifier: GPL-2.0-only
"""Whenever and however the harness is ended: no process, socket or lock is left, and it says so."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.digest import read
from harness.verdict import EXIT_INTERRUPTED

QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
MOMENTS = ("start", "power-on", "init", "ready", "jump", "next kernel", "verdict")


@pytest.fixture(params=["--cold"])
def run(
    artifacts: Artifacts, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[str]]:
    """`harness run scenarios/quickstart.yaml`, going on, in a process group of its own."""
    command = [sys.executable, "-m", "harness", "run", str(QUICKSTART), "--out", str(tmp_path / "runs")]
    command += request.param.split()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, process_group=0, **pipes) as process:  # type: ignore[call-overload]
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(runs: Path, *events: str) -> None:
    """Wait until one of these has happened in one of the cases."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for file in runs.rglob("events.jsonl"):
            lines = file.read_text().splitlines()
            if any(json.loads(line)["event"] in events for line in lines if line.endswith("}")):
                return
        time.sleep(0.005)
    pytest.fail(f"none of the events {events} in 120 s")


def processes(needle: str) -> list[str]:
    """The command lines of all processes that mention needle, ours excepted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if needle in line and int(folder.name) != os.getpid():
            found.append(line)
    return found


def nothing_left(runs: Path) -> None:
    end = time.monotonic() + 10
    while (left := processes(str(runs))) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left
    assert not [path for path in runs.rglob("*") if path.is_socket() or path.name.startswith("memory.")]


def did_not_end(runs: Path) -> set[str]:
    """What the results say of the cases that never came to an end; none of them is missing."""
    outcomes = read(runs).outcomes
    assert sorted(outcome.case for outcome in outcomes) == ["quickstart[fdbox]", "quickstart[luo]"]
    return {finding.what for outcome in outcomes for finding in outcome.findings}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c(moment: str, run: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(tmp_path / "runs", moment)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    output, _ = run.communicate(timeout=30)
    nothing_left(tmp_path / "runs")
    if moment != "verdict":  # with the verdict out there may be nothing left to interrupt
        assert run.returncode == EXIT_INTERRUPTED, output
        assert "interrupted" in output
        assert did_not_end(tmp_path / "runs") & {"the run was interrupted", "did not finish"}
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_only_the_parent_is_ended(number: signal.Signals, run: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(tmp_path / "runs", "ready")
    run.send_signal(number)
    run.communicate(timeout=30)
    nothing_left(tmp_path / "runs")
    assert did_not_end(tmp_path / "runs") & {"the run was interrupted", "did not finish"}


@pytest.mark.parametrize("run", [""], indirect=True)
def test_ctrl_c_at_a_snapshot(run: subprocess.Popen[str], tmp_path: Path) -> None:
    """While it is made, or when the machine has come from it: whichever comes."""
    wait_for(tmp_path / "runs", "ready", "resumed")
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=30)
    nothing_left(tmp_path / "runs")
    assert run.returncode == EXIT_INTERRUPTED, output
    assert "Traceback" not in output


def test_a_worker_that_is_killed_is_an_error_of_ours(run: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(tmp_path / "runs", "ready")
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 125, output
    assert "the process that ran this case died" in output
    assert any("the process that ran this case died" in what for what in did_not_end(tmp_path / "runs"))
    nothing_left(tmp_path / "runs")
