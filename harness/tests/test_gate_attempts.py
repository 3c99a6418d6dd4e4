# SPDX-License-Identifier: GPL-2.0-only
"""From an outcome to an attempt: which finding is shown, what is measured, which messages count."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from harness import klog, runner
from harness.gate.attempts import NOT_READY, attempt, parse_name, warnings
from harness.gate.cells import Route
from harness.result import Blame, Finding, Number, Oracle, Outcome, Part, Update
from harness.verdict import Verdict

LOST = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, "the kernel does not boot: panic", "ready", "panic")
BROKEN = Finding(
    Oracle.STEP, Blame.KERNEL, 1, 7, "'get' failed", "success", "EBUSY", ("line",), "x.yaml:9:5", "get: ram"
)
LACKS = Finding(Oracle.REQUIREMENT, Blame.NOBODY, 0, None, "requires KVM", "KVM", "none")


def outcome(verdict: Verdict, *findings: Finding, out: Path | None = None) -> Outcome:
    parts = (Part("old kernel shuts down", 2.0, 2.5), Part("get", 2.5, 3.0))
    return Outcome(
        "x[luo]", Path("x.yaml"), "", (), "luo", verdict, findings, (), (),
        (Update(1, (Part("put", 0.5, 1.0),), parts, True),), 4.0, (), out,
        numbers=(Number("pages", 7, "", 1, 3),),
    )  # fmt: skip


def test_the_kernels_finding_is_shown_with_all_that_explains_it() -> None:
    found = attempt(outcome(Verdict.FAIL, LACKS, BROKEN), Route.HEAD)
    assert (found.finding, found.expected, found.seen) == ("'get' failed", "success", "EBUSY")
    assert attempt(outcome(Verdict.FAIL, LOST, BROKEN), Route.HEAD).finding == "'get' failed"
    assert (found.where, found.doing, found.detail) == ("x.yaml:9:5", "get: ram", ("line",))
    assert attempt(outcome(Verdict.SKIP, LACKS), Route.HEAD).finding == "requires KVM: none"
    assert attempt(outcome(Verdict.PASS), Route.HEAD).finding == ""


def test_a_kernel_that_never_was_ready_is_told_from_a_host_that_could_not_test() -> None:
    assert not attempt(outcome(Verdict.ERROR, LOST), Route.HEAD).boots
    disk = Finding(Oracle.MACHINE, Blame.HARNESS, 0, None, "the disk is full", "a test", "no test")
    assert attempt(outcome(Verdict.ERROR, disk), Route.HEAD).boots
    assert attempt(outcome(Verdict.FAIL, BROKEN), Route.HEAD).boots
    others: tuple[dict[str, object], ...] = (
        {"blame": Blame.KERNEL},
        {"generation": 1},
        {"step": 3},
        {"oracle": Oracle.STEP},
    )
    for other in others:
        assert attempt(outcome(Verdict.ERROR, replace(LOST, **other)), Route.HEAD).boots, other  # type: ignore[arg-type]
    # It goes by what runner.py says.
    assert all(f'"{text}' in inspect.getsource(runner) for text in NOT_READY)


def test_only_what_passed_is_measured() -> None:
    found = attempt(outcome(Verdict.PASS), Route.HEAD).measures
    assert [(one.name, one.value, one.unit) for one in found] == [
        ("pages", 7, ""),
        ("put", 0.5, "s"),
        ("get", 0.5, "s"),
        ("blackout", 1.0, "s"),
    ]
    assert attempt(outcome(Verdict.FAIL, BROKEN), Route.HEAD).measures == ()
    passed = outcome(Verdict.PASS)
    never = replace(passed, updates=(replace(passed.updates[0], arrived=False),))
    assert "blackout" not in {one.name for one in attempt(never, Route.HEAD).measures}


def test_messages_at_warning_level_without_time_address_and_release(tmp_path: Path) -> None:
    (tmp_path / "dmesg.0.log").write_text(
        "<6>[    1.000000] all is well\n"
        "<4>[    1.100000] Linux 7.3.4-head: odd page at ffff888012345678\n"
        "<4>[    2.100000] Linux 7.3.4-head: odd page at ffff888087654321\n"
        "<12>[    3.000000] user space warns\n"
    )
    (tmp_path / "console.1.log").write_text("[ 1.0] quiet\n[    5.000000] BUG: Bad page state\n")
    (tmp_path / "dmesg.2.log").write_text("<4>[    1.000000] Linux 7.3.4: odd page at ffff888012345678\n")
    found = warnings(tmp_path, ("7.3.4", "7.3.4-head"))
    assert found == ("Linux RELEASE: odd page at ADDRESS", "user space warns", "BUG: Bad page state")


def test_of_a_report_its_first_line_counts() -> None:
    """Registers and code differ from one build to another, and are no messages of their own."""
    report = (
        "<4>[    2.000000] ------------[ cut here ]------------\n"
        "<4>[    2.000001] WARNING: CPU: 0 PID: 1 at mm/memfd_luo.c:120 retrieve+0x1/0x2\n"
        "<4>[    2.000002] Code: 48 8b 03 e8 a1 e2 fd ff <0f> 0b\n"
        "<4>[    2.000003] Call Trace:\n"
        "<4>[    2.000004] ---[ end trace 0000000000000000 ]---\n"
        "<4>[    2.000005] odd\n"
    )
    assert klog.loud(report, 4) == ["WARNING: CPU: 0 PID: 1 at mm/memfd_luo.c:120 retrieve+OFFSET", "odd"]
    # Nobody knows where this one ends.
    assert klog.loud("<4>[ 1.0] BUG: Bad page state\n<4>[ 1.1] odd\n", 4) == ["BUG: Bad page state", "odd"]


@pytest.mark.parametrize("route", list(Route))
def test_names_of_plans_are_read_back(route: Route) -> None:
    assert parse_name(f"memfd/a on b[luo] on {route}") == ("memfd/a on b[luo]", route)
    assert parse_name("memfd/a on b[luo]") is None


def test_levels() -> None:
    assert klog.loud("<3>[ 1.0] a\n<5>[ 1.0] b\n<4>[ 2.0] a\n", 4) == ["a"]
