# SPDX-License-Identifier: GPL-2.0-only
"""The verbs of a scenario as operations of the agent, on each carrier."""

import hashlib
from typing import assert_never

from harness.boxactions import CreateBox, DeleteBox, Finish, Get, Prepare, Put, Seal, Unseal
from harness.kinds import Carrier

# An operation of the agent and its arguments.
Op = tuple[str, dict[str, object]]
BoxAction = CreateBox | DeleteBox | Put | Get | Prepare | Seal | Unseal | Finish


def token(name: str) -> int:
    """The u64 by which LUO knows an fd that a scenario calls by name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def operation(carrier: Carrier, action: BoxAction) -> Op | None:
    """What the agent has to do; None where a carrier has nothing to do (LUO seals at the jump)."""
    match carrier:
        case Carrier.FDBOX:
            op, arguments = fdbox(action)
            return op, arguments | ({"via": action.via} if action.via is not None else {})
        case Carrier.LUO:
            return luo(action)
        case _:
            assert_never(carrier)


def fdbox(action: BoxAction) -> Op:
    """FDBox: boxes and names as they are."""
    match action:
        case CreateBox(box):
            return "fdbox_create", {"box": box}
        case DeleteBox(box):
            return "fdbox_delete", {"box": box}
        case Put(box, fd, name):
            return "fdbox_put", {"box": box, "fd": fd, "name": name}
        case Get(box, fd, name):
            return "fdbox_get", {"box": box, "fd": fd, "name": name}
        case Seal(box):
            return "fdbox_seal", {"box": box}
        case Unseal(box):
            return "fdbox_unseal", {"box": box}
        case Prepare(box):
            return "fdbox_prepare", {"box": box}
        case Finish():
            raise ValueError("a box has no finish")
        case _:
            assert_never(action)


def luo(action: BoxAction) -> Op | None:
    """LUO: a box is a session, a name is a token, leaving the old kernel needs no seal."""
    match action:
        case CreateBox(box):
            return "luo_create", {"session": box}
        case DeleteBox(box):
            return "luo_close", {"session": box}
        case Put(box, fd, name):
            return "luo_put", {"session": box, "fd": fd, "token": token(name)}
        case Get(box, fd, name):
            return "luo_get", {"session": box, "fd": fd, "token": token(name)}
        case Seal() | Prepare():
            return None
        case Unseal(box):
            return "luo_retrieve", {"session": box}
        case Finish(box):
            return "luo_finish", {"session": box}
        case _:
            assert_never(action)
