# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark: a run that did not do its work gives no figure, and the page says what was measured."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import cli
from harness.bench import bare, curves, edits, overhead, page, runs, suites, vng
from harness.bench.parts import parts, table
from harness.bench.sample import Measured, NotDoneError, Series, Subject, rounds
from harness.bench.targets import SHIPPED, TARGETS
from harness.build.kconfig import lost, read_fragments
from harness.build.selftests import SELFTESTS
from harness.build.store import Store
from harness.commands import bench
from harness.commands.bench import MARKS, write
from harness.errors import HarnessError, UsageError
from harness.journal import Journal
from harness.result import Mark, Number, Outcome
from harness.tests.outcomes import PASSED, UPDATE
from harness.verdict import Verdict

GOOD_CURVE = replace(
    PASSED,
    case="size[fdbox,1M]",
    numbers=tuple(Number(name, 0.5, "s", 0, 3) for name in ("put", "unseal", "get", "blackout")),
)
SERIAL = "[    0.0] Linux version 7.3.4\nINIT: Stage 1\n[    0.0] Linux version 7.3.4\nTEST PASSED\n"


def test_the_parts_of_a_case_however_it_was_started() -> None:
    answers = Mark("agent answers", 0, 0.5)
    warm = replace(PASSED, timeline=(Mark(runs.RESUMED, 0, 0.2), answers))
    assert parts(warm)["snapshot to SSH"] == pytest.approx(0.3)
    cold = replace(PASSED, timeline=(Mark(runs.BOOTED, 0, 0.1), answers))
    assert parts(cold)["cold boot to SSH"] == pytest.approx(0.4)
    said = "\n".join(table([parts(cold), parts(warm)]))
    assert "cold boot to SSH" in said
    assert "snapshot to SSH" in said


# -- each kind of run, when it did not do its work


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASS])
def test_a_case_that_did_not_pass_has_no_time(verdict: Verdict) -> None:
    assert runs.passed(PASSED) is PASSED
    with pytest.raises(NotDoneError, match="holes"):
        runs.passed(replace(PASSED, verdict=verdict))


def test_a_warm_case_that_was_booted_has_no_time() -> None:
    started = replace(PASSED, timeline=(Mark(runs.RESUMED, 0, 0.2),))
    assert runs.moment(started, runs.RESUMED) == 0.2
    with pytest.raises(NotDoneError, match="no 'started from a snapshot' in it"):
        runs.moment(PASSED, runs.RESUMED)


def test_a_cold_case_from_a_snapshot_has_no_time() -> None:
    assert runs.moment(PASSED, runs.BOOTED) == 0.1
    with pytest.raises(NotDoneError, match="no 'power-on' in it"):
        runs.moment(replace(PASSED, timeline=()), runs.BOOTED)


def test_a_case_without_a_live_update_has_no_blackout() -> None:
    assert runs.blackout(PASSED) == pytest.approx(1.4)
    for updates in ((), (replace(UPDATE, arrived=False),)):
        with pytest.raises(NotDoneError, match="no live update"):
            runs.blackout(replace(PASSED, updates=updates))


@pytest.mark.parametrize(
    "text",
    ["", SERIAL.replace("TEST PASSED", "TEST FAILED"), SERIAL.partition("\n")[2], "TEST PASSED\n"],
    ids=["nothing", "failed", "one kernel", "no kernel"],
)
def test_a_selftest_that_did_not_pass_has_no_time(tmp_path: Path, text: str) -> None:
    serial = tmp_path / "serial"
    with pytest.raises(NotDoneError, match="TEST PASSED"):
        bare.check(serial, "bare")
    serial.write_text(SERIAL)
    bare.check(serial, "bare")
    serial.write_text(text)
    with pytest.raises(NotDoneError, match="TEST PASSED"):
        bare.check(serial, "bare")


@pytest.mark.parametrize(
    "text",
    ["", "virtme-ng: no kernel\n", f"init: echo {vng.WORD}: not found\n"],
    ids=["nothing", "error", "echo"],
)
def test_a_machine_of_virtme_ng_that_ran_nothing_has_no_time(text: str) -> None:
    vng.check(f"[    0.9] a line of the kernel\n{vng.WORD}\n", "vng")
    with pytest.raises(NotDoneError, match="vng: the command has not run"):
        vng.check(text, "vng")


def test_virtme_ng_gets_a_machine_like_ours(artifacts: object) -> None:
    kernel = artifacts.kernels[None]  # type: ignore[attr-defined]
    words = " ".join(vng.command(Path("bin"), kernel))
    assert "--cpus 2 --memory 1G" in words
    assert "--disable-kvm" in words
    assert os.access(Path(vng.GUEST_PATH.partition(":")[0]) / "udevd", os.X_OK)
    assert f"--append PATH={vng.GUEST_PATH} --" in words
    wanted = read_fragments([vng.FRAGMENT])
    # Or it would be the same kernel, built twice.
    assert lost(wanted, kernel.config.read_text())


def test_a_point_without_a_number_is_none() -> None:
    assert set(curves.numbers(GOOD_CURVE)) == {f"size[fdbox,1M] {name}" for name in curves.NUMBERS}
    assert curves.numbers(GOOD_CURVE)["size[fdbox,1M] seal"] == pytest.approx(0.05)
    with pytest.raises(NotDoneError, match="did not measure put"):
        curves.numbers(replace(GOOD_CURVE, numbers=GOOD_CURVE.numbers[1:]))
    with pytest.raises(NotDoneError, match="did not measure seal"):
        curves.numbers(replace(GOOD_CURVE, updates=()))


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([], "no case ran"),
        ([replace(PASSED, verdict=Verdict.FAIL)], "holes"),
        ([PASSED, replace(PASSED, case="b[fdbox]", verdict=Verdict.ERROR)], r"b\[fdbox\]"),
    ],
    ids=["nothing", "FAIL", "ERROR"],
)
def test_a_suite_that_is_not_good_has_no_time(tmp_path: Path, outcomes: list[Outcome], words: str) -> None:
    kept(tmp_path, outcomes)
    with pytest.raises(NotDoneError, match=words):
        suites.check(tmp_path, "suite")


def test_a_suite_that_is_good_has_a_time(tmp_path: Path) -> None:
    kept(tmp_path, [PASSED, replace(PASSED, case="b[fdbox]", verdict=Verdict.XFAIL)])
    suites.check(tmp_path, "suite")


def kept(folder: Path, outcomes: list[Outcome]) -> None:
    """A journal of these outcomes."""
    journal = Journal(folder, "a session")
    journal.begin(["pytest"], outcomes)
    for outcome in outcomes:
        journal.ended(outcome)


def test_an_edit_whose_run_fails_has_no_time(tmp_path: Path) -> None:
    file = tmp_path / "x.c"
    file.touch()
    with pytest.raises(NotDoneError, match="a run after an edit did not pass"):
        edits.edited(file, "int x;", Path(edits.ROOT), ["nothing.yaml"], tmp_path)
    assert file.read_text() == "int x;\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo usage: harness -h", None),
        ("echo ModuleNotFoundError", "it said something else: ModuleNotFoundError"),
        ("echo usage: harness -h; exit 1", "exited with 1"),
    ],
)
def test_a_command_that_did_not_do_its_work_has_no_time(
    tmp_path: Path, script: str, reason: str | None
) -> None:
    one = overhead.timed("help", [["sh", "-c", script]], overhead.helped)
    if reason is None:
        assert one.measure(tmp_path)["help"] > 0
    else:
        with pytest.raises(NotDoneError, match=reason):
            one.measure(tmp_path)


def test_what_each_command_says_when_it_did_its_work() -> None:
    assert overhead.collected("scenarios/a.yaml: 1\n\n12 tests collected in 1.61s\n")
    assert overhead.collected("286/340 tests collected (54 deselected) in 1.09s\n")
    assert not overhead.collected("no tests collected in 0.10s\n")
    whole = "kernel       7.3.4, build id ed28: bzImage\nguest image  /x\naccelerator  tcg: no KVM\n"
    assert overhead.built(whole)
    assert not overhead.built(whole.partition("\n")[0])


def test_a_build_that_had_something_to_do_has_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    (tmp_path / "modules").mkdir()
    made = iter(["modules/old", "lock/x", "modules/new"])

    def work(out: Path) -> dict[str, float]:
        (tmp_path / next(made)).mkdir(parents=True)
        return {overhead.NOTHING: 0.1}

    monkeypatch.setattr(overhead, "timed", lambda name, *rest: Subject(name, work))
    idle = list(overhead.overhead(store))[-1]
    assert idle.prepare
    idle.prepare(tmp_path)
    assert idle.measure(tmp_path) == {overhead.NOTHING: 0.1}
    with pytest.raises(NotDoneError, match=r"there was something to do: .*modules/new"):
        idle.measure(tmp_path)


# -- rounds


def subject(name: str, seen: list[str], most: int = 9, fails: HarnessError | None = None) -> Subject:
    def measure(out: Path) -> dict[str, float]:
        assert not list(out.iterdir())
        seen.append(name)
        return {name: float(len(seen))}

    def prepare(out: Path) -> None:
        if fails:
            raise fails

    return Subject(name, measure, most, prepare)


def test_subjects_take_turns(tmp_path: Path) -> None:
    seen: list[str] = []
    found = rounds([subject("a", seen), subject("b", seen, most=1)], 3, tmp_path, lambda text: None)
    assert seen == ["a", "b", "a", "a"]
    assert found == Measured((Series("a", (1.0, 3.0, 4.0)), Series("b", (2.0,))), {}, {})
    assert (found.series[0].median, found.series[0].spread) == (3.0, (1.0, 4.0))


def test_what_cannot_be_measured_is_told_with_the_reason(tmp_path: Path) -> None:
    seen: list[str] = []
    two = [subject("a", seen, fails=HarnessError("no such program")), subject("b", seen)]
    found = rounds(two, 2, tmp_path, lambda text: None)
    assert [one.name for one in found.series] == ["b"]
    assert found.absent == {"a": "no such program"}
    assert not found.undone


def test_a_run_that_did_nothing_takes_the_figures_of_its_subject(tmp_path: Path) -> None:
    """Those of its other runs too, for which were the good ones? The other subjects go on."""
    seen: list[str] = []

    def measure(out: Path) -> dict[str, float]:
        if "round.2" in out.parts:
            raise NotDoneError("it did nothing")
        return {"a": 1.0}

    found = rounds([Subject("a", measure), subject("b", seen)], 3, tmp_path, lambda text: None)
    assert found == Measured((Series("b", (1.0, 2.0, 3.0)),), {}, {"a": "it did nothing"})


def test_a_benchmark_with_a_run_that_did_nothing_has_failed(
    artifacts: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(out: Path) -> dict[str, float]:
        raise NotDoneError("it did nothing")

    monkeypatch.setattr(bench, "everything", lambda *rest: [Subject("a", measure)])
    assert called(["bench", "-n", "1"]) == 1
    assert "- a: did not do its work: it did nothing" in capsys.readouterr().out


# -- the page

SERIES = (
    Series(runs.WARM, (2.0, 1.0, 1.5)),
    Series(runs.COLD, (9.0,)),
    Series(SHIPPED, (3.0,)),
    *(
        Series(f"size[{carrier},{size}] {name}", (0.001 * factor,))
        for carrier in ("fdbox", "luo")
        for factor, size in enumerate(("1M", "64M", "1G", "4G"), 1)
        for name in curves.NUMBERS
    ),
)


def test_the_page_says_what_is_met_and_what_is_not() -> None:
    lines = page.markdown({"cores": "2"}, Measured(SERIES, {"virtme-ng": "no\nprogram"}, {})).splitlines()
    assert "| warm memfd case / bare selftest as shipped | 0.65 | 0.50 | met |" in lines
    assert "| cold memfd case / bare selftest as shipped | 1.2 | 3.00 | **not met** |" in lines
    assert "| two workers / one worker, a sixth of the suite | 0.58 |  | not measured |" in lines
    assert "| FDBox unseal + get of 1 GiB / LUO retrieve of the same | 1.0 | 2.00 | **not met** |" in lines
    assert f"| {runs.WARM} | 3 | 1.500 | 1.000 | 2.000 |" in lines
    assert "| size | 1M | 64M | 1G | 4G |" in lines
    assert "| get on luo, s | 0.0010 | 0.0020 | 0.0030 | 0.0040 |" in lines
    assert "- virtme-ng: not measured: no program" in lines


def test_every_target_is_of_something_that_is_measured() -> None:
    names = {name for target in TARGETS for name in (*target.numerator, target.denominator) if name}
    assert {target.seen(dict.fromkeys(names, 1.0)) for target in TARGETS} == {1.0, 2.0}
    assert {target.seen({}) for target in TARGETS} == {None}


def test_json_has_every_value() -> None:
    told = json.loads(page.as_json({"cores": "2"}, Measured(SERIES, {}, {})))
    assert told["series"][runs.WARM] == {"median": 1.5, "values": [2.0, 1.0, 1.5]}


def test_the_plot_has_every_curve() -> None:
    drawn = page.svg("size", SERIES)
    assert drawn.count("<polyline") == 2 * len(curves.NUMBERS)
    assert page.svg("count", SERIES) == ""


def test_figures_go_between_the_marks(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{MARKS[0]}old\n{MARKS[1]}after\n")
    write(file, "new\n")
    assert file.read_text() == f"before\n{MARKS[0]}\nnew\n\n{MARKS[1]}after\n"
    file.write_text("a page of somebody's\n")
    with pytest.raises(UsageError, match="around its figures"):
        write(file, "new\n")


def test_the_bare_selftest_is_run_as_vmtest_runs_it(artifacts: object) -> None:
    """QEMU's arguments are the script's; if it changes, so must ours."""
    kernel = artifacts.kernels[None]  # type: ignore[attr-defined]
    script = (kernel.source / SELFTESTS / "liveupdate" / "vmtest.sh").read_text()
    words = " ".join(script.replace("\\\n", " ").split())
    assert (
        "$qemu_cmd -m 1G -smp 2 -no-reboot -nographic -nodefaults -accel tcg -accel hvf -accel kvm" in words
    )
    ours = " ".join(bare.command(kernel, Path("initrd"), Path("serial"), None))
    assert "-m 1G -smp 2 -no-reboot -nographic -nodefaults -accel tcg -accel hvf -accel kvm" in ours
    assert "-cpu" not in ours
    assert f'cmdline="$cmdline {bare.CMDLINE.partition("kho=on ")[2]}"' in words


def test_what_is_refused(tmp_path: Path) -> None:
    commands: list[tuple[list[str], str]] = [
        (["bench", "--cold"], "name some"),
        (["bench", "--only", "nothing like it"], "nothing that is measured"),
    ]
    for words, reason in commands:
        with pytest.raises(UsageError, match=reason):
            called(words)


def called(words: list[str]) -> int:
    """A command, as the command line calls it, with its errors."""
    options = cli.parse(words)
    handler: Callable[[object], int] = options.handler
    return handler(options)
