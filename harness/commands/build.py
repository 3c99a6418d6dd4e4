# SPDX-License-Identifier: GPL-2.0-only
"""harness build."""

import argparse

from harness import artifacts
from harness.build.kernel import obtain_kernel
from harness.build.spec import kernel_names
from harness.build.store import default_store
from harness.commands.selection import add_kernel


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_kernel(parser)
    parser.add_argument("--all", action="store_true", help="every kernel of kernel/kernels.yaml")


def command(options: argparse.Namespace) -> int:
    """Build, and say what there is then."""
    store = default_store()
    wanted: tuple[str | None, ...] = kernel_names() if options.all else (options.kernel,)
    for name in wanted:
        kernel = obtain_kernel(store, name, None if options.all else options.tree)
        made = artifacts.obtain_for(store, {name: kernel}, name)
        if not options.tree:
            # What cases that run the kernel's own tests need besides.
            artifacts.obtain_for(store, {name: kernel}, name, selftests=True)
        print(f"kernel       {kernel.release}, build id {kernel.build_id}: {kernel.image}")
        print(f"guest image  {made.guest.initramfs}")
        print(f"accelerator  {made.accel.name}: {made.accel.reason}")
    return 0
