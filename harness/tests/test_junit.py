# SPDX-License-Identifier: GPL-2.0-only
"""JUnit: the shape of Jenkins's junit-10.xsd, GitLab's limits, and each verdict as what it is."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import junit
from harness.tests.outcomes import NASTY_CASE, ONE_OF_EACH, PASSED, a_case, digest_of, finding
from harness.verdict import Verdict

# By junit-10.xsd: the attributes that an element must and may have, and its children.
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
TIME = re.compile(r"[0-9]*\.[0-9]{3}")
# GitLab's.
OBJECTS_MAX = 250_000
SIZE_MAX = 30_000_000
NODE_MAX = 10_000_000
NAME_MAX = 255


def valid(text: str) -> ElementTree.Element:
    """The document, after it was held to the schema and the limits."""
    assert len(text.encode()) < SIZE_MAX
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    objects = 0
    for element in root.iter():
        must, may, children = SCHEMA[element.tag]
        assert must <= set(element.attrib) <= must | may, element.attrib
        assert {child.tag for child in element} <= children
        assert TIME.fullmatch(element.get("time", "0.000"))
        assert len(element.text or "") < NODE_MAX
        objects += 1 + len(element.attrib) + bool((element.text or "").strip())
    assert objects < OBJECTS_MAX
    for suite in root:
        elements = [
            next((c.tag for c in case if c.tag != "system-out"), "") for case in suite.iter("testcase")
        ]
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[count]) == elements.count(tag)
        assert int(suite.attrib["tests"]) == len(elements)
    cases = list(root.iter("testcase"))
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names)
    assert all(0 < len(str(part)) <= NAME_MAX for name in names for part in name)
    return root


def elements(root: ElementTree.Element) -> Iterator[tuple[str, list[str]]]:
    for case in root.iter("testcase"):
        yield case.attrib["name"], [child.tag for child in case]


def test_one_of_each() -> None:
    root = valid(junit.render(digest_of(*ONE_OF_EACH)))
    assert dict(elements(root)) == {
        "memfd/pass[fdbox]": ["system-out"],
        "memfd/fail[fdbox]": ["failure", "system-out"],
        "memfd/error[fdbox]": ["error", "system-out"],
        "memfd/skip[fdbox]": ["skipped", "system-out"],
        "memfd/xfail[fdbox]": ["skipped", "system-out"],
        "memfd/xpass[fdbox]": ["failure", "system-out"],
    }
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.attrib == {"type": "FAIL", "message": "FAIL: the contents of 'ram' changed"}
    assert "scenarios/memfd/holes.yaml:9:5: step 8: verify: {fd: ram}" in str(failure.text)
    properties = {(p.attrib["name"], p.attrib["value"]) for p in root.iter("property")}
    assert {("run directory", "/runs/1"), ("kernel", "7.3.4"), ("accelerator", "tcg")} <= properties
    assert "late seals are lost" in root.findall(".//skipped")[1].attrib["message"]


def test_nasty_names_and_kernel_logs() -> None:
    root = valid(junit.render(digest_of(NASTY_CASE, PASSED, NASTY_CASE)))
    assert [len(tags) for _, tags in elements(root)] == [2, 2, 1]
    assert "reboot: System halted" in str(root.find(".//failure").text)  # type: ignore[union-attr]


def test_names_that_are_equal_or_long() -> None:
    long = "x" * 5000
    twins = [replace(PASSED, case=long + end, source=Path(long)) for end in ("a", "b", "a")]
    valid(junit.render(digest_of(PASSED, PASSED, PASSED, replace(PASSED, case=""), *twins)))


def test_the_largest_run_fits() -> None:
    text = finding("x" * 600, *["y" * 100] * 60)
    many = [a_case(Verdict.FAIL, f"c{n}", source=Path(f"f{n % 50}"), findings=(text,)) for n in range(10_000)]
    root = valid(junit.render(digest_of(*many)))
    assert "characters left out" in str(root.find(".//failure").text)  # type: ignore[union-attr]


def test_a_finding_of_five_megabytes() -> None:
    much = a_case(Verdict.FAIL, findings=(finding("x", *["\x1b" * 1000] * 5000),))
    root = valid(junit.render(digest_of(much)))
    assert "characters left out" in str(root.find(".//failure").text)  # type: ignore[union-attr]


def test_nothing_at_all() -> None:
    valid(junit.render(digest_of()))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<testcase ", "<testcase file='x' "),
        ("</failure>", "</failure><properties/>"),
        ('failures="', 'failures="1'),
        ("memfd/pass[fdbox]", "memfd/fail[fdbox]"),
        ('time="', 'time="1,2x'),
    ],
)
def test_the_check_refuses(right: str, wrong: str) -> None:
    text = junit.render(digest_of(*ONE_OF_EACH))
    assert right in text
    with pytest.raises((AssertionError, ElementTree.ParseError)):
        valid(text.replace(right, wrong))
