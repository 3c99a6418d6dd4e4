# SPDX-License-Identifier: GPL-2.0-only
"""docs/language.md is what the models say, and has all of them; its examples are steps."""

import re
import shlex
from pathlib import Path

import pytest

from harness import faultrules
from harness.cli import parse
from harness.kinds import Kind
from harness.manual import manual
from harness.result import CHECKS, Oracle
from harness.tests.test_schema import faults
from harness.topics import REPEAT, TOPICS
from harness.verbs import VERBS

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
TEXT = manual()
EXAMPLES = {word: step for steps in TOPICS.values() for word, step in steps.items()}


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == TEXT, "the models have changed: harness manual >docs/language.md"


def test_every_verb_has_its_place() -> None:
    words = [word for steps in TOPICS.values() for word in steps]
    assert sorted(words) == sorted([*VERBS, REPEAT])


@pytest.mark.parametrize("word", EXAMPLES)
def test_an_example_is_a_step(word: str) -> None:
    assert EXAMPLES[word].startswith(f"{word}: ")
    assert faults(f"summary: s\nsteps:\n  - {EXAMPLES[word]}\n") == []


def test_everything_is_in_it() -> None:
    for word in (*VERBS, REPEAT):
        assert f"#### `{word}`\n" in TEXT
    for word in (*Kind, *(f"| {oracle} |" for oracle in Oracle)):
        assert word in TEXT
    assert set(CHECKS) == set(Oracle)


def test_every_fault_that_is_refused_is_in_it_with_the_reason() -> None:
    said = [text for name, text in vars(faultrules).items() if name.isupper() and isinstance(text, str)]
    assert set(faultrules.WHY) == set(said) - {faultrules.MOCK}


def test_its_commands_are_understood() -> None:
    commands = [line for line in TEXT.splitlines() if line.startswith("    harness ")]
    assert [line.split()[1] for line in commands] == ["check", "list", "run", "shell"]
    for line in commands:
        parse(shlex.split(line.split("#")[0])[1:])


def test_every_link_within_the_page_leads_somewhere() -> None:
    titles = {
        re.sub(r"[^a-z0-9 _-]", "", t.lower()).replace(" ", "-") for t in re.findall("(?m)^#+ (.*)$", TEXT)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= titles
