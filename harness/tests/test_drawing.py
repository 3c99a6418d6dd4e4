# SPDX-License-Identifier: GPL-2.0-only
"""timeline.svg: one file of its own, whatever the run was."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from harness import drawing
from harness.result import Outcome, Part, Update
from harness.tests.outcomes import NASTY_CASE, PASSED, UPDATE
from harness.timeline import LOST, milliseconds

SVG = "{http://www.w3.org/2000/svg}"
LOST_UPDATE = replace(UPDATE, parts=(*UPDATE.parts[:2], Part(LOST, 2.2, 62.2)), arrived=False)


def drawn(outcome: Outcome) -> ElementTree.Element:
    """The drawing, after what must be true of each: no script, nothing foreign, all of it on the paper."""
    text = drawing.svg(outcome)
    root = ElementTree.fromstring(text.encode())
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds <= {"svg", "title", "style", "rect", "line", "text"}
    assert not re.search(r"href|url\(|@import|on\w+=", text)
    assert "prefers-color-scheme: dark" in text
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    for element in root.iter():
        for name, limit in (("x", width), ("x1", width), ("y", height), ("y2", height)):
            assert 0 <= float(element.get(name, 0)) <= limit
        if element.tag == f"{SVG}rect":
            assert float(element.get("x", 0)) + float(element.attrib["width"]) <= width
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return [str(element.text) for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("update", [UPDATE, LOST_UPDATE, Update(1, (), (Part("x", 1.0, 1.0),), arrived=True)])
def test_a_bar_for_each_part(update: Update) -> None:
    root = drawn(replace(PASSED, updates=(update,)))
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("class") in ("part", "lost")]
    assert len(bars) == len(update.parts)
    for part in (*update.before, *update.parts):
        assert part.name in texts(root)
    shown = [float(str(t.text)[:-2]) for t in root.iter(f"{SVG}text") if t.get("class") == "number"]
    in_blackout = shown[len(update.before) :]
    assert round(sum(in_blackout) * 1000) == sum(milliseconds(update.parts))


def test_bars_are_where_the_parts_are() -> None:
    bars = [r for r in drawn(PASSED).iter(f"{SVG}rect") if r.get("class") == "part"]
    ends = [float(bar.attrib["x"]) + float(bar.attrib["width"]) for bar in bars]
    starts = [float(bar.attrib["x"]) for bar in bars]
    assert all(abs(end - start) < 0.2 for end, start in zip(ends, starts[1:], strict=False))


def test_a_lost_machine_is_red() -> None:
    root = drawn(replace(PASSED, updates=(LOST_UPDATE,)))
    assert [r.get("class") for r in root.iter(f"{SVG}rect")].count("lost") == 1
    assert any("did not come to its end" in text for text in texts(root))


def test_many_updates_and_nasty_names() -> None:
    many = tuple(replace(UPDATE, generation=n) for n in range(1, 101))
    assert "and 80 more live updates" in texts(drawn(replace(PASSED, updates=many)))
    drawn(NASTY_CASE)
