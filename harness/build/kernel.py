# SPDX-License-Identifier: GPL-2.0-only
"""Building kernels: allnoconfig and fragments, out of tree, reproducible, once.

    work/variants-<kernel>/linux   source and objects of the last one; make(1) builds what differs
    kernel/<name>-<key>/linux      what it came to: the patched source and, in it, BUILD (the O= folder)

A build folder within its source makes kbuild use relative paths throughout, so that a copy of it is as good
as itself, ccache hits wherever it is, and two builds of the same thing are the same.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from harness.build.elf import build_id
from harness.build.kconfig import check, lost, read_fragments
from harness.build.make import make, toolchain
from harness.build.patch import Patched
from harness.build.source import SOURCE, obtain_source
from harness.build.spec import TREE, KernelSpec, kernel_spec
from harness.build.store import Store, key_of, remove
from harness.build.tree import HOLDS, Synced, check_tree, sync_tree
from harness.errors import HarnessError
from harness.proc import run
from harness.progress import say, stage

BUILD = "build-fdbox"
_FACTS = "kernel.json"
# Goes into every key: to be raised when the way kernels are built changes.
_RECIPE = "1"
_TARGETS = ("bzImage", "modules")
# Lines that make prints for a whole build of the default kernel; what a kernel really printed is remembered.
# In a work area, while make runs there.
MARK = "building"
_DEFAULT_LINES = 1760
# What an external module or a debugger never reads, and what would be wrong once the entry is in its place.
_DROPPED = (
    "*.o",
    "*.a",
    "*.cmd",
    "*.order",
    ".tmp_*",
    "vmlinux.unstripped",
    "vmlinux.bin*",
    "modules.builtin*",
)
_DROPPED_PATHS = ("Makefile", "source", "arch/x86/boot/compressed/vmlinux", ".cache.mk")


@dataclass(frozen=True)
class Kernel:
    """A kernel that was built, in the store."""

    name: str  # as in kernels.yaml, or "tree" for the user's tree
    release: str  # uname -r
    build_id: str  # GNU build id of vmlinux, hex
    image: Path  # bzImage
    vmlinux: Path
    config: Path
    source: Path  # patched source, only to be read
    build: Path  # O= folder, good for external modules
    key: str
    patches: tuple[str, ...]  # those that are in
    rejected: tuple[tuple[str, str], ...]  # those that are not, each with the reason
    lost: tuple[str, ...] = ()  # optional symbols that it could not be configured with
    slowness: float = 1.0  # how many times as long as the lean kernel it takes for everything
    modules: tuple[str, ...] = ()  # those of its own that the guest image gets if they are there
    area: str = ""  # the work area that it was built in

    @property
    def symbols(self) -> Path:
        """Its System.map."""
        return self.build / "System.map"

    @property
    def complete(self) -> bool:
        """Whether it has all that our modules need; only a tree of the user's may not."""
        return not self.rejected and not self.lost


def images(kernels: Mapping[str | None, Kernel]) -> tuple[Path, ...]:
    """What machines have as disks for these kernels, whichever of them boots and whichever follows.

    All machines on the same kernels have the same disks, so that a saved one suits every case on them.
    """
    return tuple(dict.fromkeys(kernel.image for kernel in kernels.values()))


def obtain_kernel(store: Store, name: str | None, tree: Path | None = None) -> Kernel:
    """The kernel called name (None: the default one), or, when tree is given, the kernel in that tree.

    Raises UsageError when there is no such kernel or tree, HarnessError when it cannot be had or built.
    """
    check_place(store)
    spec = kernel_spec(name)
    entry = _obtain_tree(store, spec, tree) if tree else _obtain_named(store, spec)
    return load_kernel(entry, TREE if tree else spec.name, spec)


def check_place(store: Store) -> None:
    """Raises HarnessError when no kernel can be built in the store."""
    if re.search(r"[\s:]", str(store.root)):
        raise HarnessError(
            f"a kernel cannot be built in {store.root}: make(1) takes no path with a space or colon; "
            "XDG_CACHE_HOME chooses another place"
        )


def _obtain_named(store: Store, spec: KernelSpec) -> Path:
    source = obtain_source(store, spec)
    inputs = inputs_of(spec, source.origin.sha256)

    def build(draft: Path) -> None:
        with store.work(area_of(spec)) as area:
            synced = sync_tree(source.folder, area, spec.patches, ours=True)
            for patch, reason in synced.patched.rejected:
                raise HarnessError(f"{patch} does not apply to {source.origin.description}: {reason}")
            whole = replace(spec, optional=())
            build_in(store, whole, area, synced, draft, spec.name, spec.local_version, key_of(inputs))

    return store.obtain("kernel", spec.name, inputs, build)


def _obtain_tree(store: Store, spec: KernelSpec, tree: Path) -> Path:
    tree = check_tree(tree)
    place = hashlib.sha256(str(tree).encode()).hexdigest()[:8]
    with store.work(f"tree-{place}") as area:
        held = (area / HOLDS).read_text() if (area / HOLDS).is_file() else ""
        with stage(f"reading {tree}"):
            synced = sync_tree(tree, area, spec.patches)
        inputs = inputs_of(spec, synced.identity)
        name, local_version, key = f"{TREE}-{place}", f"-{TREE}{place}", key_of(inputs)

        def build(draft: Path) -> None:
            build_in(store, spec, area, synced, draft, name, local_version, key)

        entry = store.obtain("kernel", name, inputs, build)
        if held == key:
            # Read again, and found as it was: modules can be built there.
            (area / HOLDS).write_text(key)
    missing = [f"{patch} does not apply to {tree}: {reason}" for patch, reason in synced.patched.rejected]
    missing += _lost(entry / SOURCE / BUILD / ".config", spec)
    for what in missing:
        say(f"{what}; what needs it will be skipped")
    return entry


def area_of(spec: KernelSpec) -> str:
    """The work area for a named kernel and whatever is nearly like it."""
    return f"variants-{spec.name}"


@contextlib.contextmanager
def place_for_modules(store: Store, kernel: Kernel) -> Iterator[tuple[Path, Path] | None]:
    """Source and build folder of a kernel where it was built, if they are there still and nobody else is.

    The paths are the same for one kernel after the other, so the compiler's cache knows what is the same.
    """
    with store.work_if_free(kernel.area) if kernel.area else contextlib.nullcontext() as area:
        holds = area / HOLDS if area else None
        same = holds is not None and holds.is_file() and holds.read_text() == kernel.key
        yield (area / SOURCE, area / SOURCE / BUILD) if area and same else None


def build_in(
    store: Store,
    spec: KernelSpec,
    area: Path,
    synced: Synced,
    draft: Path,
    name: str,
    local_version: str,
    key: str,
) -> None:
    """Build in a work area what has changed there since the last time; draft gets a copy of the result."""
    build = synced.folder / BUILD
    if (area / MARK).exists():
        remove(build)
    build.mkdir(exist_ok=True)
    log = area / "build.log"
    log.unlink(missing_ok=True)
    required = tuple(fragment for fragment in spec.fragments if fragment not in spec.optional)
    _build(store, name, spec, synced.folder, local_version, log, required)
    with stage("keeping the result"):
        _snapshot(synced.folder, draft / SOURCE)
    shutil.copy(log, draft / "build.log")
    _write_facts(draft, synced.patched, area.name)
    (area / HOLDS).write_text(key)


def inputs_of(spec: KernelSpec, source: str) -> dict[str, str]:
    """Everything that goes into a kernel."""
    files = {f"{file.parent.name}/{file.name}": _digest(file) for file in (*spec.patches, *spec.fragments)}
    order = " ".join(file.name for file in (*spec.patches, *spec.fragments))
    return {"recipe": _RECIPE, "source": source, "order": order, "toolchain": toolchain(), **files}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _lost(config: Path, spec: KernelSpec) -> list[str]:
    """What a configuration lacks of the optional fragments."""
    return lost(read_fragments(spec.optional), config.read_text())


def _build(
    store: Store,
    name: str,
    spec: KernelSpec,
    source: Path,
    local_version: str,
    log: Path,
    required: Sequence[Path],
) -> None:
    """Configure and build in source/BUILD; required: the fragments whose symbols must all be there.

    MARK, beside the log, is left where make was killed.
    Raises HarnessError with the first error and the log's name.
    """
    log.parent.mkdir(exist_ok=True)
    build = source / BUILD
    ccache, mark = store.root / "ccache", log.with_name(MARK)
    with stage(f"configuring kernel {name}"):
        merge: Sequence[str | Path] = ("scripts/kconfig/merge_config.sh", "-n", "-O", BUILD, *spec.fragments)
        make(merge, cwd=source, ccache=ccache, log=log, what=f"configuration of kernel {name}", mark=mark)
        check(name, required, build / ".config")
    remembered = store.root / "work" / f"lines-{name}"
    fresh = not (build / "vmlinux").exists()
    total = _expected(remembered) if fresh else None
    lines = 0
    with stage(f"building kernel {name}", total=total) as progress:

        def on_line(line: str) -> None:
            nonlocal lines
            lines += 1
            progress.advance()

        argv = ("make", f"O={BUILD}", f"-j{os.cpu_count() or 1}", f"LOCALVERSION={local_version}", *_TARGETS)
        make(argv, cwd=source, ccache=ccache, log=log, what=f"kernel {name}", on_line=on_line, mark=mark)
    if fresh:
        remembered.parent.mkdir(exist_ok=True)
        remembered.write_text(f"{lines}\n")


def _expected(remembered: Path) -> int:
    """How many lines make is going to print, as was noted the last time, if it was."""
    try:
        return int(remembered.read_text())
    except (OSError, ValueError):
        return _DEFAULT_LINES


def _dropped(path: Path) -> bool:
    return str(path) in _DROPPED_PATHS or any(fnmatch(path.name, pattern) for pattern in _DROPPED)


def _snapshot(source: Path, target: Path) -> None:
    """Copy a source with its build folder: sources, which change only by rename, as hard links."""
    target.mkdir()
    children = [child for child in source.iterdir() if child.name != BUILD]
    run(["cp", "--archive", "--link", "-t", target, *children])
    build = source / BUILD

    def ignore(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if _dropped((Path(folder) / name).relative_to(build))]

    shutil.copytree(build, target / BUILD, symlinks=True, ignore=ignore)


def _write_facts(draft: Path, patched: Patched, area: str) -> None:
    build = draft / SOURCE / BUILD
    facts = {
        "release": (build / "include/config/kernel.release").read_text().strip(),
        "build_id": build_id(build / "vmlinux"),
        "patches": patched.applied,
        "rejected": patched.rejected,
        "area": area,
    }
    (draft / _FACTS).write_text(json.dumps(facts, indent=1) + "\n")


def load_kernel(entry: Path, name: str, spec: KernelSpec) -> Kernel:
    """The kernel in an entry of the store."""
    facts = json.loads((entry / _FACTS).read_text())
    source = entry / SOURCE
    build = source / BUILD
    return Kernel(
        name=name,
        release=facts["release"],
        build_id=facts["build_id"],
        image=build / "arch/x86/boot/bzImage",
        vmlinux=build / "vmlinux",
        config=build / ".config",
        source=source,
        build=build,
        key=entry.name.rpartition("-")[2],
        patches=tuple(facts["patches"]),
        rejected=tuple((patch, reason) for patch, reason in facts["rejected"]),
        lost=tuple(_lost(build / ".config", spec)),
        slowness=spec.slowness,
        modules=spec.modules,
        # A kernel that was built before this was noted has none.
        area=facts.get("area", ""),
    )
