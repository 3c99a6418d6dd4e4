# SPDX-License-Identifier: GPL-2.0-only
import dataclasses
from pathlib import Path

import pytest

from harness.boxactions import CreateBox
from harness.build.image import DESCRIPTION, load_image
from harness.commandactions import Ssh
from harness.fdactions import Change, Open
from harness.kernelactions import Kexec
from harness.kinds import DEFAULT_MODULES, Carrier
from harness.load import load_text
from harness.machinespec import CPU_MODEL_VIRTUALISATION, Least
from harness.plan import Plan, expand, names, plan

# Every verb, every key.
FULL = """\
summary: "everything: \\u20ac"
tags: [a, b]
carrier: luo
kernel: 7.2.12
boot: {memory: 2G, cpus: 1, parameters: [kho=off, console=tty0, quiet]}
dmesg: [{message: "WARNING: .* foo", reason: a test}]
xfail: {kernel: ["7.3", "<7.1"], message: foo, reason: a test, carrier: luo}
steps:
  - create_box: vm0
  - open: {fd: ram, kind: memfd, size: 16M, fill: {seed: 18446744073709551615}}
  - change: {fd: ram, truncate: 8M, write: {offset: 0, length: 4K, seed: 3}, mode: 0o640, owner: "1:2"}
  - open: {fd: vm, kind: vm}
  - open: {fd: guest, kind: guest_memfd, vm: vm, size: 2M, flags: [mmap, init_shared]}
  - guest: {vm: vm, memory: guest, count: 100}
  - open: {fd: dev, kind: vfio_mock, device: 0}
  - bind: dev
  - map: {fd: dev, buffer: ram, length: 1M}
  - interrupts: {fd: dev, enable: true}
  - register: {fd: dev, index: 1, value: 7}
  - unmap: dev
  - reset: dev
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
  - selftest: {program: luo_kexec_simple, stage: 2, says: TEST PASSED}
  - selftest: {program: liveupdate, case: get_session_name}
  - qmp: {execute: qom-get, arguments: {path: /, list: [1, 2.5, null, true, {a: b}]}}
  - kexec: 7.3.4
  - measure: {name: away, of: blackout}
  - kexec:
"""
# What LUO does not have.
BOX = """\
summary: what is for boxes only
steps:
  - create_box: vm0
  - memory: baseline
  - damage: {part: box, box: vm0, field: magic, value: 0}
  - damage: {part: entry, box: vm0, fd: ram, field: name, value: other}
  - damage: {part: fd, box: vm0, fd: ram, field: "phys[0]", address: scratch, checksum: stale}
  - open: {fd: ctl, kind: file, path: /dev/fdbox/fdbox, access: O_RDWR}
  - dup: {fd: ctl, name: his, process: nobody}
  - create_box: {box: vm1, via: his}
    as: nobody
    expect: EPERM
  - list: {boxes: {vm0: open}, via: ctl}
  - list: {box: vm0, fds: {ram: held EBUSY, "other one": pending}}
  - prepare: vm0
  - parallel:
      succeed: 1
      steps:
        - seal: vm0
          expect: [EBUSY, ok]
        - seal: vm0
          expect: [EBUSY, ok]
          as: other
  - parallel:
      - create_box: a
      - create_box: b
  - measure: {name: seal, of: {seal: vm0, expect: [EBUSY, ok], as: other}}
  - measure: {name: bytes, ssh: "echo 1", unit: bytes}
  - load: {module: vfio_mock, parameters: [a=1, b=2]}
  - unload: vfio_mock
    expect: EBUSY
  - end: nobody
  - create_box: vm7
    fault: {pause: 1500ms}
  - load_kernel: {kernel: 7.3.4, parameters: [kho=off, quiet], at_once: 2}
  - fault: {handler: {operation: freeze, errno: EIO}}
  - jump: {handover: false}
  - create_box: vm8
    fault: {allocation: 3}
    expect: [ENOMEM, ok]
  - create_box: vm9
    fault: reset
  - list: {boxes: {}}
"""


def parameters(kernel: str | None) -> tuple[str, ...]:
    """The boot parameters of a kernel."""
    return "console=ttyS0", "kho=on", f"of={kernel}"


def smallest(kernel: str | None) -> Least:
    """The machine that a kernel needs."""
    return Least(memory=3072, nodes=2) if kernel == "debug" else Least()


def plans(text: str, path: str = "x.yaml", kernel: str | None = None) -> list[Plan]:
    return [plan(case, parameters, kernel, smallest) for case in expand(load_text(text, Path(path)))]


def test_what_loads_a_kernel_and_what_jumps() -> None:
    text = """\
summary: s
kernel: 7.3.4
boot: {parameters: [quiet, a=1]}
steps:
  - load_kernel: {kernel: 7.2.12, parameters: [a=2, b=1, b=2]}
  - load_kernel: next
    expect: EADDRNOTAVAIL
  - fault: {pause: 1s}
  - jump:
  - load_kernel:
  - fault: reset
  - kexec:
"""
    (made,) = plans(text)
    assert [(jump.step, jump.kernel) for jump in made.jumps] == [
        (1, "7.2.12"),
        (2, "next"),
        # What runs after the jump, and after the reset.
        (5, "7.2.12"),
        (7, "7.3.4"),
    ]
    assert made.jump_of(1).cmdline.endswith("quiet a=2 b=1 b=2")
    assert made.jump_of(7).cmdline.endswith("quiet a=1")


def test_a_machine_is_large_enough_for_every_kernel() -> None:
    sizes = "summary: s\n{}steps:\n  - kexec: debug\n  - kexec: 7.3.4\n"
    (plain,) = plans(sizes.format(""))
    assert (plain.machine.memory, plain.machine.nodes) == (3072, 2)
    (large,) = plans(sizes.format("boot: {memory: 4G}\n"))
    assert (large.machine.memory, large.machine.nodes) == (4096, 2)
    (lean,) = plans("summary: s\nsteps: [kexec: 7.3.4]\n")
    assert (lean.machine.memory, lean.machine.nodes) == (1024, 1)


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
    modules = "guest.modules=irqbypass,kvm,kvm-amd,fdbox_gmem,iommufd,vfio,vfio_mock,fdbox_luo"
    assert full.cmdline == f"console=ttyS0 of=7.2.12 {modules} kho=off console=tty0 quiet"
    assert full.jumps[1].cmdline == f"console=ttyS0 of=7.3.4 {modules} kho=off console=tty0 quiet"
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
    assert fdbox.machine.cpu == luo.machine.cpu == CPU_MODEL_VIRTUALISATION
    gmem = ("irqbypass", "kvm", "kvm-amd", "fdbox_gmem")
    assert fdbox.needed == ("fdbox", *gmem, "fdbox_memfd")
    assert luo.needed == ("fdbox", *gmem, "fdbox_luo")
    words = ",".join(gmem)
    assert fdbox.cmdline.endswith(f" guest.modules={words},extra")
    first, second = fdbox.jumps
    assert first.cmdline.endswith(f" guest.modules={words},extra,more,-fdbox_memfd")
    assert second.cmdline == fdbox.cmdline


def test_the_default_modules_are_those_of_the_guest_image() -> None:
    assert load_image(DESCRIPTION).load == DEFAULT_MODULES


def test_a_matrix_makes_a_case_of_each_combination() -> None:
    text = """\
summary: s
carrier: [fdbox, luo]
matrix: {SIZE: [0, 4K+1], SEALS: [[WRITE], [GROW, SHRINK]]}
steps:
  - create_box: vm$SIZE
  - open: {fd: a, size: $SIZE}
  - change: {fd: a, seals: $SEALS}
  - kexec:
"""
    found = plans(text, "/a/scenarios/memfd/size.yaml")
    assert [one.case for one in found][:3] == [
        "memfd/size[fdbox,0,WRITE]",
        "memfd/size[luo,0,WRITE]",
        "memfd/size[fdbox,0,GROW+SHRINK]",
    ]
    assert len({one.case for one in found}) == 8
    assert found[-1].steps[0].action == CreateBox("vm4K+1")
    assert found[-1].steps[1].action == Open("a", 4097)
    assert found[-1].steps[2].action == Change("a", seals=("GROW", "SHRINK"))


def test_a_variable_within_text_is_spelled_as_in_yaml() -> None:
    text = """\
summary: s
matrix: {FLAG: [true, 0]}
steps:
  - ssh: agent call '{"flag":$FLAG}'
"""
    assert [one.steps[0].action for one in plans(text, "/a/scenarios/x.yaml")] == [
        Ssh("""agent call '{"flag":true}'"""),
        Ssh("""agent call '{"flag":0}'"""),
    ]


def test_a_repeat_is_a_chain() -> None:
    text = """\
summary: s
steps:
  - open: {fd: a, size: 1M}
  - repeat:
      times: 3
      steps:
        - create_box: vm$ROUND
        - kexec:
  - kexec:
"""
    (found,) = plans(text)
    assert [step.number for step in found.steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [step.rounds for step in found.steps] == [(), (1,), (1,), (2,), (2,), (3,), (3,), ()]
    assert [step.where.line for step in found.steps] == [3, 7, 8, 7, 8, 7, 8, 9]
    assert [step.action.box for step in found.steps if isinstance(step.action, CreateBox)] == [
        *("vm1", "vm2", "vm3")
    ]
    assert [jump.step for jump in found.jumps] == [3, 5, 7, 8]


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


def test_a_case_has_the_known_bugs_of_its_carrier_and_values() -> None:
    text = """\
summary: s
carrier: [fdbox, luo]
matrix: {SIZE: [1M, 2M]}
xfail:
  - {kernel: "7.3", message: a, reason: everywhere}
  - {kernel: "7.3", message: a, reason: luo, carrier: luo}
  - {kernel: "7.3", message: a, reason: large, matrix: {SIZE: 2M}}
steps:
  - open: {fd: a, size: $SIZE}
"""
    found = {plan.case: [bug.reason for bug in plan.xfail] for plan in plans(text)}
    assert found == {
        "x[fdbox,1M]": ["everywhere"],
        "x[luo,1M]": ["everywhere", "luo"],
        "x[fdbox,2M]": ["everywhere", "large"],
        "x[luo,2M]": ["everywhere", "luo", "large"],
    }
