# SPDX-License-Identifier: GPL-2.0-only
"""Reports against golden text: what a stranger reads."""

import os
from pathlib import Path

import pytest

from harness.load import load_text
from harness.plan import Plan, expand, plan
from harness.report import describe_step, render
from harness.result import Blame, Finding, Mark, Oracle, Outcome, Proof, Verdict, judge
from harness.scenario import Xfail

GOLDEN = Path(__file__).parent / "golden" / "report"
SCENARIO = """\
summary: one memfd in a sealed box
steps:
  - create_box: vm0
  - open: {fd: ram, size: 16M, fill: {seed: 7}}
  - put: {box: vm0, fd: ram}
  - seal: vm0
  - kexec:
  - unseal: vm0
  - get: {box: vm0, fd: ram}
  - verify: ram
"""
TIMELINE = (
    Mark("power-on", 0, 0.1),
    Mark("jump ordered", 0, 2.0),
    Mark("old kernel ends", 0, 2.05),
    Mark("next kernel's first line", 1, 2.2),
    Mark("user space starts", 1, 2.9),
    Mark("ready", 1, 3.1),
    Mark("agent answers", 1, 3.3),
)


def the_plan() -> Plan:
    (case,) = expand(load_text(SCENARIO, Path("scenarios/quickstart.yaml")))
    return plan(case, lambda _: ("console=ttyS0",))


def outcome(*findings: Finding, known: tuple[str, ...] = ()) -> Outcome:
    proofs = (
        Proof(Oracle.IDENTITY, 0, None, "cold boot of 7.3.4"),
        Proof(Oracle.CONTENTS, 1, 8, "'ram': 16 MiB of the pattern of seed 7"),
        Proof(Oracle.OUTSIDE, 1, 8, "'ram': 4096 pages read through QMP, byte for byte"),
    )
    return Outcome(
        case="quickstart[fdbox]",
        verdict=judge(findings, [Xfail(("7.3",), "contents", reason) for reason in known]),
        findings=findings,
        proofs=proofs,
        timeline=TIMELINE,
        blackouts=(1.4,),
        seconds=3.9,
        setting=(("carrier", "fdbox"), ("kernel", "7.3.4"), ("accelerator", "tcg")),
        directory=Path("/runs/1/quickstart[fdbox]"),
        known=known,
    )


WARNING = Finding(
    Oracle.LOG,
    Blame.KERNEL,
    1,
    None,
    "the kernel reports a problem (WARNING)",
    "no such message, or a `dmesg:` entry that expects it",
    "[    1.0] WARNING: CPU: 0",
    ("[    1.0] WARNING: CPU: 0", "[    1.0] Call Trace:"),
)
CHANGED = Finding(
    Oracle.CONTENTS, Blame.KERNEL, 1, 8, "the contents of 'ram' changed", "CRC-32 aa", "CRC-32 bb"
)
NO_SSH = Finding(
    Oracle.MACHINE,
    Blame.HARNESS,
    0,
    None,
    "the kernel does not boot: SSH does not answer",
    "an SSH login",
    "port 1: refused",
)


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("pass", outcome()),
        ("fail", outcome(CHANGED, WARNING)),
        ("error", outcome(NO_SSH)),
        ("xfail", outcome(CHANGED, known=("pages are lost",))),
        ("xpass", outcome(known=("pages are lost",))),
    ],
)
def test_report(name: str, result: Outcome) -> None:
    text = render(result, the_plan()) + "\n"
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("HARNESS_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


def test_verdict_of_the_error_report_is_not_a_fail() -> None:
    assert outcome(NO_SSH).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("seal: vm0", "seal: {box: vm0}"),
        ("{put: {box: vm0, fd: ram}, expect: EBUSY}", "put: {box: vm0, fd: ram, name: ram}, expect: EBUSY"),
        ("{seal: vm0, expect: [EBUSY, ok], as: x}", "seal: {box: vm0}, expect: [EBUSY, ok], as: x"),
        ("change: {fd: ram, seals: [WRITE, GROW], append: true}", None),
        ("change: {fd: ram, punch: {offset: 0, length: 4096}}", None),
        ("list: {box: vm0, fds: {a: held, b: lost EIO}}", None),
        (
            "parallel: [{create_box: a, expect: [EBUSY, ok]}, {create_box: b}]",
            "parallel: {steps: [{create_box: {box: a}, expect: [EBUSY, ok]}, {create_box: {box: b}}]}",
        ),
    ],
)
def test_a_step_is_said_as_it_was_written(written: str, said: str | None) -> None:
    steps = f"  - create_box: vm0\n  - open: {{fd: ram, size: 1M}}\n  - {written}\n"
    scenario = load_text(f"summary: s\nsteps:\n{steps}", Path("x.yaml"))
    assert describe_step(scenario.steps[-1]) == (said or written)


def test_the_round_of_a_repeat_is_said() -> None:
    text = "summary: s\nsteps:\n  - repeat: {times: 2, steps: [{create_box: vm$ROUND}]}\n"
    (case,) = expand(load_text(text, Path("x.yaml")))
    made = plan(case, lambda _: ())
    finding = Finding(Oracle.STEP, Blame.KERNEL, 0, 2, "what", "this", "that")
    assert "x.yaml:3:32: step 2 (round 2): create_box: {box: vm2}" in render(outcome(finding), made)
