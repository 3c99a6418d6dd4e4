# SPDX-License-Identifier: GPL-2.0-only
"""Proof that a boot was a live update into the intended kernel, and not a reset or a fresh start."""

import struct
from dataclasses import dataclass

# struct kho_kexec_metadata, include/linux/kho/abi/kexec_metadata.h, Linux 7.1 to 7.3: version,
# previous_release (__NEW_UTS_LEN + 1 bytes), kexec_count; packed. A KHO subtree of that name.
METADATA = struct.Struct("<I65sI")
METADATA_VERSION = 1
METADATA_PATH = "/sys/kernel/debug/kho/in/sub_fdts/kexec-metadata"


@dataclass(frozen=True)
class Identity:
    """Which boot of which kernel is running."""

    # /proc/sys/kernel/random/boot_id
    boot_id: str
    # uname -r
    release: str
    # GNU build id from /sys/kernel/notes, hex
    build_id: str
    # Kexecs with KHO since the last cold boot: 0 for a kernel that was not handed anything.
    kho_count: int


@dataclass(frozen=True)
class Mismatch:
    """One thing about an identity that is not as it must be."""

    what: str
    expected: str
    seen: str


def kho_count(metadata: bytes | None) -> int:
    """The kexec count of a kexec-metadata blob; 0 without one. Raises ValueError when it is not one."""
    if metadata is None:
        return 0
    if len(metadata) < METADATA.size:
        raise ValueError(f"KHO kexec-metadata has {len(metadata)} bytes, not {METADATA.size}")
    version, _, count = METADATA.unpack_from(metadata)
    if version != METADATA_VERSION:
        raise ValueError(f"KHO kexec-metadata has version {version}, not {METADATA_VERSION}")
    return int(count)


def check_cold(now: Identity, build_id: str) -> list[Mismatch]:
    """What is wrong with the first kernel of a run; build_id: of the kernel that QEMU was given."""
    found = []
    if now.build_id != build_id:
        found.append(
            Mismatch("another kernel is running than the one that was built", build_id, now.build_id)
        )
    if now.kho_count:
        found.append(Mismatch("a cold boot was handed KHO data", "kexec count 0", f"{now.kho_count}"))
    return found


def check_restart(before: Identity, now: Identity, build_id: str) -> list[Mismatch]:
    """What is wrong with a boot from nothing after `before`; build_id: of the kernel that QEMU was given."""
    return [*same_boot(before, now), *check_cold(now, build_id)]


def check_kexec(before: Identity, now: Identity, build_id: str) -> list[Mismatch]:
    """What is wrong with a kexec from `before` into the kernel with build_id that hands nothing over."""
    found = same_boot(before, now)
    if now.kho_count:
        what = "the new kernel was handed KHO data, and must not have been"
        found.append(Mismatch(what, "KHO kexec count 0", f"KHO kexec count {now.kho_count}"))
    return found + other_kernel(now, build_id)


def check_live_update(before: Identity, now: Identity, build_id: str) -> list[Mismatch]:
    """What is wrong with a boot that must be a live update of `before` into the kernel with build_id."""
    found = same_boot(before, now)
    if now.kho_count != before.kho_count + 1:
        found.append(
            Mismatch(
                "the new kernel was not handed the old one's KHO data",
                f"KHO kexec count {before.kho_count + 1}",
                f"KHO kexec count {now.kho_count}",
            )
        )
    return found + other_kernel(now, build_id)


def same_boot(before: Identity, now: Identity) -> list[Mismatch]:
    """Whether this is the boot that was before."""
    if now.boot_id != before.boot_id:
        return []
    return [Mismatch("no new kernel was booted", "another boot_id", f"{now.boot_id} again")]


def other_kernel(now: Identity, build_id: str) -> list[Mismatch]:
    """Whether this is another kernel than the one with build_id."""
    if now.build_id == build_id:
        return []
    return [Mismatch("another kernel is running than the one that was loaded", build_id, now.build_id)]
