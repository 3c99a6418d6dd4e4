# SPDX-License-Identifier: GPL-2.0-only
"""Several cases at once: each in a process of its own, so that each has a main thread to start QEMU from."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Generic, TypeVar

from harness import proc
from harness.errors import HarnessError

T = TypeVar("T")
R = TypeVar("R")


class Pool(Generic[T, R]):
    """Runs work(item) for each item, at most `jobs` at once; when it ends, no worker is left."""

    def __init__(self, work: Callable[[T], R], jobs: int) -> None:
        self._work = work
        self._jobs = jobs
        self._context = multiprocessing.get_context("fork")

    def results(self, items: Sequence[T]) -> Iterator[tuple[T, R | HarnessError]]:
        """Each item with its result as it is done; a worker that dies leaves a HarnessError in its place."""
        waiting = list(items)
        running: dict[Connection, tuple[T, ForkProcess]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self._jobs:
                    item = waiting.pop(0)
                    ours, theirs = self._context.Pipe(duplex=False)
                    process = self._context.Process(target=self._child, args=(item, theirs))
                    process.start()
                    theirs.close()
                    running[ours] = (item, process)
                for pipe in wait(list(running)):
                    assert isinstance(pipe, Connection)
                    item, process = running.pop(pipe)
                    yield item, self._collect(pipe, process)
        finally:
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.join()

    def _child(self, item: T, pipe: Connection) -> None:
        proc.die_with_parent(signal.SIGTERM)
        try:
            pipe.send(self._work(item))
        except HarnessError as error:
            pipe.send(error)
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    @staticmethod
    def _collect(pipe: Connection, process: ForkProcess) -> R | HarnessError:
        try:
            result: R | HarnessError = pipe.recv()
        except EOFError:
            process.join()
            return HarnessError(f"the process that ran this case died (exit status {process.exitcode})")
        process.join()
        return result
