# SPDX-License-Identifier: GPL-2.0-only
"""From a clean clone to a working `harness`: system packages, a venv, the Python packages.

Run by the system's own python3 before anything is installed, so it uses the standard library only. Does
nothing, in a few milliseconds, when there is nothing to do.

    python3 harness/bootstrap.py           set up
    python3 harness/bootstrap.py --where   only print the folders of the store and of the venv
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED_PYTHON = (3, 11)
_STAMP = "fdbox-harness.json"
# Goes into the stamp: to be raised when the way the venv is made changes.
_RECIPE = "1"
# What could not be tested, see harness/errors.py; 130 is for Ctrl-C.
_ERROR_STATUS = 125


class BootstrapError(Exception):
    """The machine cannot be set up; the message says what to do."""


class Package:
    """A Debian package: what it is for, and the command, file or module that shows that it is there."""

    # No dataclass: to import what makes one takes as long as all that is done here. So does subprocess.
    def __init__(self, name: str, reason: str, shown_by: str) -> None:
        self.name = name
        self.reason = reason
        self.shown_by = shown_by

    def is_there(self) -> bool:
        """Whether what the package is needed for exists on this machine, wherever it came from."""
        if self.shown_by.startswith("/"):
            return Path(self.shown_by).exists()
        if self.shown_by.startswith("import "):
            return importlib.util.find_spec(self.shown_by.split()[1]) is not None
        # sbin: dropbear and others live there, and it is not in everybody's PATH.
        return shutil.which(self.shown_by, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


PACKAGES = (
    Package("qemu-system-x86", "runs the machines", "qemu-system-x86_64"),
    Package("gcc", "compiles the kernel", "gcc"),
    Package("libc6-dev", "compiles the kernel's own tools", "/usr/include/stdio.h"),
    Package("make", "builds the kernel", "make"),
    Package("binutils", "links the kernel", "ld"),
    Package("flex", "kernel build: kconfig", "flex"),
    Package("bison", "kernel build: kconfig", "bison"),
    Package("bc", "kernel build: time constants", "bc"),
    Package("libelf-dev", "kernel build: objtool", "/usr/include/gelf.h"),
    Package("lz4", "kernel build: compresses the image", "lz4"),
    Package("perl-base", "kernel build, checkpatch", "perl"),
    Package("ccache", "compiles nothing twice", "ccache"),
    Package("patch", "applies kernel/patches", "patch"),
    Package("rsync", "copies a kernel tree of yours", "rsync"),
    Package("git", "lists the sources in a kernel tree of yours", "git"),
    Package("xz-utils", "unpacks kernel sources", "xz"),
    Package(
        "debian-archive-keyring",
        "verifies Debian's kernel source",
        "/usr/share/keyrings/debian-archive-keyring.gpg",
    ),
    Package("ca-certificates", "verifies kernel.org", "/etc/ssl/certs/ca-certificates.crt"),
    Package("busybox-static", "the guest's commands", "/usr/share/doc/busybox-static"),
    Package("dropbear-bin", "the guest's SSH server", "dropbear"),
    Package("musl-tools", "compiles the guest's agent", "musl-gcc"),
    Package("sparse", "checks the C code", "sparse"),
    Package("python3-venv", "makes the Python environment", "import ensurepip"),
)


def store() -> Path:
    """The store's folder; the same as harness.build.store.default_store()."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser().absolute() / "fdbox-harness"


def venv_folder() -> Path:
    """The venv of this checkout."""
    return store() / "venv" / f"{ROOT.name}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


def say(text: str) -> None:
    """Tell the user."""
    print(text, file=sys.stderr, flush=True)


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raises BootstrapError when this Python is too old."""
    if version < NEEDED_PYTHON:
        raise BootstrapError(
            f"Python {NEEDED_PYTHON[0]}.{NEEDED_PYTHON[1]} or newer is needed, {sys.executable} is "
            f"{version[0]}.{version[1]}; name another one: make PYTHON=/usr/bin/python3.12 ..."
        )


def missing_packages() -> list[Package]:
    """The packages whose use is not there yet."""
    return [package for package in PACKAGES if not package.is_there()]


def install_packages(missing: list[Package]) -> None:
    """Install packages by apt, after saying which and why. Raises BootstrapError when that cannot be done."""
    say("These system packages are missing:")
    width = max(len(package.name) for package in missing)
    for package in missing:
        say(f"  {package.name:{width}}  {package.reason}")
    names = [package.name for package in missing]
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    if not shutil.which("apt-get"):
        raise BootstrapError("There is no apt-get here: install what these are for in your system's own way.")
    before = as_root()
    say(f"Installing them: {shlex.join([*before, *command])}")
    # Without package lists (a fresh container) or with old ones the packages are not found: then, update.
    listed = any(Path("/var/lib/apt/lists").glob("*Packages*"))
    if not (listed and apt(before, command)):
        say("Fetching apt's package lists first: apt-get update")
        if not (apt(before, ["apt-get", "update"]) and apt(before, command)):
            raise BootstrapError(
                "apt-get failed, see above. Is there a network, and a mirror in /etc/apt/sources.list? "
                f"Run as root: {shlex.join(command)}"
            )
    if rest := missing_packages():
        raise BootstrapError(f"Still missing after the installation: {', '.join(p.name for p in rest)}")


def as_root() -> list[str]:
    """What to put before a command that needs root. Raises BootstrapError when we cannot become root."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        names = " ".join(package.name for package in missing_packages())
        raise BootstrapError(
            "You are not root and there is no sudo. Run as root: "
            f"apt-get install --no-install-recommends {names}"
        )
    return ["sudo"]


def apt(before: list[str], command: list[str]) -> bool:
    """Run apt-get, its output on stderr; whether it succeeded."""
    import subprocess  # noqa: PLC0415

    options = ["-q", "-o", "DPkg::Lock::Timeout=120"]
    argv = [*before, "env", "DEBIAN_FRONTEND=noninteractive", command[0], *options, *command[1:]]
    return subprocess.run(argv, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False).returncode == 0


def base_python() -> str:
    """The interpreter that the venv is made with: the same one when it is called by that venv's own Python.

    `eval "$(make -s env)"` puts the venv's python3 first in PATH; making the venv anew would remove it.
    """
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def wanted_stamp() -> dict[str, str]:
    """What decides what is in the venv."""
    return {
        "recipe": _RECIPE,
        "root": str(ROOT),
        "python": f"{base_python()} {sys.version}",
        "pyproject": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
    }


def is_ready(folder: Path) -> bool:
    """Whether the venv in folder is whole and current."""
    try:
        return bool(json.loads((folder / _STAMP).read_text()) == wanted_stamp())
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def locked(file: Path) -> Iterator[int]:
    """Be the only one who sets up this checkout's venv; the lock, for whatever must not outlive it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that sets up the same Python environment")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def make_venv(folder: Path, lock: int) -> None:
    """Make the venv from nothing: the dependencies from pyproject.toml, and this checkout as the package.

    lock: what says that the folder is ours. pip has it too: should we be killed, it goes on for a while.
    Not `pip install --editable`: that leaves an egg-info folder in the checkout.
    Raises BootstrapError, with pip's own words, when packages cannot be had.
    """
    start = time.monotonic()
    requirements = read_requirements(ROOT / "pyproject.toml")
    say(f"Installing {len(requirements)} Python packages and what they need into {folder} ...")
    shutil.rmtree(folder, ignore_errors=True)
    log = folder.with_suffix(".log")
    python = folder / "bin" / "python"
    run_logged([base_python(), "-m", "venv", str(folder)], log, lock, "cannot make a Python environment")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    run_logged(
        pip,
        log,
        lock,
        "cannot install Python packages; is there a network, or a pip configuration for a mirror?",
    )
    log.unlink()
    (folder / _STAMP).write_text(json.dumps(wanted_stamp()))
    say(f"Python packages: done in {time.monotonic() - start:.0f} s")


def write_script(folder: Path) -> None:
    """Put the command `harness` into a venv, and this checkout as the package.

    What Python compiles it keeps in the store, whatever the environment says of that: to compile everything
    anew takes longer than most commands, and nothing is to be left in the checkout.
    """
    kept = f"import sys; sys.pycache_prefix = {str(store() / 'tools' / 'pycache')!r}"
    script = f"#!{folder}/bin/python\nimport sys\n\nfrom harness.__main__ import main\n\nsys.exit(main())\n"
    site = next(folder.glob("lib/python3*/site-packages"))
    write(site / "fdbox-harness.pth", f"{ROOT}\n{kept}; sys.dont_write_bytecode = False\n", 0o644)
    write(folder / "bin" / "harness", script, 0o755)


def write(file: Path, text: str, mode: int) -> None:
    """Write a file, unless it is so already; who reads it meanwhile has the old one or the new one."""
    if not file.exists() or file.read_text() != text:
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_text(text)
        draft.chmod(mode)
        draft.replace(file)


def read_requirements(pyproject: Path) -> list[str]:
    """The dependencies of the project, those for its developers included."""
    import tomllib  # noqa: PLC0415 (an older Python, which gets a message, does not have it)

    project = tomllib.loads(pyproject.read_text())["project"]
    requirements: list[str] = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return requirements


def run_logged(argv: list[str], log: Path, lock: int, failure: str) -> None:
    """Run argv, which gets the lock, with its output in log.

    Raises BootstrapError with the failure and the output's last line.
    """
    import subprocess  # noqa: PLC0415

    with log.open("w") as out:
        done = subprocess.run(
            argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, pass_fds=[lock], check=False
        )
    if done.returncode:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or ["(nothing)"]
        raise BootstrapError(f"{failure}\n  {errors[0]}\nwhole output: {log}")


def set_up() -> None:
    """Install what is missing. Raises BootstrapError."""
    check_python()
    if missing := missing_packages():
        install_packages(missing)
    folder = venv_folder()
    if not is_ready(folder):
        with locked(folder.with_suffix(".lock")) as lock:
            if not is_ready(folder):
                make_venv(folder, lock)
    write_script(folder)


def main(arguments: list[str]) -> int:
    """The script; returns its exit status."""
    try:
        if arguments == ["--where"]:
            print(store(), venv_folder())
        elif arguments:
            raise BootstrapError(f"usage: {Path(__file__).name} [--where]")
        else:
            set_up()
    except BootstrapError as error:
        say(f"error: {error}")
        return _ERROR_STATUS
    except OSError as error:
        say(f"error: {error.strerror}: {error.filename}")
        return _ERROR_STATUS
    except KeyboardInterrupt:
        say("interrupted; the next run starts where this one was")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
