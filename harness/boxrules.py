# SPDX-License-Identifier: GPL-2.0-only
"""What can be wrong with what a step does to a box, in the world as it is."""

from collections.abc import Callable, Iterator, Mapping

from harness.actions import (
    Step,
)
from harness.boxactions import Finish, Get, Prepare, Put, Seal, Unseal
from harness.diagnostic import nearest
from harness.kinds import Carrier
from harness.world import GONE, Box, BoxState, World, held

# The name of an argument, and what is wrong with it.
Problem = tuple[str, str]
# The longest name in bytes: FDBOX_NAME_LEN and LIVEUPDATE_SESSION_NAME_LENGTH, less the NUL.
NAME_MAX: Mapping[Carrier, int] = {Carrier.FDBOX: 255, Carrier.LUO: 63}
# Not names of device files; `fdbox` is the control device.
NOT_BOXES = frozenset({".", "..", "fdbox"})
RENEW = "delete it and create it anew"


def meant(errno: str) -> str:
    """How a step says that it asks for the impossible on purpose."""
    return f"say 'expect: {errno}' if that is meant"


def new_box_problems(world: World, name: str) -> Iterator[Problem]:
    """What is wrong with creating a box of this name."""
    box = world.boxes.get(name)
    limit = NAME_MAX[world.carrier]
    if box is not None and box.state not in GONE and name not in world.unknown:
        yield "box", f"box '{name}' exists since line {box.created}: {meant('EEXIST')}"
    if world.carrier is Carrier.FDBOX and ("/" in name or name in NOT_BOXES):
        yield (
            "box",
            f"'{name}' cannot be a box, which is a file in /dev/fdbox: {meant('EINVAL')}",
        )
    if len(name.encode()) > limit:
        yield "box", f"longer than {limit} bytes on {world.carrier}: {meant('EINVAL')}"


def box_problems(
    world: World, step: Step, name: str, more: Callable[[World, Step, Box], Iterator[Problem]]
) -> Iterator[Problem]:
    """What is wrong with using a box; more: what else, if it exists and the step must succeed."""
    box = world.boxes.get(name)
    if box is None or name in world.unknown:
        return
    if world.carrier is Carrier.LUO and not held(box) and not isinstance(step.action, Unseal | Seal):
        # Not even `expect` helps: the harness has no session that it could ask.
        yield "box", absence(world, name, box)
    elif not step.expect and box.state in GONE:
        yield "box", absence(world, name, box)
    elif not step.expect:
        yield from more(world, step, box)


def absence(world: World, name: str, box: Box) -> str:
    """Why a box is not there."""
    match box.state:
        case BoxState.DELETED:
            return f"box '{name}' was deleted in line {box.line}"
        case BoxState.ENDED:
            return f"box '{name}' {box.why}"
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
