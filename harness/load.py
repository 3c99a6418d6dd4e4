# SPDX-License-Identifier: GPL-2.0-only
"""From a YAML file to a Scenario, or to everything that is wrong with it.

The file becomes a tree of plain values with places (yamltree.py), drafts.py reads the steps, validation.py
checks the values against scenario.py, lint.py checks what the steps mean together. All report into one list:
a file is wrong only once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from harness import matrix
from harness.diagnostic import Diagnostic, ScenarioError, Where, guess, nearest
from harness.drafts import STEPS_HELP, number, read_steps
from harness.kinds import Carrier
from harness.lint import lint, unseen
from harness.scenario import Header, Scenario
from harness.validation import validate
from harness.yamltree import FastLoader, Plain, Tree, parse

EMPTY = "empty file: 'harness new NAME' writes one to begin with"


def load(path: Path, kernels: Collection[str] | None = None) -> Scenario:
    """Read a scenario; kernels: the names of kernels that exist, None: do not check those.

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
    return load_text(text, path, kernels)


def load_all(paths: Iterable[Path], kernels: Collection[str] | None = None) -> tuple[Scenario, ...]:
    """Read several scenarios. Raises ScenarioError with everything that is wrong in any of them."""
    scenarios: list[Scenario] = []
    faults: list[Diagnostic] = []
    for path in paths:
        try:
            scenarios.append(load(path, kernels))
        except ScenarioError as error:
            faults += error.diagnostics
    if faults:
        raise ScenarioError(faults)
    return tuple(scenarios)


def load_text(text: str, path: Path, kernels: Collection[str] | None = None) -> Scenario:
    """Make a scenario of the text of the file path. Raises ScenarioError."""
    try:
        return load_tree(parse(text, path, FastLoader), kernels)
    except ScenarioError:
        return load_tree(parse(text, path), kernels)


def load_tree(tree: Tree, kernels: Collection[str] | None) -> Scenario:
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
        scenario = load_variant(one, values, kernels)
        # What is wrong with all of them is wrong once, in the words of the first.
        several += [matrix.told(tree, values, fault) for fault in one.faults if fault.where not in faults]
        faults |= {fault.where: fault for fault in one.faults}
        variants += [scenario] if scenario else []
    if several:
        raise ScenarioError(sorted(dict.fromkeys(several)))
    first, *others = variants
    return replace(first, steps=(), words=(), variants=tuple(variants)) if others else first


def load_variant(tree: Tree, values: matrix.Values, kernels: Collection[str] | None) -> Scenario | None:
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
    for where, message in lint(drafts, carriers, kernels):
        tree.fault(where, message)
    if header and not header.unseen and not tree.faults:
        for where, message in unseen(drafts, carriers):
            tree.fault(where, message)
    if header and kernels is not None and header.kernel is not None and header.kernel not in kernels:
        tree.fault(tree.where(("kernel",)), f"no kernel '{header.kernel}'{nearest(header.kernel, kernels)}")
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
