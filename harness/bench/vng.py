# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng, from PyPI in an environment of its own: the same kernel, to one command.

The kernel has to have 9p, from which vng mounts its root, so it is built once more with that and no more.
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.build.kernel import Kernel
from harness.build.spec import kernel_spec
from harness.build.store import Store
from harness.build.variant import Variant, obtain_variant

VERSION = "1.42"
FRAGMENT = Path(__file__).with_name("virtme.config")
# The name of the kernel with that fragment: where it is built, and in the store.
NAME = "virtme-ng"
# What ends a hang.
SECONDS = "300"
# The guest's init looks for the ports of the script by the names that udevd gives them. Where there is none
# it goes on with a console that nobody sees, and vng ends with 255. So our udevd, the script beside this
# file, is in its path, for hosts that have no other: the guest's files are the host's.
GUEST_PATH = f"{Path(__file__).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
WORD = "ran-in-the-guest"


def obtain_vng(store: Store) -> Path:
    """Its programs, which are installed where they stay: they name each other by their paths."""
    with store.work(f"virtme-ng-{VERSION}") as area:
        done = area / "python"
        if not done.exists() or done.read_text() != sys.version:
            proc.run([sys.executable, "-m", "venv", "--clear", area / "venv"])
            pip = area / "venv/bin/pip"
            proc.run([pip, "install", "--quiet", f"virtme-ng=={VERSION}"])
            done.write_text(sys.version)
    return area / "venv/bin"


def obtain_virtme_kernel(store: Store, name: str | None) -> Kernel:
    """The kernel of that name, with what vng needs."""
    spec = kernel_spec(name)
    return obtain_variant(store, Variant(replace(spec, name=NAME, fragments=(*spec.fragments, FRAGMENT)), ""))


def virtme_ng(store: Store, kernel: str | None, name: str) -> Subject:
    """From the start of vng to the end of the machine that has run one command; kernel: which one."""

    def prepare(out: Path) -> None:
        obtain_vng(store)
        obtain_virtme_kernel(store, kernel)

    def measure(out: Path) -> Mapping[str, float]:
        programs = obtain_vng(store)
        words = command(programs, obtain_virtme_kernel(store, kernel))
        start = time.monotonic()
        said = proc.run(words, env={"PATH": f"{programs}:{os.environ['PATH']}"}, log=out / "vng.log")
        seconds = time.monotonic() - start
        check(said, name)
        return {name: seconds}

    return Subject(name, measure, prepare=prepare)


def check(said: str, name: str) -> None:
    """See that the command ran: what it prints is a line of its own. Raises NotDoneError."""
    if WORD not in (line.strip() for line in said.splitlines()):
        raise NotDoneError(f"{name}: the command has not run: {said[-200:]}")


def command(programs: Path, kernel: Kernel) -> list[str]:
    """One command in a machine of the size of ours; with 9p, for virtiofs needs a daemon that is not here."""
    vng = ["timeout", SECONDS, str(programs / "vng"), "--run", str(kernel.image)]
    vng += ["--disable-kvm", "--force-9p", "--cpus", "2", "--memory", "1G"]
    # What the kernel does not know of its command line, init has in its environment.
    return [*vng, "--append", f"PATH={GUEST_PATH}", "--", "echo", WORD]
