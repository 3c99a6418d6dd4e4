# SPDX-License-Identifier: GPL-2.0-only
"""The bootstrap: says what it does before it does it, does nothing twice, and explains what it cannot do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import bootstrap
from harness.bootstrap import BootstrapError, Package
from harness.build.store import default_store

THERE = Package("libc-bin", "is there", "/")
MISSING = Package("nosuch", "a reason", "no-such-command")


@pytest.fixture
def no_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def command(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_store_is_the_harness_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert bootstrap.store() == default_store().root
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bootstrap.store() == default_store().root


def test_packages_are_found_by_what_they_are_for(tmp_path: Path) -> None:
    assert Package("x", "", "sh").is_there()
    assert Package("x", "", "/usr").is_there()
    assert Package("x", "", "import json").is_there()
    assert not MISSING.is_there()
    assert not Package("x", "", str(tmp_path / "none")).is_there()
    assert not Package("x", "", "import no_such_module").is_there()


def test_old_python_is_refused_with_a_way_out() -> None:
    with pytest.raises(
        BootstrapError, match=r"Python 3.11 or newer is needed, .* is 3.9; name another one: make"
    ):
        bootstrap.check_python((3, 9))
    bootstrap.check_python((3, 11))


def test_without_apt_the_reasons_are_listed(no_commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BootstrapError, match="no apt-get here"):
        bootstrap.install_packages([MISSING])
    assert "nosuch  a reason" in capsys.readouterr().err


def test_without_root_and_sudo_the_command_is_given(
    monkeypatch: pytest.MonkeyPatch, no_commands: Path
) -> None:
    command(no_commands, "apt-get", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "PACKAGES", (THERE, MISSING))
    with pytest.raises(BootstrapError, match=r"Run as root: apt-get install .* nosuch$"):
        bootstrap.install_packages([MISSING])


def test_user_with_sudo_installs_by_sudo(
    monkeypatch: pytest.MonkeyPatch, no_commands: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command(no_commands, "sudo", 'echo "sudo $*"')
    command(no_commands, "apt-get", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "PACKAGES", (THERE,))
    bootstrap.install_packages([MISSING])
    said = capfd.readouterr().err
    assert "Installing them: sudo apt-get install --yes --no-install-recommends nosuch" in said
    assert "sudo env DEBIAN_FRONTEND=noninteractive apt-get" in said


def test_failed_installation_fetches_lists_and_then_gives_up(
    monkeypatch: pytest.MonkeyPatch, no_commands: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    command(no_commands, "env", 'echo "$*"; case "$*" in *update*) exit 0;; *) exit 100;; esac')
    command(no_commands, "apt-get", "")
    with pytest.raises(BootstrapError, match="Is there a network"):
        bootstrap.install_packages([MISSING])
    assert "apt-get -q -o DPkg::Lock::Timeout=120 update" in capfd.readouterr().err


def test_package_that_does_not_help_is_named(monkeypatch: pytest.MonkeyPatch, no_commands: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(bootstrap, "PACKAGES", (MISSING,))
    command(no_commands, "env", "exit 0")
    command(no_commands, "apt-get", "")
    with pytest.raises(BootstrapError, match="Still missing after the installation: nosuch"):
        bootstrap.install_packages([MISSING])


def test_requirements_include_those_of_developers() -> None:
    requirements = " ".join(bootstrap.read_requirements(bootstrap.ROOT / "pyproject.toml"))
    assert "paramiko" in requirements
    assert "mypy" in requirements


def test_venv_is_current_only_with_its_stamp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not bootstrap.is_ready(tmp_path)
    (tmp_path / "fdbox-harness.json").write_text("{half")
    assert not bootstrap.is_ready(tmp_path)
    (tmp_path / "fdbox-harness.json").write_text(json.dumps(bootstrap.wanted_stamp()))
    assert bootstrap.is_ready(tmp_path)
    monkeypatch.setattr(bootstrap, "_RECIPE", "other")
    assert not bootstrap.is_ready(tmp_path)


def test_venv_is_current_for_its_own_python_too() -> None:
    """With the venv in PATH, `make` runs the script with its Python: it must not start to remove itself."""
    code = "import bootstrap, json; print(json.dumps(bootstrap.wanted_stamp()))"
    pythons = [sys.executable, bootstrap.base_python()]
    assert pythons[0] != pythons[1]  # or this would test nothing
    stamps = [
        subprocess.run(
            [python, "-S", "-c", code], cwd=bootstrap.ROOT / "harness", capture_output=True, check=True
        ).stdout
        for python in pythons
    ]
    assert stamps[0] == stamps[1] != b""


def test_what_goes_on_when_we_are_killed_keeps_the_lock(tmp_path: Path) -> None:
    with bootstrap.locked(tmp_path / "lock") as lock:
        script = f"test -e /proc/self/fd/{lock} || exit 1"
        bootstrap.run_logged(["sh", "-c", script], tmp_path / "log", lock, "it has no lock")


def test_failing_pip_is_one_sentence_with_pips_own_words(tmp_path: Path) -> None:
    script = "echo ...; echo 'ERROR: No matching distribution found for nosuch'; echo hint; exit 1"
    no = r"cannot install\n  ERROR: No matching distribution"
    with bootstrap.locked(tmp_path / "lock") as lock, pytest.raises(BootstrapError, match=no) as caught:
        bootstrap.run_logged(["sh", "-c", script], tmp_path / "log", lock, "cannot install")
    assert str(tmp_path / "log") in str(caught.value)


def test_script_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """Isolated mode: no site packages, no checkout in sys.path."""
    argv = [sys.executable, "-I", "-S", bootstrap.__file__, "--where"]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    store, venv = done.stdout.split()
    assert store == f"{tmp_path}/fdbox-harness"
    assert venv.startswith(f"{store}/venv/")


def test_what_python_compiles_is_kept_in_the_store(tmp_path: Path) -> None:
    """Whatever the environment says: or every command would compile everything anew."""
    code = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False ")
    assert done.stdout.strip().endswith("fdbox-harness/tools/pycache")


def test_command_and_package_are_written_once(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    for folder in (site, tmp_path / "bin"):
        folder.mkdir(parents=True)
    bootstrap.write_script(tmp_path)
    files = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in files} == {"fdbox-harness.pth", "harness"}
    assert (site / "fdbox-harness.pth").read_text().startswith(f"{bootstrap.ROOT}\n")
    bootstrap.write_script(tmp_path)
    assert {path: path.stat().st_ino for path in files} == files
    (site / "fdbox-harness.pth").write_text("another checkout")
    bootstrap.write_script(tmp_path)
    assert (site / "fdbox-harness.pth").read_text().startswith(f"{bootstrap.ROOT}\n")


def test_unknown_argument_is_refused() -> None:
    assert bootstrap.main(["--nonsense"]) == 125


def test_make_refuses_a_place_that_it_would_take_for_two(tmp_path: Path) -> None:
    """`make clean` would remove the first of them."""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "a b")}
    argv = ["make", "--dry-run", "-C", str(Path(bootstrap.__file__).parents[1]), "clean"]
    done = subprocess.run(argv, env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "rm -rf" not in done.stdout
    assert "without blanks" in done.stderr
