# SPDX-License-Identifier: GPL-2.0-only
"""The one door through which processes that take longer are started: none of them outlives the harness.

Every child is started by setpriv(1) with PR_SET_PDEATHSIG, so that it dies with us even after SIGKILL, and
in a process group of its own, so that Ctrl-C and errors take its children too. The kernel ties
PR_SET_PDEATHSIG to the *thread* that forked: start long-lived processes from the main thread.
"""

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from harness.errors import HarnessError

Process = subprocess.Popen[str]
# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 5.0
TAIL_LINES = 20
# We may have died before the signal was asked for: then it never comes, and there must be no child.
ONLY_WITH_PARENT = '[ "$PPID" = "$0" ] && exec "$@"'


class ProcessError(HarnessError):
    """A process could not be started or did not do its job; carries the end of what it printed."""

    def __init__(self, message: str, status: int | None = None, tail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.tail = tail


def die_with_parent(sig: signal.Signals, parent: int) -> None:
    """Get sig when the parent process dies (PR_SET_PDEATHSIG). For a forked worker, from its main thread.

    parent: its process id, to see whether it died before we could ask.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(sig)) != 0:
        raise ProcessError(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        raise ProcessError("the parent process died before its worker had begun")


def stop(process: Process, first: signal.Signals = signal.SIGTERM) -> None:
    """End a process group: its leader politely, after GRACE_SECONDS and for all of it by force."""
    try:
        _signal_group(process, first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def spawn(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[str] = subprocess.DEVNULL,
    stdout: int | IO[str] = subprocess.DEVNULL,
    stderr: int | IO[str] = subprocess.STDOUT,
    pass_fds: Sequence[int] = (),
) -> Iterator[Process]:
    """Run argv while the context lasts; at its end, however it ends, the process group is gone.

    death_signal is what argv gets when we die: SIGKILL, or SIGTERM for a make(1), which passes it on.
    env is added to our own environment.
    """
    prefix = ["setpriv", "--pdeathsig", death_signal.name.removeprefix("SIG"), "--"]
    prefix += ["sh", "-c", ONLY_WITH_PARENT, str(os.getpid())]
    try:
        process = subprocess.Popen(
            [*prefix, *map(str, argv)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            process_group=0,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProcessError(f"cannot start {argv[0]}: {error.strerror} ({error.filename})") from error
    try:
        yield process
    finally:
        stop(process, death_signal)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _unmark(mark: Path, running: Sequence[Process]) -> None:
    """Take a mark away when what ran has ended otherwise than by SIGKILL."""
    if running and all(process.returncode != -signal.SIGKILL for process in running):
        mark.unlink(missing_ok=True)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    stdin: IO[str] | None = None,
    mark: Path | None = None,
) -> str:
    """Run argv to its end; return what it printed on stdout and stderr, together, as it came.

    log: a file to append the output to as well; on_line: called with each line as it comes; mark: a file that
    is there meanwhile, and stays where argv was killed and could put nothing away, or we were.
    Raises ProcessError when it cannot be started or exits with anything but 0.
    """
    lines: list[str] = []
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(log.open("a")) if log else None
        if sink:
            sink.write(f"$ {shlex.join(map(str, argv))}\n")
            sink.flush()
        running: list[Process] = []
        if mark:
            mark.touch()
            stack.callback(_unmark, mark, running)
        process = stack.enter_context(
            spawn(
                argv,
                death_signal=signal.SIGTERM,
                cwd=cwd,
                env=env,
                stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
        )
        running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if sink:
                sink.write(line)
            if on_line:
                on_line(line.rstrip("\n"))
        status = process.wait()
    output = "".join(lines)
    if status != 0:
        tail = "".join(lines[-TAIL_LINES:])
        where = f"; whole output: {log}" if log else ""
        how = f"exited with {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"
        raise ProcessError(f"{shlex.join(map(str, argv))}\n{how}{where}\n{tail}", status, tail)
    return output
