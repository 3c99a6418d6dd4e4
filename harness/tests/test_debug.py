# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that looks closely: it has what it is for, and each of its checks turns a run red."""

import re
from pathlib import Path

import pytest

from harness import provision, report
from harness.build.spec import kernel_parameters, smallest_machine
from harness.build.store import default_store
from harness.load import load_text
from harness.plan import expand, plan
from harness.result import Oracle, Outcome
from harness.runner import run
from harness.verdict import Verdict

DEBUG = "7.3.4-debug"
PROVOKE = "/sys/kernel/debug/provoke-crash/DIRECT"
# Each command succeeds only if the kernel has what it asks for.
FACTS = (
    "[ -d /sys/devices/system/node/node1 ]",
    "mkdir /tmp/cg && mount -t cgroup2 none /tmp/cg && grep -q memory /tmp/cg/cgroup.controllers",
    "grep -q '\\[within_size\\]' /sys/kernel/mm/transparent_hugepage/shmem_enabled",
    "mkswap /dev/ram0 && swapon /dev/ram0 && swapoff /dev/ram0",
    "[ -d /sys/kernel/debug/failslab ] && [ -d /sys/kernel/debug/fail_page_alloc ]",
    "[ -e /proc/self/fail-nth ]",
    "grep -q 'debug_locks: *1' /proc/lockdep_stats",
    "gunzip -c /proc/config.gz | grep -q CONFIG_DEFERRED_STRUCT_PAGE_INIT=y",
)
# What provokes a report of each kind. Lockdep's is first: it looks at nothing after any other kernel bug's
# taint. The module leaks some 20 objects of slab, vmalloc and percpu memory.
CONTROLS = {
    # Whoever comes back with a lock held cannot fault pages in any more, and dies.
    "lockdep": f"(echo SPINLOCKUP > {PROVOKE}) || true",
    "memory leak": "insmod /lib/modules/$(uname -r)/kmemleak-test.ko && rmmod kmemleak-test",
    "KASAN": f"echo READ_AFTER_FREE > {PROVOKE}",
}
# A stale pointer somewhere can hide one or the other.
MOST_LEAKS = 15

pytestmark = pytest.mark.slow


def play(commands: tuple[str, ...], folder: Path) -> Outcome:
    """Run commands in one machine."""
    steps = "".join(f"  - ssh: {{command: {command!r}}}\n" for command in commands)
    (case,) = expand(load_text(f"summary: s\nsteps:\n{steps}", folder / "x.yaml"))
    chosen = plan(case, kernel_parameters, DEBUG, smallest_machine)
    return run(chosen, provision.obtain(chosen, default_store()), folder / "run")


def test_it_has_what_it_is_for(tmp_path: Path) -> None:
    outcome = play(FACTS, tmp_path)
    assert outcome.verdict is Verdict.PASS, report.render(outcome)


def test_its_checks_turn_red(tmp_path: Path) -> None:
    outcome = play(tuple(CONTROLS.values()), tmp_path)
    text = report.render(outcome)
    assert outcome.verdict is Verdict.FAIL, text
    assert {finding.oracle for finding in outcome.findings} == {Oracle.LOG}, text
    for kind in CONTROLS:
        assert f"the kernel reports a problem ({kind})" in text
    leaks = re.findall(r"kmemleak: (\d+) new suspected memory leaks", text)
    assert sum(map(int, leaks)) >= MOST_LEAKS, text
