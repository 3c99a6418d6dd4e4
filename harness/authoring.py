# SPDX-License-Identifier: GPL-2.0-only
"""Commands for the author of a scenario: what there is, what can be said, and a file to begin with."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.build.store import default_store
from harness.cases import plans
from harness.diagnostic import guess, nearest
from harness.errors import HarnessError, UsageError
from harness.manual import manual
from harness.schema import schema

FOLDER = Path("scenarios")
TEMPLATE = Path(__file__).with_name("template.yaml")
# What cases are named by, and so are folders for their records.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*")


def add_commands(commands: Any) -> None:
    """Add these commands to the command line."""
    one = commands.add_parser("new", help="write a commented template for a scenario")
    one.add_argument("name", metavar="NAME", help="memfd/mine, for scenarios/memfd/mine.yaml")
    one.set_defaults(handler=new_command)
    one = commands.add_parser("list", help="list cases: tags, expected time, requirements")
    what = "scenario files, or folders of them (default: the folder scenarios)"
    one.add_argument("files", nargs="*", type=Path, metavar="SCENARIO", default=[FOLDER], help=what)
    one.add_argument("--tag", action="append", default=[], metavar="T", help="only cases with this tag")
    one.add_argument(
        "--kernel", metavar="NAME", help="a kernel of kernel/kernels.yaml, instead of the default"
    )
    one.add_argument("--json", action="store_true", help="as JSON, with all there is to know")
    one.set_defaults(handler=list_command)
    one = commands.add_parser("schema", help="print the JSON Schema of a scenario, for editors")
    one.set_defaults(handler=schema_command)
    one = commands.add_parser("manual", help="print the manual of the scenario language, as Markdown")
    one.set_defaults(handler=manual_command)


def schema_command(options: argparse.Namespace) -> int:
    """harness schema."""
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
    return 0


def manual_command(options: argparse.Namespace) -> int:
    """harness manual."""
    sys.stdout.write(manual())
    return 0


def new_command(options: argparse.Namespace) -> int:
    """harness new."""
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


def list_command(options: argparse.Namespace) -> int:
    """harness list."""
    found = plans(options.files, options.kernel)
    tags = {tag for one in found for tag in one.tags}
    for tag in options.tag:
        if tag not in tags:
            raise UsageError(f"no case has the tag '{tag}'{nearest(tag, tags)}")
    chosen = [one for one in found if set(options.tag) <= set(one.tags)]
    if not chosen:
        raise UsageError(f"no case has all of these tags: {', '.join(options.tag)}")
    seconds = catalogue.times(chosen, default_store().root / "runs")
    if options.json:
        entries = [catalogue.entry(one, seconds.get(one.case)) for one in chosen]
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
    else:
        print("\n".join(catalogue.table(chosen, seconds)))
    return 0
