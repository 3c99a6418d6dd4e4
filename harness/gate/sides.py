# SPDX-License-Identifier: GPL-2.0-only
"""Base and head: from what the user names to two kernels with our modules, built, or why that cannot be."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.build.kernel import Kernel, obtain_kernel
from harness.build.kmod import obtain_modules
from harness.build.series import Series, obtain_project, obtain_series
from harness.build.spec import KernelSpec, kernel_names, kernel_spec, load_specs
from harness.build.store import Store
from harness.build.variant import Commit, Variant, between, changed_files, find_commit, obtain_variant
from harness.build.worktree import find_worktree
from harness.errors import HarnessError, HostError, UsageError
from harness.gate.answers import Side
from harness.gate.routes import BASE, HEAD
from harness.progress import duration

EMPTY = Series((), (), (), ())


@dataclass(frozen=True)
class Wanted:
    """What the user wants to have compared."""

    base: str | None = None
    head: str | None = None
    tree: Path | None = None
    series: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How one side is made."""

    side: str
    # For people: 7.3.4, v7.3, 7.3.4 with 2 patches.
    name: str
    # The entry of kernels.yaml.
    spec: KernelSpec
    commit: Commit | None = None
    series: Series = EMPTY


@dataclass(frozen=True)
class Made:
    """One side, made or not; kernel is None when there is a problem."""

    side: Side
    spec: KernelSpec
    kernel: Kernel | None = None
    # The folder with the sources of our modules.
    kmod: Path = Path()
    commit: Commit | None = None


def recipes(store: Store, wanted: Wanted) -> tuple[Recipe, Recipe]:
    """How base and head are made. Raises UsageError when these are not two sides."""
    if wanted.series and wanted.head:
        raise UsageError("--series makes the head out of the base, so --head says it twice: give one of them")
    if not wanted.series and not wanted.head and not wanted.tree:
        raise UsageError("nothing to compare with the base: name a --head, a --tree or a --series of patches")
    base = _recipe(BASE, wanted.base, wanted.tree)
    if wanted.series:
        series = obtain_series(store, wanted.series)
        count = f"{len(series.titles)} patch{'es' if len(series.titles) > 1 else ''}"
        return base, replace(base, side=HEAD, name=f"{base.name} with {count}", series=series)
    if wanted.tree and not wanted.head:
        found = find_worktree(store, wanted.tree)
        head = Recipe(HEAD, found.name, base.spec, found)
    else:
        head = _recipe(HEAD, wanted.head, wanted.tree)
    if (base.spec, base.commit and base.commit.hash) == (head.spec, head.commit and head.commit.hash):
        raise UsageError(f"base and head are the same: {base.name} and {head.name}{_clean(wanted)}")
    return base, head


def _clean(wanted: Wanted) -> str:
    """What else there is to say when they are the same."""
    return f"; nothing in {wanted.tree} is changed" if wanted.tree and not wanted.head else ""


def steps(store: Store, wanted: Wanted) -> list[Recipe]:
    """The base, and each commit or patch after it on top of those before it."""
    base, head = recipes(store, wanted)
    if base.commit and head.commit and not wanted.series:
        commits = between(base.commit, head.commit)
        return [base, *(Recipe(f"step{n}", c.name, head.spec, c) for n, c in enumerate(commits, 1))]
    if not wanted.series:
        raise UsageError("between two released kernels there are no single commits: name a --tree")
    count = len(head.series.titles)
    return [
        base,
        *(
            replace(head, side=f"step{n}", name=f"patch {n}/{count}", series=head.series.first(n))
            for n in range(1, count + 1)
        ),
    ]


def _recipe(side: str, name: str | None, tree: Path | None) -> Recipe:
    """A commit of the tree; without a tree a released kernel, by its name in kernels.yaml."""
    if tree is None:
        if name is not None and name not in kernel_names():
            known = ", ".join(kernel_names())
            raise UsageError(
                f"--{side} {name}: no such kernel; there are: {known}; a commit takes --tree too"
            )
        spec = kernel_spec(name)
        return Recipe(side, spec.name, spec)
    commit = find_commit(tree, name or "HEAD")
    return Recipe(side, commit.name, kernel_spec(None), commit)


def make(store: Store, recipe: Recipe) -> Made:
    """Build one side, or say why it cannot be built.

    Raises UsageError, and HostError: it could not be built whatever it is.
    """
    began = time.time()
    commit = recipe.commit
    side = Side(
        name=recipe.name,
        kernel=recipe.spec.name,
        source=str(commit.tree) if commit else f"Linux {recipe.spec.version}",
        commit=commit.hash if commit else "",
        subject=commit.subject if commit else "",
        patches=recipe.series.titles,
        series=recipe.series.digest,
    )
    try:
        project = obtain_project(store, recipe.series.ours)
        spec = _own_spec(recipe, project)
        kernel = _kernel(store, recipe, spec)
        kmod = project / "kmod"
        modules = obtain_modules(store, kernel, kmod)
    except (UsageError, HostError):
        raise
    except HarnessError as error:
        return Made(replace(side, problem=str(error), seconds=time.time() - began), recipe.spec)
    seconds = time.time() - began
    built = (kernel.source.parent / "build.log").stat().st_mtime >= began
    how = f"kernel built in {duration(seconds)}" if built else "kernel taken from the store"
    side = replace(side, release=kernel.release, build_id=kernel.build_id, modules=modules.key)
    return Made(replace(side, made=how, seconds=seconds), spec, kernel, kmod, commit)


def _own_spec(recipe: Recipe, project: Path) -> KernelSpec:
    """What the kernel is configured like, after the series has changed our own patches and configurations."""
    if not recipe.series.ours:
        return recipe.spec
    _, specs = load_specs(project / "kernel")
    if recipe.spec.name not in specs:
        raise HarnessError(f"the series removes the kernel {recipe.spec.name} from kernel/kernels.yaml")
    return specs[recipe.spec.name]


def _kernel(store: Store, recipe: Recipe, spec: KernelSpec) -> Kernel:
    if recipe.commit is None and not recipe.series.titles:
        return obtain_kernel(store, spec.name)
    # Always another release than base's: modules lie in the guest by release.
    return obtain_variant(
        store, Variant(spec, f"{spec.local_version}-{recipe.side}", recipe.commit, recipe.series.kernel)
    )


def touched(base: Recipe, head: Recipe) -> tuple[str, ...]:
    """The files in which base and head differ, as far as that is known before anything is built."""
    if base.commit and head.commit and base.commit != head.commit:
        return changed_files(base.commit, head.commit)
    return head.series.files


def between_files(before: Made, after: Made) -> tuple[str, ...]:
    """The files in which two commits differ; none when these are no commits."""
    return changed_files(before.commit, after.commit) if before.commit and after.commit else ()


def notes(made: Sequence[Made]) -> list[str]:
    """What a reader has to know about how the sides were made."""
    found = []
    for one in made:
        if one.kernel is None:
            continue
        refused = [f"{patch} does not apply ({reason})" for patch, reason in one.kernel.rejected]
        refused += [f"{symbol} cannot be configured" for symbol in one.kernel.lost]
        found += [f"{one.side.name}: {what}; what needs it is skipped" for what in refused]
    ids = [one.side.build_id for one in made if one.side.build_id]
    if len(ids) == len(made) and len(set(ids)) < len(ids):
        found.append("base and head have the same build id: the kernel itself is not changed")
    return found
