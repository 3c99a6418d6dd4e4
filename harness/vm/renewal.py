# SPDX-License-Identifier: GPL-2.0-only
"""What a machine that was saved has to be told when it goes on: what time it is, and entropy of its own.

Without it two machines from one snapshot would draw the same random numbers, and both would live in the past.
The program that tells the kernel, renew.c, travels within the command that also starts the agent's channel.
"""

import hashlib
import os
import shutil
import struct
import time
from pathlib import Path

from harness import proc
from harness.build.store import Store

SOURCE = Path(__file__).with_name("renew.c")
PROGRAM = "renew"
# Where it is put in the guest, by whom it is run, and from where it is gone after that.
PLACE = "/run/renew"
# struct news of renew.c: seconds, nanoseconds, bits of entropy, bytes of it, the bytes.
NEWS = struct.Struct("=qqii32s")
ENTROPY = 32
# No libc, one segment, nothing but code and text: what is left is smaller than a kilobyte.
FLAGS = (
    *("-std=gnu2x", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-s"),
    *("-fno-pic", "-no-pie", "-fno-ident", "-fno-asynchronous-unwind-tables", "-fno-stack-protector"),
    *("-fcf-protection=none", "-Wl,-N", "-Wl,--no-warn-rwx-segments", "-Wl,--build-id=none"),
)


def obtain_program(store: Store) -> bytes:
    """The program, from the store; compiled if it is not there."""
    compiler = Path(shutil.which("gcc") or "gcc").resolve()
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    inputs = {"source": digest, "flags": " ".join(FLAGS), "compiler": str(compiler)}

    def make(folder: Path) -> None:
        proc.run(["gcc", *FLAGS, "-o", folder / PROGRAM, SOURCE])

    return (store.obtain(PROGRAM, PROGRAM, inputs, make) / PROGRAM).read_bytes()


def command(program: bytes) -> str:
    """A shell command that puts the program into the guest and runs it; it fails if that does."""
    now = time.time_ns()
    news = NEWS.pack(*divmod(now, 10**9), 8 * ENTROPY, ENTROPY, os.urandom(ENTROPY))
    return f"printf '{escaped(program)}' >{PLACE} && chmod 700 {PLACE} && {PLACE} {news.hex()}"


def escaped(data: bytes) -> str:
    """Bytes as printf(1) takes them, within single quotes."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/_"
    return "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data)
