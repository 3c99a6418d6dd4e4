# SPDX-License-Identifier: GPL-2.0-only
"""The answer as objects of KCIDB's I/O schema v5: https://github.com/kernelci/kcidb-io, kcidb_io/schema/.

A side is a checkout with a build, a run of a case a test on it, a number a test that is DONE, and the answer
a test on head. Only what schema 5.0 has is used, so any v5 reads it. Files have no URLs here; where they are
is in `misc`. The database knows an origin by its credentials: KCIDB_ORIGIN names another one than ours.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from harness.gate import words
from harness.gate.answers import Answer, Gate, Side
from harness.gate.cells import Attempt, Cell, Route
from harness.plaintext import clean, cut
from harness.verdict import Verdict

VERSION = {"major": 5, "minor": 0}
ORIGIN = "fdbox_harness"
SUITE = "live_update"
# Characters of an excerpt, of which some are for what is said about what was left out.
EXCERPT_MAX = 16000
STATUS = {
    Verdict.PASS: "PASS",
    Verdict.XPASS: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.XFAIL: "FAIL",
    # "The test didn't run due to a failure in the test harness": ERROR is for a test that is wrong itself.
    Verdict.ERROR: "MISS",
    Verdict.SKIP: "SKIP",
}
ANSWERS = {
    Answer.NO_REGRESSION: "PASS",
    Answer.REGRESSION: "FAIL",
    Answer.COULD_NOT_TEST: "MISS",
    Answer.INTERRUPTED: "MISS",
}


def render(gate: Gate) -> str:
    """All objects."""
    return json.dumps(objects(gate, os.environ.get("KCIDB_ORIGIN", ORIGIN)), indent=1) + "\n"


def objects(gate: Gate, origin: str) -> dict[str, Any]:
    """All objects as plain data."""
    sides = {"base": gate.base, "head": gate.head}
    ids = {name: f"{origin}:{_digest(gate, name, one)}" for name, one in sides.items()}
    return {
        "version": VERSION,
        "checkouts": [_checkout(one, ids[name], origin) for name, one in sides.items()],
        "builds": [_build(one, ids[name], origin, gate) for name, one in sides.items()],
        "tests": list(_tests(gate, origin, ids)),
    }


def _digest(gate: Gate, *parts: object) -> str:
    """What tells an object from those of every other answer."""
    sides = ((one.commit, one.series, one.build_id) for one in (gate.base, gate.head))
    text = "\n".join(map(repr, (gate.started, str(gate.directory), gate.shard, *sides, *parts)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _checkout(side: Side, own: str, origin: str) -> dict[str, Any]:
    known = {"git_commit_hash": side.commit} if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", side.commit) else {}
    known |= {"git_commit_name": words.line(side.name)}
    known |= {"patchset_hash": ""} if not side.patches else {}
    misc = {"source": side.source, "subject": side.subject, "patches": list(side.patches)}
    return {"id": own, "origin": origin, "comment": words.line(side.name), **known, "misc": _plain(misc)}


def _build(side: Side, own: str, origin: str, gate: Gate) -> dict[str, Any]:
    """A side's kernel. That head cannot be made where base can is head's fault."""
    status = (
        "PASS" if not side.problem else "FAIL" if side is gate.head and not gate.base.problem else "ERROR"
    )
    build = {"id": own, "checkout_id": own, "origin": origin, "status": status, "config_name": side.kernel}
    build |= {"log_excerpt": _excerpt(side.problem)} if side.problem else {}
    misc = {"release": side.release, "build_id": side.build_id, "modules": side.modules, "made": side.made}
    return {**build, "architecture": "x86_64", "duration": side.seconds, "misc": _plain(misc)}


def _tests(gate: Gate, origin: str, ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The answer, the runs, and what was not run."""
    head = {"origin": origin, "build_id": ids["head"]}
    start = {"start_time": gate.started} if gate.started else {}
    yield {
        **head,
        "id": f"{origin}:{_digest(gate, 'answer')}",
        "path": f"{SUITE}.gate",
        "status": ANSWERS[gate.answer],
        "comment": words.headline(gate),
        "log_excerpt": _excerpt("\n".join([*words.setting(gate), words.summary(gate)])),
        **start,
        "duration": gate.seconds,
    }
    seen: set[str] = set()
    for cell in gate.cells:
        for attempts, build in ((cell.base, ids["base"]), (cell.head, ids["head"])):
            for number, one in enumerate(attempts):
                # The cells of a case have their runs on base in common.
                if (own := _digest(gate, cell.case, one.route, number)) not in seen:
                    seen.add(own)
                    yield from _run(cell, one, {"origin": origin, "build_id": build}, f"{origin}:{own}")
    for left in gate.not_run:
        own = _digest(gate, "not run", left.case, left.route)
        path, comment = _path(left.case, left.route), words.line(left.reason)
        status = "MISS" if left.missing else "SKIP"
        yield {**head, "id": f"{origin}:{own}", "path": path, "status": status, "comment": comment}


def _run(cell: Cell, one: Attempt, common: dict[str, str], own: str) -> Iterator[dict[str, Any]]:
    """A run of a case, and the numbers of it."""
    path = _path(cell.case, one.route)
    misc = {"case": cell.case, "route": one.route, "verdict": one.verdict, "state": cell.state}
    misc |= {"directory": str(one.directory)} if one.directory else {}
    said = [
        f"{one.where}: {one.doing}",
        one.finding,
        f"expected {one.expected}",
        f"seen {one.seen}",
        *one.detail,
    ]
    excerpt = {"log_excerpt": _excerpt("\n".join(said))} if one.finding else {}
    status = STATUS[one.verdict] if one.boots else "FAIL"
    yield {
        **common,
        "id": own,
        "path": path,
        "status": status,
        "comment": words.line(cell.summary),
        "duration": one.seconds,
        **excerpt,
        "misc": _plain(misc),
    }
    for number, measure in enumerate(one.measures):
        value = {"value": measure.value, **({"unit": measure.unit} if measure.unit else {})}
        name = f"{path}.{_word(measure.name)}"
        yield {**common, "id": f"{own}:{number}", "path": name, "status": "DONE", "number": value}


def _path(case: str, route: Route) -> str:
    """A place in the tree of tests: live_update.memfd.holes.fdbox.base-head."""
    name, _, which = case.partition("[")
    parts = [*name.split("/"), which.rstrip("]"), route.replace(" -> ", "-")]
    return ".".join([SUITE, *(_word(part) for part in parts if part)])


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text) or "_"


def _excerpt(text: str) -> str:
    return cut(clean(text), EXCERPT_MAX)


def _plain(misc: dict[str, Any]) -> dict[str, Any]:
    """What is known, without what would be no text elsewhere."""
    found = {key: value for key, value in misc.items() if value}
    clear = {key: clean(value) if isinstance(value, str) else value for key, value in found.items()}
    return {key: [clean(one) for one in v] if isinstance(v, list) else v for key, v in clear.items()}
