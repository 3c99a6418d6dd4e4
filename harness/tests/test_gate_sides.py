# SPDX-License-Identifier: GPL-2.0-only
"""What base and head are, from what the user names."""

from pathlib import Path

import pytest

from harness.build.store import Store
from harness.cli import main
from harness.errors import HarnessError, HostError, UsageError
from harness.gate import sides
from harness.gate.folder import keep
from harness.gate.sides import Recipe, Wanted, recipes, steps
from harness.tests.gates import GOOD
from harness.tests.test_bisect import history
from harness.tests.test_series import DIFF

DEFAULT = "7.3.4"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "patches"
    folder.mkdir()
    for name, file in (("1.patch", "mm/x.c"), ("2.patch", "kmod/box.c"), ("3.patch", "mm/x.c")):
        (folder / name).write_text(DIFF.format(file=file, old="a", new="b"))
    return folder


def test_released_kernels(store: Store) -> None:
    base, head = recipes(store, Wanted("7.2.12", DEFAULT))
    assert [(one.name, one.spec.name, one.commit) for one in (base, head)] == [
        ("7.2.12", "7.2.12", None),
        (DEFAULT, DEFAULT, None),
    ]


def test_a_series_is_on_top_of_the_default_kernel(store: Store, series: Path) -> None:
    base, head = recipes(store, Wanted(series=(series,)))
    assert (base.name, head.name) == (DEFAULT, f"{DEFAULT} with 3 patches")
    assert head.series.titles == ("1", "2", "3")
    assert not base.series.titles
    assert sides.touched(base, head) == ("kmod/box.c", "mm/x.c")


def failing(monkeypatch: pytest.MonkeyPatch, error: HarnessError) -> None:
    def obtain(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(sides, "obtain_kernel", obtain)


def test_what_cannot_be_built_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, HarnessError("it does not build"))
    made = sides.make(store, recipes(store, Wanted("7.2.12", DEFAULT))[0])
    assert (made.kernel, made.side.problem) == (None, "it does not build")


def test_a_full_disk_is_no_property_of_a_kernel(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then neither a gate nor a bisection goes on."""
    failing(monkeypatch, HostError("disk full"))
    with pytest.raises(HostError, match="disk full"):
        sides.make(store, recipes(store, Wanted("7.2.12", DEFAULT))[0])


def test_commits_of_a_tree(store: Store, tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two", "three")
    base, head = recipes(store, Wanted("c0", "main", tree))
    assert base.commit
    assert head.commit
    assert (base.commit.subject, head.commit.subject) == ("one", "three")
    assert sides.touched(base, head) == ("x",)


def test_each_patch_of_a_series_is_a_step(store: Store, series: Path) -> None:
    found = steps(store, Wanted(series=(series,)))
    assert [one.name for one in found] == [DEFAULT, "patch 1/3", "patch 2/3", "patch 3/3"]
    counts = [(len(one.series.kernel), len(one.series.ours)) for one in found]
    assert counts == [(0, 0), (1, 0), (1, 1), (2, 1)]
    # Each has a release of its own: modules lie in the guest by release.
    assert len({one.side for one in found}) == len(found)


def test_each_commit_is_a_step(store: Store, tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two", "three")
    found = steps(store, Wanted("c0", "main", tree))
    assert [one.commit.subject for one in found if one.commit] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Wanted(), "nothing to compare"),
        (Wanted("7.2.12", "7.9"), "--head 7.9: no such kernel; there are: 7.3.4, "),
        (Wanted(head=DEFAULT), "base and head are the same"),
        (Wanted(head="7.2.12", series=(Path("x"),)), "give one of them"),
        (Wanted(series=(Path("/none"),)), "no such file or folder"),
        (Wanted("a", "b", Path("/none")), "is not a Linux kernel tree"),
    ],
)
def test_what_is_no_comparison_is_refused(store: Store, wanted: Wanted, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        recipes(store, wanted)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["gate", "--tag", "smok"], "no case has the tag 'smok'; did you mean 'smoke'?"),
        (["series", "--tag", "nope"], "no case has the tag 'nope'"),
        (["gate", "--scenarios", "/none.yaml"], "/none.yaml"),
        (["gate", "--out", "OUT"], "a gate has left its answer there"),
    ],
    ids=["tag", "tag of a series", "scenario", "folder"],
)
def test_what_cannot_be_run_is_said_before_anything_is_built(
    words: list[str],
    error: str,
    tmp_path: Path,
    series: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep(GOOD, tmp_path / "out")
    command = [word.replace("OUT", str(tmp_path / "out")) for word in words]
    assert main([*command, "--series", str(series)]) == 129
    assert error in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_released_kernels_have_no_steps(store: Store) -> None:
    with pytest.raises(UsageError, match="no single commits"):
        steps(store, Wanted("7.2.12", DEFAULT))


def test_commits_that_do_not_follow_each_other_have_no_steps(store: Store, tmp_path: Path) -> None:
    tree = history(tmp_path, "one", "two")
    with pytest.raises(UsageError, match="not made of commits on top of"):
        steps(store, Wanted("main", "c0", tree))


def test_a_patch_that_does_not_apply_is_a_problem_of_the_side(store: Store) -> None:
    patch = Path(__file__).parent / "gate" / "does-not-apply.patch"
    _, head = recipes(store, Wanted(series=(patch,)))
    made = sides.make(store, head)
    assert made.kernel is None
    assert "does not apply: Hunk #1 does not fit at line 45 of kmod/seal.c" in made.side.problem
    assert isinstance(head, Recipe)
