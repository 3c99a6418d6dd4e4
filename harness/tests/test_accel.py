# SPDX-License-Identifier: GPL-2.0-only
"""The accelerator: chosen by a test boot, remembered, never by /dev/kvm being there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.build.store import Store
from harness.errors import HarnessError
from harness.provision import bare_plan
from harness.runner import run
from harness.verdict import Verdict
from harness.vm import accel, tsc


def fake_qemu(folder: Path, says: str) -> None:
    program = folder / "qemu-system-x86_64"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def test_qemu_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match=r"qemu-system-x86_64 cannot be run.*make setup"):
        accel.host()


def test_qemu_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_qemu(tmp_path, "QEMU emulator version 4.2.1 (Debian)")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(HarnessError, match=r"too old: QEMU emulator version 4\.2\.1.*7\.2 or newer"):
        accel.host()


def test_the_answer_is_remembered_for_this_host_only(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, kernel = Store(tmp_path), artifacts.kernels[None]
    monkeypatch.setattr(accel, "KVM", tmp_path / "no-kvm")
    first = accel.choose(store, kernel, artifacts.guest)
    assert first.name == "tcg"
    assert "there is no" in first.reason

    memory = tmp_path / "accelerator.json"
    told = json.loads(memory.read_text())
    told["accel"]["reason"] = "remembered"
    memory.write_text(json.dumps(told))
    assert accel.choose(store, kernel, artifacts.guest).reason == "remembered"

    # Asked again, and the rate of the TSC measured again: that differs by a kHz at times.
    told["host"] = "another boot"
    memory.write_text(json.dumps(told))
    assert accel.choose(store, kernel, artifacts.guest).reason == first.reason

    memory.write_text("{half")
    assert accel.choose(store, kernel, artifacts.guest).reason == first.reason


@pytest.mark.skipif(not accel.KVM.exists(), reason="no /dev/kvm")
def test_kvm_is_taken_if_and_only_if_a_test_boot_with_it_works(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = accel.choose(Store(tmp_path), artifacts.kernels[None], artifacts.guest)
    assert (chosen.name == "kvm") == ("worked" in chosen.reason)
    assert chosen.name == "kvm" or "a test boot with KVM failed" in chosen.reason


def test_a_guest_is_told_the_rate_of_its_tsc(artifacts: Artifacts, tmp_path: Path) -> None:
    """It is the host's: measured again, it is the same."""
    emulated = accel.emulation("for this test")
    (parameter,) = emulated.parameters
    rate, again = int(parameter.removeprefix("tsc_early_khz=")), tsc.frequency()
    assert again is not None
    assert abs(rate - again) < again / 1000
    outcome = run(bare_plan(None), replace(artifacts, accel=emulated), tmp_path / "run")
    assert outcome.verdict is Verdict.PASS
    console = (tmp_path / "run" / "console.0.log").read_text()
    assert f"Command line: {parameter} " in console
