# SPDX-License-Identifier: GPL-2.0-only
"""Wanted symbols: found lost whatever the way in which they got lost."""

from pathlib import Path

import pytest

from harness.build.kconfig import check, lost, read_fragments
from harness.errors import HarnessError


def wanted(folder: Path, *texts: str) -> tuple[Path, ...]:
    files = tuple(folder / f"{i}.config" for i in range(len(texts)))
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return files


def test_later_fragment_wins(tmp_path: Path) -> None:
    files = wanted(tmp_path, "CONFIG_A=y\n# CONFIG_B is not set\n", "# CONFIG_A is not set\n")
    want = read_fragments(files)
    assert (want["CONFIG_A"].value, want["CONFIG_A"].file) == ("n", files[1])


@pytest.mark.parametrize(
    ("want", "config", "problem"),
    [
        ("CONFIG_A=y", "", "CONFIG_A is not there"),
        ("CONFIG_A=y", "# CONFIG_A is not set\n", "CONFIG_A is not set"),
        ("CONFIG_A=y", "CONFIG_A=m\n", "came out as m"),
        ("CONFIG_A=y", "CONFIG_AA=y\n", "CONFIG_A is not there"),
        ("# CONFIG_A is not set", "CONFIG_A=y\n", "came out as y"),
        ("CONFIG_N=8", "CONFIG_N=64\n", "came out as 64"),
    ],
)
def test_lost_symbol_is_found(tmp_path: Path, want: str, config: str, problem: str) -> None:
    files = wanted(tmp_path, f"# Why.\n{want}\n")
    (line,) = lost(read_fragments(files), config)
    assert line.startswith(f"{files[0]}:2: {want}: ")
    assert problem in line


def test_kept_symbols_are_not_lost(tmp_path: Path) -> None:
    files = wanted(tmp_path, 'CONFIG_A=y\n# CONFIG_B is not set\n# CONFIG_C is not set\nCONFIG_S="a b"\n')
    assert lost(read_fragments(files), 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S="a b"\n') == []


def test_all_lost_symbols_are_named_at_once(tmp_path: Path) -> None:
    files = wanted(tmp_path, "CONFIG_A=y\nCONFIG_B=y\n")
    (tmp_path / ".config").write_text("")
    with pytest.raises(HarnessError, match=r"kernel x lost(.|\n)*CONFIG_A(.|\n)*CONFIG_B"):
        check("x", files, tmp_path / ".config")
