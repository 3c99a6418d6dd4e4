# SPDX-License-Identifier: GPL-2.0-only
"""Sparse files: of a machine's memory only what is not zero takes space and time."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

PAGE = 4096
CHUNK = 1 << 20
ZEROES = bytes(PAGE)


def copy(source: int, target: Path) -> None:
    """Copy a file: holes stay holes, and pages of zeroes become holes."""
    with target.open("wb") as file:
        file.truncate(os.fstat(source).st_size)
        put(source, file.fileno())


def put(source: int, target: int) -> None:
    """Write every page of a file that is not zero into another one, as large, with nothing in it."""
    for offset, data in pages(source):
        os.pwrite(target, data, offset)


def digest(path: Path) -> str:
    """The SHA-256 of what is in a file: its length, and every page that is not zero, with its place."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        whole.update(f"{os.fstat(file.fileno()).st_size}".encode())
        for offset, data in pages(file.fileno()):
            whole.update(f" {offset} {len(data)} ".encode())
            whole.update(data)
    return whole.hexdigest()


def pages(fd: int) -> Iterator[tuple[int, bytes]]:
    """Every page that is not zero, and its offset; holes are not read."""
    for start, end in extents(fd):
        for at in range(start, end, CHUNK):
            data = os.pread(fd, min(CHUNK, end - at), at)
            for place in range(0, len(data), PAGE):
                page = data[place : place + PAGE]
                if page != ZEROES:
                    yield at + place, page


def extents(fd: int) -> Iterator[tuple[int, int]]:
    """Start and end of each run of data in a file."""
    end, size = 0, os.fstat(fd).st_size
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            return
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end
