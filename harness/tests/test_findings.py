# SPDX-License-Identifier: GPL-2.0-only
"""docs/findings.md: every known bug that a scenario has is described there, and the other way round."""

import re
from pathlib import Path

import pytest

from harness.load import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/findings.md").read_text()
# What each finding tells, in this order.
TOLD = ("Kernels", "File", "What happens", "Reproducer", "Expected", "Suggested fix")
# The scenario of a finding, and what it comes to.
NAMED = re.compile(r"`(scenarios/[\w/]+\.yaml)`, (XFAIL|PASS)")


def findings(page: str) -> dict[str, str]:
    """The text of each finding, by its title. What comes after them has no number."""
    numbered = re.split(r"^## (?!\d)", page, flags=re.MULTILINE)[0]
    parts = re.split(r"^## \d+\. (.*)$", numbered, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def known() -> set[str]:
    """The scenarios that know a bug."""
    files = [path for path in (ROOT / "scenarios").rglob("*.yaml") if "xfail:" in path.read_text()]
    return {str(path.relative_to(ROOT)) for path in files if any(bugs(path))}


def bugs(path: Path) -> list[object]:
    """The known bugs of a scenario, in any of its cases."""
    scenario = load(path)
    return [bug for one in (scenario, *scenario.variants) for bug in one.xfail]


def test_every_known_bug_is_described() -> None:
    assert known() == {file for file, verdict in NAMED.findall(PAGE) if verdict == "XFAIL"}


@pytest.mark.parametrize("title", findings(PAGE))
def test_a_finding_can_be_sent(title: str) -> None:
    text = findings(PAGE)[title]
    assert re.findall(r"^\*\*(.+?)\.\*\* ", text, re.MULTILINE) == list(TOLD)
    assert NAMED.search(text)
    assert 3 <= len(re.findall(r"^    \S", text, re.MULTILINE)) <= 12


@pytest.mark.parametrize(("file", "verdict"), NAMED.findall(PAGE))
def test_what_is_named_is_there(file: str, verdict: str) -> None:
    assert bool(bugs(ROOT / file)) == (verdict == "XFAIL")


def test_a_finding_that_tells_nothing_is_found() -> None:
    assert findings("# x\n## 1. a\ntext\n## 2. b\n") == {"a": "\ntext\n", "b": "\n"}
