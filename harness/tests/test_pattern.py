# SPDX-License-Identifier: GPL-2.0-only
"""The pattern, against golden values (that the agent agrees is in test_agent.py)."""

import hashlib
import struct
import time

import pytest

from harness.pattern import CHUNK, PAGE, chunk_crcs, expected, page


def test_page_shows_its_index_and_seed() -> None:
    assert struct.unpack_from("<QQ", page(7, 5)) == (5, 7)
    assert len(page(7, 5)) == PAGE


def test_stream_is_splitmix64() -> None:
    # The first outputs for seed 1234567, as published with the reference implementation.
    words = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert struct.unpack_from("<2Q", page(1234567, 0), 16) == tuple(words[2:])


@pytest.mark.parametrize(
    ("seed", "offset", "length", "digest"),
    [
        (0, 0, 4096, "0fd95a89b2637aa1"),
        (7, 0, 100_000, "5d2e58c0567f5385"),
        (7, 4095, 2, "5eab10101cea3068"),
        (2**64 - 1, 2**40 + 17, 9000, "ce0e76b3c2028b1d"),
    ],
)
def test_golden(seed: int, offset: int, length: int, digest: str) -> None:
    assert hashlib.sha256(expected(seed, offset, length)).hexdigest()[:16] == digest


def test_pieces_make_the_whole() -> None:
    whole = expected(3, 0, 20_000)
    assert expected(3, 0, 5000) + expected(3, 5000, 1) + expected(3, 5001, 14_999) == whole


def test_pages_differ() -> None:
    pages = {page(seed, index)[16:] for seed in (1, 2) for index in range(1000)}
    assert len(pages) == 2000


def test_nothing_is_nothing() -> None:
    assert expected(1, 123, 0) == b""
    assert list(chunk_crcs(1, 123, 0)) == []


def test_chunks_are_counted_from_the_offset() -> None:
    assert len(list(chunk_crcs(1, 5, CHUNK))) == 1
    assert len(list(chunk_crcs(1, 5, CHUNK + 1))) == 2


def test_64_mib_take_little_time() -> None:
    start = time.process_time()
    assert len(list(chunk_crcs(9, 0, 64 << 20))) == 64
    assert time.process_time() - start < 2
