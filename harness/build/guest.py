# SPDX-License-Identifier: GPL-2.0-only
"""The guest image: an initramfs of busybox, dropbear, our init, the agent, and modules for every kernel."""

import functools
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from harness import proc
from harness.build.image import DESCRIPTION, Image, listing, load_image
from harness.build.kernel import Kernel
from harness.build.kmod import Modules
from harness.build.selftests import Selftests
from harness.build.sshkeys import obtain_keys
from harness.build.staging import archive, stage_extra, stage_files, stage_selftests
from harness.build.store import Store
from harness.errors import HarnessError
from harness.progress import stage

ROOT = Path(__file__).parents[2]
AGENT_SOURCE = ROOT / "guests" / "agent"
FDBOX_HEADER = ROOT / "kmod" / "include" / "uapi" / "fdbox.h"
MUSL_LIBRARY = Path("/usr/lib/x86_64-linux-musl/libc.a")


@dataclass(frozen=True)
class Guest:
    """A built guest image and what is needed to talk to a machine that runs it."""

    initramfs: Path
    ssh_key: Path
    """The private client key: OpenSSH format, ed25519, readable by its owner only. One pair per store."""
    host_key: str
    """The guest's public host key: one line, "ssh-ed25519 AAAA..."."""
    agent_version: str
    # The modules that init loads by default, where the kernel has them.
    load: tuple[str, ...]
    key: str


def obtain_guest(
    store: Store,
    kernels: Sequence[tuple[Kernel, Modules]],
    selftests: Mapping[str, Selftests] = MappingProxyType({}),
) -> Guest:
    """The guest image with the modules of these kernels, built unless the store has it.

    selftests: the kernels' own tests, by release; only images for cases that run them have them.

    Raises HarnessError when a program or library of the build host is missing, or a source does not build.
    """
    image = load_image(DESCRIPTION)
    keys = obtain_keys(store)
    agent = obtain_agent(store)
    modules = _by_release(kernels)
    libraries = _libraries(f.host for f in image.files if f.libraries and f.host)
    archiver = _archiver_source(kernels)
    inputs = {
        "description": _digest([DESCRIPTION]),
        "sources": _digest(DESCRIPTION.parent / f.source for f in image.files if f.source),
        "host": "\n".join(f"{path} {_identity(path)}" for path in _host_paths(image, libraries)),
        "agent": agent.name,
        "keys": f"{keys.client_public}\n{keys.host_public}",
        "modules": "\n".join(f"{release} {found.key}" for release, found in sorted(modules.items())),
        "archiver": _digest([archiver]),
    }
    if selftests:
        inputs["selftests"] = "\n".join(f"{release} {found.key}" for release, found in selftests.items())

    def make(folder: Path) -> None:
        with stage("guest image"), tempfile.TemporaryDirectory(dir=folder) as name:
            work = Path(name)
            extra = stage_extra(work, libraries, modules, image.load)
            extra += stage_selftests(work, selftests)
            stage_files(work, image, {"agent": agent / "agent", "host_key": keys.host}, keys.client_public)
            archive(work, listing(image, extra), archiver, folder / "initramfs.cpio")

    entry = store.obtain("guest", DESCRIPTION.stem, inputs, make)
    return Guest(
        initramfs=entry / "initramfs.cpio",
        ssh_key=keys.client,
        host_key=keys.host_public,
        agent_version=agent_version(),
        load=image.load,
        key=entry.name.rpartition("-")[2],
    )


def agent_version() -> str:
    """The version that the agent of this source tree says."""
    header = AGENT_SOURCE / "version.h"
    found = re.search(r'^#define AGENT_VERSION "([^"]+)"$', header.read_text(), re.MULTILINE)
    if not found:
        raise HarnessError(f"{header}: no AGENT_VERSION")
    return found[1]


def obtain_agent(store: Store) -> Path:
    """The folder of the store with the static agent in it.

    Raises HarnessError when the compiler (Debian's musl-tools) is missing or the agent does not compile.
    """
    if not MUSL_LIBRARY.exists():
        raise HarnessError(f"no {MUSL_LIBRARY}: the guest's agent is built with musl-tools and musl-dev")
    sources = sorted((*AGENT_SOURCE.glob("*.[ch]"), AGENT_SOURCE / "Makefile", FDBOX_HEADER))
    compiler = Path(shutil.which("gcc") or "gcc").resolve()
    inputs = {
        "sources": _digest(sources),
        "compiler": f"{compiler.name} {_identity(compiler)}",
        "libc": _identity(MUSL_LIBRARY),
    }

    def make(folder: Path) -> None:
        with stage("guest agent"), tempfile.TemporaryDirectory(dir=folder) as work:
            proc.run(["make", "-C", AGENT_SOURCE, f"O={work}"])
            shutil.copy(Path(work) / "agent", folder / "agent")

    return store.obtain("agent", "agent", inputs, make)


def _by_release(kernels: Sequence[tuple[Kernel, Modules]]) -> dict[str, Modules]:
    """The modules by the release under which init looks for them; kernels without modules are left out."""
    found: dict[str, Modules] = {}
    for kernel, modules in kernels:
        if not modules.files:
            continue
        if kernel.release in found and found[kernel.release].key != modules.key:
            raise HarnessError(
                f"two different kernels of one image call themselves {kernel.release}: "
                "their modules would lie in one folder; give one of them another CONFIG_LOCALVERSION"
            )
        found[kernel.release] = modules
    return found


def _archiver_source(kernels: Sequence[tuple[Kernel, Modules]]) -> Path:
    if not kernels:
        raise HarnessError("a guest image is built for at least one kernel")
    return kernels[0][0].source / "usr" / "gen_init_cpio.c"


def _libraries(programs: Iterable[str]) -> tuple[str, ...]:
    """The shared libraries, loader included, that these programs of the build host need."""
    # Of one that is not there _identity() says so, and to whom it belongs.
    there = [Path(program) for program in programs if Path(program).exists()]
    return tuple(sorted({library for path in there for library in _needed_by(path, _identity(path))}))


@functools.cache
def _needed_by(program: Path, identity: str) -> frozenset[str]:
    """The shared libraries that one build of a program needs."""
    found: set[str] = set()
    for line in proc.run(["ldd", program], env={"LC_ALL": "C"}).splitlines():
        if "not found" in line:
            raise HarnessError(f"{program} does not run on this machine: {line.strip()}")
        if path := re.search(r"(/\S+) \(0x", line):
            found.add(path[1])
    return frozenset(found)


def _host_paths(image: Image, libraries: Sequence[str]) -> list[Path]:
    return [Path(path) for path in (*(f.host for f in image.files if f.host), *libraries)]


def _identity(path: Path) -> str:
    """What tells one build of an installed file from another. Hashing megabytes each time would be slow."""
    try:
        status = path.stat()
    except OSError as error:
        raise HarnessError(
            f"{path}: {error.strerror}; the guest image needs the packages busybox-static and dropbear-bin"
        ) from error
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def _digest(paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise HarnessError(f"{path}: {error.strerror}") from error
        whole.update(f"{path.name} {len(content)}\n".encode() + content)
    return whole.hexdigest()
