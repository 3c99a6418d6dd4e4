# SPDX-License-Identifier: GPL-2.0-only
"""From a description of a machine to a QEMU process, and no process left behind."""

import contextlib
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import proc
from harness.errors import HarnessError
from harness.events import Events
from harness.vm.console import Console
from harness.vm.loss import Limits
from harness.vm.machine import Machine
from harness.vm.monitor import Monitor
from harness.vm.qemu import SCRIPT_NAME, Hardware, argv, escape, script


@contextlib.contextmanager
def power_on(
    hardware: Hardware,
    out: Path,
    events: Events,
    limits: Limits,
    ssh_key: Path | None = None,
    memory: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    options: Sequence[str] = (),
) -> Iterator[Machine]:
    """A machine, stopped before its first instruction; when the context ends, QEMU is gone.

    Writes into out: qemu.sh (boots the same machine by hand), console.log, qmp.log, qemu.err. ssh_key: the
    one that qemu.sh names; memory: as argv() has it, of fds that QEMU gets; options: more of QEMU's.
    """
    runner = out / SCRIPT_NAME
    runner.write_text(script(hardware, ssh_key))
    runner.chmod(runner.stat().st_mode | stat.S_IXUSR)
    console = Console(out / "console.log")
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        stderr_path = out / "qemu.err"
        stderr = stack.enter_context(stderr_path.open("w"))
        back_ends = (f"file,path={escape(console.path)},append=on", f"socket,fd={theirs.fileno()}")
        command = [*argv(hardware, *back_ends, memory), *options]
        fds = [theirs.fileno(), *pass_fds]
        process = stack.enter_context(proc.spawn(command, stdout=stderr, stderr=stderr, pass_fds=fds))
        theirs.close()
        try:
            monitor = Monitor(ours, out / "qmp.log")
        except HarnessError as error:
            words = said(stderr_path)
            raise HarnessError(f"QEMU did not start: {words or error}. Its command: {runner}") from error
        stack.callback(monitor.close)
        machine = Machine(process, monitor, console, events, limits)
        stack.callback(console.poll)
        stack.callback(machine.disconnect)
        yield machine


def said(path: Path) -> str:
    """The last words of a QEMU."""
    return "; ".join(path.read_text(errors="replace").splitlines()[-3:])
