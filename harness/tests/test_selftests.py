# SPDX-License-Identifier: GPL-2.0-only
"""What is made of the output of the kernel's own tests. The texts are from real programs (golden/ktap)."""

from pathlib import Path

import pytest

from harness import tap
from harness.commandactions import Selftest
from harness.judgement import by_blame
from harness.provision import needs_selftests
from harness.result import Blame
from harness.selftests import command, judge
from harness.tap import Status
from harness.tests.test_plan import plans
from harness.vm.shell import Result

TEXTS = Path(__file__).parent / "golden" / "ktap"
WHOLE = Selftest("liveupdate")
CASE = Selftest("liveupdate", case="none")
STAGE = Selftest("luo_kexec_simple", stage=1, says="You may now perform kexec reboot")


def text(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text()


def judged(action: Selftest, status: int, said: str) -> list[tuple[Blame, str, str]]:
    faults, proofs = judge(action, Result(status, said, ""))
    assert faults or proofs
    return [(fault.blame, fault.what, fault.seen) for fault in faults]


def test_each_result_with_its_own_lines() -> None:
    report = tap.parse(text("mix"))
    assert report.plans == (9,)
    assert [(one.number, one.name, one.status) for one in report.results] == [
        (1, "global.alone", Status.OK),
        (2, "box.one.good", Status.OK),
        (3, "box.one.differs", Status.FAILED),
        (4, "box.one.crashes", Status.OK),
        (5, "box.one.skips", Status.SKIPPED),
        (6, "box.two.good", Status.OK),
        (7, "box.two.differs", Status.XFAIL),
        (8, "box.two.crashes", Status.FAILED),
        (9, "box.two.skips", Status.OK),
    ]
    assert report.results[2].lines == (
        "#  RUN           box.one.differs ...",
        "# mix.c:13:differs:Expected EBUSY (16) == EEXIST (17)",
        "# differs: Test failed",
        "#          FAIL  box.one.differs",
        "not ok 3 box.one.differs",
    )
    assert report.results[4].reason == "no device"
    assert report.rest[0] == "# FAILED: 7 / 9 tests passed."


def test_every_failed_case_is_a_fault_of_the_kernel() -> None:
    faults, proofs = judge(WHOLE, Result(1, text("mix"), ""))
    assert [(fault.blame, fault.what, fault.seen) for fault in faults] == [
        (Blame.KERNEL, "liveupdate: box.one.differs failed", "not ok"),
        (Blame.NOBODY, "liveupdate: box.one.skips was skipped", "no device"),
        (Blame.KERNEL, "liveupdate: box.two.crashes failed", "not ok"),
    ]
    assert "# crashes: Test terminated unexpectedly by signal 11" in faults[2].detail
    assert "liveupdate: box.two.differs: fails, as its author knows" in proofs
    assert "liveupdate: global.alone: ok" in proofs


def test_all_results_good_is_a_proof_of_each() -> None:
    said = "TAP version 13\n1..2\nok 1 one\nok 2 two\n"
    assert judge(WHOLE, Result(0, said, "")) == ([], ["liveupdate: one: ok", "liveupdate: two: ok"])


@pytest.mark.parametrize(
    ("action", "status", "said", "blame", "words"),
    [
        # A crash in the middle: of the program, and of a program that says nothing of it.
        (WHOLE, 137, text("dies"), Blame.KERNEL, "1, then ended by SIGKILL"),
        (WHOLE, 0, text("dies"), Blame.HARNESS, "1, then status 0"),
        (WHOLE, 1, "1..1\nok 1 one\n", Blame.KERNEL, "status 1"),
        # No plan.
        (WHOLE, 0, text("stage_1"), Blame.HARNESS, "status 0"),
        (WHOLE, 1, text("stage_1"), Blame.KERNEL, "status 1"),
        (WHOLE, 0, "", Blame.HARNESS, "status 0"),
        (WHOLE, 0, "ok 1 one\n", Blame.HARNESS, "status 0"),
        (WHOLE, 0, "1..0\n", Blame.HARNESS, "1..0"),
        # What cannot be believed.
        (WHOLE, 0, "1..1\n1..1\nok 1 one\n", Blame.HARNESS, "it has 2 plans"),
        (WHOLE, 0, "1..2\nok 1 one\nok 1 one\n", Blame.HARNESS, "its results have the numbers 1, 1"),
        (WHOLE, 0, "1..2\nok 2 two\nok 1 one\n", Blame.HARNESS, "its results have the numbers 2, 1"),
        (WHOLE, 0, "1..1\nok 1 one\nok 2 two\n", Blame.HARNESS, "it has 2 results and planned 1"),
        (WHOLE, 0, "1..1\nok 1 one # TIMEOUT 30 s\n", Blame.KERNEL, "30 s"),
        (WHOLE, 127, "sh: not found\n", Blame.HARNESS, "status 127"),
        # Skipped, with the reason.
        (
            WHOLE,
            4,
            text("skips_all"),
            Blame.NOBODY,
            "Failed to open /dev/liveupdate. Is the luo module loaded?",
        ),
        (
            STAGE,
            4,
            text("skips_all"),
            Blame.NOBODY,
            "Failed to open /dev/liveupdate. Is the luo module loaded?",
        ),
        (CASE, 0, text("no_such_case"), Blame.NOBODY, "it planned nothing"),
        (WHOLE, 0, "1..1\nok 1 # SKIP\n", Blame.NOBODY, "it does not say why"),
        # Stages.
        (STAGE, 1, text("stage_1"), Blame.KERNEL, "status 1"),
        (STAGE, 139, text("stage_1"), Blame.KERNEL, "ended by SIGSEGV"),
        (STAGE, 0, text("stage_1")[:-20], Blame.HARNESS, "status 0, and 294 characters without that"),
        (STAGE, 0, "", Blame.HARNESS, "status 0, and 0 characters without that"),
    ],
)
def test_one_fault(action: Selftest, status: int, said: str, blame: Blame, words: str) -> None:
    ((seen_blame, _, seen),) = judged(action, status, said)
    assert (seen_blame, seen) == (blame, words)


def test_who_gives_up_has_failed() -> None:
    ((blame, what, seen),) = judged(STAGE, 1, text("bail"))
    assert (blame, what) == (Blame.KERNEL, "luo_kexec_simple stage 1 gave up")
    assert seen == "[parse_stage_args:283] Unknown argument (errno: Success)"


def test_all_skipped_is_skipped_for_each_reason() -> None:
    found = judged(WHOLE, 0, text("skips"))
    assert len(found) == 15
    assert by_blame(blame for blame, _, _ in found) == "SKIP"
    assert {seen.rstrip(".") for _, _, seen in found} == {"/dev/liveupdate does not exist"}


def test_a_stage_proves_what_it_says() -> None:
    assert judge(STAGE, Result(0, text("stage_1"), "")) == (
        [],
        ["luo_kexec_simple stage 1: status 0, 'You may now perform kexec reboot'"],
    )


def test_a_failed_result_is_not_hidden_by_what_must_be_said() -> None:
    said = f"1..1\nnot ok 1 one\n{STAGE.says}\n"
    assert [blame for blame, _, _ in judged(STAGE, 0, said)] == [Blame.KERNEL]


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        ("steps: [selftest: liveupdate]", True),
        ("steps: [load: test_kho]", True),
        ("boot: {modules: [test_kho]}\nsteps: [kexec: {}]", True),
        ("requires: {modules: [test_kho]}\nsteps: [kexec: {}]", True),
        ("steps: [load: vfio_mock]", False),
        ("steps: [kexec: {modules: [vfio_mock]}]", False),
        ("steps: [kexec: {modules: [test_kho]}]", True),
    ],
)
def test_only_who_uses_them_has_them_in_the_image(lines: str, needed: bool) -> None:
    (made,) = plans(f"summary: s\ncarrier: luo\n{lines}\n")
    assert needs_selftests(made) is needed


def test_command() -> None:
    assert command(Selftest("liveupdate", case="it's")).endswith("""/liveupdate -t 'it'"'"'s'; exit $?""")
    assert command(STAGE).endswith("/luo_kexec_simple -s 1; exit $?")


@pytest.mark.parametrize("said", ["1..2\nok 1 one\nok 2 two # SKIP no device\n", "1..0 # SKIP no device\n"])
@pytest.mark.parametrize(("status", "verdict"), [(0, "SKIP"), (4, "SKIP"), (1, "FAIL"), (139, "FAIL")])
def test_who_skips_something_and_ends_badly_has_failed(said: str, status: int, verdict: str) -> None:
    assert by_blame(blame for blame, _, _ in judged(WHOLE, status, said)) == verdict
