# SPDX-License-Identifier: GPL-2.0-only
"""From a description of a machine to a QEMU process, and no process left behind."""

import contextlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from harness import proc
from harness.errors import HarnessError
from harness.events import Events
from harness.vm.console import Console
from harness.vm.loss import Limits
from harness.vm.machine import Machine
from harness.vm.monitor import Monitor
from harness.vm.qemu import SCRIPT_NAME, Hardware, argv, script


@contextlib.contextmanager
def power_on(
    hardware: Hardware, out: Path, events: Events, limits: Limits, ssh_key: Path | None = None
) -> Iterator[Machine]:
    """A machine, stopped before its first instruction; when the context ends, QEMU is gone.

    Writes into out: qemu.sh (boots the same machine by hand), console.log, qmp.log, qemu.err. ssh_key: the
    one that qemu.sh names.
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
        back_ends = (f"file,path={str(console.path).replace(',', ',,')}", f"socket,fd={theirs.fileno()}")
        command = argv(hardware, *back_ends)
        process = stack.enter_context(
            proc.spawn(command, stdout=stderr, stderr=stderr, pass_fds=[theirs.fileno()])
        )
        theirs.close()
        try:
            monitor = Monitor(ours, out / "qmp.log")
        except HarnessError as error:
            words = "; ".join(stderr_path.read_text(errors="replace").splitlines()[-3:])
            raise HarnessError(f"QEMU did not start: {words or error}. Its command: {runner}") from error
        stack.callback(monitor.close)
        machine = Machine(process, monitor, console, events, limits)
        stack.callback(console.poll)
        stack.callback(machine.disconnect)
        yield machine
