# SPDX-License-Identifier: GPL-2.0-only
"""The source of a named kernel: from Debian's package, else from the release on kernel.org."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.build.apt import ETC, PrivateApt, first_error, private_apts
from harness.build.spec import Debian, KernelSpec, Upstream
from harness.build.store import Store, disk_is_full
from harness.errors import HarnessError
from harness.proc import ProcessError, run
from harness.progress import say, stage

if TYPE_CHECKING:
    # Slow to import, and the source is in the store nearly always.
    import http.client

SOURCE = "linux"
"""The source's folder within its store entry."""
_ORIGIN = "origin.json"
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 2**20
# tar reports every so many records of 10 KiB; a 7.3 release has about 167000.
_CHECKPOINT_RECORDS = 1000
_RECORDS = 167_000


@dataclass(frozen=True)
class Origin:
    """Where a source came from: description for people, version (7.3.4), SHA-256 of the archive it was in."""

    description: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Source:
    """A pristine source, in the store."""

    folder: Path
    origin: Origin


class UnavailableError(Exception):
    """One place does not have the source; the message says why."""


def obtain_source(store: Store, spec: KernelSpec, etc: Path = ETC) -> Source:
    """The source of a named kernel; says so when it is not exactly the named version.

    Raises HarnessError, with everything that was tried, when no place has it.
    """
    inputs = {"version": spec.version, "debian": str(spec.debian), "upstream": str(spec.upstream)}
    name = f"linux-{spec.version}"
    entry = store.obtain("source", name, inputs, lambda draft: _fetch(store, spec, etc, draft))
    origin = Origin(**json.loads((entry / _ORIGIN).read_text()))
    if origin.version != spec.version:
        say(f"Linux {spec.version} is gone: using {origin.version} instead, from {origin.description}")
    return Source(entry / SOURCE, origin)


def _fetch(store: Store, spec: KernelSpec, etc: Path, draft: Path) -> None:
    places: tuple[tuple[str, Callable[[], Origin]], ...] = (
        (
            f"Debian package {spec.debian.package} ({spec.debian.suite})",
            lambda: fetch_debian(store, spec.debian, spec.version, draft, etc),
        ),
        (
            f"{spec.upstream.folder}/{spec.upstream.tarball}",
            lambda: fetch_upstream(spec.upstream, spec.version, draft),
        ),
    )
    tried: list[str] = []
    for place, fetch in places:
        try:
            origin = fetch()
        except UnavailableError as error:
            tried.append(f"{place}: {error}")
        except ProcessError as error:
            if disk_is_full(error):
                raise
            tried.append(f"{place}: {first_error(error)}")
        else:
            (draft / _ORIGIN).write_text(json.dumps(asdict(origin), indent=1) + "\n")
            return
        for rest in draft.iterdir():
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    raise HarnessError(
        f"no source for Linux {spec.version}. Tried:\n"
        + "".join(f"  - {line}\n" for line in tried)
        + "Give this machine a way to one of them (a mirror in /etc/apt/sources.list, a proxy), "
        "or name a kernel tree that you have: --tree PATH"
    )


def choose_version(versions: list[str], wanted: str) -> str | None:
    """Of a package's versions, newest first, the newest of release wanted, else the newest of all."""
    exact = [version for version in versions if upstream_version(version) == wanted]
    return next(iter([*exact, *versions]), None)


def upstream_version(debian_version: str) -> str:
    """The kernel release in a Debian version: 7.3.4 of 7.3.4-1~bpo13+1."""
    return debian_version.rpartition("-")[0] or debian_version


def fetch_debian(store: Store, debian: Debian, wanted: str, draft: Path, etc: Path = ETC) -> Origin:
    """Put the source from Debian's package into draft. Raises UnavailableError, ProcessError."""
    with store.work("apt") as work:
        try:
            apts = private_apts(work, debian.suite, debian.component, etc)
        except HarnessError as error:
            raise UnavailableError(str(error)) from error
        reasons: list[str] = []
        for apt in apts:
            try:
                return _from_mirror(apt, debian.package, wanted, draft)
            except ProcessError as error:
                if disk_is_full(error):
                    raise
                reasons.append(f"{apt.mirror.uri}: {first_error(error)}")
            except UnavailableError as error:
                reasons.append(str(error))
    raise UnavailableError("; ".join(reasons))


def _from_mirror(apt: PrivateApt, package: str, wanted: str, draft: Path) -> Origin:
    with stage(f"looking for {package} in {apt.suite} on {apt.mirror.uri}"):
        apt.update()
    version = choose_version(apt.versions(package), wanted)
    if version is None:
        raise UnavailableError(f"{apt.mirror.uri} has no {package} in {apt.suite}")
    with stage(f"downloading {package} {version}", total=100) as progress:
        done = 0.0

        def on_percent(percent: float) -> None:
            nonlocal done
            progress.advance(max(percent - done, 0))
            done = max(percent, done)

        deb = apt.download(package, version, draft, on_percent)
    sha256 = _sha256(deb)
    run(["dpkg-deb", "-x", deb, draft / "deb"])
    deb.unlink()
    tarball = draft / "deb" / "usr" / "src" / f"{package}.tar.xz"
    if not tarball.is_file():
        raise UnavailableError(f"{package} {version} has no {package}.tar.xz in it")
    unpack(tarball, draft / SOURCE)
    shutil.rmtree(draft / "deb")
    return Origin(f"Debian package {package} {version}", upstream_version(version), sha256)


def fetch_upstream(upstream: Upstream, version: str, draft: Path) -> Origin:
    """Put the source of the upstream release into draft, checked against its published checksum.

    Raises UnavailableError, also when the checksum is not the published one.
    """
    import http.client  # noqa: PLC0415
    import urllib.error  # noqa: PLC0415

    tarball = draft / upstream.tarball
    try:
        sums = _open(f"{upstream.folder}/{upstream.checksums}").read().decode("ascii", "replace")
        published = published_sum(sums, upstream.tarball)
        _download(f"{upstream.folder}/{upstream.tarball}", tarball)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise UnavailableError(str(error)) from error
    sha256 = _sha256(tarball)
    if sha256 != published:
        raise UnavailableError(f"damaged or not what was published: SHA-256 {sha256}, published {published}")
    unpack(tarball, draft / SOURCE)
    tarball.unlink()
    return Origin(f"{upstream.folder}/{upstream.tarball}", version, sha256)


def published_sum(sums: str, tarball: str) -> str:
    """The SHA-256 of tarball in a list of checksums. Raises UnavailableError when it is not there."""
    found = re.search(rf"^([0-9a-f]{{64}})  {re.escape(tarball)}$", sums, re.MULTILINE)
    if not found:
        raise UnavailableError(f"no checksum is published for {tarball}")
    return found.group(1)


def unpack(tarball: Path, folder: Path) -> None:
    """Unpack a tarball, without its topmost folder, into a new folder. Raises ProcessError."""
    folder.mkdir()
    report = f"--checkpoint={_CHECKPOINT_RECORDS}"
    argv: list[str | Path] = [
        "tar",
        "-I",
        "xz -T0",
        report,
        "-xf",
        tarball,
        "--strip-components=1",
        "-C",
        folder,
    ]
    with stage(f"unpacking {tarball.name}", total=_RECORDS) as progress:
        run(argv, env={"LC_ALL": "C"}, on_line=lambda line: progress.advance(_CHECKPOINT_RECORDS))


def _open(url: str) -> "http.client.HTTPResponse":
    import urllib.request  # noqa: PLC0415

    response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)
    return response


def _download(url: str, file: Path) -> None:
    with _open(url) as response, file.open("wb") as out:
        size = int(response.headers.get("Content-Length") or 0)
        with stage(f"downloading {url}", total=size or None) as progress:
            while chunk := response.read(_CHUNK_BYTES):
                out.write(chunk)
                progress.advance(len(chunk))
    if size and file.stat().st_size != size:
        raise UnavailableError(f"the connection broke after {file.stat().st_size} of {size} bytes")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
