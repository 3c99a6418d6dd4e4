# SPDX-License-Identifier: GPL-2.0-only
"""Reading GNU build ids, against what binutils says."""

import re
import subprocess
from pathlib import Path

import pytest

from harness.build.elf import build_id, find_build_id
from harness.errors import HarnessError


def compiled(folder: Path, style: str) -> Path:
    (folder / "x.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", f"-Wl,--build-id={style}", "-o", "x", "x.c"], cwd=folder, check=True)
    return folder / "x"


def test_build_id_is_what_readelf_says(tmp_path: Path) -> None:
    file = compiled(tmp_path, "sha1")
    notes = subprocess.run(["readelf", "-n", file], capture_output=True, text=True, check=True).stdout
    found = re.search("Build ID: ([0-9a-f]+)", notes)
    assert found
    assert build_id(file) == found.group(1)


def test_file_without_build_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="has no GNU build id"):
        build_id(compiled(tmp_path, "none"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("#!/bin/sh\n")
    with pytest.raises(HarnessError, match="not a 64-bit ELF file"):
        build_id(tmp_path / "x")


def test_truncated_notes_have_no_build_id() -> None:
    assert find_build_id(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GN") == ""
