# SPDX-License-Identifier: GPL-2.0-only
"""The layout of what FDBox hands over."""

from harness import layout


def test_elements_of_an_array() -> None:
    assert layout.place(layout.MEMFD, "phys[2]") == (304 + 32, "Q")
    assert layout.place(layout.MEMFD, "index[2]") == (312 + 32, "Q")
    assert layout.known("fd", "index[7]")
    assert layout.known("fd", "checksum")
    assert not layout.known("entry", "checksum")
    assert not layout.known("fd", "index")
