# SPDX-License-Identifier: GPL-2.0-only
"""What a run collects while it goes: findings against the kernel or ourselves, and proofs."""

from dataclasses import dataclass, field

from harness.actions import Step
from harness.events import Events
from harness.result import Blame, Finding, Number, Oracle, Proof


@dataclass
class Evidence:
    """Findings and proofs so far; each is an event too."""

    events: Events
    findings: list[Finding] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    # Set by the runner: what is going on when something is found.
    generation: int = 0
    # The generations that were ordered to panic.
    panics: set[int] = field(default_factory=set)
    # Which steps another case has done for this one, if any.
    shared: str | None = None
    step: int | None = None

    def prove(self, oracle: Oracle, text: str, generation: int | None = None) -> None:
        """Record that something was checked and is as it must be."""
        proof = Proof(oracle, self.generation if generation is None else generation, self.step, text)
        self.proofs.append(proof)
        self.events.emit("proof", oracle=oracle, generation=proof.generation, step=self.step, text=text)

    def find(
        self,
        oracle: Oracle,
        what: str,
        expected: str,
        seen: str,
        *,
        blame: Blame = Blame.KERNEL,
        generation: int | None = None,
        detail: tuple[str, ...] = (),
    ) -> None:
        """Record that something is not as it must be."""
        where = self.generation if generation is None else generation
        finding = Finding(oracle, blame, where, self.step, what, expected, seen, detail)
        self.findings.append(finding)
        self.events.emit("finding", oracle=oracle, blame=blame, generation=where, step=self.step, what=what)

    def measure(self, name: str, value: float, unit: str, step: Step) -> None:
        """Record a number."""
        number = Number(name, value, unit, self.generation, step.number, step.rounds)
        self.numbers.append(number)
        self.events.emit("measured", step=step.number, name=name, value=value, unit=unit)

    def proven(self, oracle: Oracle, *, generation: int | None = None, step: int | None = None) -> bool:
        """Whether there is a proof of an oracle, of that generation and step where they are given."""
        return any(
            proof.oracle is oracle and generation in (None, proof.generation) and step in (None, proof.step)
            for proof in self.proofs
        )
