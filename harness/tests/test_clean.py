# SPDX-License-Identifier: GPL-2.0-only
"""`harness clean` removes what is old and nobody's, and nothing else."""

import json
import os
import time
from pathlib import Path

import pytest

from harness import clean as module
from harness.build.store import Store, default_store, remove
from harness.clean import DAY, clean, leftovers, named
from harness.cli import main
from harness.events import Events

OLD = time.time() - 30 * DAY


def fill(draft: Path) -> None:
    (draft / "file").write_bytes(bytes(8192))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with something old and something new of each sort."""
    made = Store(tmp_path / "fdbox-harness")
    for kind in ("kernel", "source", "modules", "guest", "agent", "ssh-keys"):
        for name in ("old", "new"):
            made.obtain(kind, name, {"name": name}, fill)
    for name in ("tree-old", "tree-new", "apt"):
        with made.work(name) as area:
            (area / "file").touch()
    for name in ("old", "new"):
        (made.root / "runs" / name / "x[fdbox]").mkdir(parents=True)
        (made.root / "runs" / name / "x[fdbox]" / "events.jsonl").touch()
        venv = made.root / "venv" / name
        venv.mkdir(parents=True)
        (venv / "fdbox-harness.json").write_text(json.dumps({"root": str(tmp_path / "gone")}))
    (made.root / "log").mkdir()
    (made.root / "log" / "old.log").touch()
    for path in sorted(made.root.rglob("*"), reverse=True):
        if "old" in str(path.relative_to(made.root)) or "apt" in path.name:
            os.utime(path, (OLD, OLD))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return made


def left(store: Store) -> list[str]:
    return sorted(
        one.path.relative_to(store.root).as_posix().split("-")[0]
        for one in leftovers(store, time.time() - 14 * DAY)
    )


def test_what_is_old_goes_and_what_is_new_stays(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    everything = sorted(store.root.rglob("*"))
    assert main(["clean", "--dry-run"]) == 0
    assert sorted(store.root.rglob("*")) == everything
    shown = capsys.readouterr().out
    assert main(["clean"]) == 0
    removed = capsys.readouterr().out
    assert removed.splitlines()[:-1] == shown.splitlines()[:-1]
    assert "would be removed" in shown
    for name in ("kernel/old-", "source/old-", "modules/old-", "guest/old-", "agent/old-"):
        assert name in removed
    for name in ("work/tree-old", "runs/old", "venv/old", "log/old.log", "30 days", " KiB  removed from"):
        assert name in removed
    assert "new" not in removed
    assert "ssh-keys" not in removed
    assert not [path for path in store.root.glob("*/*old*") if path.parent.name not in ("lock", "ssh-keys")]
    assert len(list(store.root.glob("*/*new*"))) == len(
        [p for p in everything if p.match("*/*new*") and p.parent.parent == store.root]
    )
    assert list((store.root / "tmp").iterdir()) == []


def test_a_use_makes_it_new(store: Store) -> None:
    entry = store.obtain("kernel", "old", {"name": "old"}, lambda draft: None)
    assert entry.is_dir()
    with store.work("tree-old"):
        pass
    assert "kernel/old" not in left(store)
    assert "work/tree" not in left(store)
    assert "source/old" in left(store)


def test_what_is_in_use_stays(store: Store) -> None:
    entry = store.entry("kernel", "old", {"name": "old"})
    # The lock of a build, and of a run: of other files, since this process would share its own.
    with (
        store.lock(f"kernel-{entry.name}"),
        Events(store.root / "runs" / "old" / "x[fdbox]" / "events.jsonl"),
    ):
        said = "\n".join(clean(store, 14, dry_run=False))
        assert entry.is_dir()
        assert "in use: kept" in said
        assert (store.root / "runs" / "old").is_dir()
    assert f"kernel/{entry.name}" in "\n".join(clean(store, 14, dry_run=False))
    assert not entry.exists()


def test_what_is_used_between_the_look_and_the_removal_stays(store: Store) -> None:
    found = next(one for one in leftovers(store, time.time() - 14 * DAY) if one.path.parent.name == "kernel")
    os.utime(found.path)
    assert not module.discard(store, found)
    assert found.path.is_dir()


def test_what_this_checkout_names_stays_however_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = store.entry("kernel", "old", {"name": "old"})
    monkeypatch.setattr(module, "named", lambda store: {entry})
    assert "kernel/old" not in left(store)


def test_what_was_killed_left_goes_and_what_others_are_making_stays(store: Store) -> None:
    drafts = [store.root / "tmp" / f"kernel-{name}~1~2" for name in ("a", "b")]
    for draft in drafts:
        (draft / "source").mkdir(parents=True)
    for folder in (*drafts, store.root / "work" / "bench-old"):
        folder.mkdir(exist_ok=True)
        os.utime(folder, (OLD, OLD))
    with store.lock("kernel-b"):
        said = "\n".join(clean(store, 14, dry_run=False))
    assert [draft.exists() for draft in drafts] == [False, True]
    assert "tmp/kernel-a" in said
    assert not (store.root / "work" / "bench-old").exists()


def test_two_may_clean_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = (store.root / "runs" / name for name in ("old", "other"))
    other.mkdir()
    real = module.newest

    def newest(folder: Path) -> float:
        if folder == run:
            remove(run)  # by the other one, just now
        return real(folder)

    monkeypatch.setattr(module, "newest", newest)
    assert "runs/old" not in left(store)
    found = module.Leftover(other, OLD)
    remove(other)
    assert module.Sizes().add(other) == 0
    assert module.discard(store, found)


def test_hard_links_count_with_the_last_of_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(1 << 20))
    os.link(tmp_path / "a" / "file", tmp_path / "b" / "file")
    sizes = module.Sizes()
    assert sizes.add(tmp_path / "a") < 1 << 20 <= sizes.add(tmp_path / "b")


def test_the_days_are_at_least_one() -> None:
    for days in ("0", "-1", "x", "1.5"):
        with pytest.raises(SystemExit) as end:
            main(["clean", "--days", days])
        assert end.value.code == 129


def test_this_checkout_names_what_it_has_built(artifacts: object) -> None:
    kinds = {entry.parent.name for entry in named(default_store()) if entry.is_dir()}
    assert kinds >= {"source", "kernel", "modules", "guest", "agent", "ssh-keys"}
