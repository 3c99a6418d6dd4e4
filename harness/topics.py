# SPDX-License-Identifier: GPL-2.0-only
"""What the manual has besides the models: verbs by topic, an example of each, what values look like."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# What `harness new` writes; FILE stands for its path. The manual begins with it too, from its first key on.
TEMPLATE = Path(__file__).with_name("template.yaml")
FIRST = "# One line:"
REPEAT = "repeat"
# Verbs by topic, each with a step as it stands in a scenario.
TOPICS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Boxes and live updates": {
            "create_box": "create_box: vm0",
            "put": "put: {box: vm0, fd: ram}",
            "prepare": "prepare: vm0",
            "seal": "seal: vm0",
            "kexec": "kexec: {kernel: 7.2.12, modules: [-fdbox_memfd]}",
            "load_kernel": "load_kernel: {parameters: [kho=off]}",
            "jump": "jump: {handover: false}",
            "unseal": "unseal: vm0",
            "get": "get: {box: vm0, fd: ram2, name: ram}",
            "verify": "verify: ram",
            "finish": "finish: vm0",
            "delete_box": "delete_box: vm0",
            "list": "list: {box: vm0, fds: {ram: held, dev: lost EIO}}",
        },
        "Files": {
            "open": "open: {fd: ram, kind: memfd, size: 16M, fill: {seed: 7}}",
            "change": "change: {fd: ram, truncate: 8M, seals: [WRITE, GROW], position: 77}",
            "dup": "dup: {fd: ram, name: his, process: nobody}",
            "close": "close: ram",
        },
        "Virtual machines and devices": {
            "guest": "guest: {vm: vm, memory: ram, count: 100000}",
            "bind": "bind: dev",
            "map": "map: {fd: dev, buffer: ram, offset: 1M, length: 64K, iova: 1G}",
            "unmap": "unmap: {fd: dev, iova: 1G}",
            "interrupts": "interrupts: {fd: dev, enable: false}",
            "register": "register: {fd: dev, index: 1, value: 7}",
            "reset": "reset: dev",
        },
        "The machine": {
            "ssh": 'ssh: {command: "ls /run/fd; echo $HOME", status: 0, stdout: {matches: "^ram$"}}',
            "qmp": "qmp: {execute: query-status, returns: {status: running}}",
            "selftest": "selftest: {program: liveupdate, case: basic}",
            "load": "load: {module: vfio_mock, parameters: [a=1]}",
            "unload": "unload: vfio_mock",
            "end": "end: helper",
        },
        "Measured, and compared": {
            "measure": "measure: {name: seal, of: {seal: vm0}}",
            "memory": "memory: baseline",
        },
        "Several steps": {
            "parallel": "parallel: {succeed: 1, steps: [{seal: vm0}, {delete_box: vm0}]}",
            REPEAT: "repeat: {times: 5, steps: [{seal: vm0}, {kexec: }, {unseal: vm0}]}",
        },
        "Broken on purpose": {
            "fault": "fault: {pause: 2s}",
            "damage": 'damage: {part: fd, box: vm0, fd: ram, field: "phys[0]", address: scratch}',
        },
    }
)
HEAD = """\
<!-- SPDX-License-Identifier: GPL-2.0-only -->
<!-- Made of the models in harness/ by: harness manual >docs/language.md -->
# The scenario language

All that a scenario can say. A scenario is a YAML file in a folder `scenarios/`, or in a folder of it. It says, step by step, what is done
with a machine that is live updated, and what must be so. A *box* keeps fds for the next kernel; a *carrier* is the interface that does it:
`fdbox` (`/dev/fdbox`), where a box has to be sealed to travel, or `luo` (the Live Update Orchestrator, `/dev/liveupdate`), where a box is
a session, and names in it are tokens. Each verb below says what it is on either. A *generation* is one kernel of a machine: 0 from the cold boot on, one more for each kexec.
"""
BEGIN = """
Its file is `scenarios/memfd/mine.yaml` here; `harness new memfd/mine` writes one to begin with.

    harness check scenarios/memfd/mine.yaml              # its mistakes, with their places and the nearest valid words
    harness list scenarios/memfd/mine.yaml               # its cases: one for each carrier and combination of the matrix
    harness run scenarios/memfd/mine.yaml                # all of them; 'scenarios/memfd/mine.yaml[luo]': those on luo
    harness shell 'scenarios/memfd/mine.yaml[luo,4K]'    # one of them, and a shell in its machine at the end

Beside its report a run leaves a folder with everything about it: the console of each generation, the kernel's log, `plan.json`, which
`harness run` repeats, and `qemu.sh`, which boots the same machine by hand.
"""
VALUES = """\
## Values

YAML is 1.2: `on` and `yes` are text, octal is `0o640`. Text that looks like a number needs quotes: `"7.3"`. An unknown or doubled key is
an error, and so is a key without a value; a verb that needs nothing said stands alone: `kexec:`.

| value | what it looks like |
| --- | --- |
| text | one character at least; names of boxes too: on fdbox at most 255 bytes without a `/`, on luo at most 63 bytes |
| size | bytes, or a number with K, M or G (powers of 1024), or a sum: `4096`, `16M`, `2M+1`; less than 2^63 |
| name | letters, digits, `_`, `-` and `.`, at most 64, the first no `-` or `.`; an open fd is the file `/run/fd/NAME` in the guest |
| errno | as the kernel calls it, `EBUSY`; or `ok`, for a call that may succeed |
| state | of an fd in a box: `held`, `prepared`, `pending` or `lost`, and the errno if there is one: `lost EIO` |
| mode | permissions, `0o000` to `0o777` |
| time | a number with ms or s: `500ms`, `2s` |
| share | of the memory: `70%` |
| owner | user and group as numbers: `1000:1000` |
| module | letters, digits, `_` and `-`; with a `-` in front it is left out: `-fdbox_memfd` |
| program | name of a program: letters, digits, `_`, `-` and `.` |
| tag | small letters, digits, `_` and `-` |
| version | numbers with dots: `7.3.4`, `"7.3"` |
| range | `7.3.4`; `"7.3"`, which is all of it; `">=7.2"`; `"<7.4"`; `">=7.2 <7.4"`; a release candidate counts as its release |
| `$NAME` | capital letters, digits and `_`: a value of the matrix, each name of which must be used, in the place of any value; text that is nothing but `$NAME` becomes that value, whatever it is: also a list of steps, as `- $DONE` where a step could be. `$ROUND` in a `repeat` counts from 1. In commands of `ssh`, a name that the matrix does not have is the shell's |
"""
BROKEN = """\
A word alone, or with what there is to be said of it. A fault that was ordered and does not happen is an ERROR: nothing was tested.

What must still be there is for the steps after it to say. After `panic` and `reset` the next generation is a cold boot, proven by its
identity: all boxes and fds are gone. If a box had something in it, some later step has to look: `list: {boxes: {}}`, or an `expect`.
"""
REFUSED = """\
What is wrong with a fault is said when the file is read. These are about where it stands, and about kernels that are loaded:
"""
SEEN = """\
## What has to be looked at

What a live update carries has to be looked at by some later step: `verify`, `guest`, `list`, or one with an `expect`. A scenario that means
not to says why: `unseen: it must not be there`. The host's record of an fd follows every step on the fd, or on a `dup` of it. What it
cannot know, as a change by `ssh`, it finds as a fault.

What the vocabulary does not have: `ssh` can ask the agent, which holds the fds, for any of its operations (`guests/agent/ops.c`), one by
one, `agent call '{"op":"stat","fd":"ram"}'`, or a line each, `agent connect <requests`. Its answers are JSON.
"""
BESIDE = """\
With `expect`, the call of the step has to come to that, and nothing else: it must fail with that errno, and then changes nothing; or,
with `[EBUSY, ok]`, it may come to any of these, and what is known of its names is forgotten. A process starts when `as` first
names it. An fd is held by the process that opened it or took it out of a box, and ends with it.
"""
PROMISED = """\
`verify` checks each of these by itself, against what the host noted when it last looked, which is before the fd went into a box. What
has no mark is not looked at. Of other kinds nothing is promised: no carrier takes them.
"""
LOADED = """\
Modules that a kind needs are loaded in every generation (`guest.modules=` on the kernel's command line); {} always are, if the image has
them. A machine for virtual machines gets a CPU that can run them.
"""
