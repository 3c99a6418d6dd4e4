# SPDX-License-Identifier: GPL-2.0-only
"""The modules of a guest image: those of the kernel's own that belong into it, and ours, built from kmod/."""

import functools
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.build.kernel import Kernel, place_for_modules
from harness.build.make import make, toolchain
from harness.build.store import Store, key_of, remove
from harness.errors import HarnessError, HostError
from harness.proc import run
from harness.progress import stage

KMOD = Path(__file__).parents[2] / "kmod"
_ORDER = "load.order"
# Goes into every key: to be raised when the way modules are built changes.
_RECIPE = "2"
_SOURCES = ("*.c", "*.h", "Kbuild", "Makefile")
OBJ = re.compile(r"^obj-m \+= (\S+)\.o$", re.MULTILINE)


@dataclass(frozen=True)
class Modules:
    """Modules for one kernel: their folder in the store, and the .ko files, each after what it needs."""

    directory: Path
    files: tuple[Path, ...]
    key: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which the guest loads them."""
        return tuple(file.stem for file in self.files)


def obtain_modules(store: Store, kernel: Kernel, kmod: Path = KMOD) -> Modules:
    """The kernel's own modules, then those in kmod, built for it, in the order of Kbuild; no debug data.

    For a tree of the user's that does not take all of our patches, or not all of the optional configuration,
    what is not there or does not build is left out. Raises HarnessError when another kernel lacks something.
    """
    sources = _sources(kmod)
    digests = {name: hashlib.sha256((kmod / name).read_bytes()).hexdigest() for name in sources}
    own = " ".join(kernel.modules)
    inputs = {"recipe": _RECIPE, "kernel": kernel.key, "own": own, "toolchain": toolchain(), **digests}
    name = f"{kernel.name}-modules"
    log = store.root / "log" / f"{name}-{key_of(inputs)}.log"

    def build(draft: Path) -> None:
        log.parent.mkdir(exist_ok=True)
        with place_for_modules(store, kernel) as found:
            source, build = found or (kernel.source, kernel.build)
            work = (source.parent if found else draft) / "modules"
            make_all = functools.partial(_make, store, source, build, work, kernel.name, log)
            remove(work)
            for name in sources:
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(kmod / name, work / name)
            with stage(f"building modules for kernel {kernel.name}"):
                try:
                    make_all()
                except HostError:
                    raise
                except HarnessError:
                    if kernel.complete:
                        raise
                    _make_each(work, make_all)
            _keep([*_own(kernel), *_built(work)], draft)
            remove(work)
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


def _make_each(work: Path, make_all: Callable[[], None]) -> None:
    """Build as many modules as can be built: each together with those before it, whose symbols it may use."""
    kbuild = work / "Kbuild"
    whole = kbuild.read_text()
    built: list[str] = []
    for name in OBJ.findall(whole):
        kbuild.write_text(_only(whole, [*built, name]))
        try:
            make_all()
        except HostError:
            raise
        except HarnessError:
            continue
        built.append(name)
    (work / "modules.order").write_text("".join(f"{name}.o\n" for name in built))


def _only(kbuild: str, names: Sequence[str]) -> str:
    """A Kbuild of these modules alone."""
    return OBJ.sub(lambda line: line[0] if line[1] in names else "", kbuild)


def _make(store: Store, source: Path, build: Path, work: Path, name: str, log: Path) -> None:
    argv = ("make", f"O={build}", f"M={work}", f"-j{os.cpu_count() or 1}", "modules")
    make(argv, cwd=source, ccache=store.root / "ccache", log=log, what=f"kmod/ for kernel {name}")


def _own(kernel: Kernel) -> list[Path]:
    """The kernel's own modules that belong into the image, as its build left them."""
    built = {file.stem: file for file in kernel.build.rglob("*.ko")}
    missing = [name for name in kernel.modules if name not in built]
    if missing and kernel.complete:
        raise HarnessError(f"the build of kernel {kernel.name} has no module {', '.join(missing)}")
    return [built[name] for name in kernel.modules if name in built]


def _built(work: Path) -> list[Path]:
    """Our modules, in the order that kbuild found in Kbuild."""
    # Paths in modules.order are relative to M=, absolute in older kernels: both join to the file.
    return [work / Path(line).with_suffix(".ko") for line in (work / "modules.order").read_text().split()]


def _keep(modules: Sequence[Path], draft: Path) -> None:
    """Keep the modules without debug data, and their order by file name."""
    for module in modules:
        run(["strip", "--strip-debug", "-o", draft / module.name, module])
    (draft / _ORDER).write_text("".join(f"{module.name}\n" for module in modules))
