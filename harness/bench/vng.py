# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng, from PyPI in an environment of its own: the same kernel, to one command."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.build.kernel import Kernel
from harness.build.store import Store
from harness.errors import HarnessError

VERSION = "1.42"
# What it mounts its root with: one of these.
NEEDS = ("CONFIG_NET_9P_VIRTIO=y", "CONFIG_VIRTIO_FS=y")
WORD = "ran-in-the-guest"


def obtain_vng(store: Store) -> Path:
    """The program, installed in the store."""
    inputs = {"version": VERSION, "python": sys.version}

    def make(folder: Path) -> None:
        proc.run([sys.executable, "-m", "venv", folder / "venv"])
        proc.run([folder / "venv/bin/python", "-m", "pip", "install", "--quiet", f"virtme-ng=={VERSION}"])

    return store.obtain("virtme-ng", "virtme-ng", inputs, make) / "venv/bin"


def virtme_ng(store: Store, kernel: Kernel, name: str) -> Subject:
    """From the start of vng to the end of the machine that has run one command."""

    def prepare(out: Path) -> None:
        config = kernel.config.read_text().splitlines()
        if not any(line in config for line in NEEDS):
            raise HarnessError(
                f"kernel {kernel.name} has neither {' nor '.join(NEEDS)}, and vng needs one of them"
            )
        obtain_vng(store)

    def measure(out: Path) -> Mapping[str, float]:
        # The scripts of an entry that was renamed name another interpreter.
        python = obtain_vng(store) / "python"
        argv: list[str | Path] = [
            python,
            obtain_vng(store) / "vng",
            "--run",
            kernel.image,
            "--disable-kvm",
            "--cpus",
            "2",
        ]
        start = time.monotonic()
        said = proc.run([*argv, "--memory", "1G", "--", "echo", WORD], log=out / "vng.log")
        if WORD not in said:
            raise NotDoneError(f"{name}: the command has not run: {out / 'vng.log'}")
        return {name: time.monotonic() - start}

    return Subject(name, measure, prepare=prepare)
