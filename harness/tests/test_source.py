# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources: which mirror, which version, checked against what was published, else a clear message."""

import functools
import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build import source as source_module
from harness.build.apt import (
    KEYRING,
    Mirror,
    PrivateApt,
    carried_settings,
    configured_mirrors,
    debian_mirrors,
    first_error,
)
from harness.build.source import (
    Origin,
    UnavailableError,
    choose_version,
    fetch_upstream,
    obtain_source,
    published_sum,
    upstream_version,
)
from harness.build.spec import Upstream
from harness.build.store import Store
from harness.errors import HarnessError
from harness.proc import ProcessError
from harness.tests.fake_kernel import fake_spec, fake_tree

LIST = """
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/a.gpg] http://one.example/debian bookworm main contrib # why
deb-src http://source.example/debian bookworm main
deb cdrom:[Debian]/ bookworm main
"""
SOURCES = """
# A comment.
Types: deb deb-src
URIs: http://two.example/debian/ http://three.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://vendor.example/apt
Suites: nodistro
Components: main
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "apt/sources.list").write_text(LIST)
    (tmp_path / "apt/sources.list.d/debian.sources").write_text(SOURCES)
    (tmp_path / "apt/sources.list.d/old.list.disabled").write_text("deb http://old.example/ bookworm main\n")
    return tmp_path / "apt"


def test_mirrors_are_read_from_both_styles(etc: Path) -> None:
    mirrors = configured_mirrors(etc)
    assert [mirror.uri.split("/")[2] for mirror in mirrors if "://" in mirror.uri] == [
        "one.example",
        "two.example",
        "three.example",
        "security.example",
        "vendor.example",
    ]
    assert mirrors[0] == Mirror(
        "http://one.example/debian", ("bookworm",), ("main", "contrib"), "/keys/a.gpg"
    )
    two = next(mirror for mirror in mirrors if "two" in mirror.uri)
    assert two.suites == ("bookworm", "bookworm-updates")
    assert two.signed_by.splitlines()[1] == " -----BEGIN PGP PUBLIC KEY BLOCK-----"


def test_only_debian_itself_is_a_mirror_for_backports(etc: Path) -> None:
    found = debian_mirrors(configured_mirrors(etc), "bookworm")
    assert [mirror.uri for mirror in found] == [
        "http://one.example/debian",
        "http://two.example/debian/",
        "http://three.example/debian",
    ]


def test_machine_without_mirrors_has_none(tmp_path: Path) -> None:
    assert debian_mirrors(configured_mirrors(tmp_path), "bookworm") == []


def test_carried_settings_reach_the_mirror_and_never_weaken_verification() -> None:
    dump = (
        'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";\n'
        'Acquire "";\n'
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::https::CAInfo "/etc/ssl/x.pem";\n'
        'Acquire::AllowInsecureRepositories "1";\n'
        'Acquire::AllowDowngradeToInsecureRepositories "1";\n'
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";\n'
    )
    assert carried_settings(dump) == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::CAInfo "/etc/ssl/x.pem";',
    ]


def archive(folder: Path, signed: bool) -> Mirror:
    """A Debian archive on disk with one suite; without a signature, like a forged one."""
    suite = folder / "archive/dists/suite"
    (suite / "main/binary-amd64").mkdir(parents=True)
    (suite / "main/binary-amd64/Packages").write_text("")
    (suite / ("InRelease" if signed else "Release")).write_text("Suite: suite\nCodename: suite\n")
    return Mirror(f"file:{folder}/archive", ("suite",), ("main",), KEYRING)


@pytest.mark.skipif(not Path("/usr/bin/apt-get").exists(), reason="not a Debian machine")
def test_unsigned_archive_is_refused(tmp_path: Path) -> None:
    apt = PrivateApt(tmp_path / "apt", archive(tmp_path, signed=False), "suite", "main")
    with pytest.raises(ProcessError) as caught:
        apt.update()
    assert "is not signed" in first_error(caught.value)


def test_first_error_is_apts_own_sentence() -> None:
    error = ProcessError(
        "apt-get update\nexited with 100", 100, "Ign:1 x\nReading...\nE: The disk is round.\n"
    )
    assert first_error(error) == "The disk is round."


def test_exact_release_is_preferred_and_the_newest_is_next() -> None:
    versions = ["7.3.9-1~bpo13+1", "7.3.4-2~bpo13+1", "7.3.4-1~bpo13+1"]
    assert choose_version(versions, "7.3.4") == "7.3.4-2~bpo13+1"
    assert choose_version(versions, "7.3.5") == "7.3.9-1~bpo13+1"
    assert choose_version([], "7.3.4") is None
    assert upstream_version("7.3.9-1~bpo13+1") == "7.3.9"


def test_release_that_is_gone_is_replaced_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(store: Store, debian: object, wanted: str, draft: Path, etc: Path) -> Origin:
        (draft / "linux").mkdir()
        return Origin("Debian package x 7.3.9-1", "7.3.9", "0")

    monkeypatch.setattr(source_module, "fetch_debian", fetch)
    for _ in range(2):
        assert obtain_source(Store(tmp_path / "store"), fake_spec(tmp_path)).origin.version == "7.3.9"
        assert "Linux 7.3.4 is gone: using 7.3.9 instead" in capsys.readouterr().err


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Upstream]:
    """A web server with the release of a fake kernel and its checksum."""
    web = tmp_path / "web"
    web.mkdir()
    fake_tree(tmp_path / "linux-7.3.4")
    tarball = web / "linux-7.3.4.tar.xz"
    subprocess.run(["tar", "-C", tmp_path, "-cJf", tarball, "linux-7.3.4"], check=True)
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    text = f"-----BEGIN PGP SIGNED MESSAGE-----\n\n{'0' * 64}  other.tar.xz\n{digest}  {tarball.name}\n"
    (web / "sha256sums.asc").write_text(text)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(web)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Upstream(f"http://127.0.0.1:{server.server_port}", tarball.name, "sha256sums.asc")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    (tmp_path / "draft").mkdir()
    return tmp_path / "draft"


def test_upstream_release_is_checked_and_unpacked(release: Upstream, draft: Path) -> None:
    origin = fetch_upstream(release, "7.3.4", draft)
    assert (draft / "linux/Makefile").is_file()
    assert [path.name for path in draft.iterdir()] == ["linux"]
    assert origin.version == "7.3.4"


def test_upstream_release_with_another_checksum_is_refused(
    release: Upstream, draft: Path, tmp_path: Path
) -> None:
    with (tmp_path / "web/linux-7.3.4.tar.xz").open("ab") as tarball:
        tarball.write(b"x")
    with pytest.raises(UnavailableError, match=r"damaged or not what was published: SHA-256 [0-9a-f]{64}"):
        fetch_upstream(release, "7.3.4", draft)
    assert not (draft / "linux").exists()


def test_upstream_release_that_is_not_there_is_unavailable(release: Upstream, draft: Path) -> None:
    with pytest.raises(UnavailableError, match="no checksum is published for linux-9"):
        fetch_upstream(replace(release, tarball="linux-9.tar.xz"), "9", draft)
    with pytest.raises(UnavailableError, match="404"):
        fetch_upstream(replace(release, checksums="none"), "7.3.4", draft)
    with pytest.raises(UnavailableError, match="refused"):
        fetch_upstream(replace(release, folder="http://127.0.0.1:1"), "7.3.4", draft)


def test_published_sum_is_that_of_exactly_this_file() -> None:
    sums = f"{'1' * 64}  xlinux-1.tar.xz\n{'2' * 64}  linux-1.tar.xz\n"
    assert published_sum(sums, "linux-1.tar.xz") == "2" * 64


def test_upstream_is_next_when_debian_has_nothing(tmp_path: Path, release: Upstream) -> None:
    store = Store(tmp_path / "store")
    spec = replace(fake_spec(tmp_path), upstream=release)
    source = obtain_source(store, spec, etc=tmp_path / "no-apt")
    assert source.origin.description == f"{release.folder}/linux-7.3.4.tar.xz"
    assert (source.folder / "Makefile").is_file()


def test_nothing_to_be_had_is_one_message_with_all_that_was_tried(tmp_path: Path, release: Upstream) -> None:
    store = Store(tmp_path / "store")
    spec = replace(fake_spec(tmp_path), upstream=replace(release, tarball="linux-9.tar.xz"))
    with pytest.raises(HarnessError) as caught:
        obtain_source(store, spec, etc=tmp_path / "no-apt")
    message = str(caught.value)
    assert message.startswith("no source for Linux 7.3.4. Tried:\n")
    assert "Debian package linux-source-7.3 (trixie-backports): no Debian mirror is configured" in message
    assert "linux-9.tar.xz: no checksum is published" in message
    assert "--tree PATH" in message
    assert list((store.root / "tmp").iterdir()) == []
