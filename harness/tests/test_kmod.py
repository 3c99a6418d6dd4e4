# SPDX-License-Identifier: GPL-2.0-only
"""Module builds: for one kernel, once, in the order of Kbuild."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.kernel import Kernel
from harness.build.kmod import obtain_modules
from harness.build.store import Store
from harness.errors import HarnessError
from harness.tests.fake_kernel import fake_kernel, fake_tree


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return fake_kernel(fake_tree(tmp_path / "linux"))


@pytest.fixture
def kmod(tmp_path: Path) -> Path:
    folder = tmp_path / "kmod"
    (folder / "include").mkdir(parents=True)
    (folder / "Kbuild").write_text("obj-m += second.o\nobj-m += another.o\n")
    (folder / "include/uapi.h").write_text("#define NUMBER 1\n")
    for name in ("second", "another"):
        (folder / f"{name}.c").write_text('#include "include/uapi.h"\nint number = NUMBER;\n')
    return folder


def test_modules_come_in_load_order_and_nothing_else_stays(store: Store, kernel: Kernel, kmod: Path) -> None:
    (kmod / "second.mod.c").write_text("built by hand\n")
    modules = obtain_modules(store, kernel, kmod)
    assert [file.name for file in modules.files] == ["second.ko", "another.ko"]
    assert all(file.is_file() for file in modules.files)
    assert sorted(path.name for path in modules.directory.iterdir()) == [
        "another.ko",
        "build.log",
        "inputs.json",
        "load.order",
        "second.ko",
    ]
    assert not list(kmod.glob("*.ko"))
    assert obtain_modules(store, kernel, kmod) == modules


def test_modules_are_built_beside_the_objects_of_their_kernel(
    store: Store, kernel: Kernel, kmod: Path
) -> None:
    with store.work("variants-7.3.4") as area:
        fake_tree(area / "linux")
        (area / "holds").write_text(kernel.key)
    modules = obtain_modules(store, replace(kernel, area=area.name), kmod)
    assert modules.names == ("second", "another")
    log = (modules.directory / "build.log").read_text()
    assert f"O={area}/linux/build-fdbox M={area}/modules" in log
    assert not (area / "modules").exists()
    assert (area / "holds").exists()


def test_header_and_kernel_are_in_the_key(store: Store, kernel: Kernel, kmod: Path) -> None:
    keys = {
        obtain_modules(store, kernel, kmod).key,
        obtain_modules(store, replace(kernel, key="1"), kmod).key,
    }
    (kmod / "include/uapi.h").write_text("#define NUMBER 2\n")
    keys.add(obtain_modules(store, kernel, kmod).key)
    assert len(keys) == 3


def test_error_shows_the_compilers_first(store: Store, kernel: Kernel, kmod: Path) -> None:
    (kmod / "second.c").write_text("int number = wrong;\n")
    with pytest.raises(
        HarnessError, match=r"kmod/ for kernel 7.3.4 does not build: .*second.c:1:\d+: error: .*wrong"
    ):
        obtain_modules(store, kernel, kmod)


def test_module_that_needs_a_rejected_patch_is_left_out(store: Store, kernel: Kernel, kmod: Path) -> None:
    (kmod / "second.c").write_text("int number = wrong;\n")
    kernel = replace(kernel, rejected=(("1.patch", "does not fit"),))
    assert [file.name for file in obtain_modules(store, kernel, kmod).files] == ["another.ko"]


def test_of_modules_that_need_each_other_the_first_is_not_missed(
    store: Store, kernel: Kernel, kmod: Path
) -> None:
    """A module that builds is built together with those before it, and not with those that do not build."""
    (kmod / "Kbuild").write_text("obj-m += first.o\nobj-m += second.o\nobj-m += another.o\n")
    (kmod / "first.c").write_text("int first;\n")
    (kmod / "second.c").write_text("int number = wrong;\n")
    kernel = replace(kernel, lost=("CONFIG_KVM",))
    modules = obtain_modules(store, kernel, kmod)
    assert modules.names == ("first", "another")
    log = (modules.directory / "build.log").read_text()
    assert "wrong" in log


def own_modules(kernel: Kernel, *names: str) -> Kernel:
    for name in names:
        file = kernel.build / "virt" / f"{name}.ko"
        file.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-g", "-c", "-x", "c", "-o", file, "-"], input=b"int a;", check=True)
    return replace(kernel, modules=("kvm", "kvm-amd"))


def test_kernels_own_modules_come_first_without_debug_data(store: Store, kernel: Kernel, kmod: Path) -> None:
    modules = obtain_modules(store, own_modules(kernel, "kvm-amd", "kvm", "other"), kmod)
    assert modules.names == ("kvm", "kvm-amd", "second", "another")
    for file in modules.files:
        assert b".debug_info" not in file.read_bytes()
    assert b".debug_info" in (kernel.build / "virt/kvm.ko").read_bytes()


def test_only_a_tree_may_lack_a_module_of_its_own(store: Store, kernel: Kernel, kmod: Path) -> None:
    kernel = own_modules(kernel, "kvm")
    with pytest.raises(HarnessError, match=r"kernel 7.3.4 has no module kvm-amd"):
        obtain_modules(store, kernel, kmod)
    modules = obtain_modules(store, replace(kernel, lost=("CONFIG_KVM_AMD",)), kmod)
    assert modules.names == ("kvm", "second", "another")


def test_no_sources_is_an_error(store: Store, kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no module sources"):
        obtain_modules(store, kernel, tmp_path / "linux" / "mm" / "none")
