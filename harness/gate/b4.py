# SPDX-License-Identifier: GPL-2.0-only
"""The answer as b4's review checks read it: what a command of `b4.review-series-check-cmd` has to print.

The format is in b4's docs/maintainer/review.rst, "Writing an external check script" (b4 0.15 and later): an
array of objects, of which `tool` is the column, `status` pass, warn or fail, `summary` one line, `details`
several. What is printed counts, not the exit code. What b4 does not know it takes for fail.
"""

import json

from harness.gate import markdown, words
from harness.gate.answers import Answer, Gate
from harness.gate.cells import State

TOOL = "live-update"


def render(gate: Gate) -> str:
    """The array, with one object."""
    entry = {
        "tool": TOOL,
        "status": status(gate),
        "summary": f"{words.headline(gate)}: {words.summary(gate)}",
        "details": markdown.render(gate),
    }
    return json.dumps([entry], indent=1) + "\n"


def status(gate: Gate) -> str:
    """What a maintainer has to look at is no pass: what could not be tested, new messages, flaky cells."""
    if gate.answer is Answer.REGRESSION:
        return "fail"
    told = gate.messages or gate.of(State.FLAKY)
    return "pass" if gate.answer is Answer.NO_REGRESSION and not told else "warn"
