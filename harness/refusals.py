# SPDX-License-Identifier: GPL-2.0-only
"""Whether what a step came to, done or refused, is what the scenario says."""

from collections.abc import Collection

from harness.actions import Action, Step
from harness.evidence import Evidence
from harness.fds import StepFailedError
from harness.result import Blame, Oracle
from harness.scalars import OK
from harness.verbs import VERB_OF
from harness.vm.agent import AgentErrnoError


def granted(step: Step, evidence: Evidence) -> None:
    """A step has succeeded: see whether it may. Raises StepFailedError."""
    verb = VERB_OF[type(step.action)]
    if not step.may_succeed:
        expected = f"it fails with {' or '.join(step.expect)}"
        evidence.find(Oracle.STEP, f"'{verb}' succeeded, and must not", expected, "it succeeded")
        raise StepFailedError
    if step.expect:
        evidence.prove(Oracle.STEP, f"'{verb}' succeeded, as it may")


def refused(step: Step, error: AgentErrnoError, own: Collection[str], evidence: Evidence) -> None:
    """A step was refused: see whether it may be. Raises StepFailedError.

    own: the agent's operations that are what the step is about. Only its own call can be what the scenario
    expects, not a look at the fd on the way to it.
    """
    verb = VERB_OF[type(step.action)]
    # Without the name of a call it is the agent that refused, not the kernel.
    if error.errno in step.expect and error.op in own and error.call:
        end = "as it may be" if step.may_succeed else "as it must be"
        evidence.prove(Oracle.STEP, f"'{verb}'{about(step.action)} was refused with {error.errno}, {end}")
        return
    blame = Blame.KERNEL if error.call else Blame.HARNESS
    failures = " or ".join(name for name in step.expect if name != OK)
    expected = f"it fails with {failures}" if failures else "it succeeds"
    if step.expect and step.may_succeed:
        expected = f"it succeeds, or {expected}"
    seen = f"{error.errno} from {error.call or 'the agent'}: {error.text}"
    evidence.find(Oracle.STEP, f"'{verb}' failed", expected, seen, blame=blame)
    raise StepFailedError


def about(action: Action) -> str:
    """What an action is about, for people: ' of fd 'ram', box 'vm0''."""
    said = [f"{name} '{value}'" for name in ("fd", "box") if (value := getattr(action, name, None))]
    return f" of {', '.join(said)}" if said else ""
