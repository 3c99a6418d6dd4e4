# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line, as a pure function of what the machine is made of."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QEMU = "qemu-system-x86_64"
# A disk's serial number tells the guest which kernel is on it: kernel:0, kernel:1, ...
SCRIPT_NAME = "qemu.sh"
DISK_SERIAL = "kernel:{index}"
# MiB of memory that Linux on x86-64 handles as one section.
SECTION = 128
# MiB of translated code that TCG keeps: when they are full, it forgets all of it. Otherwise what it has of a
# kernel that is gone is taken away block by block, wherever that memory is written, and with each block the
# lookup caches of all CPUs (QEMU 7.2). One boot makes some 40 MiB: docs/performance.md.
TRANSLATED = 32


@dataclass(frozen=True)
class Hardware:
    """One machine. Sizes in MiB."""

    accel: str
    cpu: str
    cpus: int
    memory: int
    kernel: Path
    initramfs: Path
    cmdline: str
    # Kernel images for kexec, raw; the guest reads them as virtio disks.
    disks: tuple[Path, ...]
    # NUMA nodes that share CPUs and memory.
    nodes: int = 1


def argv(hardware: Hardware, console: str, monitor: str, memory: Sequence[str] = ()) -> list[str]:
    """The command line; console and monitor are chardev back ends ("file,path=...", "socket,fd=3,...").

    memory: the back end of each node's ("memory-backend-file,..."), for a machine that is to be saved or was.
    A reset ends QEMU (-no-reboot), unless it was ordered (vm/outage.py): a firmware boot must never pass for
    the next kernel. The machine starts stopped (-S), so that QMP listens before the first instruction runs.
    """
    machine = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S"]
    # Without an HPET, whose interrupts are dear under TCG, the TSC is calibrated by the PM timer.
    q35 = "q35,hpet=off,memory-backend=node0" if memory and hardware.nodes == 1 else "q35,hpet=off"
    machine += ["-machine", q35, "-accel", accelerator(hardware.accel), "-cpu", hardware.cpu]
    machine += ["-smp", smp(hardware), "-m", f"{hardware.memory}M", *ram(hardware, memory)]
    boot = ["-kernel", str(hardware.kernel), "-initrd", str(hardware.initramfs), "-append", hardware.cmdline]
    # A chardev file, never a socket: one that nobody drains blocks QEMU after about 280 bytes.
    ports = ["-chardev", f"{console},id=console", "-serial", "chardev:console"]
    ports += ["-chardev", f"{monitor},id=monitor", "-mon", "chardev=monitor,mode=control"]
    # restrict=on: the guest reaches nothing. Port 0: the host's kernel chooses one, read back by QMP.
    network = ["-netdev", "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"]
    network += ["-device", "virtio-net-pci,netdev=net0,romfile="]
    entropy = ["-device", "virtio-rng-pci"]
    disks = []
    for index, path in enumerate(hardware.disks):
        options = f"file={escape(path)},if=none,id=disk{index},format=raw,readonly=on"
        serial = DISK_SERIAL.format(index=index)
        disks += ["-drive", options, "-device", f"virtio-blk-pci,drive=disk{index},serial={serial}"]
    return [*machine, *boot, *ports, *network, *entropy, *disks]


def accelerator(name: str) -> str:
    """An accelerator, with its options."""
    return f"tcg,tb-size={TRANSLATED}" if name == "tcg" else name


def smp(hardware: Hardware) -> str:
    """The CPUs: where there are nodes each in a socket of its own, for what shares a cache is on one node."""
    return f"{hardware.cpus},sockets={hardware.cpus}" if hardware.nodes > 1 else str(hardware.cpus)


def shares(hardware: Hardware) -> list[int]:
    """The MiB of each node, in sections of Linux (128 MiB), the last one has the rest."""
    share = hardware.memory // hardware.nodes // SECTION * SECTION
    return [share] * (hardware.nodes - 1) + [hardware.memory - share * (hardware.nodes - 1)]


def ram(hardware: Hardware, memory: Sequence[str]) -> list[str]:
    """The options for memory that is not just QEMU's own, and for more than one NUMA node."""
    if hardware.nodes == 1 and not memory:
        return []
    words = []
    for node, size in enumerate(shares(hardware)):
        back_end = memory[node] if memory else "memory-backend-ram"
        words += ["-object", f"{back_end},id=node{node},size={size}M"]
        if hardware.nodes > 1:
            cpus = "".join(f",cpus={cpu}" for cpu in range(node, hardware.cpus, hardware.nodes))
            words += ["-numa", f"node,nodeid={node},memdev=node{node}{cpus}"]
    return words


def escape(path: Path) -> str:
    """A path inside a QEMU option list, where a comma is written twice."""
    return str(path).replace(",", ",,")


# The shell's own words, which are not to be quoted.
SSH_PORT = '"$port"'
SCRIPT = """\
#!/bin/sh
# The machine of this run, to be used by hand: its console is shown here, commands go in by SSH.
#   [PORT=N] {name}
# Ctrl-C here ends it; so does `poweroff -f` in it. QMP: the socket qmp.sock beside this file.
cd "$(dirname "$0")" || exit 125
port=${{PORT:-2222}}
cat <<END
the console is shown here; Ctrl-C ends the machine. When it says 'fdbox-guest: ready', from another terminal:
  {ssh}
END
"""


def script(hardware: Hardware, ssh_key: Path | None = None) -> str:
    """A shell script that boots the same machine by hand; it says how to get in with the key."""
    words = argv(hardware, "stdio,mux=off,signal=on", "socket,path=qmp.sock,server=on,wait=off")
    words.remove("-S")
    lines = [f"exec {words[0]}"]
    for word in words[1:]:
        lines.append(shlex.quote(word)) if word.startswith("-") else _join(lines, word)
    command = " \\\n  ".join(lines).replace(
        "hostfwd=tcp:127.0.0.1:0-:22", f"hostfwd=tcp:127.0.0.1:{SSH_PORT}-:22"
    )
    identity = f" -i {shlex.quote(str(ssh_key))}" if ssh_key else ""
    unknown = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    ssh = f"ssh -p $port{identity} {unknown} root@127.0.0.1"
    return SCRIPT.format(name=SCRIPT_NAME, ssh=ssh) + command + "\n"


def _join(lines: list[str], word: str) -> None:
    lines[-1] += f" {shlex.quote(word)}"
