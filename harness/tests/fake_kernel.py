# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree of a few lines that builds in a moment, by the same commands as the real one."""

from pathlib import Path

from harness.build.kernel import Kernel
from harness.build.spec import Debian, KernelSpec, Upstream

MAKEFILE = """
B := $(O)

ifdef M
modules:
	@: > $(M)/modules.order
	@for i in $$(sed -n 's/^obj-m += \\(.*\\)\\.o/\\1/p' $(M)/Kbuild); do \\
		gcc -c -o $(M)/$$i.ko $(M)/$$i.c && echo $$i.o >> $(M)/modules.order || exit 1; done
else
bzImage: $(B)/vmlinux
	@mkdir -p $(B)/arch/x86/boot $(B)/include/config
	cp $< $(B)/arch/x86/boot/bzImage
	@echo 7.3.4$(LOCALVERSION) > $(B)/include/config/kernel.release
modules: bzImage
$(B)/vmlinux: $(B)/main.o $(B)/shmem.o
	gcc -nostdlib -static -Wl,--build-id -o $@ $^
$(B)/main.o: init/main.c
	gcc -c -o $@ $<
$(B)/shmem.o: mm/shmem.c
	gcc -c -o $@ $<
endif
"""
# Called with: -n -O <build> <fragments>. Loses every symbol with LOST in its name, as olddefconfig would.
MERGE = '#!/bin/sh\nbuild=$3\nshift 3\ncat "$@" | grep -v LOST > $build/.config\n'
FILES = {
    "Makefile": MAKEFILE,
    "Kconfig": "",
    ".gitignore": ".*\n*.o\n!.gitignore\n",
    "scripts/kconfig/merge_config.sh": MERGE,
    "init/main.c": "void _start(void) { }\n",
    "mm/shmem.c": "int shmem;\nint a;\nint b;\n",
}
PATCH = "--- a/mm/shmem.c\n+++ b/mm/shmem.c\n@@ -1,3 +1,4 @@\n int shmem;\n int a;\n+int patched;\n int b;\n"


def fake_tree(folder: Path) -> Path:
    """Make the tree in folder, and return folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "scripts/kconfig/merge_config.sh").chmod(0o755)
    return folder


def fake_kernel(tree: Path) -> Kernel:
    """A kernel called 7.3.4, of which there is nothing but the tree that it was built from."""
    none = tree / "none"
    return Kernel(
        name="7.3.4",
        release="7.3.4",
        build_id="00",
        image=none,
        vmlinux=none,
        config=none,
        source=tree,
        build=tree / "build",
        key="0123456789abcdef",
        patches=(),
        rejected=(),
    )


def fake_spec(folder: Path, fragment: str = "CONFIG_SMP=y\n", patch: str = PATCH) -> KernelSpec:
    """A kernel called 7.3.4, with one patch and one config fragment in folder."""
    (folder / "base.config").write_text(fragment)
    (folder / "1.patch").write_text(patch)
    return KernelSpec(
        name="7.3.4",
        version="7.3.4",
        debian=Debian("linux-source-7.3", "trixie-backports"),
        upstream=Upstream("https://kernel.invalid", "linux-7.3.4.tar.xz", "sha256sums.asc"),
        patches=(folder / "1.patch",),
        fragments=(folder / "base.config",),
        parameters=("console=ttyS0",),
    )
