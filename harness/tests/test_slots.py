# SPDX-License-Identifier: GPL-2.0-only
"""Places for machines are shared by processes, and free again when their holder is killed."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from harness.build.store import Store
from harness.errors import HarnessError
from harness.slots import host_memory, needed, place, places

# Ends a test that would hang.
SECONDS = 30.0
# Both ways to run a case, in a store where others hold all places; "ran" is printed instead of a run.
CASE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from harness import plugin
from harness.provision import bare_plan
from harness.commands import run as command
for module in (command, plugin):
    module.run = lambda *args, **rest: print("ran", flush=True)
case = SimpleNamespace(plan=bare_plan(None), out=None, made=None, journal=None, shared=None)
case.case, case.config = SimpleNamespace(id="case"), SimpleNamespace(getoption=lambda name: None)
case._made = lambda tree: None
case.config.stash = {plugin.JOURNAL: SimpleNamespace(folder=Path("runs"))}
{"run": command._run_job, "pytest": plugin.CaseItem._play}[sys.argv[1]](case)
"""
HOLD = """
import sys, time
from pathlib import Path
from harness.build.store import Store
from harness.slots import place
with place(Store(Path(sys.argv[1])), int(sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("cores", "memory", "count"), [(2, 24000, 2), (64, 24000, 17), (4, 1500, 1), (1, 999_999, 1)]
)
def test_as_many_places_as_cores_and_memory_allow(cores: int, memory: int, count: int) -> None:
    assert places(cores, memory) == count


@pytest.mark.parametrize(
    ("machine", "count", "memory", "taken"),
    [(1024, 2, 24000, 1), (1024, 17, 24000, 1), (2048, 17, 24000, 2), (65536, 4, 24000, 4)],
)
def test_a_large_machine_takes_more_than_one(machine: int, count: int, memory: int, taken: int) -> None:
    assert needed(machine, count, memory) == taken


def free(store: Store) -> int:
    """How many places nobody holds."""
    count = 0
    for number in range(places(os.cpu_count() or 1, host_memory())):
        try:
            FileLock(store.root / "lock" / f"place-{number}").acquire(timeout=0).lock.release()
            count += 1
        except Timeout:
            pass
    return count


def test_a_place_is_held_while_the_context_lasts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with place(store, 512):
        before = free(store)
    assert free(store) == before + 1


@contextlib.contextmanager
def holder(store: Store, memory: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that has places for a machine of so many MiB; it ends with the context."""
    command = [sys.executable, "-c", HOLD, str(store.root), str(memory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert select.select([process.stdout], [], [], SECONDS)[0], "it has no place"
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_store_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(HarnessError, match="cannot use the store"), place(Store(tmp_path / "store"), 512):
        pass


def test_a_killed_holder_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with holder(store, host_memory()) as process:
        assert free(store) == 0
        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
        with place(store, host_memory(), SECONDS):
            assert free(store) == 0


def test_who_waits_too_long_has_no_place(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with (
        holder(store, host_memory()),
        pytest.raises(HarnessError, match="no place for a machine"),
        place(store, 512, 0.1),
    ):
        pass
    assert free(store) == places(os.cpu_count() or 1, host_memory())


@pytest.mark.parametrize("how", ["run", "pytest"])
def test_a_case_waits_for_its_place(how: str, tmp_path: Path) -> None:
    """Whoever runs it: it says that it waits, and runs when the others are gone."""
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with holder(Store(tmp_path / "fdbox-harness"), host_memory()) as other:
        command = [sys.executable, "-c", CASE, how]
        with subprocess.Popen(command, text=True, env=env, **both) as process:  # type: ignore[call-overload]
            assert "waiting for a place" in process.stderr.readline()
            assert not select.select([process.stdout], [], [], 0)[0], "it ran beside the others"
            other.kill()
            assert process.communicate(timeout=SECONDS) == ("ran\n", "")
