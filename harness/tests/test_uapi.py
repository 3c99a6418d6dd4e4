# SPDX-License-Identifier: GPL-2.0-only
"""The binary interface of FDBox, for 64-bit programs and for 32-bit ones."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FACTS = Path(__file__).parent / "uapi.c"
ABIS = ("-m64", "-m32", "-mx32")


def mistakes(header: Path, abi: str) -> str:
    """What the compiler says of the facts, with the header in that folder; without a C library."""
    argv: list[str | Path] = ["gcc", abi, "-std=gnu2x", "-fsyntax-only", "-nostdinc", f"-I{header}"]
    compiler = subprocess.run(["gcc", "-print-file-name=include"], check=True, capture_output=True, text=True)
    argv += ["-isystem", compiler.stdout.strip()]
    argv += ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu", FACTS]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("abi", ABIS)
def test_numbers_and_layouts_are_as_they_were(abi: str) -> None:
    assert mistakes(ROOT / "kmod/include/uapi", abi) == ""


@pytest.mark.parametrize("abi", ABIS)
def test_a_moved_field_is_found(abi: str, tmp_path: Path) -> None:
    text = (ROOT / "kmod/include/uapi/fdbox.h").read_text()
    (tmp_path / "fdbox.h").write_text(text.replace("\t__u32 fd;\n\t__u32 pad;", "\t__u32 pad;\n\t__u32 fd;"))
    assert mistakes(tmp_path, abi).count("static assertion failed") == 2
