# SPDX-License-Identifier: GPL-2.0-only
"""The answer as b4's review checks read it: what docs/b4.sh prints, as a `b4.review-series-check-cmd`.

The format is in b4's docs/maintainer/review.rst, "Writing an external check script" (b4 0.15 and later): an
array of objects, of which `tool` is the column, `status` pass, warn or fail, `summary` one line, `details`
several. What is printed counts, not the exit code. What b4 does not know it takes for fail.
"""

import json

from harness.gate import compare, markdown, words
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
    """What a maintainer has to look at is no pass.

    That is what could not be tested, new messages, flaky cells, and what fails in another way than before.
    """
    if gate.answer is Answer.REGRESSION:
        return "fail"
    otherwise = any(compare.otherwise(cell.base, cell.head) for cell in gate.of(State.STILL_FAILING))
    told = gate.messages or gate.of(State.FLAKY) or otherwise
    return "pass" if gate.answer is Answer.NO_REGRESSION and not told else "warn"
