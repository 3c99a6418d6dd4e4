# SPDX-License-Identifier: GPL-2.0-only
"""A private, patched copy of a kernel tree, kept current. The tree itself is only read.

    area/linux/          the copy; a file changes here only when its content changes
    area/manifest.json   what each file of the tree was when it was copied
    area/holds           key of the kernel that was built of it, if nothing has changed since

The copy leaves out what git would ignore, so a tree that was built in place, a dirty git tree and a tree
without git all give their sources and nothing else.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.build.patch import Patched, apply_series, touched_files
from harness.errors import UsageError
from harness.proc import run

COPY = "linux"
HOLDS = "holds"
_MANIFEST = "manifest.json"
# Files that make a folder a kernel tree, as far as we need one.
_LANDMARKS = ("Makefile", "Kconfig", "scripts/kconfig/merge_config.sh")
# For a tree that came without its .gitignore files: what an in-tree build leaves that would disturb ours.
_BUILT = (
    *("*.o", "*.a", "*.ko", "*.cmd", "/include/config/", "/include/generated/", "/arch/*/include/generated/"),
    *(
        "/.config*",
        "/.version",
        "/.tmp_*",
        "/.vmlinux*",
        "/vmlinux*",
        "/System.map",
        "/Module.symvers",
        "/modules.*",
    ),
)

Manifest = Mapping[str, tuple[int, int, int] | None]
"""By file: size, mtime in ns, mode; None: not known, to be copied again."""


@dataclass(frozen=True)
class Synced:
    """The copy: its folder, the identity of the content, what became of the patches, what was copied."""

    folder: Path
    identity: str
    patched: Patched
    changed: tuple[str, ...]


def check_tree(tree: Path) -> Path:
    """The tree as an absolute path. Raises UsageError when it is no kernel tree."""
    tree = tree.expanduser().resolve()
    for name in _LANDMARKS:
        if not (tree / name).is_file():
            raise UsageError(f"{tree} is not a Linux kernel tree: there is no {name} in it")
    return tree


def sync_tree(tree: Path, area: Path, patches: Sequence[Path], ours: bool = False) -> Synced:
    """Bring the copy in area up to date with the tree and the patches.

    ours: the tree is in the store, where files change only by rename: the first copy can be hard links.
    """
    copy = area / COPY
    copy.mkdir(exist_ok=True)
    (area / HOLDS).unlink(missing_ok=True)
    touched = touched_files(patches)
    now = scan(tree, list_sources(tree, area))
    before = _read(area / _MANIFEST)
    wanted: Manifest = {**now, **dict.fromkeys(touched)}
    changed = [name for name in now if name not in touched and now[name] != before.get(name)]
    if before != wanted:
        # Written first, so that an interrupted copy knows of every file that it may have left.
        _write(area / _MANIFEST, {**before, **wanted, **dict.fromkeys(changed)})
    for name in before.keys() - wanted.keys():
        (copy / name).unlink(missing_ok=True)
    if ours and not before:
        run(["cp", "--archive", "--link", "-T", tree, copy])
    elif changed:
        _copy(tree, copy, area, changed, first=not before)
    patched = apply_series(tree, copy, patches)
    if before != wanted:
        _write(area / _MANIFEST, wanted)
    return Synced(copy, identity(now), patched, tuple(changed))


def list_sources(tree: Path, area: Path) -> list[str]:
    """The source files of a tree, relative to it: what git would not ignore, and what it tracks."""
    empty = area / "empty.git"
    if not empty.is_dir():
        draft = area / "empty.git.draft"
        run(["git", "init", "--quiet", "--bare", draft])
        draft.rename(empty)
    # An empty repository beside the tree's own, which could be locked, broken, somebody else's, or absent.
    listing = ["git", f"--git-dir={empty}", f"--work-tree={tree}", "ls-files", "-z"]
    listing += ["--others", "--exclude-per-directory=.gitignore"]
    names = run([*listing, *_excluding(*_BUILT)], cwd=tree).split("\0")
    if (tree / ".git").exists():
        quiet = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"]
        names += run(["git", *quiet, "ls-files", "-z", "--cached"], cwd=tree).split("\0")
    if _LANDMARKS[0] not in names:
        # Debian's packages come with a .gitignore that ignores everything at the top.
        names = run([*listing, *_excluding("!/*", *_BUILT)], cwd=tree).split("\0")
    return sorted({name for name in names if name and not name.endswith("/")})


def _excluding(*patterns: str) -> list[str]:
    return [word for pattern in patterns for word in ("--exclude", pattern)]


def scan(tree: Path, names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Size, mtime and mode of those names that are files or symbolic links."""
    found: dict[str, tuple[int, int, int]] = {}
    for name in names:
        try:
            status = os.lstat(os.path.join(tree, name))  # noqa: PTH118 (100000 times: pathlib takes a second)
        except (FileNotFoundError, NotADirectoryError):
            continue  # tracked, but removed from the working tree
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            found[name] = (status.st_size, status.st_mtime_ns, status.st_mode)
    return found


def identity(files: Mapping[str, tuple[int, int, int]]) -> str:
    """What make(1) would go by: a digest of every file's name, size, time and mode."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


def _copy(tree: Path, copy: Path, area: Path, names: Sequence[str], first: bool) -> None:
    listing = area / "changed"
    listing.write_text("\0".join(names))
    # No times: a copy is as new as its content, even when the user's file went back to an older one. After
    # the first copy a file is compared, and one that was only touched stays as it is.
    how = "--ignore-times" if first else "--checksum"
    base = ["rsync", "--links", "--perms", "--chmod=u+w", "--whole-file", how, "--from0"]
    run([*base, f"--files-from={listing}", f"{tree}/", f"{copy}/"])


def _read(file: Path) -> dict[str, tuple[int, int, int] | None]:
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    return {name: tuple(value) if value else None for name, value in content.items()}


def _write(file: Path, manifest: Manifest) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(manifest))
    draft.replace(file)
