# SPDX-License-Identifier: GPL-2.0-only
"""What the author of a scenario can know between two steps, if every step does what it should."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from harness import faults
from harness.actions import Damage, End, Fault, Measure, Memory, Parallel, Step
from harness.boxactions import CreateBox, DeleteBox, Finish, Get, List, Prepare, Put, Seal, Unseal
from harness.commandactions import Qmp, Selftest, Ssh
from harness.diagnostic import Where, nearest
from harness.fdactions import Close, Dup, Open, Use, Verify
from harness.kernelactions import Jump, Kexec, Load, LoadKernel, Unload
from harness.kinds import Carrier, Kind


class BoxState(Enum):
    """What the author can know about a box."""

    OPEN = auto()
    SEALED = auto()
    # It was there at a kexec that it does not survive.
    LEFT = auto()
    FINISHED = auto()
    DELETED = auto()
    # It ended with what held it: the machine, or on luo a process.
    ENDED = auto()


@dataclass
class Box:
    """A box; lines are those of the steps."""

    state: BoxState
    # Where it was created, and where its state changed last.
    created: int
    line: int
    # Why it is not there any more, if it has ended.
    why: str = ""
    # It came through a live update.
    travelled: bool = False
    # The fds in it, and those that were taken out, by their names in it.
    inside: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    # The kinds of all these.
    kinds: dict[str, Kind] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What a scenario names and does not make."""

    # Of kernel/kernels.yaml, and those that the guest image has for any of them.
    kernels: Collection[str]
    modules: Collection[str]


def no_module(known: Known, name: str) -> str:
    """What to say of a module, with a `-` in front or not, that no guest image has; nothing of others."""
    plain = name.removeprefix("-")
    if plain in known.modules:
        return ""
    return f"no guest image has a module '{plain}'{nearest(plain, known.modules)}"


@dataclass
class World:
    """What the author can know between two steps, on one carrier."""

    carrier: Carrier
    known: Known | None
    boxes: dict[str, Box] = field(default_factory=dict)
    # The fds that are open, and why the others are not.
    open: dict[str, int] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    # The kinds of the fds, as far as they are known.
    kinds: dict[str, Kind] = field(default_factory=dict)
    # The processes that hold them; None: the first one.
    holders: dict[str, str | None] = field(default_factory=dict)
    # Names in steps that are wrong: nothing is known about them.
    unknown: set[str] = field(default_factory=set)
    # The numbers that were measured, and whether there was a live update.
    measured: dict[str, Where] = field(default_factory=dict)
    updated: bool = False
    # Where the next kernel was loaded.
    loaded: int | None = None

    def is_gone(self, name: str) -> bool:
        """Whether a box was there and is not any more."""
        return name in self.boxes and self.boxes[name].state in GONE


def held(box: Box) -> bool:
    """Whether the harness holds a session on luo: one of this generation, or one that was retrieved."""
    return box.state in {BoxState.OPEN, BoxState.FINISHED} or (
        box.state is BoxState.SEALED and not box.travelled
    )


def settle(world: World, step: Step) -> None:
    """What the world is after a step, whatever it may come to."""
    if step.restarts:
        restart(world, step.where.line)
    elif not step.expect:
        apply(world, step)
    elif step.may_succeed:
        # It did what it does, or nothing: nobody knows.
        action = step.action
        world.unknown |= {value for value in vars(action).values() if isinstance(value, str)}


def apply(world: World, step: Step) -> None:
    """What the world is after a step has succeeded."""
    line = step.where.line
    match step.action:
        case CreateBox(box):
            world.boxes[box] = Box(BoxState.OPEN, line, line)
        case Open(fd):
            world.open[fd] = line
            world.kinds[fd] = step.action.kind
            world.holders[fd] = step.process
        case Dup(fd, name, process):
            world.open[name] = line
            world.holders[name] = process or step.process
            world.kinds.pop(name, None)
            if fd in world.kinds:
                world.kinds[name] = world.kinds[fd]
        case End(process):
            for fd in [fd for fd in world.open if world.holders.get(fd) == process]:
                del world.open[fd]
                world.gone[fd] = f"ended with the process '{process}' in line {line}"
        case Parallel():
            for one in step.inside:
                settle(world, one)
        case Measure(name):
            world.measured[name] = step.where
            for one in step.inside:
                settle(world, one)
        case Put(box, fd, name):
            world.open.pop(fd, None)
            world.gone[fd] = f"is in box '{box}' since line {line}: get it first"
            if box in world.boxes:
                world.boxes[box].inside[name] = line
                if fd in world.kinds:
                    world.boxes[box].kinds[name] = world.kinds[fd]
        case Get(box, fd, name):
            world.open[fd] = line
            world.holders[fd] = step.process
            world.kinds.pop(fd, None)
            if box in world.boxes:
                if name in world.boxes[box].kinds:
                    world.kinds[fd] = world.boxes[box].kinds[name]
                world.boxes[box].inside.pop(name, None)
                world.boxes[box].taken[name] = line
        case Seal(box):
            change(world, box, BoxState.SEALED, line)
        case Unseal(box):
            change(world, box, BoxState.OPEN, line)
        case Finish(box):
            change(world, box, BoxState.FINISHED, line)
        case DeleteBox(box):
            change(world, box, BoxState.DELETED, line)
        case Close(fd):
            world.open.pop(fd, None)
            world.gone[fd] = f"was closed in line {line}"
        case Kexec(handover=handover) | Jump(handover=handover):
            update(world, line, handover)
        case LoadKernel():
            world.loaded = line
        case Fault(faults.Kill()):
            kill(world, line)
        case Ssh(command):
            # What it does with a box that it names, nobody knows.
            world.unknown |= {
                name for name in world.boxes if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", command)
            }
        case Use() | Verify() | Prepare() | List() | Load() | Unload():
            pass
        case Selftest() | Qmp() | Damage() | Memory():
            pass
        case Fault():
            pass
        case _:
            assert_never(step.action)


def change(world: World, name: str, state: BoxState, line: int) -> None:
    """Give a box a new state."""
    if name in world.boxes:
        world.boxes[name].state, world.boxes[name].line = state, line


# A box that is not there any more.
GONE = frozenset({BoxState.DELETED, BoxState.LEFT, BoxState.ENDED})


def travels(world: World, box: Box) -> bool:
    """Whether a kexec carries a box."""
    if box.state in GONE:
        return False
    return not box.travelled if world.carrier is Carrier.LUO else box.state is BoxState.SEALED


def update(world: World, line: int, handover: bool = True) -> None:
    """A live update: fds that are held open are gone, and so are boxes that do not travel."""
    world.updated = True
    end_fds(world, f"was open at the kexec in line {line}, and only what is in a box survives that")
    world.loaded = None
    for box in world.boxes.values():
        if box.state in GONE:
            continue
        if handover:
            box.state, box.line = (BoxState.SEALED if travels(world, box) else BoxState.LEFT), line
            box.travelled = True
        else:
            end_box(box, line, f"is not in a kernel that was handed nothing, as in line {line}")


def restart(world: World, line: int) -> None:
    """The machine starts from nothing: nothing is left."""
    end_fds(world, f"ended with the machine in line {line}")
    world.loaded = None
    for box in world.boxes.values():
        if box.state not in GONE:
            end_box(box, line, f"ended with the machine in line {line}")


def kill(world: World, line: int) -> None:
    """Whoever holds something dies: fds close, and on luo the sessions that somebody held are gone."""
    end_fds(world, f"ended with its process in line {line}")
    for box in world.boxes.values():
        if world.carrier is Carrier.LUO and held(box):
            end_box(box, line, f"ended in line {line} with the process that held the session")


def end_fds(world: World, why: str) -> None:
    """No fd is open any more."""
    world.gone |= dict.fromkeys(world.open, why)
    world.open.clear()


def end_box(box: Box, line: int, why: str) -> None:
    """A box is not there any more."""
    box.state, box.line, box.why = BoxState.ENDED, line, why
