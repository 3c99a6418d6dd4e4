# SPDX-License-Identifier: GPL-2.0-only
"""What the language has for itself, on real machines: every scenario in positive/ passes."""

from pathlib import Path

import pytest

from harness import report
from harness.artifacts import obtain
from harness.build.spec import kernel_parameters
from harness.build.store import default_store
from harness.load import load
from harness.plan import Case, expand, plan
from harness.result import Verdict
from harness.runner import run

FILES = sorted((Path(__file__).parent / "positive").glob("*.yaml"))
CASES = [case for file in FILES for case in expand(load(file))]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_passes(case: Case, tmp_path: Path) -> None:
    chosen = plan(case, kernel_parameters)
    outcome = run(chosen, obtain(chosen, default_store()), tmp_path / "run")
    assert outcome.verdict is Verdict.PASS, report.render(outcome, chosen)
