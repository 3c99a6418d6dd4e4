# SPDX-License-Identifier: GPL-2.0-only
"""Our C, by the kernel's own standards: checkpatch, kernel-doc, sparse, and no compiler warnings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.build.kernel import Kernel, obtain_kernel
from harness.build.source import obtain_source
from harness.build.spec import kernel_spec
from harness.build.store import default_store

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("kmod", "guests", "harness/vm") for path in (ROOT / folder).rglob("*.[ch]")
)
PATCHES = kernel_spec(None).patches


@pytest.fixture(scope="session")
def source() -> Path:
    return obtain_source(default_store(), kernel_spec(None)).folder


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    return obtain_kernel(default_store(), None)


def checkpatch(source: Path, *arguments: str | Path) -> str:
    argv: list[str | Path] = [
        "perl",
        source / "scripts/checkpatch.pl",
        "--no-tree",
        "--strict",
        "--terse",
        *arguments,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("total:"))


@pytest.mark.parametrize("file", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_checkpatch_has_nothing_to_say_about(source: Path, file: Path) -> None:
    assert checkpatch(source, "--file", file) == ""


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.name)
def test_checkpatch_has_nothing_to_say_about_patch(source: Path, patch: Path) -> None:
    assert checkpatch(source, patch) == ""


def test_checkpatch_does_find_something(source: Path, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int x=1;\n")
    assert "ERROR" in checkpatch(source, "--file", tmp_path / "x.c")


def kernel_doc(source: Path, *files: Path) -> str:
    """What is wrong with comments of kernel-doc, by its own tool; -B: it must leave nothing in the store."""
    argv: list[str | Path] = [sys.executable, "-B", source / "scripts/kernel-doc", "-none", "-Wall", *files]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def exported_without_doc(text: str) -> list[str]:
    """What a file exports and has no comment for."""
    documented = re.findall(r"^/\*\*\n \* (\w+)(?:\(\))? - ", text, re.MULTILINE)
    return [
        name for name in re.findall(r"^EXPORT_SYMBOL\w*\((\w+)", text, re.MULTILINE) if name not in documented
    ]


def test_kernel_doc_has_nothing_to_say(source: Path) -> None:
    assert kernel_doc(source, *sorted((ROOT / "kmod").rglob("*.[ch]"))) == ""


def test_every_exported_function_has_kernel_doc() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "kmod").rglob("*.c"))]
    assert any("EXPORT_SYMBOL" in text for text in texts)
    assert [name for text in texts for name in exported_without_doc(text)] == []


def test_kernel_doc_does_find_something(source: Path, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(
        "/**\n * f - a function\n * @a: the one\n *\n * Return: it.\n */\nint f(int a, int b)\n{\n}\n"
    )
    assert "parameter 'b' not described in 'f'" in kernel_doc(source, tmp_path / "x.c")


def test_an_exported_function_without_kernel_doc_is_found() -> None:
    documented = "/**\n * f - a function\n */\nint f(void);\nEXPORT_SYMBOL_GPL(f);\n"
    plain = "/* g - a comment */\nint g(void);\nEXPORT_SYMBOL_NS_GPL(g, X);\n"
    assert exported_without_doc(documented + plain) == ["g"]


# sparse 0.6.4, Debian's, stops at C17: what it does not know of newer C is taken out of its sight. Otherwise
# it reports that as an error, and after an error it is silent about what it does know.
SPARSE_MODULES = "#define __typeof_unqual__ __typeof__\n#define __builtin_strlen(s) (sizeof(s) - 1)\n"


def sparse_modules(kernel: Kernel, kmod: Path, folder: Path) -> list[str]:
    """What sparse and gcc say about the modules in kmod."""
    work = folder / "work"
    subprocess.run(["cp", "--recursive", kmod, work], check=True)
    (folder / "sparse.h").write_text(SPARSE_MODULES)
    where = ["-C", str(kernel.source), f"O={kernel.build}", f"M={work}"]
    argv = ["make", *where, "C=2", f"CHECK=sparse -include {folder}/sparse.h", "modules"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0 or "not up to date" in done.stderr:
        return [done.stderr]
    return re.findall(r"^\S+\.[ch]:\d+:\d+: (?:warning|error): .*", done.stdout + done.stderr, re.MULTILINE)


def test_sparse_has_nothing_to_say_about_the_modules(kernel: Kernel, tmp_path: Path) -> None:
    assert sparse_modules(kernel, ROOT / "kmod", tmp_path) == []


def test_sparse_does_find_something(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/Kbuild").write_text("obj-m := bad.o\n")
    (tmp_path / "bad/bad.c").write_text(
        "#include <linux/module.h>\nint __user *f(int *x);\nint __user *f(int *x) { return x; }\n"
        'MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION("x");\n'
    )
    assert any(
        "different address spaces" in line for line in sparse_modules(kernel, tmp_path / "bad", tmp_path)
    )


def sparse_agent(folder: Path, sources: list[Path]) -> str:
    """What sparse says about sources of the agent, without the system's headers (_IO is there twice)."""
    agent = ROOT / "guests" / "agent"
    subprocess.run(["make", "-C", agent, f"O={folder}"], check=True, capture_output=True)
    compiler = subprocess.run(["gcc", "-print-file-name=include"], check=True, capture_output=True, text=True)
    argv: list[str | Path] = ["sparse", "-std=gnu17", "-D_GNU_SOURCE", "-D__printf(a,b)=", "-nostdinc"]
    argv += [f"-I{folder}", f"-I{agent}", f"-I{ROOT}/kmod/include/uapi"]
    argv += ["-isystem", "/usr/include/x86_64-linux-musl", "-isystem", compiler.stdout.strip()]
    argv += ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu", *sources]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    noise = re.compile(r"/usr/include/|.*: note: in included file")
    return "\n".join(line for line in lines if not noise.match(line))


def test_sparse_has_nothing_to_say_about_the_agent(tmp_path: Path) -> None:
    assert sparse_agent(tmp_path, sorted((ROOT / "guests" / "agent").glob("*.c"))) == ""


def test_sparse_does_find_something_in_an_agent(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int f(void);\nint f(void) { int *p = 0; return p == 0; }\nint g = 1;\n")
    assert "Using plain integer as NULL pointer" in sparse_agent(tmp_path, [tmp_path / "x.c"])
