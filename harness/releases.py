# SPDX-License-Identifier: GPL-2.0-only
"""Releases of kernels: which is older, and which ones a range means."""

import re

NUMBERS = r"[0-9]+(?:[.][0-9]+)*"
VERSION = rf"^{NUMBERS}$"
# All of a series, from one on, before one, or between two.
RANGE = rf"^({NUMBERS}|>={NUMBERS}( <{NUMBERS})?|<{NUMBERS})$"


def version(text: str) -> tuple[int, ...]:
    """The numbers at the beginning of a kernel's release; a release candidate counts as its release."""
    found = re.match(NUMBERS, text)
    return tuple(map(int, found[0].split("."))) if found else ()


def is_older(release: str, other: str) -> bool:
    """Whether a release comes before another; 7.3 and 7.3.0 are the same."""
    ours, theirs = version(release), version(other)
    longest = max(len(ours), len(theirs))
    return padded(ours, longest) < padded(theirs, longest)


def padded(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    """Numbers with zeros behind them."""
    return numbers + (0,) * (length - len(numbers))


def within(release: str, span: str) -> bool:
    """Whether a range means a release: '7.3' is 7.3 and every 7.3.x, '>=7.2 <7.4' all of 7.2 and 7.3."""
    if span[:1].isdigit():
        series = version(span)
        return version(release)[: len(series)] == series
    bounds = re.findall(rf"(>=|<)({NUMBERS})", span)
    return all(is_older(release, bound) is (sign == "<") for sign, bound in bounds)
