# SPDX-License-Identifier: GPL-2.0-only
"""What the language has for itself, on real machines: every scenario in positive/ passes."""

import json
from pathlib import Path

import pytest

from harness import report
from harness.build.spec import kernel_parameters
from harness.build.store import default_store
from harness.load import load
from harness.plan import Case, expand, plan
from harness.provision import obtain
from harness.runner import run
from harness.verdict import Verdict

FILES = sorted((Path(__file__).parent / "positive").glob("*.yaml"))
CASES = [case for file in FILES for case in expand(load(file))]


def test_what_is_measured_is_in_the_outcome(tmp_path: Path) -> None:
    (case,) = expand(load(Path(__file__).parent / "measured.yaml"))
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, obtain(chosen, default_store()), tmp_path / "run")
    text = report.render(outcome)
    assert outcome.verdict is Verdict.PASS, text
    assert [(n.name, n.unit, n.rounds, n.generation) for n in outcome.numbers] == [
        ("refusal", "s", (), 0),
        ("seal", "s", (1,), 0),
        ("away", "s", (1,), 1),
        ("seal", "s", (2,), 1),
        ("away", "s", (2,), 2),
        ("size", "bytes", (), 2),
    ]
    values = [number.value for number in outcome.numbers]
    assert values[2::2][:2] == list(outcome.blackouts)
    assert values[-1] == 4 << 20
    assert all(value > 0 for value in values)
    assert "seal (round 2): 0." in text
    assert "size: 4194304 bytes" in text
    kept = json.loads((tmp_path / "run" / "outcome.json").read_text())["numbers"]
    assert [number["value"] for number in kept] == values


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_passes(case: Case, tmp_path: Path) -> None:
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, obtain(chosen, default_store()), tmp_path / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
