# SPDX-License-Identifier: GPL-2.0-only
"""The commit that broke a scenario, by `git bisect run`, without a trace in the user's tree.

git bisects in a repository of ours, which has no objects of its own and borrows the tree's: refs, logs and
locks are ours. Nothing is checked out there either; each commit is built like a side of the gate.

The command that git runs says which commit it is about, and waits for the exit code: the test is made here,
so that whoever ends it ends one process, which puts everything away.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.build.variant import Commit, find_commit, git, is_ancestor
from harness.errors import HarnessError, UsageError
from harness.proc import ProcessError, run

# A bad commit for `git bisect`, and the one that is to be tested now.
BAD, NOW = "refs/bisect/bad", "BISECT_HEAD"
ASK = f'echo "to be tested: $(git rev-parse {NOW})" && read code && exit "$code"'
ASKS = re.compile("to be tested: ([0-9a-f]+)")
LOG = "bisect.log"


@dataclass(frozen=True)
class Search:
    """Where it is looked for."""

    good: Commit
    bad: Commit
    # Ours: the repository and the records.
    folder: Path

    @property
    def repository(self) -> Path:
        """The repository that git bisects in."""
        return self.folder / "bisect.git"


def search(tree: Path, good: str, bad: str, folder: Path) -> Search:
    """A search between two commits. Raises UsageError when one does not lead to the other."""
    found = Search(find_commit(tree, good), find_commit(tree, bad), folder)
    if found.good.hash == found.bad.hash:
        raise UsageError(f"--good {good} and --bad {bad} are the same commit")
    if not is_ancestor(found.good, found.bad):
        raise UsageError(f"--good {good} does not lead to --bad {bad}: there is nothing between them")
    return found


def bisect(found: Search, test: Callable[[Commit], int], on_line: Callable[[str], None]) -> list[Commit]:
    """Run git bisect; the first bad commit, or those that it can be when the others cannot be tested.

    test: 0 the commit is good, 1 bad, 125 it cannot be tested; what it raises ends it.
    Raises HarnessError when git finds nothing.
    """
    borrow(found)
    within = ["git", f"--git-dir={found.repository}", "-c", "safe.directory=*", "bisect"]
    lines: list[str] = []
    try:
        run([*within, "start", "--no-checkout", found.bad.hash, found.good.hash], on_line=on_line)
        with answering() as (question, answer):

            def hear(line: str) -> None:
                if asked := ASKS.fullmatch(line):
                    answer(test(find_commit(found.bad.tree, asked[1])))
                elif not line.startswith("running "):
                    lines.append(line)
                    on_line(line)

            run([*within, "run", "sh", "-c", ASK], stdin=question, on_line=hear)
    except ProcessError as error:
        candidates = only_skipped("\n".join(lines))
        if not candidates:
            raise HarnessError(f"git bisect did not come to an end:\n{error.tail.strip()}") from error
        return [find_commit(found.bad.tree, one) for one in candidates]
    finally:
        keep_log(found)
    return [find_commit(found.bad.tree, git(found.repository, "rev-parse", BAD).strip())]


@contextlib.contextmanager
def answering() -> Iterator[tuple[IO[str], Callable[[int], None]]]:
    """What the command that git runs reads its exit code from, and what says it."""
    ours, theirs = os.pipe()
    with os.fdopen(ours) as question, os.fdopen(theirs, "w", buffering=1) as answer:
        yield question, lambda code: print(code, file=answer)


def borrow(found: Search) -> None:
    """Make the repository: empty, with the tree's objects."""
    shutil.rmtree(found.repository, ignore_errors=True)
    run(["git", "init", "--quiet", "--bare", found.repository])
    objects = git(found.bad.tree, "rev-parse", "--git-path", "objects").strip()
    path = (found.bad.tree / objects).resolve()
    (found.repository / "objects" / "info" / "alternates").write_text(f"{path}\n", encoding="utf-8")
    # A clone that was cut off has commits whose parents are nowhere: this says which.
    cut = found.bad.tree / git(found.bad.tree, "rev-parse", "--git-path", "shallow").strip()
    if cut.is_file():
        shutil.copy(cut, found.repository / "shallow")
    # git does not begin to bisect where HEAD is nothing.
    git(found.repository, "update-ref", "--no-deref", "HEAD", found.bad.hash)


def keep_log(found: Search) -> None:
    """Keep what was tested, for `git bisect replay`; then nothing of the repository is needed any more."""
    try:
        text = git(found.repository, "bisect", "log")
    except ProcessError:
        return
    (found.folder / LOG).write_text(text, encoding="utf-8")


def only_skipped(said: str) -> list[str]:
    """The commits that are left when all that git could ask for cannot be tested."""
    _, separator, rest = said.partition("could be any of:")
    if not separator:
        return []
    words = rest.split()
    return [word for word in words if len(word) == 40 and set(word) <= set("0123456789abcdef")]
