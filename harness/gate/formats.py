# SPDX-License-Identifier: GPL-2.0-only
"""The forms of the gate's answer, each a pure function from the answer to text."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness.gate import answers, b4, junit, kcidb, markdown, terminal
from harness.gate.answers import Gate

FORMATS: Mapping[str, Callable[[Gate], str]] = MappingProxyType(
    {
        "terminal": terminal.render,
        "markdown": markdown.render,
        "junit": junit.render,
        "json": answers.dump,
        "kcidb": kcidb.render,
        "b4": b4.render,
    }
)
