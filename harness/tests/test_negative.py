# SPDX-License-Identifier: GPL-2.0-only
"""Negative controls: real machines in which something is broken on purpose. Every oracle has to turn red."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness import report
from harness.artifacts import Artifacts
from harness.build.spec import kernel_parameters
from harness.build.store import default_store
from harness.commandactions import Ssh
from harness.errors import UsageError
from harness.fdactions import Verify
from harness.load import load, load_text
from harness.plan import Case, Plan, expand, plan
from harness.provision import bare_plan, needs_selftests, obtain
from harness.result import Blame, Oracle, Outcome
from harness.runner import run
from harness.verdict import Verdict
from harness.vm.loss import Limits
from harness.vm.monitor import Monitor

HERE = Path(__file__).parent
# Which oracles have to speak, and words that must be in the report, by scenario.
EXPECTED: dict[str, tuple[set[Oracle], str]] = {
    "byte_changed": ({Oracle.CONTENTS, Oracle.OUTSIDE}, "the contents of 'ram' changed"),
    "position_changed": ({Oracle.FIDELITY}, "the position of 'ram' changed"),
    "put_again": ({Oracle.CONTENTS, Oracle.OUTSIDE}, "put: {box: vm1, fd: ram, name: ram}"),
    "other_fd": ({Oracle.OUTSIDE}, "is not the memory that was preserved"),
    "warning_before": ({Oracle.LOG}, "oracle    kernel log, generation 0"),
    "warning_after": ({Oracle.LOG}, "oracle    kernel log, generation 1"),
    "firmware_reset": ({Oracle.MACHINE}, "the machine was reset (guest-reset)"),
    "reset_again": ({Oracle.MACHINE}, "the machine was reset (guest-reset)"),
    "panic_again": ({Oracle.MACHINE, Oracle.LOG}, "Kernel panic - not syncing: sysrq triggered crash"),
    "handed_over": ({Oracle.IDENTITY}, "was handed KHO data, and must not have been"),
    "panic_after": ({Oracle.MACHINE, Oracle.LOG}, "Kernel panic - not syncing: sysrq triggered crash"),
    "not_sealed": ({Oracle.STEP}, "'unseal' failed"),
    "session_closed": ({Oracle.STEP}, "ENOENT"),
    "list_differs": ({Oracle.STEP}, "the list of what is in box 'vm0' is another"),
    "both_succeed": ({Oracle.STEP}, "another number of the steps succeeded"),
    "register_changed": ({Oracle.FIDELITY}, "the registers of 'dev' changed"),
    "device_writes_elsewhere": ({Oracle.FIDELITY, Oracle.DEVICE}, "'dev' does not write into 'ram'"),
    "buffer_changed": ({Oracle.CONTENTS, Oracle.OUTSIDE}, "byte 0x1008 is 0x58"),
    "guest_miscounts": ({Oracle.GUEST}, "the guest of 'vm' does not run as it did"),
    "guest_memory_changed": ({Oracle.CONTENTS, Oracle.OUTSIDE}, "the contents of 'ram' changed"),
    "no_kho": ({Oracle.IDENTITY}, "the new kernel was not handed the old one's KHO data"),
    "memory_kept": ({Oracle.LEAKS}, "Shmem was"),
    "preserved_kept": ({Oracle.LEAKS}, "KHO would carry"),
    "preserved_kept_after": ({Oracle.LEAKS}, "KHO would carry"),
    "memory_lost": ({Oracle.LEAKS}, "MemTotal was"),
    "pending_at_the_end": ({Oracle.LEAKS}, "box 'vm0': ENOPKG"),
    "held_at_the_end": ({Oracle.LEAKS}, "Shmem was"),
    "stderr_differs": ({Oracle.STEP}, "stderr that is 'two'"),
    "answer_differs": ({Oracle.STEP}, 'the answer\'s status is "paused"'),
    "error_differs": ({Oracle.STEP}, "DeviceNotFound: Device 'none' not found"),
    "selftest_case_fails": ({Oracle.SELFTEST}, "preserve_memfd:Expected self->fd1 (-1) >= 0 (0)"),
    "selftest_without_kexec": ({Oracle.SELFTEST}, "but system is in stage 1"),
    "selftest_sessions_lost": ({Oracle.SELFTEST}, "but system is in stage 1"),
    "early_death": ({Oracle.MACHINE, Oracle.LOG}, "Failed to allocate memmap"),
    "silent": ({Oracle.MACHINE}, "the machine was lost: silence after the jump"),
    "hangs": ({Oracle.MACHINE}, "the machine was lost: hang"),
    "jump_hangs": ({Oracle.MACHINE}, "the machine was lost: no jump"),
    "switched_off": ({Oracle.MACHINE}, "the machine was lost: powered off"),
    "load_refused": ({Oracle.STEP}, "EADDRNOTAVAIL from kexec_file_load"),
}
# What ends only by a limit, with one that is shorter.
SHORT: Mapping[str, Limits] = {
    "silent": Limits(silence=5),
    "hangs": Limits(boot=10),
    "jump_hangs": Limits(shutdown=5),
}
CASES = [case for name in EXPECTED for case in expand(load(HERE / "negative" / f"{name}.yaml"))]


def enough(chosen: Plan, artifacts: Artifacts) -> Artifacts:
    """What a plan needs: with the kernel's own tests, if it runs them."""
    return obtain(chosen, default_store()) if needs_selftests(chosen) else artifacts


def test_every_negative_scenario_is_expected() -> None:
    assert {path.stem for path in (HERE / "negative").glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_turns_red(case: Case, artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracles, words = EXPECTED[case.scenario.source.stem]
    monkeypatch.setattr("harness.runner.Limits", lambda: SHORT.get(case.scenario.source.stem, Limits()))
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, enough(chosen, artifacts), tmp_path / "run")
    text = report.render(outcome)
    assert outcome.verdict is Verdict.FAIL, text
    assert {finding.oracle for finding in outcome.findings} == oracles, text
    assert words in text


def test_the_same_without_the_fault_passes(artifacts: Artifacts, tmp_path: Path) -> None:
    """The negative scenarios fail for their fault alone: without that step they pass."""
    (case, _) = expand(load(HERE / "negative" / "byte_changed.yaml"))
    chosen = plan(case, kernel_parameters)
    healthy = replace(chosen, steps=tuple(s for s in chosen.steps if not isinstance(s.action, Ssh)))
    outcome = run(healthy, artifacts, tmp_path / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome)


# -- could not test: never a FAIL, never a PASS


def could_not(outcome: Outcome, chosen: Plan, words: str) -> None:
    text = report.render(outcome)
    assert outcome.verdict is Verdict.ERROR, text
    assert words in text
    assert "Traceback" not in text


def test_a_kernel_that_does_not_boot(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = bare_plan(None)
    chosen = replace(chosen, cmdline="console=ttyS0 rdinit=/none panic=-1")
    outcome = run(chosen, artifacts, tmp_path / "run")
    could_not(outcome, chosen, "the kernel does not boot")


def test_a_kernel_that_says_nothing(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = bare_plan(None)
    chosen = replace(chosen, cmdline="console=ttyS1")
    hasty = replace(artifacts, accel=replace(artifacts.accel, slowness=0.03))
    could_not(run(chosen, hasty, tmp_path / "run"), chosen, "is not on the console")


def test_ssh_that_never_answers(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = bare_plan(None)
    chosen = replace(chosen, cmdline=f"{chosen.cmdline} initcall_blacklist=virtio_net_driver_init")
    hasty = replace(artifacts, accel=replace(artifacts.accel, slowness=0.2))
    could_not(run(chosen, hasty, tmp_path / "run"), chosen, "the guest is ready but cannot be reached")


def test_a_number_that_is_none(artifacts: Artifacts, tmp_path: Path) -> None:
    text = "summary: s\nsteps:\n  - measure: {name: a, ssh: echo many}\n"
    (case,) = expand(load_text(text, tmp_path / "x.yaml"))
    chosen = plan(case, kernel_parameters)
    could_not(run(chosen, artifacts, tmp_path / "run"), chosen, "nothing to measure: echo many")


def swallow(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Have QEMU never be told this."""
    real = Monitor.execute

    def execute(self: Monitor, name: str, arguments: Mapping[str, object] | None = None) -> object:
        return None if name == command else real(self, name, arguments)

    monkeypatch.setattr(Monitor, "execute", execute)


@pytest.mark.parametrize(
    ("fault", "command", "words"),
    [
        ("reset", "system_reset", "the machine was ordered to start again, and did not"),
        ("nmi", "inject-nmi", "an NMI was ordered, and no CPU has taken one"),
        ("{pause: 1s}", "stop", "the machine was ordered to stand still and is running"),
    ],
)
def test_a_fault_that_qemu_does_not_do(
    fault: str,
    command: str,
    words: str,
    artifacts: Artifacts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swallow(monkeypatch, command)
    could_not_break(f"  - fault: {fault}\n", words, artifacts, tmp_path)


def test_memory_that_is_under_pressure_already(artifacts: Artifacts, tmp_path: Path) -> None:
    steps = "  - fault: {pressure: 20%}\n  - create_box: vm0\n    fault: {pressure: 20%}\n"
    could_not_break(steps, "there is pressure already", artifacts, tmp_path)


@pytest.mark.parametrize("command", ["exit 125", """agent call '{"op":"close","fd":"none"}'"""])
def test_a_command_that_could_not_test_says_nothing_about_the_kernel(
    command: str, artifacts: Artifacts, tmp_path: Path
) -> None:
    could_not_break(f"  - ssh: |\n      {command}\n", "status 125", artifacts, tmp_path)


@pytest.mark.parametrize(
    ("fault", "order", "instead", "words"),
    [
        ("panic", "vm.outage.PANIC_ORDER", "true #", "the kernel was ordered to panic, and did not"),
        ("{pressure: 50%}", "breaking.FILL", "true #", "MiB are available"),
        # The agent goes on as it is, and is connected to.
        ("kill", "vm.talk.RESTART", "true", "'ram' is still held"),
    ],
)
def test_a_fault_that_the_guest_does_not_do(
    fault: str,
    order: str,
    instead: str,
    words: str,
    artifacts: Artifacts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"harness.{order}", instead)
    could_not_break(f"  - open: {{fd: ram, size: 1M}}\n  - fault: {fault}\n", words, artifacts, tmp_path)


@pytest.mark.parametrize("beside", [True, False])
def test_a_handler_that_is_never_asked(beside: bool, artifacts: Artifacts, tmp_path: Path) -> None:
    fault = "fault: {handler: {operation: freeze, errno: EIO}}\n"
    step = f"  - bind: dev\n    {fault}" if beside else f"  - {fault}"
    steps = f"  - open: {{fd: dev, kind: vfio_mock}}\n{step}"
    could_not_break(
        steps, "was told what to do in freeze of device 0, and was never asked", artifacts, tmp_path
    )


def could_not_break(steps: str, words: str, artifacts: Artifacts, out: Path) -> None:
    (case,) = expand(load_text(f"summary: s\nsteps:\n{steps}", out / "x.yaml"))
    chosen = plan(case, kernel_parameters)
    could_not(run(chosen, artifacts, out / "run"), chosen, words)


def test_an_agent_of_another_version(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = bare_plan(None)
    stale = replace(artifacts, guest=replace(artifacts.guest, agent_version="other"))
    could_not(run(chosen, stale, tmp_path / "run"), chosen, "the host expects other")


def test_another_kernel_than_the_one_that_was_built(artifacts: Artifacts, tmp_path: Path) -> None:
    chosen = bare_plan(None)
    kernel = replace(artifacts.kernels[None], build_id="feed")
    outcome = run(chosen, replace(artifacts, kernels={None: kernel}), tmp_path / "run")
    assert outcome.verdict is Verdict.FAIL
    assert [f.oracle for f in outcome.findings] == [Oracle.IDENTITY]


@pytest.mark.parametrize(
    ("silenced", "words"),
    [
        ("harness.checks.log", "no evidence: kernel log of generation 0"),
        ("harness.checks.log_is_whole", "no evidence: evidence of generation 0"),
        ("harness.checks.identify", "no evidence: identity of generation 0"),
        ("harness.fdchecks.contents", "no evidence: contents of step 2 (verify)"),
        ("harness.leaks.check", "no evidence: leaks at the end"),
    ],
)
def test_missing_evidence_is_never_a_pass(
    silenced: str, words: str, artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silenced, lambda *_: None)
    text = "summary: s\nsteps:\n  - open: {fd: a, size: 1M, fill: {seed: 1}}\n  - verify: a\n"
    (case,) = expand(load_text(text, tmp_path / "x.yaml"))
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, artifacts, tmp_path / "run")
    could_not(outcome, chosen, words)
    assert {finding.blame for finding in outcome.findings} == {Blame.HARNESS}


def test_a_selftest_of_which_nothing_is_known_is_never_a_pass(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.selftests.judge", lambda *_: ([], []))
    text = "summary: s\ncarrier: luo\nsteps:\n  - selftest: {program: liveupdate, case: get_session_name}\n"
    (case,) = expand(load_text(text, tmp_path / "x.yaml"))
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, enough(chosen, artifacts), tmp_path / "run")
    could_not(outcome, chosen, "no evidence: selftest of step 1")


def test_a_selftest_that_the_tree_does_not_have_is_skipped(artifacts: Artifacts, tmp_path: Path) -> None:
    text = "summary: s\ncarrier: luo\nsteps:\n  - selftest: luo_kexec_simpel\n"
    (case,) = expand(load_text(text, tmp_path / "x.yaml"))
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, enough(chosen, artifacts), tmp_path / "run")
    text = report.render(outcome)
    assert outcome.verdict is Verdict.SKIP, text
    assert "has liveupdate, luo_kexec_simple, luo_multi_session" in text


def test_an_fd_that_nobody_verified_is_never_a_pass(artifacts: Artifacts, tmp_path: Path) -> None:
    (case, _) = expand(load(HERE / "negative" / "byte_changed.yaml"))
    chosen = plan(case, kernel_parameters)
    lazy = replace(chosen, steps=tuple(s for s in chosen.steps if not isinstance(s.action, Ssh | Verify)))
    could_not(
        run(lazy, artifacts, tmp_path / "run"), lazy, "'ram' came out of its box and was never verified"
    )


@pytest.mark.parametrize("end", ["close: other", "kexec:", "fault: kill"])
def test_nor_is_one_that_is_gone_by_then(end: str, artifacts: Artifacts, tmp_path: Path) -> None:
    text = """\
summary: two fds come back, and one of them is looked at
steps:
  - create_box: vm0
  - open: {fd: ram, size: 64K, fill: {seed: 1}}
  - open: {fd: other, size: 64K, fill: {seed: 2}}
  - put: {box: vm0, fd: ram}
  - put: {box: vm0, fd: other}
  - seal: vm0
  - kexec:
  - unseal: vm0
  - get: {box: vm0, fd: ram}
  - get: {box: vm0, fd: other}
  - verify: ram
"""
    (case,) = expand(load_text(f"{text}  - {end}\n", tmp_path / "x.yaml"))
    chosen = plan(case, kernel_parameters)
    words = "'other' came out of its box and was never verified"
    could_not(run(chosen, artifacts, tmp_path / "run"), chosen, words)


def test_a_mistake_of_ours_is_an_error(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.checks.who", lambda *_: 1 // 0)
    chosen = bare_plan(None)
    outcome = run(chosen, artifacts, tmp_path / "run")
    assert outcome.verdict is Verdict.ERROR
    assert "a mistake in the harness itself: ZeroDivisionError" in report.render(outcome)


def test_a_run_never_mixes_with_another(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(UsageError, match="holds another run"):
        run(bare_plan(None), artifacts, tmp_path)
