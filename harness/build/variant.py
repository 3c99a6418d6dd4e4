# SPDX-License-Identifier: GPL-2.0-only
"""Variants of a kernel: another commit of a git tree, or patches on top; each built from the one before.

    work/commits-<tree>/linux   the last commit that was taken out of a git tree, with an index of our own

Nothing of the user's git repository changes: objects are read from it, and the index, the files and all locks
are ours. `git read-tree -u` writes only the files that differ between two commits; `git archive` would write
all, and leave out what .gitattributes say.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.build.kernel import Kernel, area_of, build_in, check_place, inputs_of, load_kernel
from harness.build.source import obtain_source
from harness.build.spec import KernelSpec
from harness.build.store import Store, key_of, remove
from harness.build.tree import check_tree, sync_tree
from harness.errors import HarnessError, UsageError
from harness.proc import ProcessError, run
from harness.progress import stage

# What the user's configuration of git must not change here.
_OWN: tuple[str, ...] = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false")
_OWN += ("-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null", "-c", "core.sparseCheckout=false")


class PatchError(HarnessError):
    """A patch does not apply: the message names the patch, the file and the hunk."""


@dataclass(frozen=True)
class Commit:
    """A commit of a git tree of the user's."""

    tree: Path
    # As the user called it, the full hash, and the first line of its message.
    name: str
    hash: str
    subject: str
    # Where its objects are, if the tree does not have them.
    objects: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What git has to know to find it in the tree."""
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.objects)} if self.objects else {}


@dataclass(frozen=True)
class Variant:
    """A kernel like a named one, but of another commit, with a series of patches, or with another release."""

    spec: KernelSpec
    # What uname -r ends with, so that modules of two variants can be in one image.
    local_version: str
    # None: the source of the named kernel.
    commit: Commit | None = None
    # Applied before the patches of ours, which are rebased onto what the user has.
    series: tuple[Path, ...] = ()


def find_commit(tree: Path, name: str) -> Commit:
    """The commit that a name means in a git tree. Raises UsageError when there is none, or no such tree."""
    tree = check_tree(tree)
    try:
        full = git(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
        subject = git(tree, "show", "--no-patch", "--format=%s", full).strip()
    except ProcessError as error:
        raise UsageError(f"{tree} has no commit '{name}'; {_near(tree)}") from error
    return Commit(tree, name, full, subject)


def changed_files(before: Commit, after: Commit) -> tuple[str, ...]:
    """The files in which two commits of a tree differ."""
    words = ("diff", "--name-only", "--no-renames", "-z", before.hash, after.hash, "--")
    found = git(before.tree, *words, **before.environment, **after.environment)
    return tuple(name for name in found.split("\0") if name)


def between(before: Commit, after: Commit) -> list[Commit]:
    """The commits that lead from one to the other, oldest first; of a merge only the first parent's side.

    Raises UsageError when there is no way.
    """
    tree, span = before.tree, f"{before.hash}..{after.hash}"
    words = ("log", "--reverse", "--first-parent", "--format=%H %s", span)
    found = git(tree, *words, **after.environment).splitlines()
    if not found or not is_ancestor(before, after):
        raise UsageError(f"{after.name} is not made of commits on top of {before.name}")
    lines = [line.split(" ", 1) for line in found]
    return [
        after if full == after.hash else Commit(tree, full[:10], full, subject) for full, subject in lines
    ]


def is_ancestor(before: Commit, after: Commit) -> bool:
    """Whether one commit leads to the other."""
    try:
        git(before.tree, "merge-base", "--is-ancestor", before.hash, after.hash, **after.environment)
    except ProcessError:
        return False
    return True


def _near(tree: Path) -> str:
    """What could have been meant."""
    try:
        found = git(tree, "for-each-ref", "--sort=-creatordate", "--count=6", "--format=%(refname:short)")
    except ProcessError:
        return "it is not a git repository"
    return f"it has {', '.join(found.split())}" if found.split() else "it has no branch and no tag"


def git(tree: Path, *words: str, **environment: str) -> str:
    """What git says about a repository of the user's, which it only reads. Raises ProcessError."""
    # Nothing is fetched, and no lock is taken in the user's repository; who started us, a hook or a bisection
    # of git's, may have named another one.
    env = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    unset = [word for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE") for word in ("-u", name)]
    own = [f"{name}={value}" for name, value in environment.items()]
    return run(["env", *unset, *own, "git", *_OWN, *words], cwd=tree, env=env)


def obtain_variant(store: Store, variant: Variant) -> Kernel:
    """The kernel, from the store or built.

    Raises PatchError when a patch of the series does not apply, HarnessError when the kernel does not build.
    """
    check_place(store)
    spec = replace(variant.spec, patches=(*variant.series, *variant.spec.patches))
    name = f"{variant.spec.name}{variant.local_version}"
    origin = variant.commit.hash if variant.commit else obtain_source(store, spec).origin.sha256
    inputs = {**inputs_of(spec, origin), "local version": variant.local_version}

    def build(draft: Path) -> None:
        with _pristine(store, variant) as source, store.work(area_of(spec)) as area:
            with stage(f"preparing the source of {name}"):
                synced = sync_tree(source, area, spec.patches, ours=True)
            refused = dict(synced.patched.rejected)
            for patch in variant.series:
                if patch.name in refused:
                    raise PatchError(f"{patch.name} does not apply: {refused[patch.name]}")
            build_in(store, variant.spec, area, synced, draft, name, variant.local_version, key_of(inputs))

    return load_kernel(store.obtain("kernel", name, inputs, build), name, variant.spec)


@contextlib.contextmanager
def _pristine(store: Store, variant: Variant) -> Iterator[Path]:
    """The source without any patches, while the context lasts."""
    if variant.commit is None:
        yield obtain_source(store, variant.spec).folder
        return
    tree = variant.commit.tree
    place = hashlib.sha256(str(tree).encode()).hexdigest()[:8]
    with store.work(f"commits-{place}") as area:
        with stage(f"taking {variant.commit.name} out of {tree}"):
            folder = take_out(variant.commit, area)
        yield folder


def take_out(commit: Commit, area: Path) -> Path:
    """Make the folder area/linux what is in a commit; a file whose content stays the same is not touched."""
    folder, index, mark = area / "linux", area / "index", area / "taking"
    if mark.exists():
        # git knows of no file that it had written when it was interrupted.
        remove(folder)
        index.unlink(missing_ok=True)
    folder.mkdir(exist_ok=True)
    mark.touch()
    repository = git(commit.tree, "rev-parse", "--absolute-git-dir").strip()
    own = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(folder), "GIT_DIR": repository}
    (area / "index.lock").unlink(missing_ok=True)  # of one that was killed; the area is ours alone
    git(folder, "read-tree", "--reset", "-u", commit.hash, **own, **commit.environment)
    mark.unlink()
    return folder
