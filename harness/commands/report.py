# SPDX-License-Identifier: GPL-2.0-only
"""harness report, and harness report merge."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness import digest, merge, publish
from harness.build.store import default_store
from harness.errors import UsageError
from harness.gate import answers, formats
from harness.gate import merge as gate_merge
from harness.journal import run_folder

# The word that makes one report of several folders; a folder of that name is ./merge.
MERGE = Path("merge")
USAGE = """harness report [-h] [--format FORMAT] [-o FILE] DIR
       harness report merge [-h] [--out DIR] [--format FORMAT] [-o FILE] DIR..."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.usage = USAGE
    what = "a run folder, or its results.jsonl or gate.json; merge: put the results of several together"
    parser.add_argument("results", nargs="+", type=Path, metavar="DIR", help=what)
    every = list(dict.fromkeys([*publish.FORMATS, *formats.FORMATS]))
    forms = "of a run: docs/reports.md; of a gate, which has others: docs/gate.md (default: %(default)s)"
    parser.add_argument("--format", choices=every, default="terminal", help=forms)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of standard output")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="merge: folder for the results (default: in the store)"
    )


def command(options: argparse.Namespace) -> int:
    """0 when there is a report, whatever it says; of merge, what the results come to."""
    first, *others = options.results
    if first == MERGE and not others and not MERGE.exists():
        raise UsageError("harness report merge: name the run folders that are to be put together")
    if first == MERGE and others:
        out = options.out or run_folder(default_store().root, "merge")
        file = _merge(others, out)
        _publish(file, options.format, options.output)
        return answers.read(file).exit_code if file.name == answers.NAME else digest.read(file).exit_code
    if others or options.out:
        raise UsageError("harness report takes one DIR; harness report merge takes several, and --out")
    _publish(first, options.format, options.output)
    return 0


def _merge(folders: Sequence[Path], out: Path) -> Path:
    """The results in one file: answers of the gate if there is one among them."""
    if any((folder / answers.NAME).exists() for folder in folders):
        return gate_merge.merge(folders, out)
    return merge.merge(folders, out)


def _publish(source: Path, form: str, target: Path | None) -> None:
    """Write a report of a run folder, or of the gate's answer in it."""
    gate = source.name == answers.NAME or (source / answers.NAME).exists()
    known = formats.FORMATS if gate else publish.FORMATS
    if form not in known:
        what = "an answer of harness gate" if gate else "the results of a run"
        raise UsageError(f"there is no {form} of {what}, as which {source} is taken: {', '.join(known)}")
    if gate:
        publish.write(formats.FORMATS[form](answers.read(source)), target)
    else:
        publish.publish(source, form, target)
