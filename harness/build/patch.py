# SPDX-License-Identifier: GPL-2.0-only
"""Applying a patch series to a source folder so that files whose content stays the same are not touched.

patch(1) runs in a scratch copy of only the files that the series names; what comes out replaces the file in
the source by rename, and only when it differs. So a hard link to the old content stays as it is, and make(1)
sees exactly the files that changed.
"""

import contextlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.proc import ProcessError, run

_FILE_LINE = re.compile(r"^(?:---|\+\+\+) (?:[ab]/)?([^\t\n]+)", re.MULTILINE)
_PATCH = ("patch", "-p1", "--batch", "--no-backup-if-mismatch", "--reject-file=-", "--fuzz=0")


@dataclass(frozen=True)
class Patched:
    """What became of a series: the patches that are in, and those that are not, each with the reason."""

    applied: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    touched: tuple[str, ...]  # files that the series names, relative to the source


def touched_files(patches: Sequence[Path]) -> tuple[str, ...]:
    """The files that patches change, add or remove, relative to the source, sorted."""
    names = {name.strip() for patch in patches for name in _FILE_LINE.findall(patch.read_text())}
    return tuple(sorted(names - {"/dev/null"}))


def apply_series(original: Path, target: Path, patches: Sequence[Path]) -> Patched:
    """Make the files in target what the patches make of those in original (target and original may be one).

    A patch that does not apply leaves no trace, and later ones are still tried. One that the source already
    contains counts as applied.
    """
    touched = touched_files(patches)
    applied: list[str] = []
    rejected: list[tuple[str, str]] = []
    # Of one name, so that what is left by somebody who was killed is not there for ever.
    scratch = target.parent / f"{target.name}.patching"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        for name in touched:
            if (original / name).is_file():
                (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(original / name, scratch / name)
        for patch in patches:
            reason = _apply(scratch, patch)
            if reason is None:
                applied.append(patch.name)
            else:
                rejected.append((patch.name, reason))
        for name in touched:
            _replace(scratch / name, target / name)
    finally:
        shutil.rmtree(scratch)
    return Patched(tuple(applied), tuple(rejected), touched)


def _apply(folder: Path, patch: Path) -> str | None:
    """Apply one patch in folder, wholly or not at all; the reason when it does not apply."""
    said: list[str] = []
    try:
        _patch(folder, patch, said, "--forward", "--dry-run")
    except ProcessError:
        with contextlib.suppress(ProcessError):
            _patch(folder, patch, [], "--reverse", "--force", "--dry-run")
            return None
        return first_reason(said)
    _patch(folder, patch, said, "--forward")
    return None


def _patch(folder: Path, patch: Path, said: list[str], *options: str) -> None:
    run([*_PATCH, *options, "-i", patch], cwd=folder, env={"LC_ALL": "C"}, on_line=said.append)


def first_reason(said: Sequence[str]) -> str:
    """From what patch(1) said: which hunk of which file does not fit, or which file is missing."""
    file = ""
    for line in said:
        if found := re.match(r"(?:checking|patching) file (\S+)|\|\+\+\+ (?:[ab]/)?(\S+)", line):
            file = found.group(1) or found.group(2)
        elif found := re.match(r"(Hunk #\d+) FAILED at (\d+)", line):
            return f"{found.group(1)} does not fit at line {found.group(2)} of {file}"
        elif line.startswith("No file to patch"):
            return f"{file}, which it changes, does not exist"
    return said[0] if said else "patch(1) gave no reason"


def _replace(new: Path, old: Path) -> None:
    if not new.exists():
        old.unlink(missing_ok=True)
        return
    if old.is_file() and old.read_bytes() == new.read_bytes():
        return
    old.parent.mkdir(parents=True, exist_ok=True)
    new.replace(old)
