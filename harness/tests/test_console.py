# SPDX-License-Identifier: GPL-2.0-only
"""The console by generation, read while it grows."""

from pathlib import Path

from harness.vm.console import READY, Console

FIRST = b"[    0.000000] Linux version 7.3.4 (x@y)\n"


def test_generations_begin_with_a_kernels_first_line(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    console = Console(path)
    console.poll()
    assert console.lines == []
    with path.open("ab", buffering=0) as file:
        file.write(b"firmware\r\n" + FIRST + b"[    1.0] fdbox-gue")
        console.poll()
        assert console.generation == 0
        assert console.find(READY, 0) is None
        assert console.tail(0)[-1] == "[    1.0] fdbox-gue"
        file.write(b"st: ready\r\n[    2.0] kexec_core: Starting new kernel\n")
        console.poll()
        assert console.find(READY, 0) is not None
        file.write(FIRST + b"[    1.0] hello\n")
        console.poll()
    assert console.generation == 1
    assert console.text(0)[0] == "firmware"
    assert console.text(1) == [FIRST.decode().rstrip(), "[    1.0] hello"]
    assert console.find(READY, 1) is None


def test_a_message_about_a_first_line_is_not_one(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(FIRST + b"[    5.000000] Linux version 9 said somebody\nLinux version 9\n")
    console = Console(path)
    console.poll()
    assert console.generation == 0


def test_a_kernel_that_is_cut_short_is_none_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    console = Console(path)
    path.write_bytes(FIRST + b"[    2.0] Starting new kernel\n" + FIRST + b"[    0.5] half a li")
    console.poll()
    assert console.generation == 1
    console.cut_short(0)
    assert console.generation == 0
    assert console.text(0)[-1] == "[    0.5] half a li"
    # What comes next is not the other half of that line.
    with path.open("ab") as file:
        file.write(FIRST)
    console.poll()
    assert console.generation == 1
    assert console.text(1) == [FIRST.decode().rstrip()]


def test_nothing_is_cut_short_where_no_other_kernel_had_begun(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    console = Console(path)
    path.write_bytes(FIRST)
    console.poll()
    console.cut_short(0)
    with path.open("ab") as file:
        file.write(FIRST)
    console.poll()
    assert console.generation == 1
