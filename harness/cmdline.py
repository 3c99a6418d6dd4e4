# SPDX-License-Identifier: GPL-2.0-only
"""The command line of a kernel."""

# Parameters that may be given more than once.
REPEATABLE = frozenset({"console"})


def cmdline(parameters: tuple[str, ...], *more: tuple[str, ...]) -> str:
    """A kernel's command line; more parameters replace those before them of the same key."""
    for parameter in more:
        parameters = replaced(parameters, parameter)
    return " ".join(parameters)


def replaced(parameters: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters and more of them, which replace those of the same key."""
    keys = {key(parameter) for parameter in more} - REPEATABLE
    return tuple(parameter for parameter in parameters if key(parameter) not in keys) + more


def key(parameter: str) -> str:
    """What is left of `=` in a kernel parameter."""
    return parameter.partition("=")[0]
