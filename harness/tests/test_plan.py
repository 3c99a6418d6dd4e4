# SPDX-License-Identifier: GPL-2.0-only
import dataclasses
from pathlib import Path

import pytest

from harness.actions import Kexec
from harness.build.guest import DESCRIPTION
from harness.build.image import load_image
from harness.kinds import DEFAULT_MODULES, Carrier
from harness.load import load_text
from harness.plan import Plan, expand, names, plan

# Every verb, every key.
FULL = """\
summary: "everything: \\u20ac"
tags: [a, b]
carrier: luo
kernel: 7.2.12
boot: {memory: 2G, cpus: 1, parameters: [kho=off, console=tty0, quiet]}
dmesg: [{message: "WARNING: .* foo", reason: a test}]
steps:
  - create_box: vm0
  - open: {fd: ram, kind: memfd, size: 16M, fill: {seed: 18446744073709551615}}
  - put: {box: vm0, fd: ram, name: memory}
  - seal: vm0
  - kexec:
  - kexec: {kernel: 7.3.4}
    expect: ENOMEM
  - unseal: vm0
  - get: {box: vm0, fd: ram2, name: memory}
  - verify: ram2
  - close: ram2
  - finish: vm0
  - delete_box: vm0
  - ssh: {command: uname -r, status: 0, stdout: "7.2"}
  - qmp: {execute: qom-get, arguments: {path: /, list: [1, 2.5, null, true, {a: b}]}}
  - kexec: 7.3.4
  - kexec:
"""
# What LUO does not have.
BOX = """\
summary: what is for boxes only
steps:
  - create_box: vm0
  - damage: {part: box, box: vm0, field: magic, value: 0}
  - damage: {part: entry, box: vm0, fd: ram, field: name, value: other}
  - damage: {part: fd, box: vm0, fd: ram, field: "phys[0]", address: scratch, checksum: stale}
"""


def parameters(kernel: str | None) -> tuple[str, ...]:
    """The boot parameters of a kernel."""
    return "console=ttyS0", "kho=on", f"of={kernel}"


def plans(text: str, path: str = "x.yaml", kernel: str | None = None) -> list[Plan]:
    return [plan(case, parameters, kernel) for case in expand(load_text(text, Path(path)))]


def test_kernels() -> None:
    (full,) = plans(FULL)
    assert full.kernel == "7.2.12"
    loaded = [step.action.kernel for step in full.steps if isinstance(step.action, Kexec)]
    # The second one must fail, so that the third is still run by what the first one started.
    assert loaded == ["7.2.12", "7.3.4", "7.3.4", "7.3.4"]
    assert full.next_kernels == ("7.2.12", "7.3.4")
    small = "summary: s\nsteps: [{kexec: }, {kexec: next}, {kexec: }]\n"
    assert plans(small)[0].next_kernels == (None, "next")
    assert plans(small, kernel="tree")[0].next_kernels == ("tree", "next")
    assert plans(FULL, kernel="tree")[0].kernel == "7.2.12"


def test_machine() -> None:
    (full,) = plans(FULL)
    assert (full.machine.memory, full.machine.cpus) == (2048, 1)
    assert full.cmdline == "console=ttyS0 of=7.2.12 kho=off console=tty0 quiet"
    assert full.jumps[1].cmdline == "console=ttyS0 of=7.3.4 kho=off console=tty0 quiet"
    (small,) = plans("summary: s\nsteps: [{kexec: }]\n")
    assert small.cmdline == "console=ttyS0 kho=on of=None"
    assert [jump.cmdline for jump in small.jumps] == [small.cmdline]
    assert (small.needed, small.machine.cpu) == (("fdbox",), "Nehalem")


KINDS_USED = """\
summary: s
carrier: [fdbox, luo]
boot: {modules: extra}
steps:
  - open: {fd: vm, kind: vm}
  - open: {fd: ram, kind: guest_memfd, vm: vm, size: 1M}
  - open: {fd: other, size: 1M}
  - kexec: {modules: [-fdbox_memfd, more]}
  - kexec:
"""


def test_modules_and_cpu_follow_from_the_kinds() -> None:
    fdbox, luo = plans(KINDS_USED)
    assert fdbox.machine.cpu == luo.machine.cpu == "max"
    gmem = ("irqbypass", "kvm", "kvm-amd", "fdbox_gmem")
    assert fdbox.needed == ("fdbox", *gmem, "fdbox_memfd")
    assert luo.needed == gmem
    words = ",".join(gmem)
    assert fdbox.cmdline.endswith(f" guest.modules={words},extra")
    first, second = fdbox.jumps
    assert first.cmdline.endswith(f" guest.modules={words},extra,more,-fdbox_memfd")
    assert second.cmdline == fdbox.cmdline


def test_the_default_modules_are_those_of_the_guest_image() -> None:
    assert load_image(DESCRIPTION).load == DEFAULT_MODULES


def test_cases() -> None:
    text = "summary: s\ncarrier: [luo, fdbox]\nsteps: [{kexec: }]\n"
    found = [(one.case, one.carrier) for one in plans(text, "/a/scenarios/memfd/holes.yaml")]
    assert found == [("memfd/holes[luo]", Carrier.LUO), ("memfd/holes[fdbox]", Carrier.FDBOX)]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/r/scenarios/quickstart.yaml"], ["quickstart"]),
        (["/r/scenarios/a/x.yaml", "/r/scenarios/b/x.yaml"], ["a/x", "b/x"]),
        (["/tmp/x.yaml"], ["x"]),
        (["/tmp/a/x.yaml", "/tmp/b/x.yaml", "/tmp/b/y.yaml"], ["a/x", "b/x", "y"]),
        (["/tmp/x.yaml", "/r/scenarios/x.yaml"], ["tmp/x", "scenarios/x"]),
        (["/x.yaml", "/a/x.yaml"], ["x", "a/x"]),
        (["/a/scenarios/b/scenarios/c/v1.2.yaml"], ["c/v1.2"]),
        (["/tmp/x.yaml", "/tmp/../tmp/x.yaml"], ["x", "x"]),
    ],
)
def test_names(paths: list[str], expected: list[str]) -> None:
    assert list(names(map(Path, paths)).values()) == expected


def test_a_plan_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        plans(FULL)[0].case = "x"  # type: ignore[misc]
