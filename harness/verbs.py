# SPDX-License-Identifier: GPL-2.0-only
"""The vocabulary: each verb of the language, and what it stands for on each carrier."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from harness.actions import Action, Damage, End, Fault, Measure, Memory, Parallel
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, Prepare, Put, Seal, Unseal
from harness.commandactions import Qmp, Selftest, Ssh
from harness.fdactions import (
    Bind,
    Change,
    Close,
    Dup,
    Guest,
    Interrupts,
    Map,
    Open,
    Register,
    Reset,
    Unmap,
    Verify,
)
from harness.kernelactions import Jump, Kexec, Load, LoadKernel, Unload
from harness.kinds import Carrier, Kind


@dataclass(frozen=True)
class Verb:
    """One word of the language."""

    # What it stands for.
    kind: type[Action]
    # The field that a bare scalar fills (`seal: vm0`); None: always a mapping.
    short: str | None
    # What it is on each carrier that has it.
    means: Mapping[Carrier, str]
    # Why a carrier does not have it, and what to write there.
    instead: str = ""
    # Its keys that name open fds, and the kinds that these may be; none: any.
    fds: Mapping[str, Collection[Kind]] = field(default_factory=dict)
    # Whether a process does it, which `as` can name.
    by_process: bool = True
    # The carriers on which it is a call into the kernel under test, so that `expect: ERRNO` makes sense.
    refusable: Collection[Carrier] = frozenset(Carrier)


def everywhere(meaning: str) -> Mapping[Carrier, str]:
    """The same on all carriers."""
    return dict.fromkeys(Carrier, meaning)


def each(fdbox: str, luo: str) -> Mapping[Carrier, str]:
    """Different on each carrier."""
    return {Carrier.FDBOX: fdbox, Carrier.LUO: luo}


COMPARED = "the host compares with its own record"
FD: dict[str, Collection[Kind]] = {"fd": ()}
VIA: dict[str, Collection[Kind]] = {"via": {Kind.FILE}}
DEVICE: dict[str, Collection[Kind]] = {"fd": {Kind.VFIO_MOCK}}
VM: Collection[Kind] = {Kind.VM}

# The whole vocabulary, by the word that the YAML file has.
VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "create_box": Verb(
            CreateBox, "box", each("FDBOX_CREATE_BOX", "LIVEUPDATE_IOCTL_CREATE_SESSION"), fds=VIA
        ),
        "delete_box": Verb(DeleteBox, "box", each("FDBOX_DELETE_BOX", "close of the session"), fds=VIA),
        "open": Verb(Open, None, everywhere("memfd_create(2), or what it is for the kind"), fds={"vm": VM}),
        "change": Verb(Change, None, everywhere("ftruncate(2), fcntl(2), ..."), fds=FD),
        "guest": Verb(Guest, None, everywhere("KVM_RUN"), fds={"vm": VM, "memory": {Kind.GUEST_MEMFD}}),
        "bind": Verb(Bind, "fd", everywhere("VFIO_DEVICE_BIND_IOMMUFD"), fds=DEVICE),
        "map": Verb(Map, None, everywhere("VFIO_MOCK_MAP"), fds={**DEVICE, "buffer": ()}),
        "unmap": Verb(Unmap, "fd", everywhere("VFIO_MOCK_UNMAP"), fds=DEVICE),
        "interrupts": Verb(Interrupts, "fd", everywhere("VFIO_DEVICE_SET_IRQS"), fds=DEVICE),
        "reset": Verb(Reset, "fd", everywhere("VFIO_DEVICE_RESET"), fds=DEVICE),
        "register": Verb(Register, None, everywhere("a write to the device's region"), fds=DEVICE),
        "put": Verb(
            Put,
            None,
            each("FDBOX_PUT_FD", "LIVEUPDATE_SESSION_PRESERVE_FD, then close of the fd"),
            fds=FD | VIA,
        ),
        "get": Verb(Get, None, each("FDBOX_GET_FD", "LIVEUPDATE_SESSION_RETRIEVE_FD"), fds=VIA),
        "seal": Verb(
            Seal,
            "box",
            each("FDBOX_SEAL", "nothing: the kernel freezes every session at the jump"),
            fds=VIA,
            refusable={Carrier.FDBOX},
        ),
        "prepare": Verb(
            Prepare,
            "box",
            each("FDBOX_PREPARE", "nothing: every fd is preserved when it is put"),
            fds=VIA,
            refusable={Carrier.FDBOX},
        ),
        "list": Verb(
            List,
            None,
            {Carrier.FDBOX: "FDBOX_LIST"},
            "LUO lists nothing: leave it out",
            fds=VIA,
            refusable={Carrier.FDBOX},
        ),
        "dup": Verb(Dup, None, everywhere("dup(2), or a message with the fd"), fds=FD),
        "end": Verb(End, "process", everywhere("SIGKILL"), by_process=False, refusable=()),
        "load": Verb(Load, "module", everywhere("finit_module(2)")),
        "unload": Verb(Unload, "module", everywhere("delete_module(2)")),
        "parallel": Verb(
            Parallel, "steps", everywhere("calls at the same time"), by_process=False, refusable=()
        ),
        "unseal": Verb(Unseal, "box", each("FDBOX_UNSEAL", "LIVEUPDATE_IOCTL_RETRIEVE_SESSION"), fds=VIA),
        "finish": Verb(
            Finish,
            "box",
            {Carrier.LUO: "LIVEUPDATE_SESSION_FINISH"},
            "a box is never finished, it is deleted: 'delete_box' ends it on both carriers",
            refusable={Carrier.LUO},
        ),
        "kexec": Verb(
            Kexec, "kernel", everywhere("kexec_file_load(2) or kexec_load(2), reboot(2)"), by_process=False
        ),
        "load_kernel": Verb(
            LoadKernel, "kernel", everywhere("kexec_file_load(2) or kexec_load(2)"), by_process=False
        ),
        "jump": Verb(Jump, None, everywhere("reboot(2)"), by_process=False),
        "fault": Verb(Fault, None, everywhere("whatever breaks it"), by_process=False, refusable=()),
        "verify": Verb(Verify, "fd", everywhere(COMPARED), fds=FD, refusable=()),
        "close": Verb(Close, "fd", everywhere("close(2)"), fds=FD, refusable=()),
        "ssh": Verb(Ssh, "command", everywhere("a command over SSH"), by_process=False, refusable=()),
        "selftest": Verb(
            Selftest,
            "program",
            everywhere("a program of the kernel's own tests"),
            by_process=False,
            refusable=(),
        ),
        "memory": Verb(
            Memory, "at", everywhere("/proc/meminfo, KHO's notes"), by_process=False, refusable=()
        ),
        "measure": Verb(
            Measure,
            None,
            everywhere("a clock, or a command over SSH"),
            by_process=False,
            refusable=(),
        ),
        "damage": Verb(
            Damage,
            None,
            everywhere("writes to /dev/mem"),
            by_process=False,
            refusable=(),
        ),
        "qmp": Verb(Qmp, "execute", everywhere("a QMP command"), by_process=False, refusable=()),
    }
)
VERB_OF: Mapping[type[Action], str] = MappingProxyType({verb.kind: word for word, verb in VERBS.items()})
