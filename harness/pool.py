# SPDX-License-Identifier: GPL-2.0-only
"""Several cases at once: each in a process of its own, so that each has a main thread to start QEMU from."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Generator, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Generic, TypeVar

from harness import interrupts, proc
from harness.errors import HarnessError
from harness.verdict import EXIT_INTERRUPTED

# A worker that was asked to end stops a QEMU, which takes far less.
END_SECONDS = 15.0

T = TypeVar("T")
R = TypeVar("R")


class Pool(Generic[T, R]):
    """Runs work(item) for each item, at most `jobs` at once; when it ends, no worker is left."""

    def __init__(self, work: Callable[[T], R], jobs: int) -> None:
        self._work = work
        self._jobs = jobs
        self._context = multiprocessing.get_context("fork")

    def results(self, items: Iterable[T]) -> Generator[tuple[T, R | HarnessError], None, None]:
        """Each item with its result as it is done; a worker that dies leaves a HarnessError in its place."""
        waiting = iter(items)
        return self.feed(lambda: next(waiting, None))

    def feed(self, pull: Callable[[], T | None]) -> Generator[tuple[T, R | HarnessError], None, None]:
        """The same for items that depend on results: pull is asked for one whenever a worker is free.

        None: there is none before another result.
        """
        running: dict[Connection, tuple[T, ForkProcess]] = {}
        try:
            while True:
                while len(running) < self._jobs and (item := pull()) is not None:
                    self._start(item, running)
                if not running:
                    return
                for pipe in wait(list(running)):
                    assert isinstance(pipe, Connection)
                    item, process = running.pop(pipe)
                    yield item, self._collect(pipe, process)
        finally:
            _end([process for _, process in running.values()])

    def _start(self, item: T, running: dict[Connection, tuple[T, ForkProcess]]) -> None:
        """Start a worker. Signals wait until it is known here, and until it can answer them there."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=self._child, args=(item, theirs, os.getpid()), daemon=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.STOPS)
        try:
            process.start()
            running[ours] = (item, process)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.STOPS)
        theirs.close()

    def _child(self, item: T, pipe: Connection, parent: int) -> None:
        try:
            # Ctrl-C goes to all processes of a terminal; workers leave it to the parent, which sends SIGTERM.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            interrupts.listen()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.STOPS)
            try:
                proc.die_with_parent(signal.SIGTERM, parent)
                result: R | HarnessError = self._work(item)
            except HarnessError as error:
                result = error
            pipe.send(result)
            # Nothing is left to be stopped.
            signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.STOPS)
        except KeyboardInterrupt:
            # Everything is put away. What Python finalises now could only complain.
            os._exit(EXIT_INTERRUPTED)

    @staticmethod
    def _collect(pipe: Connection, process: ForkProcess) -> R | HarnessError:
        try:
            result: R | HarnessError = pipe.recv()
        # The end of the pipe, or within a result: it was killed.
        except (EOFError, OSError):
            process.join()
            return HarnessError(f"the process that ran this case died (exit status {process.exitcode})")
        process.join(END_SECONDS)
        return result


def _end(processes: Collection[ForkProcess]) -> None:
    """End workers: each ends its machine first; one that does not is killed, and its machine with it."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(END_SECONDS)
        process.kill()
        process.join()
