# SPDX-License-Identifier: GPL-2.0-only
"""What the steps of a scenario mean together: names that dangle, fds that are gone, boxes in the wrong state.

Refused is what can only be a mistake of the author. Whatever is a question to the kernel is for the kernel to
answer: a step with `expect` may ask for anything that the harness can do at all, and changes nothing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.actions import Action, Measure, Step
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, Prepare, Put, Seal, Unseal
from harness.boxrules import Problem
from harness.diagnostic import Where, guess, nearest
from harness.fdactions import Close, Guest, Use, Verify
from harness.kernelactions import Jump, Kexec
from harness.kinds import Carrier
from harness.rules import problems
from harness.verbs import VERB_OF, VERBS
from harness.world import GONE, Known, World, settle, travels, update

Wrong = tuple[Where, str]
# What a kernel says of a box that does not exist: who expects this may name any box.
ABSENT = frozenset({"ENOENT", "ENODEV"})
# What can be done at the same time as others, and measured: calls of its own and nothing else.
AT_ONCE = CreateBox | DeleteBox | Put | Get | Prepare | Seal | Unseal | Finish | Close | Use


@dataclass(frozen=True)
class Draft:
    """A step as it was read."""

    # None: it is wrong, which has been reported.
    step: Step | None
    # Its verb, or what is probably meant; None: it has none.
    word: str | None
    # All text in it.
    names: frozenset[str]
    where: Where
    # The places of its arguments.
    places: Mapping[str, Where]
    # The steps in it.
    inside: tuple["Draft", ...] = ()


def lint(
    drafts: Sequence[Draft], carriers: Sequence[Carrier], known: Known | None = None
) -> tuple[Wrong, ...]:
    """What is wrong with the steps on any of the carriers, in no particular order."""
    faults = [fault for carrier in carriers for fault in lint_on(World(carrier, known), drafts)]
    # Both carriers may find fault with the same thing, in different words: the first one speaks.
    return tuple({where: (where, message) for where, message in reversed(faults)}.values())


def lint_on(world: World, drafts: Sequence[Draft]) -> Iterator[Wrong]:
    """What is wrong on one carrier."""
    for draft in drafts:
        if draft.step is None:
            world.unknown |= draft.names
            if draft.word in {VERB_OF[Kexec], VERB_OF[Jump]}:
                update(world, draft.where.line)
            continue
        step, dangling = resolve(world, draft.step)
        yield from ((place(draft, key), message) for key, message in dangling)
        faults = list(check(world, draft, step))
        yield from faults
        if not (faults and isinstance(step.action, Seal | Unseal | Finish)):
            settle(world, step)
        elif world.is_gone(step.action.box):
            # The first mistake is enough: the steps after this one would be right if it were.
            world.unknown.add(step.action.box)
        # Any other box that is not in the state for it stays in the state that it is in.


def unseen(drafts: Sequence[Draft], carriers: Sequence[Carrier]) -> Iterator[Wrong]:
    """New kernels that may have fds, or must not have them any more, where no step ever looks at any: they
    would pass whatever was there."""
    for carrier in carriers:
        world, carrying, taken = World(carrier, None), None, set[str]()
        for draft in drafts:
            if draft.step is None:
                return
            action = draft.step.core.action
            if draft.step.jumps or draft.step.restarts:
                carrying = carrying or (draft if boxes_at_stake(world, draft.step) else None)
            elif carrying and (draft.step.core.expect or looks(action, taken)):
                break
            if carrying and isinstance(action, Get):
                taken.add(action.fd)
            if carrying is draft:
                box = boxes_at_stake(world, draft.step)[0]
            settle(world, draft.step)
        else:
            if carrying and carrying.step:
                message = f"what box '{box}' carries is never looked at: 'verify' it, or say 'unseen: WHY'"
                if carrying.step.restarts:
                    message = f"nothing says that box '{box}' is gone: 'list' the boxes, or expect an errno"
                yield carrying.where, message
                return


def boxes_at_stake(world: World, step: Step) -> list[str]:
    """The boxes with something in them that the kernel after a step may have, or must not have any more."""
    return [
        name
        for name, box in world.boxes.items()
        if box.inside and (box.state not in GONE if step.restarts else travels(world, box))
    ]


def looks(action: Action, taken: Collection[str]) -> bool:
    """Whether a step looks at something that was preserved; taken: the fds that came out of boxes."""
    return isinstance(action, Verify | List | Guest) or (isinstance(action, Put) and action.fd in taken)


def check(world: World, draft: Draft, step: Step) -> Iterator[Wrong]:
    """What is wrong with one step, before it is done."""
    word = VERB_OF[type(step.action)]
    verb = VERBS[word]
    if world.carrier not in verb.means:
        yield draft.where, f"the carrier {world.carrier} has no '{word}': {verb.instead}"
        return
    if step.expect and world.carrier not in verb.refusable:
        yield place(draft, "expect"), unrefusable(word, world.carrier)
        return
    if step.process is not None and not verb.by_process:
        yield place(draft, "as"), f"'{word}' is done by no process: leave out 'as'"
    for inner in draft.inside:
        yield from check_inside(
            world, inner, "measured" if isinstance(step.action, Measure) else "done in parallel"
        )
    for key, message in problems(world, step):
        yield place(draft, key), message


def check_inside(world: World, draft: Draft, done: str) -> Iterator[Wrong]:
    """What is wrong with a step within another; done: what that does with it."""
    if draft.step is None:
        return
    word = VERB_OF[type(draft.step.action)]
    if not isinstance(draft.step.action, AT_ONCE) or isinstance(draft.step.action, Guest):
        yield draft.where, f"'{word}' cannot be {done}: it is more than one call"
        return
    if draft.step.fault is not None:
        yield place(draft, "fault"), f"no fault can stand beside a step that is {done}"
    step, dangling = resolve(world, draft.step)
    yield from ((place(draft, key), message) for key, message in dangling)
    yield from check(world, draft, step)


def place(draft: Draft, key: str) -> Where:
    """The place of an argument, or of the whole value of a step in its short form."""
    word = VERB_OF[type(draft.step.action)] if draft.step else ""
    return draft.places.get(key, draft.places.get(word, draft.where))


def resolve(world: World, step: Step) -> tuple[Step, list[Problem]]:
    """Find the names that are nothing's: the step with what was probably meant, and what is wrong."""
    wrong: list[Problem] = []
    action = step.action
    if isinstance(action, DeleteBox | Put | Get | Prepare | Seal | Unseal | Finish) and not ABSENT & set(
        step.expect
    ):
        box = action.box
        if box not in world.boxes and box not in world.unknown:
            wrong.append(("box", f"no box '{box}' has been created so far{nearest(box, world.boxes)}"))
            action = replace(action, box=correct(world, box, world.boxes))
    for key in VERBS[VERB_OF[type(action)]].fds:
        fd, fds = getattr(action, key), {*world.open, *world.gone}
        if fd is not None and fd not in fds and fd not in world.unknown:
            wrong.append((key, f"no fd '{fd}' has been opened so far{nearest(fd, fds)}"))
            right = correct(world, fd, fds)
            if isinstance(action, Put) and action.name == fd:
                action = replace(action, name=right)
            action = replace(action, **{key: right})  # type: ignore[arg-type]
    return replace(step, action=action), wrong


def correct(world: World, name: str, names: Collection[str]) -> str:
    """What a name was probably meant to be; a name that is like no other is unknown from now on."""
    near = guess(name, names)
    if near is None:
        world.unknown.add(name)
    return near or name


def unrefusable(word: str, carrier: Carrier) -> str:
    """Why a step cannot be expected to fail."""
    meaning = VERBS[word].means[carrier]
    inside = ": write it beside the step in it"
    also = {"ssh": ": say which exit status it has with 'status'", "measure": inside, "parallel": inside}
    mend = also.get(word, "")
    return f"'expect' names an errno, and on {carrier} '{word}' is no call that returns one ({meaning}){mend}"
