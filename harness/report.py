# SPDX-License-Identifier: GPL-2.0-only
"""An outcome for people: what was proven or broken, the blackout drawn, where everything is."""

import shlex
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass

from harness.actions import Step
from harness.plan import Plan
from harness.progress import duration
from harness.result import Blame, Finding, Mark, Oracle, Outcome, Verdict
from harness.verbs import VERB_OF

WIDTH = 108
BAR = 40
STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold yellow",
    Verdict.SKIP: "cyan",
    Verdict.XFAIL: "green",
    Verdict.XPASS: "bold red",
}
MEANING = {
    Verdict.PASS: "every expectation held",
    Verdict.FAIL: "the kernel under test broke an expectation",
    Verdict.ERROR: "could not test: this says nothing about the kernel",
    Verdict.SKIP: "a requirement is absent",
    Verdict.XFAIL: "it failed as it is known to",
    Verdict.XPASS: "a known bug is gone, so remove the xfail",
}
# The timeline between the order to jump and the fd's return: what ends at each mark.
SEGMENTS = (
    ("old kernel ends", "old kernel shuts down"),
    ("next kernel's first line", "jump into the next kernel"),
    ("user space starts", "next kernel boots"),
    ("ready", "modules, network, SSH server"),
    ("agent answers", "SSH login, agent"),
)


def render(outcome: Outcome, plan: Plan) -> str:
    """The whole report of one case, in plain text."""
    lines = [headline(outcome, plan)]
    for finding in outcome.findings:
        lines += ["", *finding_lines(finding, plan)]
    lines += ["", *(f"  {name:<12}{value}" for name, value in outcome.setting)]
    if outcome.proofs and outcome.verdict in {Verdict.PASS, Verdict.XPASS}:
        lines += proof_lines(outcome)
    for number, seconds in enumerate(outcome.blackouts):
        lines += [
            "",
            f"  {'blackout':<12}{duration(seconds)} from the order to jump to the fd back in user space",
        ]
        lines += [f"    {line}" for line in drawing(segments(outcome.timeline, number, seconds))]
    if outcome.numbers:
        lines += [""]
    for index, one in enumerate(outcome.numbers):
        turn = f" (round {'.'.join(map(str, one.rounds))})" if one.rounds else ""
        lines += [f"  {'' if index else 'measured':<12}{one.name}{turn}: {one}"]
    lines += ["", f"  {'logs':<12}{outcome.directory}"]
    if outcome.verdict is not Verdict.PASS:
        tree = dict(outcome.setting).get("tree")
        option = f"--tree {shlex.quote(tree)} " if tree else ""
        lines += [f"  {'again':<12}harness run {option}{shlex.quote(str(outcome.directory / 'plan.json'))}"]
    return "\n".join(lines)


def headline(outcome: Outcome, plan: Plan) -> str:
    """One line: the verdict, the case, what it means."""
    meaning = MEANING[outcome.verdict]
    intact = any(proof.oracle is Oracle.CONTENTS and proof.generation for proof in outcome.proofs)
    if outcome.verdict is Verdict.PASS and intact:
        meaning = "everything that was preserved is intact"
    if outcome.known:
        meaning += f": {'; '.join(outcome.known)}"
    meaning += f" ({duration(outcome.seconds)})"
    return f"{outcome.verdict} {outcome.case}: {plan.summary}; {meaning}"


def finding_lines(finding: Finding, plan: Plan) -> list[str]:
    """A finding: the step with its place in the YAML file, what was expected, what was seen, the evidence."""
    lines = []
    step = next((step for step in plan.steps if step.number == finding.step), None)
    if step:
        turn = f" (round {'.'.join(map(str, step.rounds))})" if step.rounds else ""
        lines.append(f"  {step.where}: step {step.number}{turn}: {describe_step(step)}")
    who = {Blame.KERNEL: "", Blame.HARNESS: ": could not test", Blame.NOBODY: ": not tested"}[finding.blame]
    lines += [
        f"  {finding.what}",
        f"    expected  {finding.expected}",
        f"    seen      {finding.seen}",
        f"    oracle    {finding.oracle}, generation {finding.generation}{who}",
    ]
    return lines + [f"    | {line}" for line in finding.detail]


def describe_step(step: Step) -> str:
    """A step as in the scenario, on one line."""
    beside = f", expect: {word(step.expect)}" if step.expect else ""
    beside += f", as: {step.process}" if step.process else ""
    return f"{VERB_OF[type(step.action)]}: {word(step.action)}{beside}"


def word(value: object) -> str:
    """A value as in the scenario."""
    match value:
        case Step():
            return f"{{{describe_step(value)}}}"
        case (single,) if isinstance(single, str):
            return single
        case tuple():
            return f"[{', '.join(map(word, value))}]"
        case bool():
            return str(value).lower()
        case dict():
            return f"{{{', '.join(f'{key}: {word(inner)}' for key, inner in value.items())}}}"
        case _ if is_dataclass(value):
            given = {key: inner for key, inner in vars(value).items() if inner not in (None, "", {}, ())}
            return word(given)
        case _:
            return str(value)


def proof_lines(outcome: Outcome) -> list[str]:
    """What was checked, grouped by oracle, each statement once."""
    lines: list[str] = []
    by_oracle: dict[str, list[str]] = {}
    for proof in outcome.proofs:
        texts = by_oracle.setdefault(proof.oracle, [])
        texts.append(f"generation {proof.generation}: {proof.text}")
    for oracle, texts in by_oracle.items():
        for number, text in enumerate(texts):
            label = oracle if number == 0 else ""
            wrapped = textwrap.wrap(text, WIDTH - 14, subsequent_indent="  ")
            lines += [f"  {label:<12}{wrapped[0]}", *(f"{'':<14}{more}" for more in wrapped[1:])]
    return lines


def segments(marks: Sequence[Mark], number: int, blackout: float) -> list[tuple[str, float]]:
    """The parts of the number-th blackout and their seconds; they add up to it."""
    jumps = [index for index, mark in enumerate(marks) if mark.name == "jump ordered"]
    rest = marks[jumps[number] :]
    start = rest[0].seconds
    parts: list[tuple[str, float]] = []
    last = start
    for name, title in SEGMENTS:
        mark = next((mark for mark in rest if mark.name == name), None)
        if mark is None:
            break
        parts.append((title, mark.seconds - last))
        last = mark.seconds
    remaining = start + blackout - last
    if remaining > 0:
        parts.append(("checks of identity, unseal, get", remaining))
    return parts


def drawing(parts: Iterable[tuple[str, float]]) -> list[str]:
    """A bar for each part, one after the other along the blackout."""
    parts = list(parts)
    whole = sum(seconds for _, seconds in parts) or 1.0
    lines, before = [], 0.0
    for title, seconds in parts:
        left = round(before / whole * BAR)
        length = max(1, round((before + seconds) / whole * BAR) - left)
        bar = " " * min(left, BAR - 1) + "█" * length
        lines.append(f"{title:<32}{seconds:6.2f} s  {bar}")
        before += seconds
    return lines
