# SPDX-License-Identifier: GPL-2.0-only
"""The gate's answer in each form: what is in it, that all forms agree, and what a reader of each accepts."""

import json
import os
import re
import shlex
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from kcidb_io.schema import V5_0, V5_3  # type: ignore[import-untyped]
from markdown_it import MarkdownIt

from harness.cli import parse
from harness.gate import answers, b4, kcidb, markdown, terminal, words
from harness.gate.answers import ANSWER_CODES, Answer
from harness.gate.cells import Metric, NotRun, Route, State
from harness.gate.formats import FORMATS
from harness.tests.gates import (
    BROKEN_HEAD,
    EVERY,
    EVERYTHING,
    EXAMPLE,
    GOOD,
    LEFT,
    MESSAGE,
    NASTY_GATE,
    REGRESSION,
    SLOWER,
    SMALL,
    UNSETTLED,
    a_cell,
    attempt,
)
from harness.tests.outcomes import KERNEL_SAYS
from harness.verdict import Verdict

GOLDEN = Path(__file__).parent / "golden" / "gate"
PAGE = Path(__file__).parents[2] / "docs" / "gate.md"
SUFFIXES = {"terminal": "txt", "markdown": "md", "junit": "xml", "json": "json", "kcidb": "kcidb", "b4": "b4"}
PAGE_MAX = 1 << 20


@pytest.mark.parametrize("form", FORMATS)
def test_everything_in_each_form(form: str) -> None:
    # For people all that there can be; for programs not so long.
    text = FORMATS[form](SMALL if form in {"json", "kcidb", "b4"} else EVERYTHING)
    golden = GOLDEN / f"answer.{SUFFIXES[form]}"
    if os.environ.get("HARNESS_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", EVERY)
def test_every_answer_has_every_form_without_what_is_unfit(name: str, form: str) -> None:
    text = FORMATS[form](EVERY[name])
    text.encode("utf-8")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), form
    assert text.endswith("\n")


@pytest.mark.parametrize("name", EVERY)
def test_all_forms_agree_with_the_exit_code(name: str) -> None:
    gate = EVERY[name]
    good = gate.exit_code == 0
    root = ElementTree.fromstring(FORMATS["junit"](gate))
    failures, errors = len(root.findall(".//failure")), len(root.findall(".//error"))
    assert (failures + errors == 0) == good
    assert (failures > 0) == (gate.answer is Answer.REGRESSION)
    assert root.attrib["failures"] == str(failures)
    (own,) = [test for test in kcidb.objects(gate, "x")["tests"] if test["path"] == "live_update.gate"]
    assert (own["status"] == "PASS") == good
    assert (own["status"] == "FAIL") == (gate.answer is Answer.REGRESSION)
    assert (b4.status(gate) == "fail") == (gate.answer is Answer.REGRESSION)
    assert good or b4.status(gate) != "pass"
    said = gate.answer.upper()
    assert FORMATS["markdown"](gate).startswith(f"## {said}: ") or "`" in FORMATS["markdown"](gate)[:4]
    assert f"\n{said}: " in FORMATS["terminal"](gate)


def test_the_words_of_a_number() -> None:
    assert words.metric(SLOWER) == "blackout +38 % (2.11 s -> 2.91 s, p = 0.004)"
    assert words.metric(replace(SLOWER, p=0.0001)).endswith("p < 0.001)")
    gone = replace(SLOWER, base_median=0.0, change=None, unit="bytes", head_median=4096)
    assert words.metric(gone) == "blackout from nothing (0 bytes -> 4096 bytes, p = 0.004)"
    assert words.metric(replace(SLOWER, change=-0.5)).startswith("blackout -50 %")
    assert [words.value(number, "s") for number in (0.0123, 12.34, 1234.5)] == [
        "0.0123 s",
        "12.3 s",
        "1234 s",
    ]


def sections(text: str) -> dict[str, str]:
    """The page's text by heading."""
    parts = re.split(r"^### (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_a_reader_of_the_markdown_needs_no_other_file() -> None:
    text = markdown.render(EVERYTHING)
    assert text.startswith("## REGRESSION: my-branch against v7.3\n\n2 regression, 1 fixed, ")
    found = sections(text)
    assert list(found) == [
        "What the reader has to know",
        "Broken by head",
        "Slower, or larger",
        "New kernel messages",
        "Could not be tested",
        "Flaky: these block nothing",
        "Fixed",
        "Still failing",
        "Faster, or smaller",
        "Other numbers that changed",
        "Numbers of which there are too few values",
        "New: base cannot run these, and nothing is wrong with them",
        "Same",
        "Not run",
    ]
    assert "run by  " in text
    assert "    memfd/same[fdbox] on head\n" in found["Same"]
    broken = found["Broken by head"]
    one = REGRESSION.head[0]
    for part in (one.where, one.doing, one.finding, one.expected, one.seen, str(one.directory), *one.detail):
        assert f"    {part}" in broken or part in broken, part
    assert "0 of 4 failed on base, 4 of 4 on head (p = 0.014)" in broken
    assert "4 did not come up" in broken
    assert "memfd/new_and_broken" in broken
    assert words.metric(SLOWER) in found["Slower, or larger"]
    assert MESSAGE.text in found["New kernel messages"]
    for left in LEFT:
        assert left.case in found["Not run"]
        assert left.reason in found["Not run"]


def test_what_was_seen_is_said_with_its_route() -> None:
    found = sections(markdown.render(EVERYTHING))
    assert "the contents of 'ram' changed, on base -> head\n" in found["Broken by head"]
    assert "the contents of 'ram' changed, on base\n" in found["Fixed"]
    untested = found["Could not be tested"]
    assert "expected  an SSH login" in untested
    assert "seen" not in untested


def test_what_fails_in_another_way_than_before_is_told_with_what_it_was() -> None:
    cell = a_cell(State.STILL_FAILING, bad=(1, 1), of=1)
    assert b4.status(replace(GOOD, cells=(cell,))) == "pass"
    assert "\n".join(words.evidence(cell)).count("the contents of 'ram' changed") == 1
    cell = replace(cell, head=(replace(cell.head[0], finding="a panic"),))
    assert b4.status(replace(GOOD, cells=(cell,))) == "warn"
    said = "\n".join(words.evidence(cell))
    assert "a panic, on head" in said
    assert "the contents of 'ram' changed, on base" in said


def test_a_number_that_could_not_be_settled_is_named() -> None:
    gate = replace(GOOD, metrics=(UNSETTLED,))
    assert gate.exit_code == 125
    for form in ("terminal", "markdown", "junit"):
        assert "put +38 %" in FORMATS[form](gate).replace("&gt;", ">"), form


def test_answers_for_two_kernels_that_could_not_be_made_are_two_in_kcidb() -> None:
    """They have no time and are in one folder, where CI makes each run in a new place of the same name."""
    bare = replace(BROKEN_HEAD, started="", directory=Path("runs/1"))
    other = replace(bare, head=replace(bare.head, commit="f" * 40))
    ids = [{test["id"] for test in kcidb.objects(gate, "x")["tests"]} for gate in (bare, other)]
    assert not ids[0] & ids[1]


def test_what_the_budget_left_out_is_no_evidence() -> None:
    text = markdown.render(EVERY["in part"])
    assert text.startswith(
        "## COULD NOT TEST: my-branch against v7.3\n\n1 same of 1 cell; 2 cells left to run; 1 cell not run."
    )
    assert "    memfd/large[fdbox] on head\n" in sections(text)["Not run"]


def test_when_all_is_well_the_markdown_is_short() -> None:
    assert markdown.render(GOOD).startswith("## NO REGRESSION: my-branch against v7.3\n\n1 same of 1 cell.")
    assert list(sections(markdown.render(GOOD))) == ["Same"]


def test_a_side_that_cannot_be_made_is_said_first() -> None:
    text = markdown.render(BROKEN_HEAD)
    assert text.startswith("## COULD NOT TEST")
    assert "there is no such kernel: patch 2/2 does not apply: mm/memfd_luo.c: hunk 1 at line 120" in text
    build = kcidb.objects(BROKEN_HEAD, "x")["builds"][1]
    assert build["status"] == "FAIL"
    assert "does not apply" in build["log_excerpt"]


def test_nothing_of_a_name_or_a_log_means_anything_in_markdown() -> None:
    text = markdown.render(NASTY_GATE)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tags = set(re.findall(r"</?(\w+)", html))
    assert tags <= {"h2", "h3", "p", "pre", "code", "ul", "li"}, tags
    assert re.findall("<h3>(.*?)</h3>", html) == list(sections(text))
    for line in KERNEL_SAYS:
        assert line.strip() in html
    assert "\\x1b[31m" in html


def test_the_largest_answer_is_cut_to_a_page() -> None:
    many = tuple(
        replace(
            REGRESSION,
            case=f"memfd/{n}[fdbox]",
            state=state,
            head=(replace(attempt(Route.HEAD, Verdict.FAIL), detail=("y" * 100,) * 300),),
        )
        for n in range(500)
        for state in State
    )
    gate = replace(
        EVERYTHING,
        cells=many,
        metrics=tuple(replace(SLOWER, case=f"case {n}") for n in range(9000)),
        messages=(replace(MESSAGE, text="z" * 5000),) * 3000,
        not_run=tuple(NotRun(f"case {n}", Route.HEAD, f"reason {n}") for n in range(9000)),
        notes=("n" * 400,) * 900,
    )
    text = markdown.render(gate)
    assert len(text.encode()) < PAGE_MAX
    assert "gate.json has them all" in text
    assert len(sections(text)) == 10
    assert len(b4.render(gate).encode()) < 2 * PAGE_MAX


def test_the_json_is_read_back() -> None:
    for gate in (EVERYTHING, BROKEN_HEAD):
        assert answers.parse(FORMATS["json"](gate), "x") == gate


@pytest.mark.parametrize("name", EVERY)
def test_kcidb_takes_it(name: str) -> None:
    data = json.loads(FORMATS["kcidb"](EVERY[name]))
    for schema in (V5_0, V5_3):
        schema.validate(data)
    ids = [test["id"] for test in data["tests"]]
    assert len(ids) == len(set(ids))
    builds = {build["id"] for build in data["builds"]}
    assert {test["build_id"] for test in data["tests"]} <= builds
    assert {build["checkout_id"] for build in data["builds"]} == {one["id"] for one in data["checkouts"]}


def test_kcidb_has_every_run_once_and_its_numbers() -> None:
    forward, back = (replace(REGRESSION, route=route) for route in (Route.FORWARD, Route.BACK))
    back = replace(back, head=tuple(replace(one, route=Route.BACK) for one in back.head))
    data = kcidb.objects(replace(GOOD, cells=(forward, back)), "mine")
    runs = [
        test
        for test in data["tests"]
        if test["path"].startswith("live_update.memfd") and "number" not in test
    ]
    assert [run["status"] for run in runs].count("PASS") == 4
    assert [run["status"] for run in runs].count("FAIL") == 8
    assert {run["path"] for run in runs} == {
        f"live_update.memfd.regression.fdbox.{route}" for route in ("base", "base-head", "head-base")
    }
    numbers = [test for test in data["tests"] if "number" in test]
    assert {"value": 2.11, "unit": "s"} in [test["number"] for test in numbers]
    assert {test["status"] for test in numbers} == {"DONE"}
    assert all(test["origin"] == "mine" and test["id"].startswith("mine:") for test in data["tests"])


def test_kcidb_tells_what_time_ended_before_from_what_was_not_to_be_run() -> None:
    tests = kcidb.objects(EVERY["in part"], "x")["tests"]
    left = {
        test["path"]: test["status"] for test in tests if "large" in test["path"] or "counts" in test["path"]
    }
    assert left == {
        "live_update.memfd.large.fdbox.head": "MISS",
        "live_update.memfd.large.fdbox.head-base": "MISS",
        "live_update.guest_memfd.counts.fdbox.head": "SKIP",
    }


def test_kcidb_refuses_what_is_wrong() -> None:
    data = kcidb.objects(EVERYTHING, "Not An Origin")
    with pytest.raises(Exception, match="does not match"):
        V5_3.validate(data)


def test_b4_has_what_its_page_says() -> None:
    """b4: docs/maintainer/review.rst; b4/review/checks.py takes an unknown status for fail."""
    for gate in EVERY.values():
        (entry,) = json.loads(b4.render(gate))
        assert list(entry) == ["tool", "status", "summary", "details"]
        assert entry["status"] in {"pass", "warn", "fail"}
        assert "\n" not in entry["summary"]
    assert b4.status(GOOD) == "pass"
    assert b4.status(replace(GOOD, messages=(MESSAGE,))) == "warn"
    assert b4.status(BROKEN_HEAD) == "warn"
    assert b4.status(EVERY["in part"]) == "warn"
    assert b4.status(EVERY["not all of it"]) == "pass"


def test_junit_has_every_cell_and_every_number_that_changed() -> None:
    root = ElementTree.fromstring(FORMATS["junit"](EVERYTHING))
    names = [case.get("name") for case in root.iter("testcase")]
    assert {cell.name for cell in EVERYTHING.cells} <= set(names)
    assert len(names) == len(EVERYTHING.cells) + 1 + 4 + 1 + len(LEFT)
    failed = {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None}
    assert "blackout of memfd/holes[fdbox] on head" in failed
    assert REGRESSION.name in failed
    skipped = {case.get("name") for case in root.iter("testcase") if case.find("skipped") is not None}
    assert "memfd/flaky[fdbox] head" in skipped


def test_the_table_is_for_people() -> None:
    text = terminal.render(EVERYTHING)
    assert "\x1b" not in text
    assert "\x1b[1;31m" in terminal.render(EVERYTHING, colour=True)
    rows = [line for line in text.split("\n") if line.startswith("memfd/")]
    assert any("base -> head" in row and "regression" in row for row in rows)
    assert not any("memfd/same" in row for row in rows)


def test_metrics_that_are_the_same_are_not_told() -> None:
    steady: Metric = next(one for one in EVERYTHING.metrics if one.name == "get")
    for form in ("terminal", "markdown"):
        assert words.metric(steady) not in FORMATS[form](EVERYTHING)


def test_the_page_shows_an_answer_as_it_is() -> None:
    text = f"````markdown\n{markdown.render(EXAMPLE)}````\n"
    page = PAGE.read_text()
    if os.environ.get("HARNESS_GOLDEN") == "write":
        page = re.sub(r"````markdown\n.*?````\n", lambda _: text, page, flags=re.DOTALL)
        PAGE.write_text(page)
    assert text in page


def test_the_page_has_every_state_answer_route_and_format() -> None:
    page = PAGE.read_text()
    table = [row for row in page.splitlines() if row.startswith("| ")]
    rows = {row.split("|")[1].strip(): row for row in table}
    assert {*State, *Answer, *FORMATS} <= set(rows)
    for answer, code in ANSWER_CODES.items():
        assert any(row.startswith(f"| {answer} | {code} |") for row in table)
    for route in set(Route) - {Route.BASE}:
        assert f"`{route}`" in page
    assert words.metric(SLOWER) in page
    assert kcidb.ORIGIN in rows["kcidb"]
    assert b4.TOOL in rows["b4"]


def test_every_command_of_the_page_is_understood() -> None:
    lines = [line.strip() for line in PAGE.read_text().split("## What the Markdown")[0].splitlines()]
    commands = [line for line in lines if line.startswith("harness ")]
    assert {re.search(r"--format (\w+)|$", line)[1] for line in commands} == {*FORMATS, None} - {"terminal"}  # type: ignore[index]
    for line in commands:
        parse(shlex.split(re.split(" # | >", line)[0])[1:])
