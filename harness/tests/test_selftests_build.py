# SPDX-License-Identifier: GPL-2.0-only
"""Builds of the kernel's own tests: by the tree's own Makefile, without a change to the tree."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.kernel import Kernel
from harness.build.selftests import obtain_selftests
from harness.build.spec import TREE
from harness.build.store import Store
from harness.errors import HarnessError
from harness.proc import run
from harness.tests.fake_kernel import fake_kernel

MAKEFILE = """
ifdef M
modules:
	gcc -c -o $(M)/test_kho.ko $(M)/lib/main.c
else
headers:
	@mkdir -p $(O)/usr/include
	cp include/uapi/test.h $(O)/usr/include
endif
"""
# As in the kernel's: objects lie beside the sources, what it includes lies around it.
LIVEUPDATE = """
include ../lib.mk
all: $(OUTPUT)/liveupdate
$(OUTPUT)/%: %.o
	gcc $(LDFLAGS) -o $@ $<
	touch $@.d
%.o: %.c
	gcc $(KHDR_INCLUDES) -c -o $@ $<
"""
FILES = {
    "Makefile": MAKEFILE,
    "include/uapi/test.h": "#define NUMBER 0\n",
    "lib/test_kho.c": "int kho;\n",
    "lib/fdt.c": "",
    "lib/fdt_ro.c": "",
    "lib/fdt_sw.c": "",
    "scripts/dtc/libfdt/fdt.c": "",
    "tools/testing/selftests/lib.mk": "",
    "tools/testing/selftests/kselftest.h": "int main(void) { return NUMBER; }\n",
    "tools/testing/selftests/liveupdate/Makefile": LIVEUPDATE,
    "tools/testing/selftests/liveupdate/liveupdate.c": '#include <test.h>\n#include "../kselftest.h"\n',
}


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    tree = tmp_path / "linux"
    for name, text in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return fake_kernel(tree)


def write(kernel: Kernel, name: str, text: str) -> None:
    (kernel.source / name).write_text(text)


def test_programs_are_static_and_the_tree_is_as_before(store: Store, kernel: Kernel) -> None:
    before = sorted(kernel.source.rglob("*"))
    made = obtain_selftests(store, kernel)
    assert [program.name for program in made.programs] == ["liveupdate"]
    assert "INTERP" not in run(["readelf", "--program-headers", made.programs[0]])
    assert made.module_names == ("test_kho",)
    assert sorted(kernel.source.rglob("*")) == before
    assert sorted(path.name for path in made.programs[0].parents[1].iterdir()) == [
        "build.log",
        "failed.json",
        "inputs.json",
        "modules",
        "programs",
    ]
    assert obtain_selftests(store, kernel) == made


def test_each_kernel_has_its_own_and_equal_headers_are_built_once(store: Store, kernel: Kernel) -> None:
    first = obtain_selftests(store, kernel)
    second = obtain_selftests(store, replace(kernel, key="1"))
    assert first.key != second.key
    assert len(list((store.root / "headers").iterdir())) == 1
    write(kernel, "include/uapi/test.h", "#define NUMBER 1\n")
    obtain_selftests(store, replace(kernel, key="2"))
    assert len(list((store.root / "headers").iterdir())) == 2


def test_a_tree_without_them_has_none(store: Store, kernel: Kernel) -> None:
    (kernel.source / "tools/testing/selftests/liveupdate").rename(kernel.source / "elsewhere")
    (kernel.source / "lib/test_kho.c").unlink()
    made = obtain_selftests(store, kernel)
    assert (made.programs, made.modules, made.failed) == ((), (), ())


def test_error_shows_the_compilers_first(store: Store, kernel: Kernel) -> None:
    write(kernel, "tools/testing/selftests/liveupdate/liveupdate.c", "int main(void) { return wrong; }\n")
    words = r"selftests/liveupdate of kernel 7.3.4 does not build: .*liveupdate.c:1:\d+: error: .*wrong"
    with pytest.raises(HarnessError, match=words):
        obtain_selftests(store, kernel)


@pytest.mark.parametrize("name", ["lib/test_kho.c", "tools/testing/selftests/liveupdate/liveupdate.c"])
def test_only_of_a_tree_something_may_not_build(
    name: str, store: Store, kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    write(kernel, name, "int kho = wrong;\n")
    with pytest.raises(HarnessError, match=r"of kernel 7.3.4 .*does not build: .*wrong"):
        obtain_selftests(store, kernel)
    made = obtain_selftests(store, replace(kernel, name=TREE))
    assert len(made.modules + made.programs) == 1
    assert "wrong" in made.failed[0]
    assert "what needs it will be skipped" in capsys.readouterr().err
