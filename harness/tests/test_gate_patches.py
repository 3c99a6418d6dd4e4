# SPDX-License-Identifier: GPL-2.0-only
"""The proof of the gate: patches that break, slow down or change nothing, each with the answer it must get.

    pytest -m slow harness/tests/test_gate_patches.py

Kernels are built for it, and each changed cell takes four runs or more on each side.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.cli import main
from harness.gate import answers
from harness.gate.answers import Gate
from harness.gate.cells import Route, State, Trend

PATCHES = Path(__file__).parent / "gate"
SCENARIOS = Path(__file__).parents[2] / "scenarios"
# The line that one of the patches is about.
SOURCE = (SCENARIOS.parent / "kmod" / "seal.c").read_text().splitlines()
SEAL = SOURCE.index("int fdbox_seal(struct fdbox *box)") + 1
QUICK = f"{SCENARIOS / 'quickstart.yaml'}[fdbox]"
LUO = f"{SCENARIOS / 'quickstart.yaml'}[luo]"
R = State.REGRESSION
# A patch; the cases that it is put to; what becomes of the cells, by route; words of the first finding.
BREAKS: tuple[tuple[str, str, dict[Route, State], str], ...] = (
    ("inverted-condition", QUICK, {Route.HEAD: R, Route.FORWARD: State.SAME, Route.BACK: R}, "'seal' failed"),
    ("length-off-by-one", QUICK, {Route.HEAD: R, Route.FORWARD: State.SAME, Route.BACK: R}, "ram"),
    ("leaked-reference", QUICK, {Route.HEAD: R}, ""),
    ("forgotten-unpreserve", QUICK, {Route.HEAD: R}, ""),
    ("another-format", QUICK, {Route.HEAD: State.SAME, Route.FORWARD: R, Route.BACK: R}, "'get' failed"),
    ("next-kernel-hangs", QUICK, {Route.HEAD: R, Route.FORWARD: R, Route.BACK: State.SAME}, "lost"),
)
pytestmark = pytest.mark.slow


def gate(out: Path, *words: str) -> tuple[int, Gate]:
    """Run a gate: its exit code and its answer."""
    code = main(["gate", *words, "--out", str(out)])
    return code, answers.read(out)


def series(patch: str, *scenarios: str) -> Sequence[str]:
    return ("--series", str(PATCHES / f"{patch}.patch"), "--scenarios", *scenarios)


@pytest.mark.parametrize(("patch", "case", "states", "finding"), BREAKS, ids=[one[0] for one in BREAKS])
def test_what_breaks_is_a_regression(
    tmp_path: Path, patch: str, case: str, states: dict[Route, State], finding: str
) -> None:
    code, found = gate(tmp_path / "out", *series(patch, case))
    assert code == 1
    seen = {cell.route: cell.state for cell in found.cells}
    assert {route: seen[route] for route in states} == states
    first = found.of(R)[0]
    assert first.shown
    assert finding in f"{first.shown.finding} {first.shown.seen}"
    assert first.p is not None
    assert first.p < 0.05


@pytest.mark.parametrize(("patch", "case"), [("harmless", QUICK), ("harmless-kernel", LUO)])
def test_what_is_harmless_is_no_regression(tmp_path: Path, patch: str, case: str) -> None:
    code, found = gate(tmp_path / "out", *series(patch, case))
    assert code == 0
    assert {cell.state for cell in found.cells} == {State.SAME}
    assert found.messages == ()


def test_what_is_slower_is_a_regression(tmp_path: Path) -> None:
    code, found = gate(tmp_path / "out", *series("slow-recover", QUICK))
    assert code == 1
    assert {cell.state for cell in found.cells} == {State.SAME}
    worse = {(one.route, one.name) for one in found.metrics if one.trend is Trend.WORSE}
    assert (Route.HEAD, "blackout") in worse


def test_a_new_message_is_told_even_if_every_case_passes(tmp_path: Path) -> None:
    code, found = gate(tmp_path / "out", *series("new-warning", QUICK))
    assert code == 0
    assert any("box is sealed now" in message.text for message in found.messages)


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ("does-not-apply", "does not apply: Hunk #1 does not fit at line 45 of kmod/seal.c"),
        ("does-not-build", f"does not build: seal.c:{SEAL}:5: error: conflicting types for 'fdbox_seal'"),
    ],
)
def test_what_cannot_be_tested_is_no_verdict(tmp_path: Path, patch: str, problem: str) -> None:
    code, found = gate(tmp_path / "out", *series(patch, QUICK))
    assert code == 125
    assert problem in found.head.problem
    assert found.cells == ()
    assert {one.route for one in found.not_run} == set(Route)


def test_two_releases(tmp_path: Path) -> None:
    code, found = gate(tmp_path / "out", "--base", "7.2.12", "--head", "7.3.4", "--scenarios", QUICK, LUO)
    assert code == 0
    assert (found.base.release, found.head.release) == ("7.2.12", "7.3.4")
    assert {cell.route for cell in found.cells} == {Route.HEAD, Route.FORWARD, Route.BACK}
    assert json.loads((tmp_path / "out" / answers.NAME).read_text())["answer"] == "no regression"
