# SPDX-License-Identifier: GPL-2.0-only
"""An outcome for people: what was proven or broken, the blackout drawn, where everything is."""

import shlex
import textwrap
from collections.abc import Sequence

from harness.digest import Digest, count_text, is_green
from harness.plaintext import clean, one_line
from harness.progress import duration
from harness.result import Blame, Finding, Number, Oracle, Outcome, Part, Update
from harness.timeline import by_name, ending, milliseconds
from harness.verdict import Verdict

WIDTH = 108
BAR = 40
# Of so many cases each is shown whole, even if it passed.
FEW = 4
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


def render(outcome: Outcome) -> str:
    """The whole report of one case, in plain text."""
    return clean(raw(outcome))


def raw(outcome: Outcome) -> str:
    """The report with every character that was found."""
    lines = [headline(outcome)]
    for finding in outcome.findings:
        lines += ["", *finding_lines(finding)]
    lines += ["", *(f"  {name:<12}{value}" for name, value in outcome.setting)]
    if outcome.proofs and outcome.verdict in {Verdict.PASS, Verdict.XPASS}:
        lines += proof_lines(outcome)
    for update in outcome.updates:
        lines += ["", *(f"  {line}" for line in update_lines(update))]
    if outcome.numbers:
        lines += [""]
    for index, one in enumerate(outcome.numbers):
        lines += [f"  {'' if index else 'measured':<12}{measured(one)}"]
    if outcome.directory:
        lines += ["", f"  {'logs':<12}{outcome.directory}"]
    if outcome.directory and outcome.verdict is not Verdict.PASS:
        tree = dict(outcome.setting).get("tree")
        option = f"--tree {shlex.quote(tree)} " if tree else ""
        lines += [f"  {'again':<12}harness run {option}{shlex.quote(str(outcome.directory / 'plan.json'))}"]
    return "\n".join(lines)


def headline(outcome: Outcome) -> str:
    """One line: the verdict, the case, what it means."""
    meaning = MEANING[outcome.verdict]
    intact = any(proof.oracle is Oracle.CONTENTS and proof.generation for proof in outcome.proofs)
    if outcome.verdict is Verdict.PASS and intact:
        meaning = "everything that came back is intact"
    if outcome.known:
        meaning += f": {'; '.join(outcome.known)}"
    about = f"{outcome.summary}; {meaning}" if outcome.summary else meaning
    return one_line(f"{outcome.verdict} {outcome.case}: {about} ({duration(outcome.seconds)})")


def reason(outcome: Outcome) -> str:
    """Why a case is not a PASS, on one line."""
    seen = outcome.verdict is Verdict.SKIP
    found = [f"{one.what}: {one.seen}" if seen else one.what for one in outcome.findings]
    return one_line("; ".join(outcome.known or found))


def finding_lines(finding: Finding) -> list[str]:
    """A finding: the step with its place in the YAML file, what was expected, what was seen, the evidence."""
    who = {Blame.KERNEL: "", Blame.HARNESS: ": could not test", Blame.NOBODY: ": not tested"}[finding.blame]
    return [
        *([f"  {finding.where}: {finding.doing}"] if finding.where else []),
        f"  {finding.what}",
        f"    expected  {finding.expected}",
        f"    seen      {finding.seen}",
        f"    oracle    {finding.oracle}, generation {finding.generation}{who}",
        *(f"    | {line}" for line in finding.detail),
    ]


def measured(number: Number) -> str:
    """A number that was measured, with its name."""
    turn = f" (round {'.'.join(map(str, number.rounds))})" if number.rounds else ""
    return f"{number.name}{turn}: {number}"


def update_lines(update: Update) -> list[str]:
    """A live update in time: what was done for it, and a bar for each part, one after the other."""
    whole = f"{update.seconds:.3f} s from the order to jump {ending(update)}"
    told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in by_name(update.before).items())
    lines = [f"{'before it':<12}{told}"] if told else []
    return [*lines, f"{'blackout':<12}{whole}", *(f"  {line}" for line in bars(update.parts))]


def bars(parts: Sequence[Part]) -> list[str]:
    """A line for each part of a blackout: its seconds, which add up to the whole, and its place in it."""
    lines, before, whole = [], 0, sum(milliseconds(parts)) or 1
    for part, length in zip(parts, milliseconds(parts), strict=True):
        left = round(before / whole * BAR)
        blocks = max(min(length, 1), round((before + length) / whole * BAR) - left)
        bar = " " * min(left, BAR - 1) + "█" * blocks
        lines.append(f"{part.name:<30}{length / 1000:7.3f} s  {bar}".rstrip())
        before += length
    return lines


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


def overview(digest: Digest, whole: int = FEW) -> str:
    """A run folder for a terminal: what failed in full; of what is as it should be a line, if it is much."""
    brief = len(digest.outcomes) > whole
    blocks = [
        headline(outcome) if brief and is_green(outcome.verdict) else render(outcome) + "\n"
        for outcome in digest.outcomes
    ]
    blocks += [f"note: {clean(note)}" for note in digest.notes]
    return "\n".join([*blocks, count_text(digest)]) + "\n"
