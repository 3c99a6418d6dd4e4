# SPDX-License-Identifier: GPL-2.0-only
"""Kernels as data: kernel/kernels.yaml, with the patches and config fragments that it names."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from harness.cmdline import replaced
from harness.errors import HarnessError, UsageError
from harness.machinespec import Least

KERNEL_DATA = Path(__file__).parents[2] / "kernel"
TREE = "tree"
"""Name of the kernel that is built from a tree of the user's."""
_STRICT = ConfigDict(extra="forbid", strict=False)


@checked_dataclass(frozen=True, config=_STRICT)
class Debian:
    """Where Debian has a kernel's source."""

    package: str
    suite: str
    component: str = "main"


@checked_dataclass(frozen=True, config=_STRICT)
class Upstream:
    """Where kernel.org has a release: the tarball and the file with its SHA-256, both in folder (a URL)."""

    folder: str
    tarball: str
    checksums: str


@checked_dataclass(frozen=True, config=_STRICT)
class _Entry:
    version: str
    debian: Debian
    upstream: Upstream
    patches: str
    config: tuple[str, ...]
    parameters: tuple[str, ...]
    more_parameters: tuple[str, ...] = ()
    more_patches: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    least: Least = field(default_factory=Least)
    slowness: float = 1.0


@checked_dataclass(frozen=True, config=_STRICT)
class _File:
    default: str
    kernels: dict[str, _Entry]


@dataclass(frozen=True)
class KernelSpec:
    """One named kernel: everything that decides what is built."""

    name: str
    version: str
    debian: Debian
    upstream: Upstream
    patches: tuple[Path, ...]
    fragments: tuple[Path, ...]
    parameters: tuple[str, ...]
    # Of the fragments, those that a tree of the user's may lack symbols of.
    optional: tuple[Path, ...] = ()
    # Names of the modules from the kernel's own source that belong into the guest image, in load order.
    modules: tuple[str, ...] = ()
    # The smallest machine that it is meant for.
    least: Least = field(default_factory=Least)
    # How many times as long as the lean kernel it takes for everything.
    slowness: float = 1.0

    @property
    def local_version(self) -> str:
        """What tells this kernel from others of its version in `uname -r`, and so in /lib/modules."""
        return "" if self.name == self.version else f"-{self.name.removeprefix(self.version).strip('-')}"


def read_series(series: Path) -> tuple[Path, ...]:
    """The patches that a series file names, in order; none when there is no such file. # starts a comment."""
    if not series.exists():
        return ()
    lines = (line.partition("#")[0].strip() for line in series.read_text().splitlines())
    return tuple(series.parent / line for line in lines if line)


def load_specs(folder: Path = KERNEL_DATA) -> tuple[str, dict[str, KernelSpec]]:
    """The name of the default kernel, and all kernels by name, from folder/kernels.yaml.

    Raises HarnessError when the file, or one that it names, is missing or wrong.
    """
    file = folder / "kernels.yaml"
    try:
        content = TypeAdapter(_File).validate_python(yaml.load(file.read_text(), yaml.CSafeLoader))
        specs = {name: _spec(folder, name, entry) for name, entry in content.kernels.items()}
    except OSError as error:
        raise HarnessError(f"{file}: {error.strerror} ({error.filename})") from error
    except yaml.YAMLError as error:
        raise HarnessError(f"{file}: {error}") from error
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise HarnessError(f"{file}: {what}") from error
    if content.default not in specs:
        raise HarnessError(f"{file}: default: there is no kernel called {content.default}")
    return content.default, specs


def _spec(folder: Path, name: str, entry: _Entry) -> KernelSpec:
    for fragment in entry.optional:
        if fragment not in entry.config:
            raise HarnessError(f"{folder / 'kernels.yaml'}: {name}: optional: {fragment} is not in config")
    fragments = tuple(folder / "config" / f"{fragment}.config" for fragment in entry.config)
    patches = (*read_series(folder / entry.patches), *(folder / patch for patch in entry.more_patches))
    for path in (*fragments, *patches):
        if not path.is_file():
            raise HarnessError(f"{folder / 'kernels.yaml'}: {name} needs {path}, which does not exist")
    return KernelSpec(
        name=name,
        version=entry.version,
        debian=entry.debian,
        upstream=entry.upstream,
        patches=patches,
        fragments=fragments,
        parameters=replaced(entry.parameters, entry.more_parameters),
        optional=tuple(folder / "config" / f"{fragment}.config" for fragment in entry.optional),
        modules=entry.modules,
        least=entry.least,
        slowness=entry.slowness,
    )


@functools.cache
def _specs() -> tuple[str, dict[str, KernelSpec]]:
    return load_specs()


def kernel_names() -> tuple[str, ...]:
    """The names of all kernels, the default first."""
    default, specs = _specs()
    return (default, *(name for name in specs if name != default))


def kernel_parameters(name: str | None) -> tuple[str, ...]:
    """The boot parameters of a named kernel; None: of the default one, and of a tree of the user's."""
    return kernel_spec(name).parameters


def smallest_machine(name: str | None) -> Least:
    """The smallest machine for a named kernel; None: for the default one, and for a tree of the user's."""
    return kernel_spec(name).least


def kernel_spec(name: str | None) -> KernelSpec:
    """The kernel called name; None: the default one. Raises UsageError when there is no such kernel."""
    default, specs = _specs()
    if (name or default) not in specs:
        raise UsageError(f"there is no kernel called {name}; there are: {', '.join(kernel_names())}")
    return specs[name or default]
