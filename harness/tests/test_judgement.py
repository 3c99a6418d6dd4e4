# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts, and what known bugs make of them."""

from pathlib import Path

import pytest

from harness import report
from harness.artifacts import Artifacts
from harness.build.spec import kernel_parameters
from harness.judgement import hidden, judge, reasons
from harness.load import load_text
from harness.plan import expand, plan
from harness.result import Blame, Finding, Oracle
from harness.runner import run
from harness.scenario import Xfail
from harness.verdict import Verdict


def finding(blame: Blame, what: str = "what", seen: str = "seen") -> Finding:
    return Finding(Oracle.STEP, blame, 0, 1, what, "expected", seen)


def bug(message: str, reason: str = "known") -> Xfail:
    return Xfail(kernels=("7.3",), pattern=message, reason=reason)


SEALS, MODE = finding(Blame.KERNEL, "the seals changed"), finding(Blame.KERNEL, "the mode changed")
OURS, OTHER = finding(Blame.HARNESS), finding(Blame.KERNEL)
BOTH = [bug("seals", "late seals"), bug("mode", "no mode")]


def test_judge() -> None:
    assert judge([]) is Verdict.PASS
    assert judge([OURS]) is Verdict.ERROR
    assert judge([OTHER]) is Verdict.FAIL
    assert judge([OURS, OTHER]) is Verdict.FAIL


def test_a_known_bug_and_nothing_else_is_xfail() -> None:
    assert judge([SEALS], [bug("seals")]) is Verdict.XFAIL
    assert judge([finding(Blame.KERNEL, seen="EPERM from ioctl")], [bug("^EPERM")]) is Verdict.XFAIL
    # The message is of what was found: not of what was expected, not of a fault of ours.
    assert judge([OTHER], [bug("expected")]) is Verdict.FAIL
    assert judge([SEALS, MODE], [bug("seals")]) is Verdict.FAIL
    assert judge([SEALS, finding(Blame.HARNESS, "the seals")], [bug("seals")]) is Verdict.ERROR
    assert judge([finding(Blame.NOBODY, "requires seals")], [bug("seals")]) is Verdict.SKIP


def test_a_known_bug_that_is_not_there_is_xpass() -> None:
    assert judge([], [bug("seals")]) is Verdict.XPASS


def test_of_several_known_bugs_each_has_to_be_seen() -> None:
    assert judge([SEALS, MODE], BOTH) is Verdict.XFAIL
    assert judge([SEALS], BOTH) is Verdict.XPASS
    assert judge([], BOTH) is Verdict.XPASS
    # What is none of them outweighs that one is gone.
    assert judge([SEALS, OTHER], BOTH) is Verdict.FAIL
    assert judge([SEALS, OURS], BOTH) is Verdict.ERROR
    # One finding can be of two bugs.
    assert judge([SEALS], [bug("seals"), bug("changed")]) is Verdict.XFAIL


def test_reasons_are_those_of_the_bugs_that_were_seen_or_that_are_gone() -> None:
    assert reasons(Verdict.XFAIL, [SEALS, MODE], BOTH) == ("late seals", "no mode")
    assert reasons(Verdict.XPASS, [SEALS], BOTH) == ("no mode",)
    assert reasons(Verdict.XPASS, [], BOTH) == ("late seals", "no mode")
    assert reasons(Verdict.FAIL, [MODE], BOTH) == ()


HEAD = """\
summary: two bugs
xfail:
  - {kernel: ">=7", message: the position of 'a' changed, reason: one}
  - {kernel: ">=7", message: WORDS, reason: two}
steps:
  - create_box: vm0
  - open: {fd: a, size: 4K}
  - put: {box: vm0, fd: a}
  - get: {box: vm0, fd: a}
  - ssh: "agent call '{\\"op\\": \\"seek\\", \\"fd\\": \\"a\\", \\"pos\\": 5}' && chmod 600 /run/fd/a"
  - verify: a
"""


@pytest.mark.parametrize(
    ("words", "rest", "verdict", "said"),
    [
        ("the mode of 'a' changed", "", Verdict.XFAIL, "as it is known to: one; two"),
        ("the seals of 'a' changed", "", Verdict.XPASS, "so remove the xfail: two"),
        (
            "something else",
            "  - ssh: 'false'\n",
            Verdict.ERROR,
            "no evidence: another known bug ended the run before this one could show: two",
        ),
    ],
)
def test_several_known_bugs_on_a_machine(
    words: str, rest: str, verdict: Verdict, said: str, artifacts: Artifacts, tmp_path: Path
) -> None:
    text = HEAD.replace("WORDS", f'"{words}"') + rest
    if verdict is not Verdict.XFAIL:
        text = text.replace(" && chmod 600 /run/fd/a", "")
    (case,) = expand(load_text(text, tmp_path / "scenarios" / "x.yaml"))
    outcome = run(plan(case, kernel_parameters), artifacts, tmp_path / "run")
    assert outcome.verdict is verdict, report.render(outcome)
    assert said in report.render(outcome)


def test_a_run_to_its_last_step_hides_nothing() -> None:
    (scenario,) = expand(load_text(HEAD.replace("WORDS", "seals"), Path("scenarios/x.yaml")))
    steps, one = scenario.steps, finding(Blame.KERNEL, "the position of 'a' changed")
    bugs = scenario.scenario.xfail
    events = [{"event": "step", "step": step.number} for step in steps]
    assert hidden([one], bugs, steps, events) == ()
    assert hidden([one], bugs, steps, events[:-1]) == bugs[1:]
    assert hidden([one, OTHER], bugs, steps, events[:-1]) == ()
