# SPDX-License-Identifier: GPL-2.0-only
"""Building kmod/, our out-of-tree modules, for a kernel."""

import contextlib
import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.build.kernel import Kernel
from harness.build.make import make, toolchain
from harness.build.store import Store, key_of
from harness.errors import HarnessError
from harness.progress import stage

KMOD = Path(__file__).parents[2] / "kmod"
_ORDER = "load.order"
# Goes into every key: to be raised when the way modules are built changes.
_RECIPE = "1"
_SOURCES = ("*.c", "*.h", "Kbuild", "Makefile")


@dataclass(frozen=True)
class Modules:
    """Modules for one kernel: their folder in the store, and the .ko files in the order to load them."""

    directory: Path
    files: tuple[Path, ...]
    key: str


def obtain_modules(store: Store, kernel: Kernel, kmod: Path = KMOD) -> Modules:
    """The modules in kmod, built for kernel; loading goes by their order in Kbuild.

    For a kernel that does not take all of our patches, a module that does not build is left out.
    Raises HarnessError when they do not build for a kernel that has all patches.
    """
    sources = _sources(kmod)
    digests = {name: hashlib.sha256((kmod / name).read_bytes()).hexdigest() for name in sources}
    inputs = {"recipe": _RECIPE, "kernel": kernel.key, "toolchain": toolchain(), **digests}
    name = f"{kernel.name}-modules"
    log = store.root / "log" / f"{name}-{key_of(inputs)}.log"

    def build(draft: Path) -> None:
        log.parent.mkdir(exist_ok=True)
        work = draft / "work"
        for source in sources:
            (work / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kmod / source, work / source)
        with stage(f"building modules for kernel {kernel.name}"):
            try:
                _make(store, kernel, work, log, "modules")
            except HarnessError:
                if not kernel.rejected:
                    raise
                _make_each(store, kernel, work, log)
        _keep(work, draft)
        shutil.rmtree(work)
        log.replace(draft / "build.log")

    entry = store.obtain("modules", name, inputs, build)
    files = tuple(entry / line for line in (entry / _ORDER).read_text().splitlines())
    return Modules(entry, files, key_of(inputs))


def _sources(kmod: Path) -> tuple[str, ...]:
    """The source files of kmod, relative to it; nothing that a build by hand may have left there."""
    found = {path for pattern in _SOURCES for path in kmod.rglob(pattern) if not path.name.endswith(".mod.c")}
    if not found:
        raise HarnessError(f"there are no module sources in {kmod}")
    return tuple(sorted(str(path.relative_to(kmod)) for path in found))


def _make_each(store: Store, kernel: Kernel, work: Path, log: Path) -> None:
    """Build one module after the other; leave out what cannot be built."""
    built: list[str] = []
    for name in re.findall(r"^obj-m \+= (\S+)\.o$", (work / "Kbuild").read_text(), re.MULTILINE):
        with contextlib.suppress(HarnessError):
            _make(store, kernel, work, log, f"{name}.ko")
            built.append(f"{name}.o\n")
    (work / "modules.order").write_text("".join(built))


def _make(store: Store, kernel: Kernel, work: Path, log: Path, target: str) -> None:
    argv = ("make", f"O={kernel.build}", f"M={work}", target)
    what = f"kmod/ for kernel {kernel.name}"
    make(argv, cwd=kernel.source, ccache=store.root / "ccache", log=log, what=what)


def _keep(work: Path, draft: Path) -> None:
    """Keep the modules, and the order that kbuild found in Kbuild, by file name."""
    objects = [Path(line).with_suffix(".ko") for line in (work / "modules.order").read_text().split()]
    for module in objects:
        # Paths in modules.order are relative to M=, absolute in older kernels: both join to the file.
        (work / module).rename(draft / module.name)
    (draft / _ORDER).write_text("".join(f"{module.name}\n" for module in objects))
