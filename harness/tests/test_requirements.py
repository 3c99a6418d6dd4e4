# SPDX-License-Identifier: GPL-2.0-only
"""docs/requirements.md: no requirement without a proof, no scenario without a reason."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/requirements.md").read_text()
FOLDERS = sorted({path.parent for path in (ROOT / "scenarios").rglob("*.yaml")})
# What is between backquotes and ends like a file, with the test in it, if it names one.
NAMED = re.compile(r"`([\w/.-]+\.(?:yaml|py|c|h|md|patch))(?:::(\w+))?`")
# What a cell says of a scenario that was never red.
NOT_SEEN = re.compile(r"\bnot (made to fail|seen red|yet)\b")
# How the numbers of the requirements begin, and how many there are.
NUMBERS = {"": 21, "U": 5, "R": 22, "M": 13, "A": 5, "G": 7, "V": 9, "F": 10, "C": 4, "L": 17, "S": 7}


def rows(page: str) -> list[tuple[str, ...]]:
    """The cells of all tables, without their heads."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    head = {index for index, row in enumerate(cells) if set("".join(row)) <= {"-", " "}}
    return [row for index, row in enumerate(cells) if index not in head and index + 1 not in head]


def unseen(page: str) -> list[str]:
    """The numbers of the requirements that nobody has seen broken."""
    return [row[0] for row in rows(page) if NOT_SEEN.search(row[-1])]


def test_no_row_is_empty() -> None:
    assert [row for row in rows(PAGE) if not all(row)] == []


@pytest.mark.parametrize("letter", NUMBERS)
def test_every_requirement_is_there_once(letter: str) -> None:
    numbers = [int(row[0][len(letter) :]) for row in rows(PAGE) if re.fullmatch(rf"{letter}\d+", row[0])]
    assert sorted(numbers) == list(range(1, NUMBERS[letter] + 1))


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED.findall(PAGE))))
def test_what_is_named_is_there(file: str, test: str) -> None:
    assert (ROOT / file).is_file()
    assert not test or f"def {test}(" in (ROOT / file).read_text()


def test_every_row_names_a_proof() -> None:
    assert [row for row in rows(PAGE) if not NAMED.search(row[2])] == []


def test_everything_was_seen_red() -> None:
    assert unseen(PAGE) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_scenario_is_there_for_a_requirement(folder: Path) -> None:
    scenarios = {str(path.relative_to(ROOT)) for path in folder.glob("*.yaml")}
    assert scenarios - {file for file, _ in NAMED.findall(PAGE)} == set()


def test_an_empty_row_is_found() -> None:
    assert rows("| a | b |\n| --- | --- |\n| 1 | |\n") == [("1", "")]


def test_a_row_that_was_not_seen_red_is_found() -> None:
    head = "| nr | what | seen red by |\n| --- | --- | --- |\n"
    assert unseen(
        f"{head}| 1 | a | `b`: not made to fail yet |\n| 2 | a | not yet |\n| 3 | a | b is not taken |\n"
    ) == ["1", "2"]
