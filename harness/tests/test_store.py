# SPDX-License-Identifier: GPL-2.0-only
"""The store: made once, by one process, whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.build.store import INPUTS, Store, default_store, key_of
from harness.errors import HarnessError, HostError
from harness.proc import run

INPUT = {"source": "a"}

# Fills an entry slowly: says when it has started, then waits for a file called "go" beside the store.
BUILDER = """
import sys, time
from pathlib import Path
from harness.build.store import Store
root = Path(sys.argv[1])
def make(draft):
    (draft / "half").write_text("half")
    print("started", flush=True)
    while not (root.parent / "go").exists():
        time.sleep(0.01)
print(Store(root).obtain("kind", "thing", {"source": "a"}, make), flush=True)
"""


def builder(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def started(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "started\n"


def refuse(draft: Path) -> None:
    raise AssertionError(f"made again: {draft}")


def fill(draft: Path) -> None:
    (draft / "file").write_text("content")


def test_entry_is_made_once_with_its_inputs(store: Store) -> None:
    entry = store.obtain("kind", "thing", INPUT, fill)
    assert entry == store.root / "kind" / f"thing-{key_of(INPUT)}"
    assert (entry / "file").read_text() == "content"
    assert json.loads((entry / INPUTS).read_text()) == INPUT
    assert store.obtain("kind", "thing", INPUT, refuse) == entry


def test_key_depends_on_values_not_on_order() -> None:
    assert key_of({"a": "1", "b": "2"}) == key_of({"b": "2", "a": "1"})
    assert key_of({"a": "1"}) != key_of({"a": "2"})
    assert len(key_of({})) == 16


def test_hit_is_fast(store: Store) -> None:
    store.obtain("kind", "thing", INPUT, fill)
    start = time.perf_counter()
    for _ in range(100):
        store.obtain("kind", "thing", INPUT, refuse)
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_make_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    def fail(draft: Path) -> None:
        fill(draft)
        raise error

    with pytest.raises(error):
        store.obtain("kind", "thing", INPUT, fail)
    assert not store.entry("kind", "thing", INPUT).exists()
    assert list((store.root / "tmp").iterdir()) == []
    assert store.obtain("kind", "thing", INPUT, fill).is_dir()


def test_killed_builder_leaves_no_entry_and_the_next_cleans_up(store: Store) -> None:
    process = builder(store.root)
    assert started(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not store.entry("kind", "thing", INPUT).exists()
    assert [draft.name.split("~")[0] for draft in (store.root / "tmp").iterdir()]

    store.obtain("other", "thing", INPUT, fill)
    assert list((store.root / "tmp").iterdir()) == []
    assert (store.obtain("kind", "thing", INPUT, fill) / "file").is_file()


def test_interrupted_builder_cleans_up_itself(store: Store) -> None:
    process = builder(store.root)
    assert started(process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert not store.entry("kind", "thing", INPUT).exists()
    assert list((store.root / "tmp").iterdir()) == []


def test_two_processes_build_once_and_the_second_says_that_it_waits(store: Store) -> None:
    first = builder(store.root)
    assert started(first)
    second = builder(store.root)
    assert second.stderr is not None
    waiting = second.stderr.readline()
    assert waiting.startswith(
        f"waiting for kind-thing-{key_of(INPUT)}: process {first.pid} has been making it"
    )

    # A third process that makes something else must not take the first one's draft for a leftover.
    store.obtain("other", "thing", INPUT, fill)
    (store.root.parent / "go").touch()
    assert str(store.entry("kind", "thing", INPUT)) in first.communicate()[0]
    assert second.communicate()[0] == f"{store.entry('kind', 'thing', INPUT)}\n"
    assert (store.entry("kind", "thing", INPUT) / "half").is_file()


def test_waiter_takes_over_from_a_killed_builder(store: Store) -> None:
    first = builder(store.root)
    assert started(first)
    second = builder(store.root)
    assert second.stderr is not None
    second.stderr.readline()
    first.kill()
    first.communicate()
    assert started(second)
    (store.root.parent / "go").touch()
    assert second.communicate()[0] == f"{store.entry('kind', 'thing', INPUT)}\n"
    assert list((store.root / "tmp").iterdir()) == []


def test_work_area_lasts_and_is_exclusive(store: Store) -> None:
    with store.work("tree") as area:
        (area / "state").write_text("1")
    with store.work("tree") as area:
        assert (area / "state").read_text() == "1"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "small", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs takes root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill_disk(draft: Path) -> None:
    (draft / "file").write_bytes(bytes(2**20))


def fill_disk_by_child(draft: Path) -> None:
    run(["dd", "if=/dev/zero", f"of={draft}/file", "bs=64k", "count=16"], env={"LC_ALL": "C"})


@pytest.mark.parametrize("make", [fill_disk, fill_disk_by_child])
def test_full_disk_is_one_sentence(small_disk: Path, make: Callable[[Path], None]) -> None:
    store = Store(small_disk / "store")
    with pytest.raises(HostError, match=r"^disk full while building in .*/store \(0 MiB are free") as caught:
        store.obtain("kind", "thing", INPUT, make)
    assert "\n" not in str(caught.value)
    assert list((store.root / "tmp").iterdir()) == []
    assert not (store.root / "kind").exists()


def test_store_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(HarnessError, match="cannot use the store"):
        Store(tmp_path / "store").obtain("kind", "thing", INPUT, fill)


def test_errors_of_make_outside_the_store_are_not_renamed(store: Store) -> None:
    def fail(draft: Path) -> None:
        shutil.copy("/nonexistent/file", draft)

    with pytest.raises(FileNotFoundError):
        store.obtain("kind", "thing", INPUT, fail)


def test_default_store_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store().root == tmp_path / "fdbox-harness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_store().root == Path("/home/someone/.cache/fdbox-harness")


def test_what_is_offered_is_made_once_and_nobody_waits_for_it(store: Store) -> None:
    assert store.find("kind", "thing", INPUT) is None
    with store.lock(f"kind-thing-{key_of(INPUT)}"):
        assert not store.offer("kind", "thing", INPUT, refuse)
    assert store.offer("kind", "thing", INPUT, fill)
    assert not store.offer("kind", "thing", INPUT, refuse)
    entry = store.find("kind", "thing", INPUT)
    assert entry is not None
    assert (entry / "file").read_text() == "content"


def test_what_is_offered_and_cannot_be_made_leaves_nothing(store: Store) -> None:
    with pytest.raises(AssertionError):
        store.offer("kind", "thing", INPUT, refuse)
    assert store.find("kind", "thing", INPUT) is None
    assert not list((store.root / "tmp").iterdir())


def test_the_newest_are_kept(store: Store) -> None:
    entries = {}
    for age, name in enumerate(("new", "used", "old", "locked", "oldest")):
        entries[name] = store.obtain("kind", name, INPUT, fill)
        os.utime(entries[name], (1000 - age, 1000 - age))
    with store.lock(f"kind-{entries['locked'].name}"):
        store.keep_newest("kind", 2)
    assert {name for name, entry in entries.items() if entry.exists()} == {"new", "used", "locked"}
    store.keep_newest("kind", 2)
    assert not entries["locked"].exists()
