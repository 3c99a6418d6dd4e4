# SPDX-License-Identifier: GPL-2.0-only
"""harness series: the gate for each patch or commit, so that everything in between can be bisected."""

import argparse
import sys

from harness.commands.sides import add_cases, add_sides, compare, request, wanted
from harness.gate import sides, terminal
from harness.gate.answers import Gate
from harness.gate.cells import count_text
from harness.gate.sides import Made
from harness.journal import run_folder
from harness.plaintext import one_line
from harness.progress import say
from harness.verdict import EXIT_ERROR, EXIT_INTERRUPTED


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_sides(parser)
    add_cases(parser)


def command(options: argparse.Namespace) -> int:
    """Compare each step with the last one before it that could be built; print what each came to."""
    asked = request(options)
    first, *others = sides.steps(asked.store, wanted(options))
    folder = options.out or run_folder(asked.store.root, "series")
    if not options.out:
        say(f"the same command with --out {folder} goes on where this one is interrupted")
    base = sides.make(asked.store, first)
    found: list[tuple[Made, Gate]] = []
    for number, recipe in enumerate(others, 1):
        if asked.limit and asked.limit.expired:
            break
        made = sides.make(asked.store, recipe)
        files = sides.between_files(base, made) or recipe.series.files
        gate = compare(asked, base, made, files, folder / f"{number:04}", again=True)
        found.append((made, gate))
        print(terminal.render(gate, colour=sys.stdout.isatty()))
        if gate.interrupted:
            break
        if made.kernel:
            base = made
    for made, gate in found:
        title = made.side.patches[-1] if made.side.patches else made.side.subject
        about = made.side.problem or count_text(gate.cells)
        print(one_line(f"{gate.answer}: {made.side.name} ({title}): {about}"))
    left = others[len(found) :]
    for recipe in left:
        titles = recipe.series.titles or (recipe.commit.subject if recipe.commit else "",)
        print(one_line(f"not run: {recipe.name} ({titles[-1]})"))
    return series_code([*(gate.exit_code for _, gate in found), *(EXIT_ERROR for _ in left)])


def series_code(codes: list[int]) -> int:
    """1 when one step is bad: then it cannot be bisected across it; else 130, 125 or 0."""
    for code in (1, EXIT_INTERRUPTED, EXIT_ERROR):
        if code in codes:
            return code
    return 0
