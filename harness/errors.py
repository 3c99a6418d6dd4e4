# SPDX-License-Identifier: GPL-2.0-only
"""Errors by blame. A fault of the kernel under test is never one of these: it is a Finding (result.py)."""


class HarnessError(Exception):
    """The harness or its host could not test: verdict ERROR, exit code 125.

    The message is for the user: what happened, where, and what to do next.
    """


class HostError(HarnessError):
    """The host has no room, or no right: it would be the same with any other kernel, so nothing goes on."""


class UsageError(HarnessError):
    """The command line or a scenario is wrong: exit code 129."""
