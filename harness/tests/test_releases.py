# SPDX-License-Identifier: GPL-2.0-only
"""Releases of kernels: which is older, and which ones a range means."""

import re

import pytest

from harness.releases import RANGE, is_older, version, within


def test_versions() -> None:
    assert version("7.3.4-debug") == version("7.3.4") == (7, 3, 4)
    assert version("7.10") > version("7.3.4") > version("7.3")
    assert version("x") == ()


@pytest.mark.parametrize(
    ("older", "newer"), [("7.3", "7.3.1"), ("7.2.12", "7.3"), ("7.3.4-debug", "7.10"), ("6.19", "7.0-rc1")]
)
def test_one_is_older(older: str, newer: str) -> None:
    assert is_older(older, newer)
    assert not is_older(newer, older)


def test_zeros_at_the_end_change_nothing() -> None:
    assert not is_older("7.4", "7.4.0-rc1")
    assert not is_older("7.4.0-rc1", "7.4")


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ("7.3.4", ["7.3.4", "7.3.4-debug"], ["7.3.40", "7.3", "7.3.5"]),
        ("7.3", ["7.3", "7.3.4", "7.3.0-rc1+"], ["7.2.12", "7.30.1", "7.4.0-rc1"]),
        (">=7.2", ["7.2", "7.2.12", "8.0"], ["7.1.9", "6.19"]),
        ("<7.4", ["7.3.99", "6.19"], ["7.4.0-rc1", "7.4"]),
        (">=7.2 <7.3.5", ["7.2", "7.3.4"], ["7.1", "7.3.5", "7.4"]),
    ],
)
def test_ranges(span: str, inside: list[str], outside: list[str]) -> None:
    assert re.search(RANGE, span)
    assert [one for one in inside + outside if within(one, span)] == inside


@pytest.mark.parametrize(
    "text", ["", "x", ">7.3", "<=7.3", "7.3.", ">= 7.3", "<7.4 >=7.2", "7.3-rc1", "7.3 7.2"]
)
def test_what_is_no_range(text: str) -> None:
    assert not re.search(RANGE, text)
