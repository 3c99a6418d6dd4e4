# SPDX-License-Identifier: GPL-2.0-only
"""Reports against golden text: what a stranger reads."""

import os
from pathlib import Path

import pytest

from harness.judgement import judge
from harness.load import load_text
from harness.plan import expand, plan
from harness.report import render
from harness.result import Blame, Finding, Oracle, Outcome, Proof
from harness.runner import placed
from harness.scenario import Xfail
from harness.timeline import marks, updates
from harness.verdict import Verdict
from harness.wording import describe_step

GOLDEN = Path(__file__).parent / "golden" / "report"
EVENTS = (
    {"t": 0.1, "event": "power-on", "generation": 0},
    {"t": 1.0, "event": "step", "step": 4, "verb": "seal"},
    {"t": 1.021, "event": "step done", "step": 4, "verb": "seal"},
    {"t": 1.1, "event": "step", "step": 5, "verb": "kexec"},
    {"t": 1.4, "event": "loaded", "generation": 0},
    {"t": 2.0, "event": "jump", "generation": 0},
    {"t": 2.05, "event": "old kernel gone", "generation": 0},
    {"t": 2.2, "event": "next kernel", "generation": 1},
    {"t": 2.9, "event": "init", "generation": 1},
    {"t": 3.0, "event": "modules", "generation": 1},
    {"t": 3.1, "event": "ready", "generation": 1},
    {"t": 3.3, "event": "agent", "generation": 1},
    {"t": 3.4, "event": "step done", "step": 7, "verb": "get"},
)


def outcome(*findings: Finding, known: tuple[str, ...] = ()) -> Outcome:
    proofs = (
        Proof(Oracle.IDENTITY, 0, None, "cold boot of 7.3.4"),
        Proof(Oracle.CONTENTS, 1, 8, "'ram': 16 MiB of the pattern of seed 7"),
        Proof(Oracle.OUTSIDE, 1, 8, "'ram': 4096 pages read through QMP, byte for byte"),
    )
    return Outcome(
        case="quickstart[fdbox]",
        source=Path("scenarios/quickstart.yaml"),
        summary="one memfd in a sealed box",
        tags=("smoke",),
        carrier="fdbox",
        verdict=judge(findings, [Xfail(("7.3",), "contents", reason) for reason in known]),
        findings=findings,
        proofs=proofs,
        timeline=marks(EVENTS),
        updates=updates(EVENTS),
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
    Oracle.CONTENTS,
    Blame.KERNEL,
    1,
    8,
    "the contents of 'ram' changed",
    "CRC-32 aa",
    "CRC-32 bb",
    where="scenarios/quickstart.yaml:10:5",
    doing="step 8: verify: {fd: ram}",
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
    text = render(result) + "\n"
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
        ("change: {fd: ram, seals: [WRITE, GROW], status: O_APPEND}", None),
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
    finding = placed(
        Finding(Oracle.STEP, Blame.KERNEL, 0, 2, "what", "this", "that"), plan(case, lambda _: ())
    )
    assert "x.yaml:3:32: step 2 (round 2): create_box: {box: vm2}" in render(outcome(finding))
