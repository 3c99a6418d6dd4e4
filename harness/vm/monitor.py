# SPDX-License-Identifier: GPL-2.0-only
"""QMP, synchronous: the only place with asyncio in it. qemu.qmp's own client runs in a thread of its own."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from harness.errors import HarnessError

T = TypeVar("T")
COMMAND_SECONDS = 60.0
DISCONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Event:
    """A QMP event."""

    name: str
    data: Mapping[str, Any]


class MonitorError(HarnessError):
    """QEMU did not do what a QMP command asked, or is gone."""


class MonitorRefusedError(MonitorError):
    """QEMU has run a QMP command, and that failed; kind: the class of the error."""

    def __init__(self, command: str, kind: str, text: str) -> None:
        super().__init__(f"QMP {command}: {text}")
        self.kind = kind
        self.text = text


class Monitor:
    """A QMP session over one end of a socket pair: no path, no race, no socket file left behind."""

    def __init__(self, sock: socket.socket, log: Path) -> None:
        self.events: list[Event] = []
        self._log = log.open("a")
        self._client = QMPClient("harness")
        self._listener = EventListener()
        self._client.register_listener(self._listener)
        self._watcher: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        try:
            self._await(self._connect(sock), COMMAND_SECONDS)
        except KeyboardInterrupt:
            self.close()
            raise
        except (QMPError, OSError, EOFError) as error:
            self.close()
            raise MonitorError(f"no QMP greeting from QEMU: {error!r}") from error

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """Run a QMP command and return its result; raises MonitorError."""
        self._write({"execute": command, "arguments": dict(arguments or {})})
        try:
            reply = self._await(self._client.execute(command, dict(arguments or {})), COMMAND_SECONDS)
        except ExecuteError as error:
            self._write({"error": str(error)})
            raise MonitorRefusedError(command, error.error_class, f"{error}") from error
        except TimeoutError as error:
            raise MonitorError(f"QMP {command}: no answer in {COMMAND_SECONDS:.0f} s") from error
        except (QMPError, OSError, EOFError) as error:
            raise MonitorError(f"QMP {command}: the connection to QEMU is gone ({error!r})") from error
        self._write({"return": reply})
        return reply

    def hmp(self, line: str) -> str:
        """Run a command of the human monitor; returns what it prints."""
        return str(self.execute("human-monitor-command", {"command-line": line})).replace("\r\n", "\n")

    def close(self) -> None:
        """Disconnect; safe to call twice. That QEMU closed first is expected (EOFError)."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(QMPError, OSError, EOFError, CancelledError):
            self._await(self._disconnect(), DISCONNECT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._log.close()

    async def _connect(self, sock: socket.socket) -> None:
        await self._client.connect(sock)
        self._watcher = asyncio.create_task(self._watch())

    async def _disconnect(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._client.disconnect()

    async def _watch(self) -> None:
        async for message in self._listener:
            data = message.get("data")
            event = Event(str(message["event"]), data if isinstance(data, dict) else {})
            self.events.append(event)
            with contextlib.suppress(OSError):  # a full disk must not end the watch for resets
                self._write({"event": event.name, "data": event.data})

    def _await(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise

    def _write(self, entry: Mapping[str, object]) -> None:
        self._log.write(json.dumps({"t": round(time.monotonic(), 6), **entry}, default=str) + "\n")
        self._log.flush()
