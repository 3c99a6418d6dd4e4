# SPDX-License-Identifier: GPL-2.0-only
"""What the host says must be in a file, after all that was done to it."""

from harness.contents import Contents, size
from harness.pattern import PAGE, chunk_crcs, expected

M = 1 << 20


def test_what_was_written() -> None:
    whole = Contents(2 * M + 5).write(0, 2 * M + 5, 7)
    assert whole.digest() == list(chunk_crcs(7, 0, 2 * M + 5))
    assert whole.read(2 * M, 10) == expected(7, 2 * M, 5) + bytes(5)
    assert str(whole) == "2097157 bytes of the pattern of seed 7"
    assert whole.pages() == set(range(513))


def test_pieces_cover_each_other() -> None:
    contents = Contents(4 * PAGE).write(0, 3 * PAGE, 1).write(PAGE + 5, 10, 2).write(2 * PAGE, PAGE, None)
    assert contents.read(0, PAGE + 5) == expected(1, 0, PAGE + 5)
    assert contents.read(PAGE + 5, 10) == expected(2, PAGE + 5, 10)
    assert contents.read(2 * PAGE, 2 * PAGE) == bytes(2 * PAGE)
    assert contents.pages() == {0, 1}
    assert str(contents) == "16 KiB in 3 pieces of the seeds 1, 2"


def test_part_of_a_page_that_is_punched_keeps_its_page() -> None:
    assert Contents(PAGE).write(0, PAGE, 1).write(1, PAGE - 1, None).pages() == {0}


def test_what_was_cut_off_is_zeros_when_it_comes_back() -> None:
    contents = Contents(2 * PAGE).write(0, 2 * PAGE, 1).truncate(PAGE + 1).truncate(3 * PAGE)
    assert contents.read(0, 3 * PAGE) == expected(1, 0, PAGE + 1) + bytes(2 * PAGE - 1)
    assert contents.pages() == {0, 1}
    assert Contents(5).write(0, 5, 1).truncate(0).pages() == set()


def test_what_somebody_else_writes_is_left_out_and_said() -> None:
    contents = Contents(4 * PAGE).write(0, 4 * PAGE, 1).touch(PAGE, 2 * PAGE, 8)
    data = bytearray(contents.read(0, 4 * PAGE))
    data[PAGE + 7] ^= 1
    assert contents.masked(0, bytes(data)) == contents.masked(0, contents.read(0, 4 * PAGE))
    for byte in (PAGE - 1, PAGE + 8, 3 * PAGE):
        changed = bytearray(data)
        changed[byte] ^= 1
        assert contents.masked(0, bytes(changed)) != contents.masked(0, contents.read(0, 4 * PAGE))
    part = contents.read(2 * PAGE, PAGE)
    assert contents.masked(2 * PAGE, part) == bytes(8) + part[8:]
    assert str(contents).endswith(", without the 16 bytes that are written meanwhile")
    assert contents.is_touched(0, 2 * PAGE)
    assert not contents.is_touched(3 * PAGE, PAGE)
    assert contents.touch(PAGE, 2 * PAGE, 8) == contents


def test_words() -> None:
    assert [size(n) for n in (0, 1, 4096, 4097, 16 << 20, 1 << 30)] == [
        *("0 bytes", "1 bytes", "4 KiB", "4097 bytes", "16 MiB", "1 GiB")
    ]
