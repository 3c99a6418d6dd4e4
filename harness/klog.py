# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log as an oracle: which lines are reports of something wrong, and what belongs to each."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.scenario import Allowed

# What a line must contain to be a report, by kind; the first match counts. Sources, Linux 7.3.4: lib/bug.c,
# kernel/panic.c, arch/x86/kernel/dumpstack.c, mm/kasan/report.c, mm/kfence/report.c, lib/ubsan.c,
# kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, kernel/watchdog.c, lib/list_debug.c,
# mm/page_alloc.c (bad_page), mm/slub.c, mm/kmemleak.c, lib/refcount.c.
_TRAP = "general protection fault|divide error|invalid opcode|double fault|stack segment|int3"
_LOCK = (
    "possible (?:circular|recursive) locking|inconsistent lock state|(?:HARDIRQ|SOFTIRQ)-.*-unsafe"
    "|suspicious RCU usage|held lock freed|bad unlock balance|lock held when returning|invalid wait context"
    "|MAX_LOCK_DEPTH too low|INFO: trying to register non-static key"
)
REPORTS: tuple[tuple[str, str], ...] = (
    ("panic", r"Kernel panic - not syncing"),
    ("KASAN", r"BUG: KASAN:"),
    ("KMSAN", r"BUG: KMSAN:"),
    ("KCSAN", r"BUG: KCSAN:"),
    ("KFENCE", r"BUG: KFENCE:"),
    ("UBSAN", r"UBSAN:"),
    ("lockup", r"(?:soft lockup|hard LOCKUP|Hard LOCKUP)"),
    ("workqueue lockup", r"BUG: workqueue lockup"),
    ("sleeping in atomic", r"BUG: (?:sleeping function called from invalid context|scheduling while atomic)"),
    ("page fault", r"BUG: (?:unable to handle|kernel NULL pointer dereference)"),
    ("bad page", r"BUG: (?:Bad page|non-zero pgtables|Bad rss-counter)"),
    ("slab corruption", r"\bBUG \S+ \(.*\): |Slab cache still has objects"),
    ("BUG", r"(?:kernel BUG at|\bBUG: |\bBUG at )"),
    ("Oops", rf"\bOops\b.*:|(?:{_TRAP}):|\[#\d+\]"),
    ("lockdep", _LOCK),
    ("RCU stall", r"(?:rcu|RCU).*(?:detected stalls|self-detected stall|expedited stalls)"),
    ("hung task", r"INFO: task .* blocked (?:for more than|in I/O wait)"),
    ("list corruption", r"(?:list_add corruption|list_del corruption|slab list corruption)"),
    ("out of memory", r"page allocation failure|Out of memory: Killed process|invoked oom-killer"),
    ("refcount", r"refcount_t: "),
    ("memory leak", r"kmemleak: \d+ new suspected memory leaks|unreferenced object 0x"),
    ("debug object", r"ODEBUG: "),
    ("stack corruption", r"(?:stack-protector: Kernel stack is corrupted|corrupted stack end)"),
    ("bad memory access", r"(?:unchecked MSR access error|Unable to handle kernel)"),
    ("DMA API", r"DMA-API: .*(?:device driver|mapping error)"),
    ("WARNING", r"\bWARNING: "),
)
_KINDS = tuple((kind, re.compile(pattern)) for kind, pattern in REPORTS)
_ANY = re.compile("|".join(pattern for _, pattern in REPORTS))
# Ends of a report: the trace's own end markers (kernel/panic.c), or the next report.
_END = re.compile(r"---\[ end ")
# What stands in front of one (include/asm-generic/bug.h).
_BEGIN = re.compile(r"-\[ cut here \]-")
# Lines kept with a report that has no end marker.
CONTEXT = 25


@dataclass(frozen=True)
class Report:
    """Something wrong that the kernel logged: its kind, its first line, and the lines that explain it."""

    kind: str
    title: str
    lines: tuple[str, ...]


def classify(line: str) -> str | None:
    """The kind of report that starts with this line, or None."""
    if not _ANY.search(line):
        return None
    return next(kind for kind, pattern in _KINDS if pattern.search(line))


def scan(lines: Sequence[str]) -> list[Report]:
    """All reports in one generation's log; lines inside another report's trace do not count again."""
    reports: list[Report] = []
    index = 0
    while index < len(lines):
        kind = classify(lines[index])
        if kind is None:
            index += 1
            continue
        end = _end_of_report(lines, index)
        reports.append(Report(kind, lines[index], tuple(lines[index:end])))
        index = end
    return reports


def _end_of_report(lines: Sequence[str], start: int) -> int:
    for index in range(start + 1, min(start + CONTEXT * 4, len(lines))):
        if _END.search(lines[index]):
            return index + 1
        if classify(lines[index]):
            return index
    return min(start + CONTEXT, len(lines))


def unexpected(reports: Iterable[Report], allowed: "Sequence[Allowed]") -> list[Report]:
    """The reports that no Allowed entry covers."""
    return [r for r in reports if not any(re.search(a.pattern, r.title) for a in allowed)]


# kernel/printk/printk.c: the console could not keep up.
DROPPED = re.compile(r"\*\* \d+ printk messages dropped \*\*")
# <6>[    1.234567] text, as syslog(2) hands it out.
_MESSAGE = re.compile(r"^<(\d+)>(\[ *\d+\.\d+\].*)$")


def messages(dmesg: str) -> list[str]:
    """The messages of a kernel log, as they are on the console."""
    return [match[2] for match in map(_MESSAGE.match, dmesg.splitlines()) if match]


# What tells one boot or build from another in a message: its time, and where something is, in memory or in a
# function. Six digits may be an address too; a word of those letters, or a number, is none.
_TIME = re.compile(r"^\[ *\d+\.\d+\] ?")
_OFFSET = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+")
_ADDRESS = re.compile(r"\b(?:0x[0-9a-f]{5,16}|[0-9a-f]{8,16}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{6,7})\b")


def undated(line: str) -> str:
    """A message without its time, addresses and offsets."""
    return _ADDRESS.sub("ADDRESS", _OFFSET.sub("+OFFSET", _TIME.sub("", line)))


def loud(dmesg: str, level: int) -> list[str]:
    """The messages of a kernel log whose level is at most `level`, undated, each once.

    Of a report that says where it ends, the first line stands for all: the others (registers, a trace) differ
    from one kernel to another where the report does not.
    """
    found = [match for match in map(_MESSAGE.match, dmesg.splitlines()) if match]
    ended = [report.lines for report in scan([match[2] for match in found]) if _END.search(report.lines[-1])]
    inside = {line for lines in ended for line in lines[1:]}
    heard = (match[2] for match in found if int(match[1]) & 7 <= level and match[2] not in inside)
    return list(dict.fromkeys(undated(line) for line in heard if not _BEGIN.search(line)))


def last_message(dmesg: str, level: int) -> str | None:
    """The last message of a kernel log whose level is at most `level`, as it is on the console."""
    for line in reversed(dmesg.splitlines()):
        match = _MESSAGE.match(line)
        if match and int(match[1]) & 7 <= level:
            return match[2]
    return None
