# SPDX-License-Identifier: GPL-2.0-only
"""Text of any origin (a kernel's log, a file's name) made fit for reports."""

import hashlib
import re
from collections.abc import Iterable

# What no report may have in it: control characters, halves of surrogate pairs, what is no character in XML,
# what turns the direction of text around. A tab and a line feed are fine.
UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
# Hexadecimal digits that tell apart what was cut off.
DIGITS = 8


def clean(text: str) -> str:
    """The text with what is unfit in a visible form: \\x1b, \\u202e."""
    return UNFIT.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The text on one line."""
    return clean(" ".join(re.split(r"[\r\n\t]+", text.strip())))


def short(text: str, limit: int) -> str:
    """At most so many characters; what is cut off still makes a difference."""
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
    return f"{text[: limit - DIGITS - 1]}~{digest}"


def unique(names: Iterable[str]) -> list[str]:
    """The names, with a number behind each that was there before: a, a (2), a (3)."""
    given = list(names)
    used: set[str] = set(given)
    seen: dict[str, int] = {}
    found = []
    for name in given:
        number = seen.get(name, 0) + 1
        new = name
        while number > 1 and (new := f"{name} ({number})") in used:
            number += 1
        seen[name] = number
        used.add(new)
        found.append(new)
    return found


def cut(text: str, limit: int) -> str:
    """The text with its middle left out, so that it has at most about that many characters, and says so."""
    if len(text) <= limit:
        return text
    half = limit // 2
    head, tail = text[:half], text[len(text) - half :] if half else ""
    return f"{head}\n... {len(text) - len(head) - len(tail)} characters left out ...\n{tail}"
