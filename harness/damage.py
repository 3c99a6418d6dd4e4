# SPDX-License-Identifier: GPL-2.0-only
"""The verb `damage`: what is handed to the next kernel, changed behind its back through /dev/mem."""

import struct
from collections.abc import Iterator, Mapping

from harness import blob, checks, kho, layout, luo
from harness.actions import Damage
from harness.errors import HarnessError
from harness.vm.agent import AgentErrnoError
from harness.vm.machine import Machine

OUT = "/sys/kernel/debug/kho/out"
# The running kernel's own code: RAM that no allocator hands out, so nobody can have preserved it.
FREE = 16 << 20
# No machine has memory there.
BEYOND = 1 << 46


def apply(machine: Machine, action: Damage, sizes: Mapping[tuple[str, str], int]) -> str:
    """Carry out a damage; what was done, in words. Raises HarnessError where there is nothing like that.

    sizes: of the fds that are in boxes, in bytes, by box and name.
    """
    try:
        if action.part in layout.OF_LUO:
            key = (action.box or "", action.fd or "")
            if key not in sizes:
                raise blob.BlobError(f"no fd '{action.fd}' is in box '{action.box}'")
            changes = plan_luo(machine, action, sizes[key])
        else:
            changes = plan_changes(machine, action)
    except blob.BlobError as error:
        raise HarnessError(f"cannot damage that: {error}") from error
    for change in changes:
        machine.call("poke", phys=change.address, hex=change.data.hex())
    return f"{len(changes)} writes, the first at {changes[0].address:#x}"


def plan_luo(machine: Machine, action: Damage, size: int) -> list[blob.Change]:
    """What has to be written where, into what LUO hands over of a memfd of so many bytes."""
    read = reader(machine)
    memfd = luo.find_memfd(read, single_pages(machine, read), size)
    if action.like is not None:
        return luo.change(memfd, action.field, luo.value_of(memfd, action.like))
    new = value(machine, action, memfd.address, layout.LUO_MEMFD, memfd.data)
    if action.address is not None:
        assert isinstance(new, int)
        new >>= kho.PAGE_SHIFT
    return luo.change(memfd, action.field, new)


def single_pages(machine: Machine, read: kho.Read) -> Iterator[int]:
    """The pages that would be carried, those of large folios left out.

    In the first generation only: later ones do not show KHO's FDT.
    """
    return (page for page, order in kho.preserved(read, needed(machine, f"{OUT}/fdt")) if not order)


def plan_changes(machine: Machine, action: Damage) -> list[blob.Change]:
    """What has to be written where, into what FDBox hands over."""
    root = needed(machine, f"{OUT}/sub_fdts/fdbox")
    read = reader(machine)
    if action.part in {"root", "subtree"}:
        pages = list(single_pages(machine, read))
        address = blob.find_root(read, pages, root)
        if action.part == "root":
            return blob.set_root(address, action.field, value(machine, action, address, layout.ROOT, root))
        now = struct.pack("<2Q", address, len(root))
        new = value(machine, action, address, layout.SUBTREE, now)
        return blob.set_subtree(*blob.find_fdt(read, pages), action.field, new)
    (directory,) = struct.unpack_from("<Q", root, layout.ROOT["directory"][0])
    target, base = find(read, directory, action, action.fd)
    other, start = find(read, directory, action, action.of or action.fd)
    fields = layout.OWN[action.part]
    new = value(machine, action, target.address, fields, other.room[start:])
    if layout.has(fields, action.field):
        target, changes = blob.set_data(target, base, fields, action.field, new)
    else:
        target, changes = blob.set_head(target, action.field, new)
    return changes + (blob.mend(target) if action.checksum == "right" and action.field != "checksum" else [])


def reader(machine: Machine) -> kho.Read:
    """The guest's physical memory."""

    def read(address: int, length: int) -> bytes:
        try:
            return bytes.fromhex(machine.call("peek", phys=address, length=length)["hex"])
        except AgentErrnoError:
            return b""  # no memory there

    return read


def find(read: kho.Read, directory: int, action: Damage, fd: str | None) -> tuple[blob.Blob, int]:
    """The blob that an action is about, with this fd, and where in its data the record starts."""
    found = blob.read_blob(read, directory)
    if action.part == "directory":
        return found, 0
    box = blob.find_box(read, found, action.box or "")
    if action.part == "box":
        return box, 0
    base = blob.entry(box, fd or "")
    if action.part == "entry":
        return box, base
    (address,) = struct.unpack_from("<Q", box.data, base + layout.ENTRY["data"][0])
    return blob.read_blob(read, address), 0


def value(machine: Machine, action: Damage, itself: int, fields: layout.Fields, record: bytes) -> int | str:
    """What is to be written: a value, an address of a certain sort, or what another field is.

    itself: the address of the blob; fields, record: what can be said of it.
    """
    match action.address:
        case "scratch":
            return int(needed(machine, f"{OUT}/scratch_phys").split()[-1], 16)
        case "unpreserved":
            return FREE
        case "beyond":
            return BEYOND
        case "unaligned":
            now = layout.value_at(record, layout.place(fields, action.field))
            return int(now) + 8
        case "itself":
            return itself
    if action.like is not None:
        return layout.value_at(record, layout.place(fields, action.like))
    assert action.value is not None
    return action.value


def needed(machine: Machine, path: str) -> bytes:
    """A file of the guest that must be there."""
    content = checks.read(machine, path)
    if content is None:
        raise HarnessError(f"{path}: not there")
    return content
