# SPDX-License-Identifier: GPL-2.0-only
"""Config fragments: what they want, and whether a kernel's configuration has it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

_SET = re.compile(r"(CONFIG_\w+)=(.*)")
_NOT_SET = re.compile(r"# (CONFIG_\w+) is not set")


@dataclass(frozen=True)
class Wanted:
    """One line of a fragment; value is 'n' for "is not set"."""

    symbol: str
    value: str
    file: Path
    line: int


def parse(text: str) -> Iterable[tuple[int, str, str]]:
    """The line number, symbol and value of every setting in a fragment or .config."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SET.fullmatch(line.rstrip()):
            yield number, found.group(1), found.group(2)
        elif found := _NOT_SET.fullmatch(line.rstrip()):
            yield number, found.group(1), "n"


def read_fragments(files: Sequence[Path]) -> dict[str, Wanted]:
    """What fragments want, by symbol; of two that name one symbol the later one counts."""
    return {
        symbol: Wanted(symbol, value, file, line)
        for file in files
        for line, symbol, value in parse(file.read_text())
    }


def lost(wanted: dict[str, Wanted], config: str) -> list[str]:
    """A line for each wanted symbol that .config does not have as wanted: fragment file and line, and why."""
    actual = {symbol: value for _, symbol, value in parse(config)}
    lines: list[str] = []
    for want in wanted.values():
        value = actual.get(want.symbol, "n")
        if value == want.value:
            continue
        asked = f"# {want.symbol} is not set" if want.value == "n" else f"{want.symbol}={want.value}"
        if want.symbol not in actual:
            got = "is not there: this source has no such symbol, or something that it depends on is off"
        else:
            got = "is not set" if value == "n" else f"came out as {value}"
        lines.append(f"{want.file}:{want.line}: {asked}: {want.symbol} {got}")
    return lines


def check(name: str, fragments: Sequence[Path], config: Path) -> None:
    """Raises HarnessError, naming every wanted symbol that the configuration of kernel name has lost."""
    missing = lost(read_fragments(fragments), config.read_text())
    if missing:
        raise HarnessError(f"the configuration of kernel {name} lost what was wanted:\n" + "\n".join(missing))
