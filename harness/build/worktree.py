# SPDX-License-Identifier: GPL-2.0-only
"""What is in a git tree of the user's right now, what is not committed included, as a commit of ours.

Files are compared with an index of our own, and what is new goes to objects of our own, which only add to the
tree's: it is read and nothing else. What git ignores is left out; what it does not know yet is in.
"""

import hashlib
import shutil
from pathlib import Path

from harness.build.store import Store
from harness.build.variant import Commit, find_commit, git
from harness.errors import UsageError
from harness.proc import ProcessError
from harness.progress import stage

NAME = "the working tree"
# The same files on the same commit are the same commit of ours, so that it is built once.
_BY = {"NAME": "harness", "EMAIL": "harness@localhost", "DATE": "@1 +0000"}
_AUTHOR = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _BY.items()}


def find_worktree(store: Store, tree: Path) -> Commit:
    """The working tree as a commit on top of HEAD; HEAD itself, when nothing is changed."""
    head = find_commit(tree, "HEAD")
    place = hashlib.sha256(str(head.tree).encode()).hexdigest()[:8]
    with store.work(f"worktree-{place}") as area, stage(f"looking at what is in {head.tree}"):
        try:
            return _as_commit(head, area)
        except ProcessError as error:
            raise UsageError(f"{head.tree}: git does not understand it: {error.tail.strip()}") from error


def _as_commit(head: Commit, area: Path) -> Commit:
    objects, index = area / "objects", area / "index"
    objects.mkdir(exist_ok=True)
    index.with_name("index.lock").unlink(missing_ok=True)  # of one that was killed; the area is ours alone
    # With what the user's index knows of sizes and times, only changed files are read.
    index.unlink(missing_ok=True)
    theirs = head.tree / git(head.tree, "rev-parse", "--git-path", "index").strip()
    if theirs.is_file():
        # With its time: git reads what was changed in the second in which its index was written.
        shutil.copy2(theirs, index)
    # Without the user's objects: git renews the time of one that is there already.
    own = {"GIT_INDEX_FILE": str(index), "GIT_OBJECT_DIRECTORY": str(objects)}
    git(head.tree, "-c", "core.splitIndex=false", "add", "--all", "--", ".", **own)
    files = git(head.tree, "write-tree", "--missing-ok", **own).strip()
    if files == git(head.tree, "rev-parse", f"{head.hash}^{{tree}}").strip():
        return head
    subject = f"changes that are not committed, on {head.hash[:12]} ({head.subject})"
    theirs = head.tree / git(head.tree, "rev-parse", "--git-path", "objects").strip()
    own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(theirs.resolve())
    made = git(head.tree, "commit-tree", "-p", head.hash, "-m", subject, files, **own, **_AUTHOR).strip()
    return Commit(head.tree, NAME, made, subject, objects)
