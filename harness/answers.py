# SPDX-License-Identifier: GPL-2.0-only
"""What free steps came back with, against what the scenario says; pure, each difference by itself."""

import json
import re
from collections.abc import Iterator
from typing import Any

from harness.commandactions import Output, Qmp, Ssh
from harness.vm.shell import Result

# What was expected, and what was seen.
Difference = tuple[str, str]


def expectations(action: Ssh) -> str:
    """What a command must come to, in words."""
    said = [f"status {action.status}"]
    for name, wanted in (("stdout", action.stdout), ("stderr", action.stderr)):
        said += [f"{name} {text}" for text, _ in tests(wanted)] if wanted else []
    return ", ".join(said)


def command(action: Ssh, result: Result) -> Iterator[Difference]:
    """How the result of a shell command differs."""
    if result.status != action.status:
        yield f"status {action.status}", f"status {result.status}"
    for name, wanted, text in (
        ("stdout", action.stdout, result.stdout),
        ("stderr", action.stderr, result.stderr),
    ):
        for said, pattern in tests(wanted) if wanted else ():
            if not re.search(pattern, text):
                yield f"{name} {said}", f"{name} of {len(text)} characters without that"


def tests(wanted: Output) -> Iterator[tuple[str, re.Pattern[str]]]:
    """What text must be, in words and as a pattern to search for."""
    if wanted.contains is not None:
        yield f"with '{wanted.contains}'", re.compile(re.escape(wanted.contains))
    if wanted.equals is not None:
        yield f"that is '{wanted.equals}'", re.compile(rf"\A{re.escape(wanted.equals)}\n?\Z")
    if wanted.matches is not None:
        yield f"that matches '{wanted.matches}'", re.compile(wanted.matches, re.MULTILINE)


def answer(action: Qmp, returned: object) -> Iterator[Difference]:
    """How the answer to a QMP command differs; a command that must fail has none."""
    if action.error is not None:
        yield f"the error {action.error}", "it succeeded"
    elif action.returns is not None:
        yield from lacking(action.returns, returned, "the answer")


def number(result: Result) -> float | None:
    """The number that a command has printed; None if it failed, or printed anything else."""
    text = result.stdout.strip()
    if result.status or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", text):
        return None
    return float(text) if re.search("[.eE]", text) else int(text)


def lacking(wanted: Any, seen: Any, name: str) -> Iterator[Difference]:
    """What of a value is not there: a mapping may have more keys, a list more items, in any order."""
    match wanted, seen:
        case dict(), dict():
            for key, inner in wanted.items():
                if key not in seen:
                    yield f"{name} has '{key}'", f"it has {', '.join(map(str, seen)) or 'nothing'}"
                else:
                    yield from lacking(inner, seen[key], f"{name}'s {key}")
        case tuple() | list(), tuple() | list():
            for item in wanted:
                if not any(is_in(item, one) for one in seen):
                    yield f"{name} has an item {words(item)}", words(seen)
        case _ if type(wanted) is not type(seen) or wanted != seen:
            yield f"{name} is {words(wanted)}", f"it is {words(seen)}"


def is_in(wanted: Any, seen: Any) -> bool:
    """Whether all of a value is there."""
    return next(lacking(wanted, seen, ""), None) is None


def words(value: object) -> str:
    """A value as JSON, not too long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."
