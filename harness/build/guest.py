# SPDX-License-Identifier: GPL-2.0-only
"""The guest image: an initramfs of busybox, dropbear, our init, the agent, and modules for every kernel."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from harness import proc
from harness.build.image import Extra, Image, listing, load_image, staged
from harness.build.kernel import Kernel
from harness.build.kmod import Modules
from harness.build.selftests import Selftests
from harness.build.store import Store
from harness.errors import HarnessError
from harness.progress import stage

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "guests" / "default.yaml"
AGENT_SOURCE = ROOT / "guests" / "agent"
FDBOX_HEADER = ROOT / "kmod" / "include" / "uapi" / "fdbox.h"
MUSL_LIBRARY = Path("/usr/lib/x86_64-linux-musl/libc.a")
# Where the programs of the kernels' own tests are in the guest, in a folder for each release.
PROGRAMS = "/lib/selftests"
KEY_INPUTS = {"type": "ed25519", "made by": "dropbearkey"}


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


@dataclass(frozen=True)
class _Keys:
    client: Path
    client_public: str
    host: Path
    host_public: str


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
    keys = _obtain_keys(store)
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
            extra = _stage_extra(work, libraries, modules, image.load)
            extra += _stage_selftests(work, selftests)
            _stage_files(work, image, {"agent": agent / "agent", "host_key": keys.host}, keys.client_public)
            _archive(work, listing(image, extra), archiver, folder / "initramfs.cpio")

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


def _obtain_keys(store: Store) -> _Keys:
    """Key pairs of client and guest, made once per store."""

    def make(folder: Path) -> None:
        for name in ("client", "host"):
            proc.run(["dropbearkey", "-t", "ed25519", "-f", folder / name])
            (folder / f"{name}.pub").write_text(_public_key(folder / name) + "\n")
        # paramiko reads OpenSSH's format, not dropbear's.
        proc.run(["dropbearconvert", "dropbear", "openssh", folder / "client", folder / "client.openssh"])
        (folder / "client.openssh").chmod(0o600)

    entry = store.obtain("ssh-keys", "ed25519", KEY_INPUTS, make)
    return _Keys(
        client=entry / "client.openssh",
        client_public=(entry / "client.pub").read_text().strip(),
        host=entry / "host",
        host_public=(entry / "host.pub").read_text().strip(),
    )


def _public_key(key: Path) -> str:
    """The public half without its comment, which names the build host."""
    for line in proc.run(["dropbearkey", "-y", "-f", key]).splitlines():
        if line.startswith("ssh-ed25519 "):
            return " ".join(line.split()[:2])
    raise HarnessError(f"dropbearkey shows no public key for {key}")


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
    found: set[str] = set()
    for program in programs:
        if not Path(program).exists():
            continue  # _identity() says so, and to whom it belongs
        for line in proc.run(["ldd", program], env={"LC_ALL": "C"}).splitlines():
            if "not found" in line:
                raise HarnessError(f"{program} does not run on this machine: {line.strip()}")
            if path := re.search(r"(/\S+) \(0x", line):
                found.add(path[1])
    return tuple(sorted(found))


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


def _stage_extra(
    work: Path, libraries: Sequence[str], modules: Mapping[str, Modules], load: Sequence[str]
) -> list[Extra]:
    """Put libraries and modules into the folder that gen_init_cpio runs in; return what they become."""
    extra: list[Extra] = []
    for library in libraries:
        (work / staged(library)).symlink_to(library)
        extra.append(Extra(path=library, mode="755"))
    for release, found in modules.items():
        folder = f"/lib/modules/{release}"
        for file in found.files:
            extra.append(Extra(path=f"{folder}/{file.name}"))
            (work / staged(extra[-1].path)).symlink_to((found.directory / file).absolute())
        extra.append(Extra(path=f"{folder}/modules.load"))
        names = [name for name in load if name in found.names]
        (work / staged(extra[-1].path)).write_text(" ".join(names) + "\n")
    return extra


def _stage_selftests(work: Path, selftests: Mapping[str, Selftests]) -> list[Extra]:
    """Put the kernels' own tests there: modules beside ours, programs in a folder of each release."""
    extra: list[Extra] = []
    for release, found in selftests.items():
        placed = [(f"/lib/modules/{release}", file, "644") for file in found.modules]
        placed += [(f"{PROGRAMS}/{release}", file, "755") for file in found.programs]
        for folder, file, mode in placed:
            extra.append(Extra(f"{folder}/{file.name}", mode))
            (work / staged(extra[-1].path)).symlink_to(file.absolute())
    return extra


def _stage_files(work: Path, image: Image, built: Mapping[str, Path], client_public: str) -> None:
    for file in image.files:
        target = work / staged(file.path)
        if file.text is not None:
            target.write_text(file.text)
        elif file.built == "authorized_keys":
            target.write_text(client_public + "\n")
        elif file.built is not None:
            target.symlink_to(built[file.built])
        elif file.source is not None:
            target.symlink_to(DESCRIPTION.parent / file.source)
        else:
            target.symlink_to(str(file.host))


def _archive(work: Path, entries: str, archiver: Path, target: Path) -> None:
    """Make the archive by the kernel's own tool: no root needed. Times are 0: same in, same out."""
    program = work / "gen_init_cpio"
    proc.run(["gcc", "-O2", "-o", program, archiver])
    (work / "list").write_text(entries)
    proc.run([program, "-t", "0", "-o", target, "list"], cwd=work)
