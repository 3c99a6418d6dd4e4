# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's user network: the port by which the guest is reached, and what QEMU knows when it is not."""

import re

from harness.errors import HarnessError
from harness.vm.monitor import Monitor

CONNECTIONS = "info usernet"
FORWARDED = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")
# As `info virtio` lists it: its path in QEMU, and what it is.
CARD = re.compile(r"(\S+) \[virtio-net\]")
# The queues of a virtio-net device with one pair (virtio 1.2, 5.1.2).
RECEIVED, SENT = 0, 1


def ssh_port(monitor: Monitor) -> int:
    """The port of this host from which QEMU forwards to the guest's SSH."""
    table = monitor.hmp(CONNECTIONS)
    match = FORWARDED.search(table)
    if not match:
        raise HarnessError(f"QEMU shows no forwarded SSH port:\n{table}")
    return int(match[1])


def state(monitor: Monitor) -> str:
    """Whether packets come through, for people: the connections, and how far the card's queues are."""
    found = CARD.search(monitor.hmp("info virtio"))
    queues = [f"info virtio-queue-status {found[1]} {queue}" for queue in (RECEIVED, SENT)] if found else []
    return "\n".join(f"{line}\n{monitor.hmp(line)}" for line in (CONNECTIONS, *queues))
