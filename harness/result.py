# SPDX-License-Identifier: GPL-2.0-only
"""What a run proves: proofs, findings, numbers, and the outcome with all of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.verdict import Verdict

SECONDS = "s"


class Oracle(StrEnum):
    """What judged: design names in the order of their weight."""

    STEP = "step"
    # The kernel's own tests.
    SELFTEST = "selftest"
    CONTENTS = "contents"
    FIDELITY = "fidelity"
    OUTSIDE = "outside"
    LOG = "kernel log"
    IDENTITY = "identity"
    # A device, or the processor of a guest, goes on where it was.
    DEVICE = "device"
    GUEST = "guest"
    LEAKS = "leaks"
    MACHINE = "machine"
    REQUIREMENT = "requirement"
    EVIDENCE = "evidence"


# What each of them looks at.
CHECKS: Mapping[Oracle, str] = MappingProxyType(
    {
        Oracle.STEP: "whether a call, a command or a list came to what the scenario says",
        Oracle.CONTENTS: "what the guest reads from the fd, the CRC-32 of each MiB, against what was written",
        Oracle.FIDELITY: "what the fd is like, property by property, against what the host saw before",
        Oracle.OUTSIDE: "the page frames of the fd, read through QEMU: byte for byte, and the same frames",
        Oracle.LOG: "every line of the kernel's log in every generation: no report that nobody expects",
        Oracle.LEAKS: "that memory is given back: at the end, when everything was let go of, and by `memory`",
        Oracle.IDENTITY: "that each kexec was a live update into the intended kernel, and not a reset",
        Oracle.DEVICE: "that a device writes into the memory that it was given",
        Oracle.GUEST: "that a guest counts on from where it was",
        Oracle.SELFTEST: "the results of the kernel's own tests: a plan, and each result of it",
        Oracle.MACHINE: "that the machine lives: no panic, hang, reset, or silence",
        Oracle.REQUIREMENT: "that host, kernels and image have what the scenario requires",
        Oracle.EVIDENCE: "that all the others have spoken: what was not looked at is no PASS",
    }
)


class Blame(StrEnum):
    """Whose fault a finding is: the kernel under test, the harness and its host, or nobody's."""

    KERNEL = "kernel"
    HARNESS = "harness"
    # Something that the scenario requires is absent.
    NOBODY = "nobody"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be. step is the number of the YAML step, None outside of steps."""

    oracle: Oracle
    blame: Blame
    generation: int
    step: int | None
    what: str
    expected: str
    seen: str
    # Lines that explain it: a kernel report, the end of the console.
    detail: tuple[str, ...] = ()
    # The step's place in the YAML file, and the step in words; set at the end of a run.
    where: str = ""
    doing: str = ""


@dataclass(frozen=True)
class Proof:
    """Something that was checked and is as it must be: the evidence of a PASS."""

    oracle: Oracle
    generation: int
    step: int | None
    text: str


@dataclass(frozen=True)
class Number:
    """Something that was measured. It is never judged."""

    name: str
    value: float
    # s, bytes; empty: none.
    unit: str
    generation: int
    step: int
    # The rounds of the repeats that it was measured in, the outermost first.
    rounds: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Give the number with its unit."""
        value = f"{self.value:.6f}" if self.unit == SECONDS else f"{self.value:g}"
        value = f"{self.value}" if self.value == int(self.value) and self.unit != SECONDS else value
        return f"{value} {self.unit}".strip()


@dataclass(frozen=True)
class Mark:
    """A moment of the timeline: seconds since the run's start, on the host's monotonic clock."""

    name: str
    generation: int
    seconds: float


@dataclass(frozen=True)
class Part:
    """A part of a live update: from when to when, in seconds since the run's start."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Update:
    """One live update, in time."""

    # The generation that it leads to.
    generation: int
    # What is done for it before the order to jump; there may be gaps.
    before: tuple[Part, ...]
    # From the order to jump on, without gaps.
    parts: tuple[Part, ...]
    # Whether it came to its end: only then is it a blackout.
    arrived: bool

    @property
    def seconds(self) -> float:
        """From the order to jump until user space has its first preserved fd back."""
        return round(self.parts[-1].end - self.parts[0].start, 6) if self.parts else 0.0


@dataclass(frozen=True)
class Subject:
    """A case, as it is known before it runs."""

    case: str
    # The YAML file.
    source: Path
    summary: str
    tags: tuple[str, ...]
    carrier: str


@dataclass(frozen=True)
class Outcome(Subject):
    """One case's result, with all that a report needs."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    proofs: tuple[Proof, ...]
    timeline: tuple[Mark, ...]
    updates: tuple[Update, ...]
    seconds: float
    # How the machine was made: accelerator, kernels by name with release and build id, carrier.
    setting: tuple[tuple[str, str], ...]
    # The run directory; None: it did not come to that.
    directory: Path | None
    # The reasons of the `xfail` entries that make it XFAIL or XPASS.
    known: tuple[str, ...] = ()
    # What `measure` steps have recorded, in their order.
    numbers: tuple[Number, ...] = ()

    @property
    def blackouts(self) -> tuple[float, ...]:
        """The seconds of each live update that came to its end."""
        return tuple(update.seconds for update in self.updates if update.arrived)

    def to_json(self) -> dict[str, Any]:
        """As plain data, for outcome.json and results.jsonl."""
        paths = {"source": str(self.source), "directory": self.directory and str(self.directory)}
        return {**asdict(self), "setting": dict(self.setting), "blackouts": self.blackouts, **paths}
