# SPDX-License-Identifier: GPL-2.0-only
"""Markdown: what matters first, never more than a page takes, and nothing in a name that means something."""

import os
import re
from dataclasses import replace
from pathlib import Path

from markdown_it import MarkdownIt

from harness import markdown
from harness.digest import Digest
from harness.result import Update
from harness.tests.outcomes import NASTY_CASE, ONE_OF_EACH, PASSED, UPDATE, a_case, digest_of, finding
from harness.verdict import Verdict

GOLDEN = Path(__file__).parent / "golden" / "report" / "all.md"
# GitHub's, for what one step of a job writes.
PAGE_MAX = 1 << 20


def rendered(digest: Digest) -> str:
    """The page, after what must be true of each."""
    text = markdown.render(digest)
    assert len(text.encode()) < PAGE_MAX
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert text.startswith(f"## {digest.verdict}: ")
    rows = [line for line in text.split("\n") if line.startswith("|")]
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(widths) == 1, table
    assert text.count("<details>") == text.count("</details>")
    assert rows or not digest.outcomes
    return text


def titles(text: str) -> list[str]:
    return re.findall(r"^### (.*)$", text, re.MULTILINE)


def test_one_of_each() -> None:
    text = rendered(digest_of(*ONE_OF_EACH))
    if os.environ.get("HARNESS_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    assert titles(text) == [
        "Broken by the kernel",
        "Known bugs that are gone",
        "Could not be tested",
        "Known bugs",
        "Skipped",
        "Live updates, in seconds",
        "Measured",
        "Slowest",
    ]


def test_when_all_is_well_it_is_short() -> None:
    assert titles(rendered(digest_of(PASSED))) == ["Live updates, in seconds", "Measured", "Slowest"]


def test_nothing_at_all() -> None:
    assert "could not test" in rendered(digest_of())


def test_flaky_and_broken_lines_are_said() -> None:
    digest = replace(
        digest_of(PASSED, replace(PASSED, verdict=Verdict.FAIL)), notes=("x:3: not a whole line",)
    )
    text = rendered(digest)
    assert (
        "### Not always the same\n\n| case | verdicts |\n|---|---|\n| memfd/holes\\[fdbox\\] | PASS, FAIL |"
        in text
    )
    assert "- x:3: not a whole line" in text


def test_nasty_names_and_kernel_logs() -> None:
    text = rendered(digest_of(NASTY_CASE, a_case(Verdict.SKIP, NASTY_CASE.case)))
    html = MarkdownIt("commonmark").enable("table").render(text)
    tags = set(re.findall(r"</?(\w+)", html))
    table = {"table", "thead", "tbody", "tr", "th", "td"}
    assert tags == {"h2", "h3", "p", "details", "summary", "pre", "code", "a"} | table
    assert re.findall("<h3>(.*?)</h3>", html) == titles(text)
    for words in ("&lt;i&gt;", "\\x1b[31m", "not ok 2 # SKIP @all ```", "reboot: System halted", "*_\\ "):
        assert words in html


def test_the_largest_run_is_cut_to_a_page() -> None:
    text = finding("x" * 600, *["y" * 100] * 300)
    cases = [
        a_case(verdict, f"{verdict}{n}", findings=(text,) if verdict is Verdict.FAIL else ())
        for n in range(2000)
        for verdict in Verdict
    ]
    page = rendered(digest_of(*cases))
    assert len(titles(page)) == 8
    left_out = [int(number) for number in re.findall(r"^\*(\d+) more are left out", page, re.MULTILINE)]
    shown = page.count("<details><summary>FAIL")
    assert shown + left_out[0] == 2000
    assert shown > 20


def test_a_finding_of_five_megabytes() -> None:
    page = rendered(digest_of(a_case(Verdict.FAIL, findings=(finding("x", *["`" * 1000] * 5000),))))
    assert "characters left out" in page


def test_the_row_of_a_live_update_adds_up() -> None:
    page = rendered(digest_of(PASSED))
    head, row = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.split("\n")
        if "| live update |" in line or "| 1.400 |" in line
    )
    cells = dict(zip(head, row, strict=True))
    columns = ("jump", "next kernel", "modules", "login", "recover", "get", "lost")
    assert sum(float(cells[name] or 0) for name in columns) == float(cells["blackout"]) == 1.4
    assert cells["prepare"] == "0.250"


def test_every_part_has_a_column() -> None:
    names = {name for names in markdown.COLUMNS.values() for name in names}
    assert {part.name for part in UPDATE.parts} <= names
    broken = Update(1, (), (*UPDATE.parts[:-1], replace(UPDATE.parts[-1], name="unheard of")), arrived=True)
    assert not {part.name for part in broken.parts} <= names


def test_the_drawing_is_linked_from_the_folder() -> None:
    folder = Path("/runs/1")
    page = rendered(digest_of(a_case(Verdict.FAIL, directory=folder / "a b" / "x[fdbox]")))
    assert "[timeline](a%20b/x%5Bfdbox%5D/timeline.svg)" in page
