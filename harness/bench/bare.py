# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own test of live update in a bare QEMU, as vmtest.sh runs it: no SSH, one grep for a verdict.

The kernel is ours, so its command line says what vmtest.sh has in its configuration. Everything else, QEMU's
arguments included, is that script's (tools/testing/selftests/liveupdate/vmtest.sh, Linux 7.3.4).
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from harness import proc
from harness.bench.sample import NotDoneError, Subject
from harness.build.kernel import Kernel
from harness.build.selftests import SELFTESTS, obtain_headers
from harness.build.store import Store
from harness.errors import HarnessError
from harness.vm.qemu import QEMU

TEST = "luo_kexec_simple"
PASSED = "TEST PASSED"
SECONDS = 300.0
FILES = """\
dir /dev 0755 0 0
dir /proc 0755 0 0
dir /debugfs 0755 0 0
nod /dev/console 0600 0 0 c 5 1
file /init init 0755 0 0
file /test_binary test_binary 0755 0 0
"""
SMALL = ("-s", "-Os", "-fno-asynchronous-unwind-tables", "-fno-ident", "-fno-stack-protector")
# kho=on: CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT in its configuration.
CMDLINE = "console=ttyS0 kho=on liveupdate=on panic=-1"


def obtain_initrd(store: Store, kernel: Kernel) -> Path:
    """The two initramfs, one in the other, that vmtest.sh makes, with the kernel in the outer one."""
    folder = kernel.source / SELFTESTS / "liveupdate"
    if not (folder / f"{TEST}.c").exists():
        raise HarnessError(f"kernel {kernel.name} has no {TEST}")
    headers = obtain_headers(store, kernel)

    def compiled(output: Path, *words: str | Path) -> None:
        include = (headers, kernel.source / "tools/include/nolibc", folder / "lib/include")
        flags = ("-static", "-nostdinc", "-nostdlib", *(f"-I{path}" for path in include))
        proc.run(["gcc", *flags, "-o", output, *words])

    def make(draft: Path) -> None:
        with tempfile.TemporaryDirectory(dir=draft) as name:
            work = Path(name)
            compiled(work / "test_binary", "-O2", folder / f"{TEST}.c", folder / "lib/lu_utils.c")
            compiled(work / "init", *SMALL, folder / "init.c")
            proc.run(["gcc", "-O2", "-o", work / "archiver", kernel.source / "usr/gen_init_cpio.c"])
            (work / "inner").write_text(FILES)
            (work / "outer").write_text(
                f"{FILES}file /kernel {kernel.image} 0644 0 0\nfile /initrd.img inner.cpio 0644 0 0\n"
            )
            for part in ("inner", "outer"):
                proc.run([work / "archiver", "-o", work / f"{part}.cpio", part], cwd=work)
            shutil.move(work / "outer.cpio", draft / "initrd.cpio")

    return store.obtain("bare", TEST, {"kernel": kernel.key, "recipe": "1"}, make) / "initrd.cpio"


def command(kernel: Kernel, initrd: Path, serial: Path, cpu: str | None) -> list[str]:
    """QEMU as vmtest.sh starts it; cpu: another model than QEMU's default."""
    words = [QEMU, "-m", "1G", "-smp", "2", "-no-reboot", "-nographic", "-nodefaults"]
    words += ["-accel", "tcg", "-accel", "hvf", "-accel", "kvm", "-serial", f"file:{serial}"]
    words += ["-append", CMDLINE, "-kernel", str(kernel.image), "-initrd", str(initrd)]
    return words + (["-cpu", cpu] if cpu else [])


def bare(store: Store, kernel: Kernel, name: str, cpu: str | None) -> Subject:
    """The test, from the start of QEMU to its end."""

    def measure(out: Path) -> Mapping[str, float]:
        serial = out / "qemu.serial"
        initrd = obtain_initrd(store, kernel)
        start = time.monotonic()
        with proc.spawn(command(kernel, initrd, serial, cpu)) as process:
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired as error:
                raise NotDoneError(f"{name}: no end in {SECONDS:.0f} s: {serial}") from error
            seconds = time.monotonic() - start
        check(serial, name)
        return {name: seconds}

    return Subject(name, measure, prepare=lambda out: obtain_initrd(store, kernel))


def check(serial: Path, name: str) -> None:
    """See that the test has done what it is there for. Raises NotDoneError."""
    text = serial.read_text(errors="replace") if serial.exists() else ""
    if PASSED not in text or text.count("Linux version") != 2:
        raise NotDoneError(f"{name}: no '{PASSED}' of a second kernel in {serial}")
