# SPDX-License-Identifier: GPL-2.0-only
"""What a step does to kernels and their modules, as data."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from harness.scalars import ModuleChange, OneOrMore, Size, Strictly, Text, Whole

AT_ONCE = "How many processes do it at the same time; what is for one of them is refused to the others."
AtOnce = Annotated[Whole, Field(ge=1, le=8, description=AT_ONCE)]
Handover = Annotated[
    bool, Field(description="Whether the next kernel is handed anything; false: KHO in it must not say so.")
]


@dataclass(frozen=True)
class NextKernel(Strictly):
    """Base of what loads the next kernel."""

    kernel: Annotated[
        Text | None,
        Field(
            description="Name of the next kernel (kernel/kernels.yaml), as 7.2.12; the one that is "
            "running if left out."
        ),
    ] = None
    modules: Annotated[
        tuple[ModuleChange, ...],
        OneOrMore,
        Field(
            description="Modules that the next generation loads too, or, with a '-' in front, does not load."
        ),
    ] = ()
    parameters: Annotated[
        tuple[Text, ...],
        OneOrMore,
        Field(
            description="More kernel parameters for the next generation; they replace those of the same key."
        ),
    ] = ()
    padding: Annotated[
        Size,
        Field(
            description="So many zeros are added to the initramfs, and ignored by the next kernel: a large "
            "one has no room in scratch memory."
        ),
    ] = 0
    at_once: AtOnce = 1
    syscall: Annotated[
        Literal["kexec_file_load", "kexec_load"],
        Field(description="How it is loaded. kexec_load(2) knows nothing of KHO: `handover: false`."),
    ] = "kexec_file_load"


@dataclass(frozen=True)
class Kexec(NextKernel):
    """Live update: load a kernel, jump into it, and prove that it was not a reset."""

    handover: Handover = True


@dataclass(frozen=True)
class LoadKernel(NextKernel):
    """Load the next kernel, as `kexec` does, and go on; it replaces one that is loaded already."""


@dataclass(frozen=True)
class Jump(Strictly):
    """Jump into the kernel that was loaded last, as `kexec` does, and prove that it was not a reset."""

    handover: Handover = True
    at_once: AtOnce = 1


@dataclass(frozen=True)
class Load(Strictly):
    """Load a module of the guest image; those that a kind of file needs are loaded without it."""

    module: Annotated[Text, Field(description="Name of the module, as vfio_mock.")]
    parameters: Annotated[
        tuple[Text, ...], OneOrMore, Field(description="Parameters of the module, as NAME=VALUE.")
    ] = ()


@dataclass(frozen=True)
class Unload(Strictly):
    """Unload a module."""

    module: Annotated[Text, Field(description="Name of the module, as vfio_mock.")]
