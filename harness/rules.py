# SPDX-License-Identifier: GPL-2.0-only
"""What can be wrong with a step in the world as it is."""

from collections.abc import Iterator
from dataclasses import fields
from typing import assert_never

from harness import layout, luo
from harness.actions import BLACKOUT, Damage, End, Fault, Measure, Memory, Parallel, Step
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, OnBox, Prepare, Put, Seal, Unseal
from harness.boxrules import (
    NAME_MAX,
    Problem,
    box_problems,
    finish_problems,
    get_problems,
    meant,
    new_box_problems,
    no_problems,
    put_problems,
    seal_problems,
    unseal_problems,
)
from harness.commandactions import Qmp, Selftest, Ssh
from harness.diagnostic import nearest
from harness.explain import clause, descriptions
from harness.faultrules import fault_problems, kernel_problems
from harness.fdactions import Change, Close, Dup, Open, Use, Verify
from harness.kernelactions import Jump, Load, NextKernel, Unload
from harness.kinds import KINDS, UNPRIVILEGED, Carrier, Kind
from harness.verbs import VERB_OF, VERBS
from harness.world import World, no_module


def problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with a step in the world as it is: names of arguments, each with what is wrong."""
    expected = bool(step.expect)
    yield from fd_problems(world, step)
    yield from privilege_problems(world, step)
    yield from fault_problems(world, step)
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
        case NextKernel() | Jump():
            yield from kernel_problems(world, step)
        case Damage():
            yield from damage_problems(world, step.action)
        case Prepare(box):
            yield from box_problems(world, step, box, seal_problems)
        case List():
            yield from list_problems(world, step)
        case Dup(_, name):
            if name in world.open and name not in world.unknown:
                yield "name", f"fd '{name}' is open since line {world.open[name]}: use another name"
        case Parallel():
            yield from parallel_problems(step.action)
        case Measure():
            yield from measure_problems(world, step)
        case Qmp(error=error, returns=returns):
            if error is not None and returns is not None:
                yield "returns", "a command that fails returns nothing: 'returns' or 'error', not both"
        case Selftest():
            yield from selftest_problems(step.action)
        case Load(module) | Unload(module):
            if world.known and (said := no_module(world.known, module)):
                yield "module", said
        case Use() | Close() | End() | Ssh() | Memory() | Fault():
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
    changes = [vars(step.action) for step in action.steps if isinstance(step.action, Change)]
    for fd in [change["fd"] for change in changes if len(change) - list(change.values()).count(None) > 2]:
        yield "steps", f"'change' of '{fd}' is more than one call: a step for each"


def measure_problems(world: World, step: Step) -> Iterator[Problem]:
    """What is wrong with measuring."""
    action = step.action
    assert isinstance(action, Measure)
    if [action.of, action.ssh].count(None) != 1:
        yield "name", "'of' or 'ssh': one of them says what is measured"
    if action.of is not None and action.unit is not None:
        yield "unit", "time is measured in seconds: leave out 'unit'"
    if action.of == BLACKOUT and not world.updated:
        yield "of", "there was no live update so far: measure its blackout when an fd is back"
    if isinstance(step.core.action, Seal | Prepare) and world.carrier is Carrier.LUO:
        yield "of", f"on luo that is {VERBS[VERB_OF[type(step.core.action)]].means[Carrier.LUO]}"
    before = world.measured.get(action.name, step.where)
    if before != step.where:
        yield "name", f"'{action.name}' is measured in line {before.line} already: use another name"


def selftest_problems(action: Selftest) -> Iterator[Problem]:
    """What is wrong with running a program of the kernel's own tests."""
    if action.stage is not None and action.says is None:
        yield "stage", "a stage has no results: 'says' must tell what it prints when all is well"
    if action.case is not None and (action.stage, action.says) != (None, None):
        yield "case", "a case has results of its own: leave out 'stage' and 'says'"


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


def damage_problems(world: World, action: Damage) -> Iterator[Problem]:
    """What is wrong with a damage, whatever there is to be damaged."""
    if (action.part in layout.OF_LUO) != (world.carrier is Carrier.LUO):
        known = sorted(
            part for part in layout.OWN if (part in layout.OF_LUO) == (world.carrier is Carrier.LUO)
        )
        yield "part", f"on {world.carrier} there is no '{action.part}', but {', '.join(known)}"
    elif action.part in layout.OF_LUO:
        yield from luo_problems(action)
    for key, field in (("field", action.field), ("like", action.like)):
        if field is not None and not layout.known(action.part, field):
            yield key, f"'{action.part}' has no field '{field}'"
    if [action.value, action.address, action.like].count(None) != 2:
        yield "part", "'value', 'address' or 'like': one of them says what is written"
    for key, given, parts in (("box", action.box, layout.OF_FDS | {"box"}), ("fd", action.fd, layout.OF_FDS)):
        if (given is not None) != (action.part in parts):
            yield "part", f"'part: {action.part}' {'has no' if given else 'needs'} '{key}'"
    if action.of is not None and (action.like is None or action.part not in layout.OF_FDS):
        yield "of", "'of' is for 'like', of what there is of each fd"


def luo_problems(action: Damage) -> Iterator[Problem]:
    """What is wrong with a damage of what LUO hands over."""
    if action.checksum != "right":
        yield "checksum", f"'{action.part}' has no checksum"
    if action.of is not None:
        yield "of", f"of '{action.part}' no other can be looked at"
    if action.address == "unaligned":
        yield "address", "the number of a page has no middle"
    elif action.address is not None and not luo.is_pfn(action.field):
        yield "address", f"'{action.field}' is no place: only 'pfn[N]' is"


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
