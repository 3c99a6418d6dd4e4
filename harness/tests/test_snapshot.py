# SPDX-License-Identifier: GPL-2.0-only
"""Snapshots: what they depend on, that damage is seen, and that machines from them are like booted ones."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import report, runner
from harness.artifacts import Artifacts
from harness.build.store import Store, default_store
from harness.errors import HarnessError
from harness.events import Events
from harness.plan import Plan
from harness.provision import bare_plan, hardware, obtain, with_parameters
from harness.result import Oracle, Outcome
from harness.runner import run
from harness.verdict import Verdict
from harness.vm import renewal, snapshot, sparse
from harness.vm.loss import Limits
from harness.vm.machine import Machine
from harness.vm.qemu import Hardware
from harness.vm.snapshot import CONSOLE, KIND, PARTS, STATE, Snapshot, SnapshotError, Snapshots, inputs, part
from harness.vm.start import Login, Start, save, started

WARNING = "[    0.500000] WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2\n"


# -- what a snapshot depends on


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hardware:
    for name in ("kernel", "initramfs", "other", "bin"):
        (tmp_path / name).mkdir() if name == "bin" else (tmp_path / name).write_text(name)
    qemu = tmp_path / "bin" / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", str(qemu.parent))
    return Hardware(
        "tcg",
        "Nehalem",
        2,
        1024,
        tmp_path / "kernel",
        tmp_path / "initramfs",
        "kho=on",
        (tmp_path / "kernel",),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"accel": "kvm"},
        {"cpu": "EPYC"},
        {"cpus": 1},
        {"memory": 2048},
        {"nodes": 2},
        {"cmdline": "kho=off"},
        {"disks": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_machine_has_another_snapshot(machine: Hardware, change: dict[str, object]) -> None:
    assert inputs(machine) == inputs(replace(machine))
    assert inputs(replace(machine, **change)) != inputs(machine)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kernel", "initramfs", "bin/qemu-system-x86_64"])
def test_another_build_of_a_file_has_another_snapshot(machine: Hardware, tmp_path: Path, name: str) -> None:
    before = inputs(machine)
    os.utime(tmp_path / name, (1, 1))
    assert inputs(machine) != before


def test_another_format_has_another_snapshot(machine: Hardware, monkeypatch: pytest.MonkeyPatch) -> None:
    before = inputs(machine)
    monkeypatch.setattr(snapshot, "FORMAT", "another")
    assert inputs(machine) != before


def test_a_kernel_that_is_gone_has_none(machine: Hardware, tmp_path: Path) -> None:
    (tmp_path / "kernel").unlink()
    with pytest.raises(SnapshotError, match="kernel: No such file"):
        Snapshots(Store(tmp_path / "store")).find(machine)


# -- damage


def listed(folder: Path) -> Snapshot:
    """A snapshot of what is in a folder."""
    parts = {path.name: part(path) for path in sorted(folder.iterdir()) if path.name != PARTS}
    (folder / PARTS).write_text(json.dumps(parts))
    return Snapshot(folder)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "entry"
    folder.mkdir()
    with (folder / "memory.0").open("wb") as memory:
        memory.truncate(64 << 20)
        for place in (4096, 32 << 20):
            os.pwrite(memory.fileno(), b"x" * 8192, place)
    (folder / STATE).write_bytes(b"QEVM")
    (folder / CONSOLE).write_text("[    0.000000] Linux version\n")
    listed(folder).check()
    return folder


def flip(path: Path, place: int = 0) -> None:
    """One bit of a file."""
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, place)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1]), place)


def cut(path: Path) -> None:
    """The second half of a file is gone."""
    os.truncate(path, path.stat().st_size // 2)


def unreadable(path: Path) -> None:
    """What even root cannot read as a file."""
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit of memory": lambda folder: flip(folder / "memory.0", 5000),
    "a bit where no memory was": lambda folder: flip(folder / "memory.0", 1 << 20),
    "memory cut": lambda folder: cut(folder / "memory.0"),
    "a bit of the state": lambda folder: flip(folder / STATE),
    "state cut": lambda folder: cut(folder / STATE),
    "state empty": lambda folder: os.truncate(folder / STATE, 0),
    "no state": lambda folder: (folder / STATE).unlink(),
    "no console": lambda folder: (folder / CONSOLE).unlink(),
    "unreadable": lambda folder: unreadable(folder / STATE),
    "list cut": lambda folder: cut(folder / PARTS),
    "list empty": lambda folder: (folder / PARTS).write_text("{}"),
    "list of another sort": lambda folder: (folder / PARTS).write_text("[1]"),
    "no list": lambda folder: (folder / PARTS).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_seen(parts: Path, damage: str) -> None:
    DAMAGE[damage](parts)
    with pytest.raises(SnapshotError, match=r"cannot be read|is damaged"):
        Snapshot(parts).check()


def test_a_copy_is_as_good_and_its_damage_is_seen(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "copy")
    Snapshot(tmp_path / "copy").check()
    flip(tmp_path / "copy" / "memory.0", 4096)
    with pytest.raises(SnapshotError, match=r"is damaged: memory\.0"):
        Snapshot(tmp_path / "copy").check()


def test_what_nobody_has_touched_is_not_read(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(snapshot, "digest", refuse)
    Snapshot(parts).check()


def test_holes_stay_holes(parts: Path, tmp_path: Path) -> None:
    with (parts / "memory.0").open("rb") as file:
        sparse.copy(file.fileno(), tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_blocks == (parts / "memory.0").stat().st_blocks <= 64
    (tmp_path / "full").write_bytes((parts / "memory.0").read_bytes())
    assert (tmp_path / "full").stat().st_blocks > 64 << 10
    assert sparse.digest(tmp_path / "full") == sparse.digest(parts / "memory.0")
    assert sparse.digest(tmp_path / "copy") == sparse.digest(parts / "memory.0")


# -- real machines


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """What a plan without steps runs on, with a snapshot of its machine in a store of its own."""
    folder = tmp_path_factory.mktemp("saved")
    made = obtain(bare_plan(None), default_store())
    assert made.snapshots is not None
    made = replace(made, snapshots=replace(made.snapshots, store=Store(folder / "store")))
    outcome = run(bare_plan(None), made, folder / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
    assert "snapshot saved" in names(outcome)
    assert len(entries(made)) == 1
    return made


def names(outcome: Outcome) -> list[str]:
    return [mark.name for mark in outcome.timeline]


def entries(made: Artifacts) -> list[Path]:
    assert made.snapshots is not None
    return sorted((made.snapshots.store.root / KIND).iterdir())


def another(saved: Artifacts, folder: Path, change: Callable[[Path], object]) -> Artifacts:
    """The same with a snapshot that was changed, in another store."""
    (entry,) = entries(saved)
    store = Store(folder / "store")
    subprocess.run(["cp", "--recursive", "--sparse=always", entry, folder / "entry"], check=True)
    change(folder / "entry")
    (store.root / KIND).mkdir(parents=True)
    (folder / "entry").rename(store.root / KIND / entry.name)
    assert saved.snapshots is not None
    return replace(saved, snapshots=replace(saved.snapshots, store=store))


def test_a_case_from_a_snapshot_passes_and_says_so(saved: Artifacts, tmp_path: Path) -> None:
    outcome = run(bare_plan(None), saved, tmp_path / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
    assert "started from a snapshot" in names(outcome)
    assert {"power-on", "snapshot saved"}.isdisjoint(names(outcome))
    (proof,) = [proof for proof in outcome.proofs if proof.oracle is Oracle.IDENTITY]
    assert proof.text.startswith("snapshot of a cold boot")
    # What the kernel had said before is this case's too.
    (entry,) = entries(saved)
    log = (tmp_path / "run" / "console.0.log").read_text()
    assert "Linux version" in log.splitlines()[0]
    assert log.startswith((entry / CONSOLE).read_text().replace("\r\n", "\n"))


SECRETS = (
    "head -c 16 /dev/urandom | xxd -p; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; "
    "grep stack /proc/self/maps; date +%s"
)


def test_machines_from_one_snapshot_share_no_secrets_and_know_the_time(
    saved: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []

    def draw(machine: Machine) -> None:
        drawn.append(machine.run(SECRETS).stdout.splitlines())

    # Long after whatever the snapshot's own clock could say.
    then = 2_000_000_000
    for turn in range(2):
        monkeypatch.setattr(time, "time_ns", lambda turn=turn: (then + turn * 10**7) * 10**9)
        outcome = run(bare_plan(None), saved, tmp_path / f"run.{turn}", at_end=draw)
        assert outcome.verdict is Verdict.PASS, report.render(outcome)
        assert "started from a snapshot" in names(outcome)
    first, second = drawn
    assert len(first) == len(second) == 5
    assert not set(first) & set(second)
    assert [int(lines[-1]) // 10**6 for lines in drawn] == [2000, 2010]


def test_a_report_before_the_snapshot_fails_the_case(saved: Artifacts, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        with (folder / CONSOLE).open("a") as console:
            console.write(WARNING)
        listed(folder)

    outcome = run(bare_plan(None), another(saved, tmp_path, change), tmp_path / "run")
    assert outcome.verdict is Verdict.FAIL, report.render(outcome)
    assert {finding.oracle for finding in outcome.findings} == {Oracle.LOG}
    assert outcome.findings[0].generation == 0


def test_a_machine_with_a_report_in_its_log_is_not_saved(saved: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(WARNING.replace("0.500000", "0.000000"))

    class Reported:
        """As much of a machine as is looked at before it is saved."""

        generation = 1
        console = type("Console", (), {"text": lambda self, generation: [WARNING] if generation else []})()

    assert saved.snapshots is not None
    with pytest.raises(SnapshotError, match="with a report in its log is not saved"):
        saved.snapshots.save(Reported(), machine_of(saved), {})  # type: ignore[arg-type]


def test_who_interrupts_while_a_machine_is_saved_is_heard(saved: Artifacts, tmp_path: Path) -> None:
    """Also where QEMU, in the middle of a migration, refuses to let the machine go on."""

    class Migrating:
        """As much of a machine as is asked for."""

        generation = 0
        console = type("Console", (), {"text": lambda self, generation: []})()
        monitor = property(lambda self: self)

        def execute(self, command: str, arguments: object = None) -> None:
            if command == "cont":
                raise HarnessError("QMP cont: Migration is not finalized yet")
            if command != "stop":
                raise KeyboardInterrupt

    assert saved.snapshots is not None
    place = replace(saved.snapshots, store=Store(tmp_path / "store"))
    with Events(tmp_path / "events.jsonl") as events, pytest.raises(KeyboardInterrupt):
        save(Migrating(), machine_of(saved), events, place)  # type: ignore[arg-type]


def machine_of(made: Artifacts) -> Hardware:
    return hardware(with_parameters(bare_plan(None), made.accel.parameters), made)


def state_of_nothing(folder: Path) -> None:
    """Parts that are as they were written, and that QEMU does not take."""
    cut(folder / STATE)
    listed(folder)


def less_memory(folder: Path) -> None:
    cut(folder / "memory.0")
    listed(folder)


@pytest.mark.parametrize("damage", [*DAMAGE, "QEMU does not take its state", "QEMU does not take its memory"])
def test_a_snapshot_that_cannot_be_used_is_a_cold_boot(
    saved: Artifacts, tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = DAMAGE | {
        "QEMU does not take its state": state_of_nothing,
        "QEMU does not take its memory": less_memory,
    }
    made = another(saved, tmp_path, changes[damage])
    login = Login(made.guest.ssh_key, made.guest.host_key)
    out = tmp_path / "run"
    out.mkdir()
    with (
        Events(out / "events.jsonl") as events,
        started(Start(machine_of(made), out, events, Limits(), login, made.snapshots)) as machine,
    ):
        assert machine.hello is None
        assert [entry["event"] for entry in events.entries] == ["snapshot not used"]
        assert not machine.console.path.read_bytes()
    assert "snapshot not used: " in capfd.readouterr().err
    assert entries(made) == []


def test_a_case_passes_all_the_same_and_leaves_a_snapshot_that_is_better(
    saved: Artifacts, tmp_path: Path
) -> None:
    made = another(saved, tmp_path, state_of_nothing)
    outcome = run(bare_plan(None), made, tmp_path / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
    assert {"power-on", "snapshot saved"} <= set(names(outcome))
    (entry,) = entries(made)
    Snapshot(entry).check()


def test_nodes_have_memory_of_their_own(saved: Artifacts, tmp_path: Path) -> None:
    assert saved.snapshots is not None
    made = replace(saved, snapshots=replace(saved.snapshots, store=Store(tmp_path / "store")))
    plan = bare_plan(None)
    plan = replace(plan, machine=replace(plan.machine, nodes=2))
    for turn in ("snapshot saved", "started from a snapshot"):
        outcome = run(plan, made, tmp_path / turn)
        assert outcome.verdict is Verdict.PASS, report.render(outcome)
        assert turn in names(outcome)
    (entry,) = entries(made)
    assert {path.name for path in entry.glob("memory.*")} == {"memory.0", "memory.1"}


def snapshots_of(plan: Plan, made: Artifacts, out: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshots | None:
    """Where a run looks for a snapshot."""
    seen: list[Snapshots | None] = []

    def refuse(start: Start) -> object:
        seen.append(start.snapshots)
        raise HarnessError("seen")

    monkeypatch.setattr(runner, "started", refuse)
    run(plan, made, out)
    return seen[0]


def test_who_wants_a_cold_boot_gets_one(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = bare_plan(None)
    assert snapshots_of(plan, artifacts, tmp_path / "a", monkeypatch) is artifacts.snapshots is not None
    assert (
        snapshots_of(replace(plan, cold="it is about booting"), artifacts, tmp_path / "b", monkeypatch)
        is None
    )
    cold = obtain(plan, default_store(), cold=True)
    assert snapshots_of(plan, cold, tmp_path / "c", monkeypatch) is None


def test_a_cold_boot_leaves_nothing(artifacts: Artifacts, tmp_path: Path) -> None:
    login = Login(artifacts.guest.ssh_key, artifacts.guest.host_key)
    with (
        Events(tmp_path / "events.jsonl") as events,
        started(Start(machine_of(artifacts), tmp_path, events, Limits(), login, None)) as machine,
    ):
        assert machine.hello is None
        assert not machine.at_ready()
    assert "memory-backend" not in (tmp_path / "qemu.sh").read_text()


def test_time_passes() -> None:
    """The news are of the moment in which they are told."""
    told = [renewal.news() for _ in range(2)]
    assert abs(int(str(told[0]["seconds"])) - time.time()) < 60
    assert told[0]["entropy"] != told[1]["entropy"]
