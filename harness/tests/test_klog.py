# SPDX-License-Identifier: GPL-2.0-only
"""The kernel-log oracle: what is a report, what only looks like one, and what a scenario may allow."""

import pytest

from harness.klog import classify, last_message, scan, undated, unexpected
from harness.scenario import Allowed

BAD = [
    ("panic", "[    1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000b00"),
    ("KASAN", "[    1.2] BUG: KASAN: slab-use-after-free in fdbox_ioctl+0x1/0x2 [fdbox]"),
    ("KFENCE", "[    1.2] BUG: KFENCE: out-of-bounds read in test+0x1/0x2"),
    ("UBSAN", "[    1.2] UBSAN: array-index-out-of-bounds in mm/shmem.c:12:3"),
    ("lockup", "[   30.1] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [agent:77]"),
    ("sleeping in atomic", "[    1.2] BUG: sleeping function called from invalid context at mm/slub.c:1"),
    ("page fault", "[    1.2] BUG: unable to handle page fault for address: ffff888100000000"),
    ("page fault", "[    1.2] BUG: kernel NULL pointer dereference, address: 0000000000000010"),
    ("bad page", "[    1.2] BUG: Bad page state in process agent  pfn:12345"),
    ("slab corruption", "[    1.2] BUG kmalloc-64 (Tainted: G        W): Poison overwritten"),
    ("slab corruption", "[    1.2] BUG kmalloc-64 (Not tainted): Wrong object count. Counter is 1"),
    ("out of memory", "[    1.2] agent: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL)"),
    ("Oops", "[    1.2] int3: 0000 [#1] SMP"),
    ("BUG", "[    1.2] kernel BUG at mm/page_alloc.c:1234!"),
    ("Oops", "[    1.2] Oops: invalid opcode: 0000 [#1] SMP"),
    ("Oops", "[    1.2] Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1]"),
    ("lockdep", "[    1.2] WARNING: possible circular locking dependency detected"),
    ("lockdep", "[    1.2] WARNING: suspicious RCU usage"),
    ("RCU stall", "[   60.1] rcu: INFO: rcu_preempt self-detected stall on CPU"),
    ("hung task", "[  120.3] INFO: task agent:77 blocked for more than 60 seconds."),
    ("list corruption", "[    1.2] list_add corruption. prev->next should be next (ffff), but was 0."),
    ("refcount", "[    1.2] refcount_t: underflow; use-after-free."),
    ("memory leak", "[    1.2] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"),
    ("bad memory access", "[    1.2] unchecked MSR access error: RDMSR from 0x10a at rIP: 0xffffffff"),
    (
        "WARNING",
        "[    1.2] WARNING: CPU: 0 PID: 77 at kernel/liveupdate/kexec_handover.c:512 kho_restore_page+0x1",
    ),
    (
        "WARNING",
        "[    1.2] WARNING: kernel/liveupdate/kexec_handover.c:512 at kho_restore_page+0x1, CPU#0: agent/77",
    ),
]
GOOD = [
    "[    0.0] Linux version 7.3.4 (harness@harness) (gcc 12.2.0) #1 SMP",
    "[    0.1] Kernel command line: panic=-1 oops=panic hung_task_panic=1",
    "[    0.1] rcu: \tRCU restricting CPUs from NR_CPUS=8 to nr_cpu_ids=2.",
    "[    0.1] Spectre V2 : Vulnerable",
    "[    0.2] mtrr: probably your BIOS does not setup all CPUs.",
    "[    0.3] lkdtm: Performing direct entry NONE",
    "[    0.4] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
    "[    0.5] debug: BUGs are not here",
]


@pytest.mark.parametrize(("kind", "line"), BAD, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(BAD)])
def test_report(kind: str, line: str) -> None:
    assert classify(line) == kind


@pytest.mark.parametrize("line", GOOD)
def test_no_report(line: str) -> None:
    assert classify(line) is None


TRACE = """\
[    1.0] fdbox: loaded
[    2.0] ------------[ cut here ]------------
[    2.0] WARNING: CPU: 0 PID: 77 at mm/shmem.c:1 shmem_x+0x1/0x2
[    2.0] Modules linked in: fdbox
[    2.0] Call Trace:
[    2.0]  ? __warn+0x1/0x2
[    2.0] ---[ end trace 0000000000000000 ]---
[    2.1] all is well
[    3.0] BUG: KASAN: use-after-free in y+0x1/0x2
[    3.0] Read of size 8
""".splitlines()


def test_a_trace_is_one_report_with_its_lines() -> None:
    warning, kasan = scan(TRACE)
    assert warning.kind == "WARNING"
    assert warning.lines == tuple(TRACE[2:7])
    assert kasan.kind == "KASAN"
    assert kasan.lines == tuple(TRACE[8:])


def test_a_second_report_inside_a_trace_is_not_swallowed() -> None:
    lines = [TRACE[2], "[    2.0] Call Trace:", TRACE[8], TRACE[9]]
    assert [report.kind for report in scan(lines)] == ["WARNING", "KASAN"]


def test_allowed_needs_a_match_in_the_title() -> None:
    reports = scan(TRACE)
    allowed = (Allowed("mm/shmem.c:1 shmem_x", "a known one"),)
    assert [report.kind for report in unexpected(reports, allowed)] == ["KASAN"]
    assert unexpected(reports, (Allowed("Call Trace", "not in the title"),)) == reports


def test_last_message_is_the_last_one_that_the_console_shows() -> None:
    dmesg = "<6>[    1.0] one\n<4>[    2.0] two\n<7>[    3.0] debug\n"
    assert last_message(dmesg, 6) == "[    2.0] two"
    assert last_message("", 6) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[    5.000000] page at ffff888012345678", "page at ADDRESS"),
        (
            "unable to restore folio at physical address: 1fa4000",
            "unable to restore folio at physical address: ADDRESS",
        ),
        ("address: 0x10000.", "address: ADDRESS."),
        ("kho_restore_page+0xb2/0x1e0 [fdbox]", "kho_restore_page+OFFSET [fdbox]"),
        ("the facade of 1048576 bytes, 1058336K", "the facade of 1048576 bytes, 1058336K"),
        ("error -22, error_code(0x0002)", "error -22, error_code(0x0002)"),
    ],
)
def test_what_is_the_same_in_each_boot(line: str, said: str) -> None:
    assert undated(line) == said
