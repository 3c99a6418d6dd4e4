# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of files that scenarios open, as data: what each needs, takes and has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Carrier(StrEnum):
    """The kernel interface that carries file descriptors through a live update."""

    FDBOX = "fdbox"
    LUO = "luo"


class Kind(StrEnum):
    """A kind of file."""

    MEMFD = "memfd"
    VM = "vm"
    GUEST_MEMFD = "guest_memfd"
    VFIO_MOCK = "vfio_mock"
    # What no carrier takes.
    FILE = "file"
    PIPE = "pipe"
    SOCKET = "socket"


@dataclass(frozen=True)
class Facts:
    """What is to be known of a kind before one is opened."""

    # What it is, for people.
    about: str
    # The agent's operation that opens one.
    op: str
    # Keys of `open` besides fd and kind: those it cannot do without, and those it may have as well.
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    # The words that `flags` may have.
    flags: tuple[str, ...] = ()
    # Modules, in the order to load them.
    modules: tuple[str, ...] = ()
    # LUO carries it without any module of ours.
    upstream: bool = False
    # The machine needs a CPU that runs virtual machines.
    virtualisation: bool = False
    # It is memory: it has contents, which can be filled, and page frames.
    memory: bool = False


# Processes by name that are not root's, with their user.
UNPRIVILEGED: Mapping[str, int] = MappingProxyType({"nobody": 65534})
# What init loads without being asked.
DEFAULT_MODULES = ("fdbox", "fdbox_memfd")
GMEM_MODULES = ("irqbypass", "kvm", "kvm-amd", "fdbox_gmem")
MEMFD_FLAGS = ("allow_sealing", "noexec_seal", "exec", "hugetlb", "cloexec")

KINDS: Mapping[Kind, Facts] = MappingProxyType(
    {
        Kind.MEMFD: Facts(
            about="memory, by memfd_create(2); without `flags` it allows sealing",
            op="memfd",
            needs=("size",),
            takes=("fill", "flags"),
            flags=MEMFD_FLAGS,
            modules=("fdbox_memfd",),
            upstream=True,
            memory=True,
        ),
        Kind.VM: Facts(
            about="a virtual machine, by KVM_CREATE_VM", op="vm", modules=GMEM_MODULES, virtualisation=True
        ),
        Kind.GUEST_MEMFD: Facts(
            about="memory of that virtual machine; without `flags` it has both, and the host can read it",
            op="gmem",
            needs=("size", "vm"),
            takes=("fill", "flags"),
            flags=("mmap", "init_shared"),
            modules=GMEM_MODULES,
            virtualisation=True,
            memory=True,
        ),
        Kind.VFIO_MOCK: Facts(
            about="a device without hardware, `/dev/vfio/devices/vfioN`; `device` is 0 if left out",
            op="vfio_open",
            takes=("device",),
            modules=("iommufd", "vfio", "vfio_mock"),
        ),
        Kind.FILE: Facts(
            about="any file of the guest; no carrier takes it", op="open", needs=("path",), takes=("access",)
        ),
        Kind.PIPE: Facts(about="the end of a pipe; no carrier takes it", op="pipe"),
        Kind.SOCKET: Facts(about="a socket; no carrier takes it", op="socket"),
    }
)


def modules_for(kinds: Iterable[Kind], carrier: Carrier) -> tuple[str, ...]:
    """The modules without which fds of these kinds cannot be carried, in the order to load them."""
    ours = [kind for kind in kinds if not (KINDS[kind].upstream and carrier is Carrier.LUO)]
    modules = [module for kind in ours for module in KINDS[kind].modules]
    if carrier is Carrier.FDBOX:
        modules.insert(0, "fdbox")
    elif modules:
        # The handlers are FDBox's, and the last of these has LUO take them.
        modules = ["fdbox", *modules, "fdbox_luo"]
    return tuple(dict.fromkeys(modules))
