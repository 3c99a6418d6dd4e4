# SPDX-License-Identifier: GPL-2.0-only
"""Packages of another Debian suite, through an apt directory of our own.

The mirror is the one that the machine is configured with, and so are proxies, certificates and passwords; apt
verifies signatures and checksums as always. The host's apt configuration and state are only read.
"""

import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.proc import ProcessError, run

ETC = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Settings of these groups describe apt's own indexes, not how to reach a mirror, or would switch off the
# verification of what it sends.
_NOT_CARRIED = ("Acquire::IndexTargets", "Acquire::Changelogs", "Acquire::cdrom", "Acquire::Allow")


@dataclass(frozen=True)
class Mirror:
    """A place that the machine gets Debian packages from; signed_by as in sources.list(5)."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str


def configured_mirrors(etc: Path = ETC) -> list[Mirror]:
    """Every enabled entry for binary packages in sources.list and sources.list.d, in apt's own order."""
    parts = etc / "sources.list.d"
    files = [etc / "sources.list", *(sorted(parts.iterdir()) if parts.is_dir() else [])]
    mirrors: list[Mirror] = []
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if file.suffix == ".list":
            mirrors += parse_list(text)
        elif file.suffix == ".sources":
            mirrors += parse_sources(text)
    return mirrors


def parse_list(text: str) -> Iterator[Mirror]:
    """The entries of a one-line-style sources.list file."""
    line_form = re.compile(r"^\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#\n]*)", re.MULTILINE)
    for options, uri, suite, components in line_form.findall(text):
        signed_by = next(
            (v for k, _, v in (o.partition("=") for o in options.split()) if k == "signed-by"), ""
        )
        yield Mirror(uri, (suite,), tuple(components.split()), signed_by)


def parse_sources(text: str) -> Iterator[Mirror]:
    """The entries of a deb822-style .sources file."""
    text = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
        ):
            continue
        for uri in fields.get("uris", "").split():
            yield Mirror(
                uri,
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
            )


def debian_mirrors(mirrors: list[Mirror], codename: str) -> list[Mirror]:
    """The mirrors of Debian itself: those of the running release if there are any, else all that could be.

    A security or third-party archive has no backports; an entry whose suite ends in '/' has no suites at all.
    """
    usable = [
        mirror
        for mirror in mirrors
        if "main" in mirror.components
        and not mirror.uri.startswith("cdrom:")
        and any(not suite.endswith(("-security", "/updates", "/")) for suite in mirror.suites)
    ]
    ours = [mirror for mirror in usable if {codename, "stable", "testing", "sid"} & set(mirror.suites)]
    unique: dict[str, Mirror] = {}
    for mirror in ours or usable:
        unique.setdefault(mirror.uri.rstrip("/"), mirror)
    return list(unique.values())


def carried_settings(dump: str) -> list[str]:
    """Of `apt-config dump`, the lines that say how to reach a mirror."""
    return [
        line
        for line in dump.splitlines()
        if line.startswith("Acquire::") and not line.startswith(_NOT_CARRIED) and not line.endswith(' "";')
    ]


def codename() -> str:
    """The code name of the running release, from os-release(5); empty when there is none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


@dataclass(frozen=True)
class PrivateApt:
    """An apt directory of our own: one suite of one mirror."""

    folder: Path
    mirror: Mirror
    suite: str
    component: str

    def update(self) -> None:
        """Fetch and verify the suite's package list. Raises ProcessError, with apt's own words."""
        self._write(carried_settings(run(["apt-config", "dump"])))
        # By default a failed fetch, or a bad signature, is a warning, and apt goes on with old lists.
        self._apt("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")

    def versions(self, package: str) -> list[str]:
        """The versions of package that the suite has, newest first."""
        lines = self._apt("apt-cache", "madison", package).splitlines()
        return [fields[1].strip() for line in lines if len(fields := line.split("|")) == 3]

    def download(self, package: str, version: str, into: Path, on_percent: Callable[[float], None]) -> Path:
        """Download a package into a folder; apt verifies it. Raises ProcessError, with apt's own words."""

        def on_line(line: str) -> None:
            if found := re.match(r"dlstatus:\d+:([0-9.]+):", line):
                on_percent(float(found.group(1)))

        argv = ("apt-get", "-q", "-o", "APT::Status-Fd=1", "download", f"{package}={version}")
        self._apt(*argv, cwd=into, on_line=on_line)
        return next(into.glob(f"{package}_*.deb"))

    def _apt(self, *argv: str, cwd: Path | None = None, on_line: Callable[[str], None] | None = None) -> str:
        env = {"APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}
        return run(argv, env=env, cwd=cwd, on_line=on_line)

    def _write(self, settings: list[str]) -> None:
        for name in ("sources.list.d", "apt.conf.d", "preferences.d"):
            (self.folder / "etc" / name).mkdir(parents=True, exist_ok=True)
        for name in ("state/lists", "cache/archives"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state" / "status").touch()
        (self.folder / "apt.conf").write_text("\n".join([*self._settings(), *settings, ""]))
        (self.folder / "etc/sources.list.d/mirror.sources").write_text(
            f"Types: deb\nURIs: {self.mirror.uri}\nSuites: {self.suite}\nComponents: {self.component}\n"
            f"Signed-By: {self.mirror.signed_by or KEYRING}\n"
        )

    def _settings(self) -> Iterator[str]:
        quoted = {
            "Dir::Etc": self.folder / "etc",
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "state/status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::netrc": ETC / "auth.conf",
            "Dir::Etc::netrcparts": ETC / "auth.conf.d",
            "APT::Architecture": "amd64",
            # Root's apt downloads as _apt, who cannot enter a store below /root.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "30",
            "Acquire::https::Timeout": "30",
        }
        for name, value in quoted.items():
            yield f'{name} "{value}";'


def private_apts(folder: Path, suite: str, component: str, etc: Path = ETC) -> list[PrivateApt]:
    """One private apt for each Debian mirror that the machine is configured with, in folder.

    Raises HarnessError when there is none.
    """
    mirrors = debian_mirrors(configured_mirrors(etc), codename())
    if not mirrors:
        raise HarnessError(f"no Debian mirror is configured in {etc}")
    return [PrivateApt(folder / str(i), mirror, suite, component) for i, mirror in enumerate(mirrors)]


def first_error(error: ProcessError) -> str:
    """apt's own words about what went wrong, in one line."""
    lines = [line for level in "EW" for line in error.tail.splitlines() if line.startswith(f"{level}: ")]
    return lines[0][3:].strip() if lines else str(error).splitlines()[0]
