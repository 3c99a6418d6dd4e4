# SPDX-License-Identifier: GPL-2.0-only
"""Errors by blame. A fault of the kernel under test is never one of these: it is a Finding (result.py)."""


class HarnessError(Exception):
    """The harness or its host could not test: verdict ERROR, exit code 125.

    The message is for the user: what happened, where, and what to do next.
    """


class UsageError(HarnessError):
    """The command line or a scenario is wrong: exit code 129."""
