# SPDX-License-Identifier: GPL-2.0-only
"""The serial console: QEMU writes a file, we read it as it grows and count kernels in it."""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

# The first line of every kernel. With earlyprintk it is printed once, by the boot console.
FIRST_LINE = re.compile(r"^\[ +0\.0+\](?:\[ *[TC]\d+\])? Linux version ")
# The last line of a kernel that jumps: kernel/kexec_core.c, kernel_kexec().
JUMP = "Starting new kernel"
# kernel/panic.c, vpanic()
PANIC = "Kernel panic - not syncing"
# The agent says so when reboot(2) comes back: guests/agent/kexec.c.
JUMP_REFUSED = "fdbox-guest: kexec failed: "
INIT = "fdbox-guest: init"
MODULES = "fdbox-guest: modules"
READY = "fdbox-guest: ready"


@dataclass(frozen=True)
class Line:
    """A console line, the generation (kernels so far - 1) that printed it, and when the host saw it."""

    generation: int
    text: str
    seen: float


class Console:
    """All lines so far; poll() takes in what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self.generation = 0
        # The first sign that a kernel gave up.
        self.panic: Line | None = None
        self._kernels = 0
        self._offset = 0
        self._partial = ""

    def poll(self) -> None:
        """Read what QEMU has written since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        if not data:
            return
        self._offset += len(data)
        now = time.monotonic()
        *whole, self._partial = (self._partial + data.decode("utf-8", "replace")).split("\n")
        for text in whole:
            self._add(text.rstrip("\r"), now)

    def _add(self, text: str, now: float) -> None:
        if FIRST_LINE.match(text):
            self.generation = self._kernels
            self._kernels += 1
        line = Line(self.generation, text, now)
        self.lines.append(line)
        if PANIC in text and self.panic is None:
            self.panic = line

    def cut_short(self, generation: int) -> None:
        """The machine was ended: its last line ends there too, and a kernel after this generation that had
        begun to boot is none of its own."""
        if self._partial:
            self._add(self._partial, time.monotonic())
            self._partial = ""
        self.lines = [replace(line, generation=min(line.generation, generation)) for line in self.lines]
        self.generation = min(self.generation, generation)
        self._kernels = min(self._kernels, generation + 1)

    def find(self, needle: str, generation: int) -> Line | None:
        """The first line of a generation that contains needle."""
        return next(
            (line for line in self.lines if line.generation == generation and needle in line.text), None
        )

    def find_all(self, needle: str, generation: int) -> list[Line]:
        """All lines of a generation that contain needle."""
        return [line for line in self.lines if line.generation == generation and needle in line.text]

    def text(self, generation: int) -> list[str]:
        """The lines of one generation."""
        return [line.text for line in self.lines if line.generation == generation]

    def tail(self, generation: int, count: int = 15) -> list[str]:
        """The last lines of one generation, an unfinished one included."""
        lines = self.text(generation)
        if self._partial and generation == self.generation:
            lines.append(self._partial)
        return lines[-count:]
