# SPDX-License-Identifier: GPL-2.0-only
"""What the steps of a scenario mean together: names that dangle, fds that are gone, boxes in the wrong state.

Refused is what can only be a mistake of the author. Whatever is a question to the kernel is for the kernel to
answer: a step with `expect` may ask for anything that the harness can do at all, and changes nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import assert_never

from harness import blob
from harness.actions import (
    Action,
    Close,
    Damage,
    Dup,
    End,
    Kexec,
    Load,
    Parallel,
    Qmp,
    Ssh,
    Step,
    Unload,
    Verify,
)
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, OnBox, Prepare, Put, Seal, Unseal
from harness.diagnostic import Where, guess, nearest
from harness.explain import clause, descriptions
from harness.fdactions import Change, Guest, Open, Use
from harness.kinds import KINDS, UNPRIVILEGED, Carrier, Kind
from harness.verbs import VERB_OF, VERBS
from harness.world import Box, BoxState, World, held, settle, travels, update

Fault = tuple[Where, str]
# The name of an argument, and what is wrong with it.
Problem = tuple[str, str]
# The longest name in bytes: FDBOX_NAME_LEN and LIVEUPDATE_SESSION_NAME_LENGTH, less the NUL.
NAME_MAX: Mapping[Carrier, int] = {Carrier.FDBOX: 255, Carrier.LUO: 63}
# Not names of device files; `fdbox` is the control device.
NOT_BOXES = frozenset({".", "..", "fdbox"})
# What a kernel says of a box that does not exist: who expects this may name any box.
ABSENT = frozenset({"ENOENT", "ENODEV"})
# What can be done at the same time as others: one call each.
AT_ONCE = CreateBox | DeleteBox | Put | Get | Prepare | Seal | Unseal | Finish | Close | Use
RENEW = "delete it and create it anew"


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
    drafts: Sequence[Draft], carriers: Sequence[Carrier], kernels: Collection[str] | None = None
) -> tuple[Fault, ...]:
    """What is wrong with the steps on any of the carriers, in no particular order."""
    faults = [fault for carrier in carriers for fault in lint_on(World(carrier, kernels), drafts)]
    # Both carriers may find fault with the same thing, in different words: the first one speaks.
    return tuple({where: (where, message) for where, message in reversed(faults)}.values())


def lint_on(world: World, drafts: Sequence[Draft]) -> Iterator[Fault]:
    """What is wrong on one carrier."""
    for draft in drafts:
        if draft.step is None:
            world.unknown |= draft.names
            if draft.word == VERB_OF[Kexec]:
                update(world, draft.where.line)
            continue
        step, dangling = resolve(world, draft.step)
        yield from ((place(draft, key), message) for key, message in dangling)
        faults = list(check(world, draft, step))
        yield from faults
        # A box that is not in the state to be sealed, unsealed or finished stays in the state that it is in.
        if not (faults and isinstance(step.action, Seal | Unseal | Finish)):
            settle(world, step)


def unseen(drafts: Sequence[Draft], carriers: Sequence[Carrier]) -> Iterator[Fault]:
    """Live updates that carry fds of which none is ever looked at: they would pass whatever came out."""
    for carrier in carriers:
        world, carrying, taken = World(carrier, None), None, set[str]()
        for draft in drafts:
            if draft.step is None:
                return
            if isinstance(draft.step.action, Kexec) and not draft.step.expect:
                full = [name for name, box in world.boxes.items() if box.inside and travels(world, box)]
                carrying = carrying or ((draft.where, full[0]) if full else None)
            elif carrying and (draft.step.expect or looks(draft.step.action, taken)):
                break
            if carrying and isinstance(draft.step.action, Get):
                taken.add(draft.step.action.fd)
            settle(world, draft.step)
        else:
            if carrying:
                where, box = carrying
                yield where, f"what box '{box}' carries is never looked at: 'verify' it, or say 'unseen: WHY'"
                return


def looks(action: Action, taken: Collection[str]) -> bool:
    """Whether a step looks at something that was preserved; taken: the fds that came out of boxes."""
    return isinstance(action, Verify | List | Guest) or (isinstance(action, Put) and action.fd in taken)


def check(world: World, draft: Draft, step: Step) -> Iterator[Fault]:
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
        yield from check_inside(world, inner)
    for key, message in problems(world, step):
        yield place(draft, key), message


def check_inside(world: World, draft: Draft) -> Iterator[Fault]:
    """What is wrong with a step that runs at the same time as others."""
    if draft.step is None:
        return
    word = VERB_OF[type(draft.step.action)]
    if not isinstance(draft.step.action, AT_ONCE):
        yield draft.where, f"'{word}' cannot be done in parallel: it is more than one call"
        return
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
    also = ": say which exit status it has with 'status'" if word == "ssh" else ""
    return f"'expect' names an errno, and on {carrier} '{word}' is no call that returns one ({meaning}){also}"


def problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with a step in the world as it is: names of arguments, each with what is wrong."""
    expected = bool(step.expect)
    yield from fd_problems(world, step)
    yield from privilege_problems(world, step)
    match step.action:
        case CreateBox(box):
            if not expected:
                yield from new_box_problems(world, box)
        case Open():
            yield from open_problems(world, step.action)
        case Put(box, fd, name):
            kind = world.kinds.get(fd, Kind.MEMFD)
            if not expected and not KINDS[kind].modules:
                yield "fd", f"no carrier takes a {kind}: {meant('EOPNOTSUPP')}"
            yield from box_problems(world, step, box, put_problems)
            if (
                not expected
                and world.carrier is Carrier.FDBOX
                and len(name.encode()) > NAME_MAX[Carrier.FDBOX]
            ):
                yield (
                    "name",
                    f"longer than {NAME_MAX[Carrier.FDBOX]} bytes: {meant('EINVAL')}",
                )
        case Get(box, fd):
            if fd in world.open and fd not in world.unknown:
                # Not even `expect` helps: the harness would have two fds of one name.
                yield "fd", f"fd '{fd}' is open since line {world.open[fd]}: get this one under another name"
            yield from box_problems(world, step, box, get_problems)
        case Seal(box):
            yield from box_problems(world, step, box, seal_problems)
        case Unseal(box):
            yield from box_problems(world, step, box, unseal_problems)
        case Finish(box):
            yield from box_problems(world, step, box, finish_problems)
        case DeleteBox(box):
            yield from box_problems(world, step, box, no_problems)
        case Change():
            yield from change_problems(step.action)
        case Verify(fd):
            kind = world.kinds.get(fd, Kind.MEMFD)
            if not KINDS[kind].modules:
                yield "fd", f"nothing is promised of a {kind}: there is nothing to verify"
        case Kexec(kernel):
            if expected and step.may_succeed:
                yield "expect", "whether there was a kexec must be known: it fails, or it does not"
            if world.kernels is not None and kernel is not None and kernel not in world.kernels:
                yield "kernel", f"no kernel '{kernel}'{nearest(kernel, world.kernels)}"
        case Damage():
            yield from damage_problems(step.action)
        case Prepare(box):
            yield from box_problems(world, step, box, seal_problems)
        case List():
            yield from list_problems(world, step)
        case Dup(_, name):
            if name in world.open and name not in world.unknown:
                yield "name", f"fd '{name}' is open since line {world.open[name]}: use another name"
        case Parallel():
            yield from parallel_problems(step.action)
        case Use() | Close() | End() | Load() | Unload() | Ssh() | Qmp():
            pass
        case _:
            assert_never(step.action)


def parallel_problems(action: Parallel) -> Iterator[Problem]:
    """What is wrong with doing these steps at the same time."""
    if action.succeed is not None and action.succeed > len(action.steps):
        yield "succeed", f"{action.succeed} of {len(action.steps)} steps cannot succeed"
    leaving = [step.action.fd for step in action.steps if isinstance(step.action, Put | Close)]
    for fd in sorted({fd for fd in leaving if leaving.count(fd) > 1}):
        yield "steps", f"fd '{fd}' is taken away twice, and the second time it has no name: 'dup' it first"


def process_name(process: str | None) -> str:
    """A process in words."""
    return f"the process '{process}'" if process else "the first process"


def privilege_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with who does a step, and by which fd."""
    action = step.action
    if isinstance(action, OnBox | List):
        if action.via is not None and world.carrier is Carrier.LUO:
            yield "via", "on luo a box is no device: leave out 'via'"
        if step.process in UNPRIVILEGED and step.may_succeed:
            yield (
                "as",
                f"'{step.process}' must not be able to do that: say 'expect: EACCES', or EPERM with 'via'",
            )
    if isinstance(action, Verify) and step.process in UNPRIVILEGED:
        yield "as", f"'{step.process}' cannot see page frames: have a process of root's verify it"


def list_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with listing."""
    assert isinstance(step.action, List)
    box, fds, boxes = step.action.box, step.action.fds, step.action.boxes
    if (box is None) == (boxes is None):
        yield "box", "'list' needs 'box' and 'fds', what is in a box, or 'boxes', which there are"
    elif box is not None:
        if fds is None and not step.expect:
            yield "box", "'list' needs 'fds': what must be in the box, as {ram: held}"
        if box not in world.boxes and box not in world.unknown and not step.expect:
            yield "box", f"no box '{box}' has been created so far{nearest(box, world.boxes)}"
        yield from box_problems(world, step, box, no_problems)


def damage_problems(action: Damage) -> Iterator[Problem]:
    """What is wrong with a damage, whatever there is to be damaged."""
    for key, field in (("field", action.field), ("like", action.like)):
        if field is not None and not blob.known(action.part, field):
            yield key, f"'{action.part}' has no field '{field}'"
    if [action.value, action.address, action.like].count(None) != 2:
        yield "part", "'value', 'address' or 'like': one of them says what is written"
    for key, given, parts in (
        ("box", action.box, {"box", "entry", "fd", "device"}),
        ("fd", action.fd, {"entry", "fd", "device"}),
    ):
        if (given is not None) != (action.part in parts):
            yield "part", f"'part: {action.part}' {'has no' if given else 'needs'} '{key}'"


def meant(errno: str) -> str:
    """How a step says that it asks for the impossible on purpose."""
    return f"say 'expect: {errno}' if that is meant"


def new_box_problems(world: World, name: str) -> Iterator[Problem]:
    """What is wrong with creating a box of this name."""
    box = world.boxes.get(name)
    limit = NAME_MAX[world.carrier]
    if box is not None and box.state not in {BoxState.DELETED, BoxState.LEFT} and name not in world.unknown:
        yield "box", f"box '{name}' exists since line {box.created}: {meant('EEXIST')}"
    if world.carrier is Carrier.FDBOX and ("/" in name or name in NOT_BOXES):
        yield (
            "box",
            f"'{name}' cannot be a box, which is a file in /dev/fdbox: {meant('EINVAL')}",
        )
    if len(name.encode()) > limit:
        yield "box", f"longer than {limit} bytes on {world.carrier}: {meant('EINVAL')}"


def open_problems(world: World, action: Open) -> Iterator[Problem]:
    """What is wrong with opening a file."""
    fd, facts = action.fd, KINDS[action.kind]
    if fd in world.open and fd not in world.unknown:
        yield "fd", f"fd '{fd}' is open since line {world.open[fd]}: close it, or use another name"
    keys = {field.name: getattr(action, field.name) for field in fields(Open)}
    for key in facts.needs:
        if keys[key] is None:
            yield "kind", f"a {action.kind} needs '{key}': {clause(descriptions(Open)[key])}"
    for key in keys.keys() - {"fd", "kind", *facts.needs, *facts.takes}:
        if keys[key] is not None:
            yield key, f"a {action.kind} has no '{key}'"
    for flag in action.flags or ():
        if flag not in facts.flags:
            yield "flags", f"a {action.kind} has no flag '{flag}'{nearest(flag, facts.flags)}"


def change_problems(action: Change) -> Iterator[Problem]:
    """What is wrong with changing a file."""
    keys = [field.name for field in fields(Change)[1:]]
    if all(getattr(action, key) is None for key in keys):
        yield "fd", f"'change' changes nothing: say what ({', '.join(keys)})"


def fd_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with using fds as open ones, of some kind."""
    word = VERB_OF[type(step.action)]
    for key, kinds in VERBS[word].fds.items():
        fd = getattr(step.action, key)
        if fd in world.unknown or fd is None:
            continue
        kind = world.kinds.get(fd)
        if fd in world.gone and fd not in world.open:
            yield key, f"fd '{fd}' {world.gone[fd]}"
        elif world.holders.get(fd) != step.process and key != "via":
            holder = world.holders.get(fd)
            mend = f"write 'as: {holder}'" if holder else f"it has none called '{step.process}'"
            yield key, f"fd '{fd}' is held by {process_name(holder)}: {mend}"
        elif kinds and kind is not None and kind not in kinds and not step.expect:
            yield key, f"'{fd}' is a {kind}, and '{key}' of '{word}' must be a {' or '.join(sorted(kinds))}"


def box_problems(
    world: World, step: Step, name: str, more: Callable[[World, Step, Box], Iterator[Problem]]
) -> Iterator[Problem]:
    """What is wrong with using a box; more: what else, if it exists and the step must succeed."""
    box = world.boxes.get(name)
    if box is None or name in world.unknown:
        return
    lost = box.state is BoxState.DELETED or (
        box.state is BoxState.LEFT and not isinstance(step.action, Unseal)
    )
    if world.carrier is Carrier.LUO and not held(box) and not isinstance(step.action, Unseal | Seal):
        # Not even `expect` helps: the harness has no session that it could ask.
        yield "box", absence(world, name, box)
    elif not step.expect and lost:
        yield "box", absence(world, name, box)
    elif not step.expect:
        yield from more(world, step, box)


def absence(world: World, name: str, box: Box) -> str:
    """Why a box is not there."""
    match box.state:
        case BoxState.DELETED:
            return f"box '{name}' was deleted in line {box.line}"
        case BoxState.LEFT if world.carrier is Carrier.LUO:
            return f"box '{name}' did not survive the kexec in line {box.line}: LUO carries a session once"
        case BoxState.LEFT:
            return (
                f"box '{name}' was not sealed at the kexec in line {box.line}, and only sealed boxes travel"
            )
        case _:
            return f"box '{name}' arrives sealed after the kexec in line {box.line}: unseal it first"


def no_problems(world: World, step: Step, box: Box) -> Iterator[Problem]:
    """Nothing can be wrong with using a box that exists."""
    yield from ()


def put_problems(world: World, step: Step, box: Box) -> Iterator[Problem]:
    """What is wrong with putting an fd into a box that exists."""
    assert isinstance(step.action, Put)
    name = step.action.name
    if world.carrier is Carrier.LUO and box.travelled:
        yield "box", f"{old_session(step.action.box)} takes no more fds: {RENEW}"
    elif box.state is BoxState.SEALED:
        yield (
            "box",
            f"box '{step.action.box}' is sealed since line {box.line}: unseal it first, or {meant('EBUSY')}",
        )
    if name in box.inside and name not in world.unknown:
        key = "name" if name != step.action.fd else "fd"
        yield (
            key,
            f"'{name}' is in the box since line {box.inside[name]}: {meant('EEXIST')}",
        )


def get_problems(world: World, step: Step, box: Box) -> Iterator[Problem]:
    """What is wrong with taking an fd out of a box that exists."""
    assert isinstance(step.action, Get)
    name, owner = step.action.name, step.action.box
    if world.carrier is Carrier.LUO and not box.travelled:
        yield (
            "box",
            f"on luo an fd comes out of a box only after a live update, and '{owner}' has seen none",
        )
    elif box.state is BoxState.FINISHED:
        yield "box", f"box '{owner}' was finished in line {box.line}: what was left in it is released"
    elif box.state is BoxState.SEALED and box.travelled:
        yield "box", f"{absence(world, owner, box)}, or {meant('EBUSY')}"
    elif box.state is BoxState.SEALED:
        yield "box", f"box '{owner}' is sealed since line {box.line}: unseal it first, or {meant('EBUSY')}"
    key = "name" if name != step.action.fd else "fd"
    if name in box.inside or name in world.unknown:
        return
    if name in box.taken:
        yield (
            key,
            f"'{name}' was taken out of box '{owner}' in line {box.taken[name]}: {meant('ENOENT')}",
        )
    else:
        yield (
            key,
            f"nothing has been put into box '{owner}' as '{name}' so far{nearest(name, box.inside)}",
        )


def seal_problems(world: World, step: Step, box: Box) -> Iterator[Problem]:
    """What is wrong with sealing a box that exists."""
    assert isinstance(step.action, Seal | Prepare)
    if world.carrier is Carrier.LUO and box.travelled:
        yield "box", f"{old_session(step.action.box)} does not travel again: {RENEW}"
    elif box.state is BoxState.SEALED:
        yield (
            "box",
            f"box '{step.action.box}' is sealed since line {box.line}: {meant('EBUSY')}",
        )


def unseal_problems(world: World, step: Step, box: Box) -> Iterator[Problem]:
    """What is wrong with unsealing a box that exists."""
    assert isinstance(step.action, Unseal)
    name = step.action.box
    if world.carrier is Carrier.LUO and not box.travelled:
        yield (
            "box",
            f"on luo only a box that came through a live update can be unsealed, and '{name}' has seen none",
        )
    elif box.state in {BoxState.OPEN, BoxState.FINISHED}:
        yield "box", f"box '{name}' is not sealed (line {box.line}): {meant('EBUSY')}"


def finish_problems(world: World, step: Step, box: Box) -> Iterator[Problem]:
    """What is wrong with finishing a session that is held."""
    assert isinstance(step.action, Finish)
    name = step.action.box
    if not box.travelled:
        yield "box", f"only a box that came through a live update can be finished, and '{name}' has seen none"
    elif box.state is BoxState.FINISHED:
        yield "box", f"box '{name}' was finished in line {box.line}"


def old_session(name: str) -> str:
    """How messages speak of a session that was retrieved."""
    return f"on luo, box '{name}', which came through a live update,"
