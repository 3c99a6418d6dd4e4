# SPDX-License-Identifier: GPL-2.0-only
"""kernels.yaml: what the project ships is whole, and what is wrong is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.build.kconfig import read_fragments
from harness.build.spec import kernel_names, kernel_spec, load_specs, read_series
from harness.errors import HarnessError
from harness.tests.fake_kernel import fake_spec

GOOD = """
default: a
kernels:
  a:
    version: "7.3.4"
    debian: {package: p, suite: s}
    upstream: {folder: f, tarball: t, checksums: c}
    patches: patches/series
    config: [base]
    parameters: [quiet, a=1]
    more_parameters: [a=2]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/base.config").touch()
    (tmp_path / "kernels.yaml").write_text(GOOD)
    return tmp_path


def test_our_kernels() -> None:
    assert kernel_names() == ("7.3.4", "7.2.12", "7.3.4-debug")
    assert kernel_spec(None).name == "7.3.4"
    assert kernel_spec("7.2.12").debian.package == "linux-source-7.2"
    assert "kho=on" in kernel_spec(None).parameters
    want = read_fragments(kernel_spec(None).fragments)
    assert want["CONFIG_KEXEC_HANDOVER"].value == "y"
    assert want["CONFIG_RELOCATABLE"].value == "y"
    assert want["CONFIG_KVM"].value == "m"
    assert "kvm-amd" in kernel_spec(None).modules
    debug = kernel_spec("7.3.4-debug")
    assert debug.local_version == "-debug"
    assert debug.least.memory > 1024
    assert debug.slowness > 1


def test_named_variants_have_releases_of_their_own(tmp_path: Path) -> None:
    spec = fake_spec(tmp_path)
    assert spec.local_version == ""
    assert replace(spec, name="7.3.4-kasan").local_version == "-kasan"


def test_series_is_read_in_order_without_comments(folder: Path) -> None:
    (folder / "series").write_text("# Why.\nb.patch\n\na.patch # because\n")
    assert read_series(folder / "series") == (folder / "b.patch", folder / "a.patch")
    assert read_series(folder / "none") == ()


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("default: a", "default: b", "there is no kernel called b"),
        ("config: [base]", "config: [none]", r"none.config, which does not exist"),
        ("    patches:", "    patchs:", r"kernels.a.patchs: Unexpected keyword"),
        ("{package: p, suite: s}", "{package: p}", r"kernels.a.debian.suite: "),
        ("default: a", "default: [a", r"kernels.yaml: while parsing"),
        (
            "config: [base]",
            "config: [base]\n    optional: [devices]",
            r"a: optional: devices is not in config",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Path, good: str, bad: str, problem: str) -> None:
    (folder / "kernels.yaml").write_text(GOOD.replace(good, bad))
    with pytest.raises(HarnessError, match=problem):
        load_specs(folder)


def test_more_parameters_replace_those_of_the_same_key(folder: Path) -> None:
    assert load_specs(folder)[1]["a"].parameters == ("quiet", "a=2")


def test_more_patches_come_after_the_series(folder: Path) -> None:
    (folder / "patches").mkdir()
    (folder / "patches/series").write_text("1.patch\n")
    for name in ("1.patch", "2.patch"):
        (folder / "patches" / name).touch()
    more = GOOD.replace("config: [base]", "config: [base]\n    more_patches: [patches/2.patch]")
    (folder / "kernels.yaml").write_text(more)
    assert [path.name for path in load_specs(folder)[1]["a"].patches] == ["1.patch", "2.patch"]


def test_a_patch_that_is_missing_is_named(folder: Path) -> None:
    (folder / "kernels.yaml").write_text(
        GOOD.replace("config: [base]", "config: [base]\n    more_patches: [x.patch]")
    )
    with pytest.raises(HarnessError, match=r"a needs .*x.patch"):
        load_specs(folder)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"kernels.yaml: No such file"):
        load_specs(tmp_path)
