# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl: what is written comes back, and nothing that was planned is missing."""

import fcntl
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from harness.digest import Digest, count_text, read
from harness.errors import HarnessError, UsageError
from harness.journal import Journal
from harness.plaintext import clean, short, unique
from harness.tests.outcomes import NASTY, NASTY_CASE, ONE_OF_EACH, PASSED, a_case, subject_of, written
from harness.verdict import Verdict


def the_journal(folder: Path, *cases: str) -> Journal:
    journal = Journal(folder, "one")
    journal.begin(["test"], [subject_of(a_case(Verdict.PASS, case)) for case in cases])
    return journal


def verdicts(digest: Digest) -> dict[str, str]:
    return {outcome.case: str(outcome.verdict) for outcome in digest.outcomes}


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    everything = (*ONE_OF_EACH, NASTY_CASE)
    assert written(tmp_path, *everything).outcomes == everything


def test_the_verdict_and_the_count(tmp_path: Path) -> None:
    made = written(tmp_path, *ONE_OF_EACH)
    assert made.verdict is Verdict.FAIL
    assert count_text(made) == "1 PASS, 1 FAIL, 1 ERROR, 1 SKIP, 1 XFAIL, 1 XPASS of 6 cases"
    assert Digest((PASSED, a_case(Verdict.ERROR))).verdict is Verdict.ERROR
    assert Digest((PASSED, a_case(Verdict.XFAIL))).verdict is Verdict.PASS
    assert Digest((PASSED, a_case(Verdict.XPASS))).verdict is Verdict.FAIL
    assert Digest(()).verdict is Verdict.ERROR
    assert Digest((a_case(Verdict.SKIP),)).verdict is Verdict.ERROR
    assert Digest((a_case(Verdict.SKIP),), part=True).verdict is Verdict.PASS


def test_a_case_that_never_ended_is_an_error(tmp_path: Path) -> None:
    journal = the_journal(tmp_path, "a", "b", "c")
    journal.ended(a_case(Verdict.PASS, "a"))
    journal.started("b", tmp_path / "b")
    digest = read(tmp_path)
    assert verdicts(digest) == {"a": "PASS", "b": "ERROR", "c": "ERROR"}
    seen = [outcome.findings[0].seen for outcome in digest.outcomes[1:]]
    assert "it was started at " in seen[0]
    assert "never started" in seen[1]
    assert digest.outcomes[1].findings[0].what == "did not finish"
    assert digest.outcomes[1].summary == "holes stay holes"


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_line_that_was_cut_off_is_said_and_its_case_did_not_finish(tmp_path: Path, cut: int) -> None:
    journal = the_journal(tmp_path, "a", "b")
    for case in ("a", "b"):
        journal.ended(a_case(Verdict.PASS, case))
    os.truncate(journal.path, journal.path.stat().st_size - 1 - cut)
    digest = read(tmp_path)
    assert verdicts(digest) == {"a": "PASS", "b": "ERROR"}
    assert digest.notes == (
        f"{journal.path}:5: not a whole line: who wrote it was killed, or it was changed",
    )


def test_the_line_after_one_that_was_cut_off_is_whole(tmp_path: Path) -> None:
    journal = the_journal(tmp_path, "a", "b")
    journal.ended(a_case(Verdict.PASS, "a"))
    os.truncate(journal.path, journal.path.stat().st_size - 100)
    journal.ended(a_case(Verdict.PASS, "b"))
    assert verdicts(read(tmp_path)) == {"a": "ERROR", "b": "PASS"}


def test_a_result_of_another_harness_is_said(tmp_path: Path) -> None:
    journal = the_journal(tmp_path, "a")
    journal.ended(a_case(Verdict.PASS, "a"))
    journal.path.write_text(journal.path.read_text().replace('"PASS"', '"MAYBE"'))
    digest = read(tmp_path)
    assert "verdict: Input should be 'PASS'" in digest.notes[0]
    assert verdicts(digest) == {"a": "ERROR"}


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    journal = the_journal(tmp_path)
    journal.path.write_text(journal.path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(UsageError, match="of format 2, and this harness reads format 1"):
        read(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "\n", "[]\n", "{}\n", "\x00\xff\n", '{"kind": "planned", "case": "a"}\n']
)
def test_what_is_no_results_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(UsageError, match="not results of the harness"):
        read(tmp_path / "x")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.jsonl: No such file or directory"):
        read(tmp_path)


def test_a_case_that_was_run_again_is_there_twice_and_flaky(tmp_path: Path) -> None:
    made = written(tmp_path, PASSED, replace(PASSED, verdict=Verdict.FAIL))
    assert [outcome.verdict for outcome in made.outcomes] == [Verdict.PASS, Verdict.FAIL]
    assert made.flaky() == {PASSED.case: [Verdict.PASS, Verdict.FAIL]}


def test_what_was_started_once_more_and_never_ended_is_no_pass(tmp_path: Path) -> None:
    journal = the_journal(tmp_path, "a")
    for number in (1, 2, 3):
        journal.started("a", tmp_path / f"a.{number}")
        if number != 2:
            journal.ended(replace(a_case(Verdict.PASS, "a"), directory=tmp_path / f"a.{number}"))
    digest = read(tmp_path)
    assert [outcome.verdict for outcome in digest.outcomes] == [Verdict.PASS, Verdict.PASS, Verdict.ERROR]
    assert digest.outcomes[-1].directory == tmp_path / "a.2"
    assert digest.verdict is Verdict.ERROR


def test_what_has_ended_without_its_records_has_ended_once(tmp_path: Path) -> None:
    journal = the_journal(tmp_path, "a")
    journal.started("a", tmp_path / "a.1")
    journal.ended(replace(a_case(Verdict.ERROR, "a"), directory=None))
    assert len(read(tmp_path).outcomes) == 1


def test_some_shards_of_a_run_are_a_part_of_it(tmp_path: Path) -> None:
    for number in (1, 2):
        shard: dict[str, object] = {"number": number, "count": 2, "whole": "x", "elsewhere": []}
        Journal(tmp_path, f"{number}").begin(["test"], [], shard)
        assert read(tmp_path).part == (number == 1)


def test_several_sessions_in_one_folder(tmp_path: Path) -> None:
    for session, case in (("one", "a"), ("two", "b")):
        for _ in range(2):  # as xdist's workers do
            Journal(tmp_path, session).begin(["test"], [subject_of(a_case(Verdict.PASS, case))])
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["session", "planned"] * 2
    assert verdicts(read(tmp_path)) == {"a": "ERROR", "b": "ERROR"}


def write(folder: Path, number: int, count: int, together: Barrier) -> None:
    together.wait()
    journal = Journal(folder, "one")
    journal.begin(["test"], [subject_of(a_case(Verdict.PASS, f"{n}")) for n in range(8 * count)])
    for n in range(count):
        journal.ended(a_case(Verdict.PASS, str(number * count + n), summary="x" * 50_000))


def test_many_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    together = context.Barrier(8)
    processes = [context.Process(target=write, args=(tmp_path, number, 25, together)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    digest = read(tmp_path)
    assert not digest.notes
    assert (tmp_path / "results.jsonl").read_text().count('{"kind": "session"') == 1
    assert len(digest.outcomes) == 200
    assert digest.verdict is Verdict.PASS


def test_a_line_is_written_under_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_under = []

    def look(file: int, lines: object) -> None:
        with (tmp_path / "results.jsonl").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        written_under.append(lines)

    monkeypatch.setattr("harness.journal._append", look)
    the_journal(tmp_path, "a").started("a", tmp_path)
    assert len(written_under) == 2


def write_for_ever(folder: Path) -> None:
    while True:
        Journal(folder, "one").ended(a_case(Verdict.PASS, "a", summary="x" * 1_000_000))


def test_a_writer_that_is_killed_spoils_no_more_than_its_line(tmp_path: Path) -> None:
    journal = the_journal(tmp_path, "b")
    for _ in range(5):
        process = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(tmp_path,))
        process.start()
        size = journal.path.stat().st_size
        while journal.path.stat().st_size == size:
            pass
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        journal.ended(a_case(Verdict.PASS, "b"))
    digest = read(tmp_path)
    assert [outcome.case for outcome in digest.outcomes].count("b") == 5
    assert set(verdicts(digest).values()) <= {"PASS"} | ({"ERROR"} if digest.notes else set())


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").symlink_to("/dev/full")
    with pytest.raises(HarnessError, match=r"results in .*/results\.jsonl: No space left on device"):
        Journal(tmp_path, "one").started("a", Path("a"))


def test_clean() -> None:
    assert clean("a\x1b[31m\tb\nc\x85\ud800") == "a\\x1b[31m\tb\nc\\x85\\ud800"
    clean(NASTY).encode()


def test_unique_and_short() -> None:
    assert unique(["a", "a", "a (2)", "a", "b"]) == ["a", "a (3)", "a (2)", "a (4)", "b"]
    long = [short("x" * 300 + end, 250) for end in ("a", "b")]
    assert len({*long}) == 2
    assert {len(name) for name in long} == {250}
