# SPDX-License-Identifier: GPL-2.0-only
"""The kernels and modules that there are to be named."""

import functools

from harness.build.kmod import KMOD, OBJ
from harness.build.selftests import MODULES
from harness.build.spec import kernel_names, kernel_spec
from harness.world import Known


@functools.cache
def known() -> Known:
    """What a scenario can name."""
    own = {name for kernel in kernel_names() for name in kernel_spec(kernel).modules}
    ours = OBJ.findall((KMOD / "Kbuild").read_text())
    return Known(kernel_names(), frozenset({*own, *ours, *MODULES}))
