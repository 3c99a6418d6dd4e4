# SPDX-License-Identifier: GPL-2.0-only
"""From a YAML file to a Scenario, or to everything that is wrong with it.

The file becomes a tree of plain values with places (yamltree.py), drafts.py reads the steps, validation.py
checks the values against scenario.py, lint.py checks what the steps mean together. All report into one list:
a file is wrong only once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness import matrix
from harness.diagnostic import Diagnostic, ScenarioError, Where, guess, nearest
from harness.drafts import STEPS_HELP, number, read_steps
from harness.kinds import Carrier
from harness.lint import lint, unseen
from harness.scenario import Header, Scenario
from harness.validation import validate
from harness.world import Known, no_module
from harness.yamltree import FastLoader, Loc, Plain, Tree, parse

EMPTY = "empty file: 'harness new NAME' writes one to begin with"


def load(path: Path, known: Known | None = None) -> Scenario:
    """Read a scenario; known: what exists besides, None: do not check that.

    Raises ScenarioError with everything that is wrong.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ScenarioError([Diagnostic(Where(path, 0, 0), unreadable(path, error))]) from error
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        where = Where(path, before.count(b"\n") + 1, column)
        what = f"this is not text in UTF-8 (byte 0x{error.object[error.start]:02x}): save the file as UTF-8"
        raise ScenarioError([Diagnostic(where, what)]) from error
    return load_text(text, path, known)


def load_all(paths: Iterable[Path], known: Known | None = None) -> tuple[Scenario, ...]:
    """Read several scenarios. Raises ScenarioError with everything that is wrong in any of them."""
    scenarios: list[Scenario] = []
    faults: list[Diagnostic] = []
    for path in paths:
        try:
            scenarios.append(load(path, known))
        except ScenarioError as error:
            faults += error.diagnostics
    if faults:
        raise ScenarioError(faults)
    return tuple(scenarios)


def load_text(text: str, path: Path, known: Known | None = None) -> Scenario:
    """Make a scenario of the text of the file path. Raises ScenarioError."""
    try:
        return load_tree(parse(text, path, FastLoader), known)
    except ScenarioError:
        return load_tree(parse(text, path), known)


def load_tree(tree: Tree, known: Known | None) -> Scenario:
    """Make a scenario of a parsed file. Raises ScenarioError."""
    if not tree.faults and not isinstance(tree.value, dict):
        other = "not a scenario, which is a mapping: 'summary: ...', 'steps: ...'"
        tree.fault(Where(tree.file, 1, 1), EMPTY if tree.value is None else other)
    if not isinstance(tree.value, dict):
        raise ScenarioError(tree.faults)
    matrix.check(tree)
    matrix.check_limits(tree)
    variants: list[Scenario] = []
    faults = {fault.where: fault for fault in reversed(tree.faults)} if tree.faults else {}
    several = list(tree.faults)
    for values in matrix.combinations(tree):
        one = matrix.variant(tree, values)
        scenario = load_variant(one, values, known)
        # What is wrong with all of them is wrong once, in the words of the first.
        several += [matrix.told(tree, values, fault) for fault in one.faults if fault.where not in faults]
        faults |= {fault.where: fault for fault in one.faults}
        variants += [scenario] if scenario else []
    if several:
        raise ScenarioError(sorted(dict.fromkeys(several)))
    first, *others = variants
    return replace(first, steps=(), words=(), variants=tuple(variants)) if others else first


def load_variant(tree: Tree, values: matrix.Values, known: Known | None) -> Scenario | None:
    """The scenario of a tree in which variables have these values; None, and faults in the tree, if it is
    wrong."""
    assert isinstance(tree.value, dict)
    value = dict(tree.value)
    has_steps, listed = "steps" in value, value.pop("steps", None)
    header = validate(Header, value, tree, (), "a scenario", also=("steps",))
    drafts = number(read_steps(listed, tree, ("steps",))) if has_steps else []
    if not has_steps and not any(guess(key, ["steps"]) for key in value):
        tree.fault(tree.where_key(()), f"'steps' is missing: {STEPS_HELP}")
    carriers = header.carriers if header else carriers_of(value)
    for where, message in lint(drafts, carriers, known):
        tree.fault(where, message)
    if header and not header.unseen and not tree.faults:
        for where, message in unseen(drafts, carriers):
            tree.fault(where, message)
    for at, message in unknown(header, known) if header and known else ():
        tree.fault(tree.where(tree.existing(at)), message)
    for index, bug in enumerate(header.xfail if header else ()):
        for carrier in set(bug.carriers) - set(carriers):
            at = tree.existing(("xfail", index, "carrier"))
            tree.fault(tree.where(at), f"there is no case on {carrier} that could fail")
    if tree.faults or header is None:
        return None
    words = tuple(matrix.word(value) for value in values.values())
    bugs = tuple(bug for bug in header.xfail if matrix.fits(bug.matrix, values))
    header = replace(header, xfail=bugs)
    steps = tuple(draft.step for draft in drafts if draft.step is not None)
    return Scenario(source=tree.file, steps=steps, words=words, **vars(header))


def unknown(header: Header, known: Known) -> Iterator[tuple[Loc, str]]:
    """What the header names that does not exist: the path in the file, and what to say."""
    if header.kernel is not None and header.kernel not in known.kernels:
        yield ("kernel",), f"no kernel '{header.kernel}'{nearest(header.kernel, known.kernels)}"
    for key, names in (("boot", header.boot.modules), ("requires", header.requires.modules)):
        for index, name in enumerate(names):
            if message := no_module(known, name):
                yield (key, "modules", index), message


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        others = [other.name for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        return f"no such file{nearest(path.name, others)}"
    if isinstance(error, IsADirectoryError):
        return "this is a folder: name the .yaml files in it"
    return f"cannot be read: {error.strerror}"


def carriers_of(value: Mapping[str, Plain]) -> tuple[Carrier, ...]:
    """The carriers of a scenario whose header is wrong, as far as they are right."""
    said = value.get("carrier")
    words = said if isinstance(said, tuple) else (said,)
    return tuple(carrier for carrier in Carrier if carrier in words) or (Carrier.FDBOX,)
