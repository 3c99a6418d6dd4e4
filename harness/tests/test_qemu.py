# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line, and QEMU itself without a kernel."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.deadline import Deadline
from harness.errors import HarnessError
from harness.events import Events
from harness.provision import bare_plan, hardware
from harness.vm import outage
from harness.vm.loss import Limits, Loss, MachineLostError
from harness.vm.machine import Machine
from harness.vm.power import power_on
from harness.vm.qemu import Hardware, argv, script

HARDWARE = Hardware(
    accel="tcg",
    cpu="Nehalem",
    cpus=2,
    memory=1024,
    kernel=Path("/k/bzImage"),
    initramfs=Path("/g/init,ram.cpio"),
    cmdline="console=ttyS0 quiet",
    disks=(Path("/k/a,b"), Path("/k/next")),
)


def test_argv_golden() -> None:
    words = argv(HARDWARE, "file,path=/out/console.log", "socket,fd=7")
    golden = (Path(__file__).parent / "golden" / "qemu_argv.txt").read_text().splitlines()
    assert words == golden


def test_another_accelerator_has_no_option_of_tcg() -> None:
    words = argv(replace(HARDWARE, accel="kvm"), "null", "null")
    assert words[words.index("-accel") + 1] == "kvm"


def test_numa_nodes_share_memory_and_cpus() -> None:
    words = argv(replace(HARDWARE, nodes=2, memory=1500, cpus=3), "null", "null")
    assert words[words.index("-smp") + 1] == "3,sockets=3"
    at = words.index("-object")
    assert words[at : at + 8] == [
        "-object",
        "memory-backend-ram,id=node0,size=640M",
        "-numa",
        "node,nodeid=0,memdev=node0,cpus=0,cpus=2",
        "-object",
        "memory-backend-ram,id=node1,size=860M",
        "-numa",
        "node,nodeid=1,memdev=node1,cpus=1",
    ]


def test_the_script_is_a_shell_script_with_the_same_machine() -> None:
    text = script(HARDWARE)
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    assert "'console=ttyS0 quiet'" in text
    assert "-S" not in text.split()


@pytest.fixture
def empty(tmp_path: Path) -> Hardware:
    """A machine whose kernel is not one: QEMU starts, nothing boots."""
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("QEMU is not installed: run 'make setup'")
    kernel = tmp_path / "kernel"
    image = bytearray(16384)
    # The least that QEMU takes for a bzImage: Documentation/arch/x86/boot.rst, protocol 2.13, loaded high.
    image[0x1F1], image[0x211], image[0x206:0x208] = 1, 1, b"\x0d\x02"
    image[0x1FE:0x200], image[0x202:0x206], image[0x22C:0x230] = b"\x55\xaa", b"HdrS", b"\xff\xff\xff\x7f"
    kernel.write_bytes(image)
    return Hardware("tcg", "Nehalem", 1, 64, kernel, kernel, "x", (kernel,))


def start(hardware: Hardware, out: Path) -> None:
    with (
        Events(out / "events.jsonl") as events,
        power_on(hardware, out, events, Limits(boot=2)) as machine,
    ):
        machine.boot(out / "key", "ssh-ed25519 AAAA")


def test_qemu_that_refuses_its_arguments_is_our_fault_in_its_words(empty: Hardware, tmp_path: Path) -> None:
    broken = Hardware(**{**vars(empty), "cpu": "NoSuchModel"})
    with pytest.raises(HarnessError, match=r"QEMU did not start: .*NoSuchModel.*qemu\.sh"):
        start(broken, tmp_path)


def loss_of(machine: Machine) -> Loss:
    """How the machine is lost, which must happen in some seconds."""
    with pytest.raises(MachineLostError) as lost:
        Deadline(10).wait(lambda: False, machine.watch)
    return lost.value.loss


@pytest.mark.parametrize(
    ("command", "arguments", "loss"),
    [
        # The reset control register: what a kernel writes to when it restarts the machine.
        ("human-monitor-command", {"command-line": "o /b 0xcf9 6"}, Loss.RESET),
        ("system_reset", {}, Loss.QEMU),
    ],
    ids=["by itself", "by the host"],
)
def test_a_machine_that_is_reset_is_lost(
    command: str, arguments: dict[str, str], loss: Loss, empty: Hardware, tmp_path: Path
) -> None:
    with (
        Events(tmp_path / "events.jsonl") as events,
        power_on(empty, tmp_path, events, Limits()) as machine,
    ):
        machine.monitor.execute("cont")
        machine.monitor.execute(command, arguments)
        assert loss_of(machine) is loss


def test_qemu_that_is_killed_is_the_hosts_fault(empty: Hardware, tmp_path: Path) -> None:
    with (
        Events(tmp_path / "events.jsonl") as events,
        power_on(empty, tmp_path, events, Limits()) as machine,
    ):
        os.kill(machine.pid, signal.SIGKILL)
        assert loss_of(machine) is Loss.QEMU


def test_an_order_to_a_machine_that_resets_itself_tells_of_the_reset(empty: Hardware, tmp_path: Path) -> None:
    with (
        Events(tmp_path / "events.jsonl") as events,
        power_on(empty, tmp_path, events, Limits()) as machine,
    ):
        machine.monitor.execute("cont")
        machine.monitor.execute("human-monitor-command", {"command-line": "o /b 0xcf9 6"})
        os.waitid(os.P_PID, machine.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(MachineLostError) as lost:
            outage.inject_nmi(machine)
        assert lost.value.loss is Loss.RESET


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_qemu_that_is_killed_before_the_reset_is_the_hosts_fault(
    number: signal.Signals, empty: Hardware, tmp_path: Path
) -> None:
    with (
        Events(tmp_path / "events.jsonl") as events,
        power_on(empty, tmp_path, events, Limits()) as machine,
        pytest.raises(MachineLostError) as lost,
    ):
        outage.restart(machine, lambda: os.kill(machine.pid, number))
    assert lost.value.loss is Loss.QEMU


def test_memory_is_read_from_outside(empty: Hardware, tmp_path: Path) -> None:
    with (
        Events(tmp_path / "events.jsonl") as events,
        power_on(empty, tmp_path, events, Limits()) as machine,
    ):
        # 0xFFFF0: the reset vector's jump in the firmware, ea: far jump.
        before = sorted(tmp_path.iterdir())
        assert machine.memory(0xFFFF0, 1) == b"\xea"
        assert sorted(tmp_path.iterdir()) == before


def test_a_guest_that_does_not_answer_leaves_what_qemu_knows_of_the_network(
    empty: Hardware, tmp_path: Path
) -> None:
    with (
        Events(tmp_path / "events.jsonl") as events,
        power_on(empty, tmp_path, events, Limits(ssh=1)) as machine,
        pytest.raises(MachineLostError) as lost,
    ):
        machine.resume(tmp_path / "key", "ssh-ed25519 AAAA")
    assert lost.value.loss is Loss.SSH
    (known,) = (str(entry["text"]) for entry in events.entries if entry["event"] == "network")
    assert re.search(r"TCP\[SYN_SENT\] +\d+ +127\.0\.0\.1 +\d+", known), known
    queues = re.findall(r"queue_index: +(\d)\n.*\n +used_idx: +(\d)\n", known)
    assert queues == [("0", "0"), ("1", "0")], known


HOLDER = """
import sys, time
from pathlib import Path
from harness.events import Events
from harness.provision import hardware
from harness.vm.loss import Limits
from harness.vm.power import power_on
from harness.vm.qemu import Hardware
out = Path(sys.argv[1])
kernel = out / "kernel"
hardware = Hardware("tcg", "Nehalem", 1, 64, kernel, kernel, "x", ())
with Events(out / "e") as events, power_on(hardware, out, events, Limits()) as machine:
    print(machine.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_qemu_outlives_a_killed_harness(empty: Hardware, tmp_path: Path, number: signal.Signals) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert holder.stdout is not None
    qemu = int(holder.stdout.readline())
    assert Path(f"/proc/{qemu}").exists()
    holder.send_signal(number)
    holder.wait(10)
    holder.stdout.close()
    assert gone(qemu)


def gone(pid: int) -> bool:
    for _ in range(300):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def printed_ssh(lines: list[str]) -> str:
    """The command that qemu.sh says to get in with."""
    return next(line.strip() for line in lines if line.strip().startswith("ssh "))


def a_free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("end", ["Ctrl-C", "poweroff -f"])
def test_the_script_is_of_use_by_hand(artifacts: Artifacts, tmp_path: Path, end: str) -> None:
    if not shutil.which("ssh"):
        pytest.skip("there is no ssh(1) to follow what the script says")
    runner = tmp_path / "a folder" / "qemu.sh"
    runner.parent.mkdir()
    runner.write_text(script(hardware(bare_plan(None), artifacts), artifacts.guest.ssh_key))
    runner.chmod(0o755)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = {**os.environ, "PORT": str(a_free_port())}
    with subprocess.Popen(
        [runner], cwd="/", env=environment, text=True, errors="replace", **pipes
    ) as machine:  # type: ignore[call-overload]
        try:
            seen: list[str] = []
            for line in machine.stdout:
                seen.append(line)
                if line.rstrip().endswith("] fdbox-guest: ready"):
                    break
            ssh = shlex.split(printed_ssh(seen))
            answer = subprocess.run([*ssh, "uname", "-r"], capture_output=True, text=True, check=True)
            assert answer.stdout.strip() == artifacts.kernels[None].release
            if end == "Ctrl-C":
                machine.send_signal(signal.SIGINT)
            else:
                subprocess.run([*ssh, end], capture_output=True, check=False, timeout=30)
            machine.communicate(timeout=30)
        finally:
            machine.kill()
    assert machine.returncode in (0, -signal.SIGINT)
    assert [path.name for path in runner.parent.iterdir()] == ["qemu.sh"]
