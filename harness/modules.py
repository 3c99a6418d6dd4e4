# SPDX-License-Identifier: GPL-2.0-only
"""Which modules init loads. guests/init does the same in shell."""

from collections.abc import Iterable

# On the kernel's command line: names in load order, and with `-` before it one that is not to be loaded.
PARAMETER = "guest.modules="


def parameter(names: Iterable[str], without: Iterable[str] = ()) -> str:
    """The boot parameter that makes init load these as well, and leave out others."""
    return PARAMETER + ",".join([*names, *(f"-{name}" for name in without)])


def loaded(default: Iterable[str], cmdline: str) -> tuple[str, ...]:
    """What init loads, in its order: the defaults, then what the command line names."""
    words = [word.removeprefix(PARAMETER) for word in cmdline.split() if word.startswith(PARAMETER)]
    named = [name for word in words for name in word.split(",") if name]
    without = {name.removeprefix("-") for name in named if name.startswith("-")}
    return tuple(dict.fromkeys(name for name in (*default, *named) if name not in without and name[0] != "-"))
