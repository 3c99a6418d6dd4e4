# SPDX-License-Identifier: GPL-2.0-only
"""`harness report`: the results of a run folder in one of several formats."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import junit, ktap, markdown, report
from harness.digest import Digest, read
from harness.errors import UsageError

# Of what the JSON means.
JSON_FORMAT = 1


def as_json(digest: Digest) -> str:
    """Everything, for programs: results.jsonl with what never ended filled in, and the verdict of all."""
    data = {
        "format": JSON_FORMAT,
        "verdict": digest.verdict,
        "counts": digest.counts,
        "started": digest.started,
        "notes": digest.notes,
        "cases": [outcome.to_json() for outcome in digest.outcomes],
    }
    return json.dumps(data, indent=1, default=str) + "\n"


FORMATS: dict[str, Callable[[Digest], str]] = {
    "terminal": report.overview,
    "markdown": markdown.render,
    "junit": junit.render,
    "ktap": ktap.render,
    "json": as_json,
}


def publish(source: Path, form: str, target: Path | None) -> None:
    """Write the results in a run folder to a file, or to standard output.

    Raises UsageError when there are no results, or the file cannot be written.
    """
    write(FORMATS[form](read(source)), target)


def write(text: str, target: Path | None) -> None:
    """Write a report to a file, or to standard output. Raises UsageError when the file cannot be written."""
    if target is None:
        sys.stdout.write(text)
        return
    try:
        write_whole(target, text)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from error


def write_whole(target: Path, text: str) -> None:
    """Write a whole file or nothing: a CI job may take it while we are killed."""
    if target.exists() and not target.is_file():
        target.write_text(text, encoding="utf-8")  # a pipe, /dev/stdout
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as new:
        try:
            new.write(text)
            new.close()
            mask = os.umask(0)
            os.umask(mask)
            Path(new.name).chmod(0o666 & ~mask)
            Path(new.name).replace(target)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
