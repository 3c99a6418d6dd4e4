# SPDX-License-Identifier: GPL-2.0-only
"""Which cases failed lately: from the results of former runs in the store."""

import json
import time
from pathlib import Path

from harness import journal
from harness.gate.attempts import parse_name
from harness.verdict import Verdict

# So many of the newest run folders are looked at, none older than so many days.
RUNS = 20
DAYS = 14
DAY = 86400.0


def failed_lately(runs: Path) -> set[str]:
    """The cases that failed in one of the last runs, whatever ran them."""
    files = [
        file for file in runs.glob(f"*/{journal.NAME}") if file.stat().st_mtime > time.time() - DAYS * DAY
    ]
    newest = sorted(files, key=lambda file: file.stat().st_mtime)[-RUNS:]
    return {case for file in newest for case in failed_in(file.read_text(encoding="utf-8", errors="replace"))}


def failed_in(text: str) -> set[str]:
    """The cases that failed, in the text of a results.jsonl; what is no whole line is left out."""
    found = set()
    for line in text.splitlines():
        if f'"{Verdict.FAIL}"' not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("verdict") == Verdict.FAIL:
            name = str(entry.get("case"))
            ours = parse_name(name)
            found.add(ours[0] if ours else name)
    return found
