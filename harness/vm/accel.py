# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator works here: a timed boot proves it, /dev/kvm being there does not."""

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.build.guest import Guest
from harness.build.kernel import Kernel
from harness.build.store import Store
from harness.errors import HarnessError
from harness.events import Events
from harness.vm import tsc
from harness.vm.loss import Limits, MachineLostError
from harness.vm.qemu import QEMU, Hardware

KVM = Path("/dev/kvm")
# Debian 12's; the oldest on which this was seen to work.
OLDEST_QEMU = (7, 2)
# A kernel that KVM runs is ready in less than 2 s; one that it cannot run prints nothing for ever.
TRIAL_SECONDS = 10.0
TRIAL = "a test boot with KVM"
TRIAL_CMDLINE = "console=ttyS0 earlyprintk=serial,ttyS0 panic=-1"


@dataclass(frozen=True)
class Accel:
    """An accelerator, why it was chosen, and by how much its time limits are stretched."""

    name: str
    reason: str
    slowness: float
    # What every kernel on this host is told.
    parameters: tuple[str, ...] = ()


TCG_SLOWNESS = 1.0
KVM_SLOWNESS = 0.5


def choose(store: Store, kernel: Kernel, guest: Guest) -> Accel:
    """The accelerator for this host; remembered in the store until the host or QEMU changes."""
    memory, here = store.root / "accelerator.json", host()
    if known := _remembered(memory, here):
        return known
    with store.lock("accelerator"):
        if known := _remembered(memory, here):
            return known
        accel = _try(kernel, guest)
        if accel.reason.startswith(TRIAL):
            # It may have been the kernel's fault, or that of a moment.
            accel = replace(accel, reason=f"{accel.reason}; without {memory} it is tried again")
        draft = memory.with_suffix(".draft")
        draft.write_text(json.dumps({"host": here, "accel": asdict(accel)}))
        draft.replace(memory)
        return accel


def _remembered(memory: Path, here: str) -> Accel | None:
    """What was found out on this host earlier."""
    try:
        known = json.loads(memory.read_text())
        if known["host"] == here:
            return Accel(**known["accel"] | {"parameters": tuple(known["accel"]["parameters"])})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def host() -> str:
    """This boot of this host with this QEMU; raises HarnessError when QEMU cannot be used."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    version = _version(shutil.which(QEMU) or QEMU)
    return f"{boot} {version} kvm={os.access(KVM, os.R_OK | os.W_OK)}"


@functools.cache
def _version(program: str) -> str:
    """What a QEMU says of its version; raises HarnessError when it is too old, or no QEMU."""
    try:
        text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise HarnessError(f"{QEMU} cannot be run ({error}): 'make setup' installs it") from error
    version = re.search(r"version (\d+)\.(\d+)\S*", text)
    if not version or (int(version[1]), int(version[2])) < OLDEST_QEMU:
        need = ".".join(map(str, OLDEST_QEMU))
        raise HarnessError(f"{QEMU} is too old: {text.strip()}; {need} or newer is needed")
    return version[0]


def _try(kernel: Kernel, guest: Guest) -> Accel:
    if not KVM.exists():
        return emulation(f"there is no {KVM}")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return emulation(f"{KVM} may not be opened by this user")
    # SSH and QMP take a fifth of a second to import, and this is done once on a host.
    from harness.vm.power import power_on  # noqa: PLC0415

    machine = Hardware("kvm", "Nehalem", 1, 512, kernel.image, guest.initramfs, TRIAL_CMDLINE, ())
    with tempfile.TemporaryDirectory() as folder, Events(Path(folder, "events")) as events:
        try:
            limits = Limits(boot=TRIAL_SECONDS * kernel.slowness, ssh=5 * kernel.slowness)
            with power_on(machine, Path(folder), events, limits) as trial:
                trial.boot(guest.ssh_key, guest.host_key)
        except (MachineLostError, HarnessError) as error:
            return emulation(f"{TRIAL} failed: {error}")
    return Accel("kvm", "a test boot with it worked", KVM_SLOWNESS)


def emulation(reason: str) -> Accel:
    """TCG, and why."""
    rate = tsc.frequency()
    return Accel("tcg", reason, TCG_SLOWNESS, (f"tsc_early_khz={rate}",) if rate else ())
