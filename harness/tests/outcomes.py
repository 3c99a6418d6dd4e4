# SPDX-License-Identifier: GPL-2.0-only
"""Outcomes of all kinds, and what is in them at its worst, for tests of reports."""

from dataclasses import replace
from pathlib import Path

from harness.digest import Digest, digest
from harness.journal import Journal
from harness.result import Blame, Finding, Mark, Number, Oracle, Outcome, Part, Proof, Subject, Update
from harness.verdict import Verdict

UPDATE = Update(
    1,
    (Part("prepare", 0.5, 0.75), Part("seal", 0.75, 0.8), Part("load", 0.9, 1.2)),
    (
        Part("old kernel shuts down", 2.0, 2.05),
        Part("jump into the next kernel", 2.05, 2.2),
        Part("next kernel boots", 2.2, 2.9),
        Part("modules", 2.9, 3.0),
        Part("network, SSH server", 3.0, 3.1),
        Part("SSH login, agent", 3.1, 3.3),
        Part("get", 3.3, 3.4),
    ),
    arrived=True,
)
PASSED = Outcome(
    case="memfd/holes[fdbox]",
    source=Path("scenarios/memfd/holes.yaml"),
    summary="holes stay holes",
    tags=("memfd",),
    carrier="fdbox",
    verdict=Verdict.PASS,
    findings=(),
    proofs=(Proof(Oracle.CONTENTS, 1, 8, "'ram': 16 MiB"),),
    timeline=(Mark("power-on", 0, 0.1),),
    updates=(UPDATE,),
    seconds=3.9,
    setting=(("carrier", "fdbox"), ("kernel", "7.3.4"), ("accelerator", "tcg")),
    directory=Path("/runs/1/memfd/holes[fdbox]"),
    numbers=(Number("time to seal", 0.0123, "s", 0, 4, (2,)), Number("free", 4096, "bytes", 1, 9)),
)
# Everything that means something in one of the formats, and what means nothing anywhere.
NASTY = "a#b [x] <i>&\"'|`*_\\ \x1b[31m\x00\ud800 \u202e]]>\r\n1..5\nok 1 - no\nnot ok 2 # SKIP\n@all ```"
# Lines of a kernel that are something else to kunit_parser.py, or look like it.
KERNEL_SAYS = (
    "[    1.0] reboot: System halted",
    "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
    "List of all partitions:",
    "KTAP version 1",
    "1..7",
    "ok 1 quickstart",
    "    # Subtest: inner",
)


def finding(
    what: str = "the contents of 'ram' changed", *detail: str, blame: Blame = Blame.KERNEL
) -> Finding:
    """A finding."""
    place = {"where": "scenarios/memfd/holes.yaml:9:5", "doing": "step 8: verify: {fd: ram}"}
    return Finding(Oracle.CONTENTS, blame, 1, 8, what, "CRC-32 aa", "CRC-32 bb", detail, **place)


def a_case(verdict: Verdict, name: str = "", **changes: object) -> Outcome:
    """An outcome with that verdict and what belongs to it."""
    case = name or f"memfd/{verdict.lower()}[fdbox]"
    blame = {Verdict.ERROR: Blame.HARNESS, Verdict.SKIP: Blame.NOBODY}.get(verdict, Blame.KERNEL)
    found = () if verdict in {Verdict.PASS, Verdict.XPASS} else (finding(blame=blame),)
    known = ("late seals are lost, commit 123456",) if verdict in {Verdict.XFAIL, Verdict.XPASS} else ()
    made = replace(PASSED, case=case, verdict=verdict, findings=found, known=known)
    return replace(made, **changes)  # type: ignore[arg-type]


ONE_OF_EACH = tuple(a_case(verdict) for verdict in Verdict)
NASTY_CASE = a_case(
    Verdict.FAIL,
    f"nasty/{NASTY}[fdbox]",
    source=Path(f"scenarios/nasty/{NASTY}.yaml"),
    summary=NASTY,
    findings=(finding(NASTY, *KERNEL_SAYS, NASTY),),
    directory=Path(f"/runs/1/nasty/{NASTY}"),
)


def digest_of(*outcomes: Outcome) -> Digest:
    """A digest with these outcomes and nothing else."""
    return Digest(outcomes, "2026-11-21T12:00:00.000+00:00", Path("/runs/1/results.jsonl"))


def written(folder: Path, *outcomes: Outcome) -> Digest:
    """The outcomes after they were written into a results.jsonl and read again."""
    journal = Journal(folder, "one")
    journal.begin(["test"], [subject_of(outcome) for outcome in outcomes])
    for outcome in outcomes:
        journal.ended(outcome)
    with journal.path.open() as file:
        return digest(file.read().split("\n"), journal.path)


def subject_of(outcome: Outcome) -> Subject:
    """What is known of the case before it runs."""
    return Subject(outcome.case, outcome.source, outcome.summary, outcome.tags, outcome.carrier)
