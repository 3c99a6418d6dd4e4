# SPDX-License-Identifier: GPL-2.0-only
"""The command line as a stranger uses it: pipes that close, folders that cannot be written, early Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.cli import main
from harness.errors import HarnessError, UsageError
from harness.planfile import plan_to_json
from harness.provision import bare_plan
from harness.runner import check_free, run
from harness.tests.test_interrupt import nothing_left

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"
HARNESS = [sys.executable, "-m", "harness"]


def harness(*arguments: object, text: str = "", stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    source: dict[str, object] = {"input": text} if stdin is None else {"stdin": stdin}
    command = [*HARNESS, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, check=False, cwd=ROOT, **source)  # type: ignore[call-overload,no-any-return]


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `harness` is the harness; a pipe has its status."""
    line = f'harness() {{ {" ".join(HARNESS)} "$@"; }}; set -o pipefail; {command}'
    return subprocess.run(["bash", "-c", line], text=True, capture_output=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("redirection", ["", "2>&1"])
def test_a_reader_that_leaves_is_an_interruption_and_no_bad_kernel(
    redirection: str, artifacts: Artifacts, tmp_path: Path
) -> None:
    done = shell(f"harness run {QUICKSTART} --out {tmp_path}/runs {redirection} | head -1")
    assert done.returncode == 130, done.stderr
    assert done.stdout.startswith("running 2 cases")
    assert "Traceback" not in done.stderr
    nothing_left(tmp_path / "runs")


@pytest.mark.parametrize("command", ["harness check {}", "harness plan {}", "harness --help"])
def test_no_reader_at_all(command: str) -> None:
    done = shell(f"{command.format(QUICKSTART)} | (exec <&-; sleep 2; exit 0)")
    assert done.returncode in (0, 130), done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(closed: str) -> None:
    done = shell(f"harness check {QUICKSTART} {closed}")
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_full_disk_behind_the_output_is_a_sentence() -> None:
    done = shell(f"harness check {QUICKSTART} >/dev/full")
    assert done.returncode == 125
    assert done.stderr == "harness: [Errno 28] No space left on device\n"


def test_without_the_prepared_python_it_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "harness", "check"],
        text=True,
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 125
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3, 0.4, 0.5, 0.7])
def test_an_early_ctrl_c_is_silent(delay: float) -> None:
    # Before that it is Python that starts, which nobody can answer for.
    script = "import sys; from harness.__main__ import main; print(1, flush=True); sys.exit(main())"
    command = [sys.executable, "-c", script, "shell", "--tree", "/nonexistent"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "1\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert "Traceback" not in said
    # 129: it had found out already that there is no such tree.
    assert process.returncode in (130, 129, -signal.SIGINT), said


def test_help_is_there_at_once() -> None:
    """Only what a command needs is imported, and help needs none of what takes long."""
    script = """
import contextlib, sys
from harness.cli import main
with contextlib.suppress(SystemExit):
    main(["--help"])
sys.exit(" ".join({"paramiko", "pydantic", "rich", "yaml"} & set(sys.modules)) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_built_is_found_without_ssh_qmp_and_the_models_of_steps() -> None:
    script = """\
import sys
import harness.commands.build
sys.exit(" ".join({"asyncio", "harness.actions", "paramiko", "qemu"} & set(sys.modules)) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], text=True, capture_output=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, f"imported: {done.stderr}"


def test_nohup_is_respected() -> None:
    script = """
import os, signal
from harness import cli
from harness.commands import check
signal.signal(signal.SIGHUP, signal.SIG_IGN)
check.command = lambda options: os.kill(os.getpid(), signal.SIGHUP) or 0
raise SystemExit(cli.main(["check", "x"]))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


def test_one_case_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"{QUICKSTART}[luo]"]) == 0
    assert json.loads(capsys.readouterr().out)["case"] == "quickstart[luo]"
    assert main(["check", f"{QUICKSTART}[fdbox]", f"{QUICKSTART}[luo]"]) == 0
    assert "1 scenario, 2 cases: all valid" in capsys.readouterr().out
    assert main(["plan", f"{QUICKSTART}[x]"]) == 129
    assert "has no case [x]; it has quickstart[fdbox], quickstart[luo]" in capsys.readouterr().err


def test_a_kernel_that_would_not_count_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pinned = tmp_path / "pinned.yaml"
    pinned.write_text("summary: s\nkernel: 7.2.12\nsteps: [{create_box: a}]\n")
    written = tmp_path / "plan.json"
    main(["plan", f"{QUICKSTART}[fdbox]"])
    written.write_text(capsys.readouterr().out)
    for file in (pinned, written):
        for command in ("plan", "run", "bench", "shell"):
            assert main([command, "--kernel", "7.3.4", str(file)]) == 129
            assert "--kernel 7.3.4 would not be tested" in capsys.readouterr().err
    assert main(["plan", "--kernel", "7.2.12", str(pinned)]) == 0


def test_a_shell_is_for_one_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shell", str(QUICKSTART)]) == 129
    said = f"{QUICKSTART} has 2 cases, name one: '{QUICKSTART}[fdbox]' '{QUICKSTART}[luo]'\n"
    assert capsys.readouterr().err == said
    assert main(["shell", str(QUICKSTART.parent)]) == 129
    assert "cases, name one: " in capsys.readouterr().err


def test_a_shell_needs_something_to_read() -> None:
    done = shell("harness shell <&-")
    assert done.returncode == 129
    assert done.stderr == "harness shell reads commands, and its standard input is closed\n"


def test_a_script_runs_to_its_end_and_its_status_is_passed_on(artifacts: Artifacts) -> None:
    script = (
        "echo out; echo err >&2; seq 100000 | tail -1; ls /run/fd\nread line\nnot read as a command\nexit 7"
    )
    done = harness("shell", f"{QUICKSTART}[fdbox]", text=script)
    assert done.returncode == 7, done.stderr
    assert done.stdout == "out\n100000\nram\n"
    assert "err\n" in done.stderr
    assert "quickstart[fdbox]: generation 1" in done.stderr


def test_a_script_without_exit_and_an_empty_one_end(artifacts: Artifacts) -> None:
    assert harness("shell", text="true").returncode == 0
    assert harness("shell", stdin=subprocess.DEVNULL).returncode == 0


# In the second the server is killed first: the connection is seen to be gone before the machine is.
@pytest.mark.parametrize(
    "script", ["poweroff -f; sleep 60", "setsid sh -c 'sleep 0.5; poweroff -f' & kill -KILL $PPID"]
)
def test_a_script_that_ends_the_machine_is_no_test(artifacts: Artifacts, script: str) -> None:
    done = harness("shell", text=script)
    assert done.returncode == 125
    assert "the machine is gone" in done.stderr


def test_a_shell_without_a_status_is_no_test_and_that_is_said(artifacts: Artifacts) -> None:
    done = harness("shell", text="kill -KILL $$")
    assert done.returncode == 125
    assert "the shell has no exit status: it was killed" in done.stderr


def test_ctrl_d_ends_the_shell_on_a_terminal(artifacts: Artifacts) -> None:
    if not shutil.which("script"):
        pytest.skip("script(1) is not installed")
    command = ["script", "-qec", f"{' '.join(HARNESS)} shell", "/dev/null"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        seen = b""
        while b"# " not in seen and (data := os.read(process.stdout.fileno(), 4096)):
            seen += data
        process.stdin.write(b"echo $((40 + 2)); (exit 3)\n\x04")
        process.stdin.flush()
        rest, _ = process.communicate(timeout=60)
    assert b"42" in rest
    assert process.returncode == 3


def refused(out: Path, *files: object) -> str:
    """What is said when the records cannot go to out."""
    done = harness("run", *(files or (QUICKSTART,)), "--out", out)
    assert done.returncode == 129, done.stdout + done.stderr
    assert done.stdout == ""
    return done.stderr


def test_a_folder_that_cannot_have_the_records_is_refused_before_anything_starts(tmp_path: Path) -> None:
    assert "Not a directory" in refused(Path("/dev/null"))
    assert "No such file or directory" in refused(Path("/proc/nowhere"))
    used = tmp_path / "quickstart[luo]"
    used.mkdir()
    (used / "file").touch()
    assert "holds another run" in refused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["quickstart[luo]"]
    long = tmp_path / f"{'x' * 250}.yaml"
    shutil.copy(QUICKSTART, long)
    assert "at most 255 bytes" in refused(tmp_path / "new", long)


def test_records_that_cannot_be_written_are_no_traceback(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        check_free(tmp_path / "file" / "out")
    (tmp_path / "events.jsonl").mkdir()
    full = Path("/dev/shm")
    with pytest.raises((HarnessError, UsageError)):
        run(bare_plan(None), artifacts, full / ("x" * 300))


def test_an_interrupted_run_says_so(artifacts: Artifacts, tmp_path: Path) -> None:
    plan = bare_plan(None)

    def stop(machine: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, artifacts, tmp_path / "out", at_end=stop)
    outcome = json.loads((tmp_path / "out" / "outcome.json").read_text())
    assert outcome["verdict"] == "ERROR"
    assert outcome["findings"][0]["what"] == "the run was interrupted"
    assert (tmp_path / "out" / "plan.json").read_text() == plan_to_json(plan)
