# SPDX-License-Identifier: GPL-2.0-only
"""harness new."""

import argparse
import re
from pathlib import Path

from harness.cases import FOLDER
from harness.diagnostic import guess, nearest
from harness.errors import HarnessError, UsageError
from harness.topics import TEMPLATE

# What cases are named by, and so are folders for their records.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("name", metavar="NAME", help="memfd/mine, for scenarios/memfd/mine.yaml")


def command(options: argparse.Namespace) -> int:
    """Write the template into a file that does not exist."""
    path = new_path(options.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever came first keeps the file.
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8").replace("FILE", str(path)))
    except FileExistsError as error:
        raise UsageError(f"{path} exists, and is left as it is: use another name") from error
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error.strerror}") from error
    print(f"{path}: change it, then: harness run {path}")
    return 0


def new_path(name: str) -> Path:
    """The file of a new scenario. Raises UsageError for a name that no scenario can have."""
    path = Path(name.removesuffix(".yaml"))
    if path.parts[:1] == (FOLDER.name,):
        path = path.relative_to(FOLDER)
    if not path.parts or any(not NAME.fullmatch(part) for part in path.parts):
        raise UsageError(
            f"'{name}' is no name for a scenario: letters, digits, '_', '-' and '.', such as memfd/mine"
        )
    folder = FOLDER / path.parent
    others = (
        [other.name for other in folder.parent.iterdir() if other.is_dir()] if folder.parent.is_dir() else []
    )
    if not folder.is_dir() and folder != FOLDER and guess(folder.name, others):
        raise UsageError(f"no folder {folder}{nearest(folder.name, others)} To make it: mkdir {folder}")
    return FOLDER / path.parent / f"{path.name}.yaml"
