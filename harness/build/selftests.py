# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests of live update, built from the source of the kernel under test.

The programs of tools/testing/selftests/liveupdate are built by the tree's own Makefile, but static. What
selftests/kho tests is lib/test_kho.c, which the kernel has only built in; here it becomes a module, so that
no kernel has to be configured for it.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.build.kernel import Kernel
from harness.build.make import make, toolchain
from harness.build.spec import TREE
from harness.build.store import Store, key_of
from harness.errors import HarnessError, HostError
from harness.proc import run
from harness.progress import say, stage

SELFTESTS = Path("tools/testing/selftests")
# The folders of it whose programs are built.
FOLDERS = ("liveupdate",)
# Modules by their names in the guest, each with the file of the tree that it is made of.
MODULES = {"test_kho": Path("lib/test_kho.c")}
# Go into the keys: to be raised when the way these are built changes.
_RECIPE = "2"
_HEADERS_RECIPE = "1"
_FAILED = "failed.json"
# The kernel has libfdt and exports nothing of it: the module has its own.
_LIBFDT = ("fdt", "fdt_ro", "fdt_sw")
_LIBFDT_SOURCE = Path("scripts/dtc/libfdt")
_KBUILD = f"""\
obj-m := {{name}}.o
{{name}}-y := lib/main.o {" ".join(f"lib/{name}.o" for name in _LIBFDT)}
ccflags-y := -I$(src)/{_LIBFDT_SOURCE}
"""
# What the headers for user space are made of.
_HEADERS = (
    Path("Makefile"),
    Path("include/uapi"),
    Path("arch/x86/include/uapi"),
    Path("arch/x86/entry/syscalls"),
    Path("scripts/headers_install.sh"),
    Path("scripts/unifdef.c"),
)


@dataclass(frozen=True)
class Selftests:
    """Programs and modules of one kernel, in the store."""

    programs: tuple[Path, ...]
    modules: tuple[Path, ...]
    # What a tree of the user's has and cannot be built, each with the first error.
    failed: tuple[str, ...]
    key: str

    @property
    def module_names(self) -> tuple[str, ...]:
        """The names by which the guest loads the modules."""
        return tuple(module.stem for module in self.modules)


def obtain_selftests(store: Store, kernel: Kernel) -> Selftests:
    """The kernel's own tests, built unless the store has them; what its tree does not have is left out.

    Raises HarnessError when they do not build; of a tree of the user's, what does not build is left out.
    """
    inputs = {"recipe": _RECIPE, "kernel": kernel.key, "toolchain": toolchain()}
    name = f"{kernel.name}-selftests"
    log = store.root / "log" / f"{name}-{key_of(inputs)}.log"

    def build(draft: Path) -> None:
        log.parent.mkdir(exist_ok=True)
        log.unlink(missing_ok=True)
        failed: list[str] = []
        for part in ("programs", "modules"):
            (draft / part).mkdir()
        for folder in FOLDERS:
            if (kernel.source / SELFTESTS / folder).is_dir():
                with _tolerated(kernel, failed):
                    _build_programs(store, kernel, folder, draft, log)
        for module, source in MODULES.items():
            if (kernel.source / source).exists():
                with _tolerated(kernel, failed):
                    _build_module(store, kernel, module, draft, log)
        (draft / _FAILED).write_text(json.dumps(failed) + "\n")
        if log.exists():
            log.replace(draft / "build.log")

    entry = store.obtain("selftests", name, inputs, build)
    programs, modules = (tuple(sorted((entry / part).iterdir())) for part in ("programs", "modules"))
    return Selftests(programs, modules, tuple(json.loads((entry / _FAILED).read_text())), key_of(inputs))


@contextlib.contextmanager
def _tolerated(kernel: Kernel, failed: list[str]) -> Iterator[None]:
    """Note what does not build of a tree of the user's; nobody has promised that it does."""
    try:
        yield
    except HostError:
        raise
    except HarnessError as error:
        if kernel.name != TREE:
            raise
        say(f"{error}; what needs it will be skipped")
        failed.append(str(error).partition("\n")[0])


def _build_programs(store: Store, kernel: Kernel, folder: str, draft: Path, log: Path) -> None:
    """Build the programs of one folder into draft/programs."""
    headers = obtain_headers(store, kernel)
    what = f"{SELFTESTS / folder} of kernel {kernel.name}"
    with stage(f"building {what}"), tempfile.TemporaryDirectory(dir=draft) as area:
        work, output = Path(area, "linux"), Path(area, "output")
        output.mkdir()
        shadow(kernel.source, work, SELFTESTS / folder)
        settings = (f"OUTPUT={output}", f"KHDR_INCLUDES=-isystem {headers}", "LDFLAGS=-static")
        place = work / SELFTESTS / folder
        make(("make", *settings, "all"), cwd=place, ccache=store.root / "ccache", log=log, what=what)
        for file in output.iterdir():
            if file.is_file() and os.access(file, os.X_OK):
                run(["strip", "-o", draft / "programs" / file.name, file])


def shadow(source: Path, target: Path, folder: Path) -> None:
    """A tree in which folder is a copy, and all around it are links: Makefiles write where they are."""
    here, there = target, source
    for part in folder.parts:
        here.mkdir()
        for child in there.iterdir():
            if child.name != part:
                (here / child.name).symlink_to(child)
        here, there = here / part, there / part
    shutil.copytree(there, here)


def obtain_headers(store: Store, kernel: Kernel) -> Path:
    """The folder of the headers for user space; the same for all kernels that have the same ones."""
    inputs = {"recipe": _HEADERS_RECIPE, "sources": _digest(kernel.source), "toolchain": toolchain()}
    log = store.root / "log" / f"headers-{key_of(inputs)}.log"

    def build(draft: Path) -> None:
        what = f"headers of kernel {kernel.name}"
        work = draft / "work"
        work.mkdir()
        with stage(f"installing {what}"):
            argv = ("make", f"O={work}", f"-j{os.cpu_count() or 1}", "headers")
            make(argv, cwd=kernel.source, ccache=store.root / "ccache", log=log, what=what)
        (work / "usr" / "include").rename(draft / "include")
        shutil.rmtree(work)
        log.replace(draft / "build.log")

    return store.obtain("headers", "headers", inputs, build) / "include"


def _digest(source: Path) -> str:
    """A digest of everything that the headers for user space are made of."""
    whole = hashlib.sha256()
    for file in _files(source):
        content = file.read_bytes()
        whole.update(f"{file.relative_to(source)} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _files(source: Path) -> Iterator[Path]:
    for name in _HEADERS:
        found = sorted((source / name).rglob("*")) if (source / name).is_dir() else [source / name]
        yield from (file for file in found if file.is_file())


def _build_module(store: Store, kernel: Kernel, name: str, draft: Path, log: Path) -> None:
    """Build one module into draft/modules."""
    what = f"{MODULES[name]} of kernel {kernel.name} as a module"
    with stage(f"building {what}"), tempfile.TemporaryDirectory(dir=draft) as area:
        work = Path(area)
        _gather(kernel.source, work, name)
        argv = ("make", f"O={kernel.build}", f"M={work}", f"-j{os.cpu_count() or 1}", "modules")
        make(argv, cwd=kernel.source, ccache=store.root / "ccache", log=log, what=what)
        for module in work.glob("*.ko"):
            run(["strip", "--strip-debug", "-o", draft / "modules" / module.name, module])


def _gather(source: Path, work: Path, name: str) -> None:
    """Put the sources of a module where its Kbuild finds them; lib/fdt*.c include by relative paths."""
    (work / "lib").mkdir()
    shutil.copy(source / MODULES[name], work / "lib" / "main.c")
    for part in _LIBFDT:
        shutil.copy(source / "lib" / f"{part}.c", work / "lib")
    shutil.copytree(source / _LIBFDT_SOURCE, work / _LIBFDT_SOURCE)
    (work / "Kbuild").write_text(_KBUILD.format(name=name))
