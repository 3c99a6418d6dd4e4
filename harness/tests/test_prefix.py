# SPDX-License-Identifier: GPL-2.0-only
"""What cases of a scenario have in common is run once, and each of them has the evidence of it."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import prefix, report
from harness.artifacts import Artifacts
from harness.build.spec import kernel_parameters
from harness.build.store import Store, default_store
from harness.contents import Piece
from harness.events import Events
from harness.load import load_text
from harness.plan import Plan, expand, plan
from harness.prefix import Shared, shared
from harness.result import Oracle, Outcome
from harness.runner import run
from harness.tests.test_snapshot import WARNING, cut, listed
from harness.verdict import Verdict
from harness.vm import start
from harness.vm.monitor import Monitor
from harness.vm.snapshot import AFTER, CONSOLE, KNOWN, Snapshots, forget

# -- what cases have in common


def cases(text: str, source: str = "scenarios/x.yaml") -> list[Plan]:
    scenario = load_text(f"summary: x\n{text}", Path(source))
    return [plan(case, kernel_parameters) for case in expand(scenario)]


CHAIN = """\
matrix: {UPDATES: [1, 2, 4]}
steps:
  - repeat:
      times: $UPDATES
      steps:
        - kexec:
        - ssh: {command: "true", status: 0}
"""


def test_the_last_jump_that_two_cases_have_in_common() -> None:
    assert shared(cases(CHAIN)) == {
        "x[fdbox,1]": (1,),
        "x[fdbox,2]": (1, 3),
        "x[fdbox,4]": (1, 3),
    }


ONE = "  - ssh: {command: 'true', status: 0}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"matrix: {{V: [0, 1]}}\nsteps:\n{ONE}  - ssh: {{command: 'exit $V', status: $V}}\n  - kexec:\n",
        f"steps:\n  - kexec:\n{ONE}",
        f"carrier: [fdbox, luo]\nsteps:\n  - kexec:\n{ONE}",
        "cold: it is about booting\nmatrix: {V: [a, b]}\nsteps:\n  - kexec:\n  - ssh: {command: echo $V}\n",
        "matrix: {V: [a, b]}\nboot: {parameters: [x=$V]}\nsteps:\n  - kexec:\n",
        "matrix: {V: [a, b]}\nsteps:\n  - kexec: {parameters: [x=$V]}\n",
        "matrix: {V: [a, b]}\nsteps:\n  - kexec:\n    fault: {pause: 1ms}\n  - ssh: {command: echo $V}\n",
        "matrix: {V: [a, b]}\nsteps:\n  - qmp: query-status\n  - kexec:\n  - ssh: {command: echo $V}\n",
        "matrix: {V: [a, b]}\nsteps:\n  - fault: reset\n  - kexec:\n  - ssh: {command: echo $V}\n",
    ],
    ids=[
        "another step before",
        "one case",
        "another carrier",
        "it is booted",
        "another kernel's parameters",
        "the next kernel's parameters",
        "something is broken in the jump",
        "QEMU was told something",
        "the machine was ended before",
    ],
)
def test_nothing_is_shared(text: str) -> None:
    assert shared(cases(text)) == {}


def test_another_scenario_with_the_same_steps_shares_nothing() -> None:
    text = f"steps:\n  - kexec:\n{ONE}"
    assert shared([*cases(text, "scenarios/a.yaml"), *cases(text, "scenarios/b.yaml")]) == {}


def test_a_changed_step_is_another_place() -> None:
    def place(text: str, session: str = "s") -> Snapshots:
        (one,) = cases(text)
        made: Any = prefix.Prefixes(Snapshots(Store(Path())), None, one, Shared(session, (2,)))  # type: ignore[arg-type]
        (found,) = made.places()
        assert isinstance(found, Snapshots)
        return found

    steps = "steps:\n  - ssh: {command: 'true', status: 0}\n  - kexec:\n  - ssh: {command: a}\n"
    assert place(steps) == place(steps.replace("command: a", "command: b"))
    assert place(steps) != place(steps.replace("status: 0", "status: 1"))
    assert place(steps) != place(steps, "another session")


# -- what is left, and what is not


def a_run(**changes: object) -> Any:
    """As much of a run as is looked at before its machine is left: everything is as it should be."""
    generations = SimpleNamespace(armed=changes.pop("armed", []))
    evidence = SimpleNamespace(findings=changes.pop("findings", []))
    machine = SimpleNamespace(ram=changes.pop("ram", [3]))
    return SimpleNamespace(machine=machine, evidence=evidence, generations=generations)


@pytest.mark.parametrize(
    "changes",
    [{"findings": ["a finding"]}, {"armed": ["a fault"]}, {"ram": ()}],
    ids=lambda one: next(iter(one)),
)
def test_a_run_with_something_wrong_leaves_nothing(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[object] = []

    def save(*arguments: object) -> bool:
        left.append(arguments)
        return True

    monkeypatch.setattr(start, "save", save)
    (one,) = cases(f"steps:\n  - kexec:\n{ONE}")
    at: Any = SimpleNamespace(hardware=None, place=lambda step: None)
    whole = a_run()
    whole.evidence.events = None
    assert prefix._leave(at, whole, one.steps[0], None)  # type: ignore[arg-type]
    assert not prefix._leave(at, a_run(**changes), one.steps[0], None)  # type: ignore[arg-type]
    assert len(left) == 1


def test_a_session_leaves_nothing_behind(store: Store) -> None:
    for session in ("one", "other"):
        store.offer(AFTER, session, {"done": "x"}, lambda folder: None)
    forget(store, "one")
    assert [entry.name.rpartition("-")[0] for entry in (store.root / AFTER).iterdir()] == ["other"]
    assert [lock.name.rpartition("-")[0] for lock in (store.root / "lock").iterdir()] == [f"{AFTER}-other"]


KILLED = """
import sys, time
from pathlib import Path
from harness import prefix
from harness.build.store import Store
store = Store(Path(sys.argv[1]))
with prefix.forgotten(store, sys.argv[2]):
    store.offer("prefix", sys.argv[2], {"done": "x"}, lambda folder: None)
    print("saved", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_session_left_goes_with_the_next(store: Store) -> None:
    def names(folder: str, kind: str) -> list[str]:
        return sorted(entry.name for entry in (store.root / folder).glob(f"{kind}*"))

    command = [sys.executable, "-c", KILLED, str(store.root)]
    with (
        subprocess.Popen([*command, "1-killed"], stdout=subprocess.PIPE) as killed,
        subprocess.Popen([*command, "2-alive"], stdout=subprocess.PIPE) as alive,
    ):
        try:
            for one in (killed, alive):
                assert one.stdout is not None
                assert one.stdout.readline() == b"saved\n"
            killed.kill()
            killed.wait()
            assert len(names(AFTER, "")) == 2
            with prefix.forgotten(store, "3-next"):
                assert [name[:7] for name in names(AFTER, "")] == ["2-alive"]
                store.offer(AFTER, "3-next", {"done": "x"}, lambda folder: None)
            assert [name[:7] for name in names(AFTER, "")] == ["2-alive"]
            assert names("lock", "session-") == ["session-2-alive"]
            assert not names("lock", f"{AFTER}-3") + names("lock", f"{AFTER}-1")
        finally:
            killed.kill()
            alive.kill()


def test_the_steps_that_are_left_are_found_by_number() -> None:
    (one,) = cases(f"steps:\n{ONE}{ONE}  - kexec:\n{ONE}")
    numbers = [[step.number for step in part] for part in one.split(3)]
    assert numbers == [[1, 2, 3], [4]]
    # Somebody has taken a step out of plan.json.
    cut = replace(one, steps=(one.steps[0], *one.steps[2:]))
    done, todo = cut.split(3)
    assert done[-1].jumps
    assert [step.number for step in todo] == [4]
    assert cut.split(0) == ((), cut.steps)


def test_events_go_on_where_another_run_was(tmp_path: Path) -> None:
    with Events(tmp_path / "events.jsonl") as events:
        events.emit("start", case="b")
        events.emit("resumed")
        wall, at = events.now(), float(str(events.entries[1]["t"]))
        events.follow([{"t": 60.0, "event": "jump"}], 100.0 - at)
        events.emit("agent")
        names = [entry["event"] for entry in events.entries]
        assert names == ["start", "jump", "resumed", "agent"]
        times = [float(str(entry["t"])) for entry in events.entries]
        assert times == sorted(times)
        assert times[2] == pytest.approx(100.0)
        assert events.now() - events.elsewhere >= wall
        assert events.now() - events.elsewhere < 50
        lines = (tmp_path / "events.jsonl").read_text().splitlines()
        assert len(lines) == 4
        assert '"jump"' in lines[1]


# -- real machines

SCENARIO = """\
matrix: {POSITION: [1, 2]}
steps:
  - create_box: vm0
  - open: {fd: ram, size: 1M, fill: {seed: 7}}
  - put: {box: vm0, fd: ram}
  - seal: vm0
  - kexec:
  - unseal: vm0
  - get: {box: vm0, fd: ram}
  - verify: ram
  - change: {fd: ram, position: $POSITION}
"""
SHARED = Shared("session", (5,))


@pytest.fixture(scope="module")
def left(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifacts, Outcome]:
    """What the first case leaves, in a store of its own, and what that case came to."""
    folder = tmp_path_factory.mktemp("left")
    assert artifacts.snapshots is not None
    made = replace(artifacts, snapshots=replace(artifacts.snapshots, store=Store(folder / "store")))
    outcome = run(cases(SCENARIO)[0], made, folder / "run", shared=SHARED)
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
    assert len(entries(made)) == 1
    return made, outcome


def entries(made: Artifacts) -> list[Path]:
    assert made.snapshots is not None
    return sorted((made.snapshots.store.root / AFTER).iterdir())


def go_on(left: tuple[Artifacts, Outcome], folder: Path, change: Callable[[Path], object] | None) -> Outcome:
    """The second case, on what the first one left, after a change of that."""
    made = left[0]
    assert made.snapshots is not None
    (entry,) = entries(made)
    store = Store(folder / "store")
    (store.root / AFTER).mkdir(parents=True)
    subprocess.run(["cp", "--recursive", "--sparse=always", entry, store.root / AFTER], check=True)
    if change:
        change(store.root / AFTER / entry.name)
    made = replace(made, snapshots=replace(made.snapshots, store=store))
    return run(cases(SCENARIO)[1], made, folder / "run", shared=SHARED)


def marks(outcome: Outcome) -> list[str]:
    return [mark.name for mark in outcome.timeline]


def test_the_second_case_goes_on_with_all_evidence(left: tuple[Artifacts, Outcome], tmp_path: Path) -> None:
    first = left[1]
    outcome = go_on(left, tmp_path, None)
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
    assert "goes on from another case" in marks(outcome)
    assert "goes on from another case" not in marks(first)
    assert dict(outcome.setting)["shared"] == "steps 1 to 5, as done by x[fdbox,1]"
    kinds = {(proof.oracle, proof.generation, proof.step) for proof in outcome.proofs}
    assert kinds == {(proof.oracle, proof.generation, proof.step) for proof in first.proofs}
    for name in ("console.0.log", "dmesg.0.log"):
        logs = [(one.directory / name).read_text() for one in (first, outcome) if one.directory]
        assert logs[0] == logs[1] != ""
    assert len(outcome.updates) == len(first.updates) == 1
    assert outcome.updates[0].before == first.updates[0].before
    times = [mark.seconds for mark in outcome.timeline]
    assert times == sorted(times)


def wrong_seed(folder: Path) -> None:
    """The host remembers other contents than were written."""
    known = pickle.loads((folder / KNOWN).read_bytes())
    ((key, record),) = known.boxed.items()
    wrong = replace(record, contents=replace(record.contents, pieces=(Piece(0, 1 << 20, 8),)))
    (folder / KNOWN).write_bytes(pickle.dumps(replace(known, boxed={key: wrong})))
    listed(folder)


def another_kernel(folder: Path) -> None:
    """The kernel that was left is the one that runs."""
    known = pickle.loads((folder / KNOWN).read_bytes())
    count = replace(known.identity, kho_count=7)
    (folder / KNOWN).write_bytes(pickle.dumps(replace(known, identity=count)))
    listed(folder)


def report_in_first_log(folder: Path) -> None:
    first, *rest = (folder / CONSOLE).read_text().splitlines(keepends=True)
    (folder / CONSOLE).write_text("".join([first, WARNING, *rest]))
    listed(folder)


@pytest.mark.parametrize(
    ("change", "oracle"),
    [(wrong_seed, Oracle.CONTENTS), (another_kernel, Oracle.IDENTITY), (report_in_first_log, Oracle.LOG)],
)
def test_what_is_wrong_with_a_beginning_fails_the_case_that_goes_on(
    left: tuple[Artifacts, Outcome], tmp_path: Path, change: Callable[[Path], object], oracle: Oracle
) -> None:
    outcome = go_on(left, tmp_path, change)
    assert outcome.verdict is Verdict.FAIL, report.render(outcome)
    assert oracle in {finding.oracle for finding in outcome.findings}
    assert "goes on from another case" in marks(outcome)


def test_a_kernel_that_dies_before_anybody_speaks_to_it_is_not_forgotten(
    left: tuple[Artifacts, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Monitor.execute

    def execute(self: Monitor, name: str, arguments: Mapping[str, object] | None = None) -> object:
        result = real(self, name, arguments)
        # The reset control register: what a kernel writes to when it restarts the machine.
        if name == "cont":
            real(self, "human-monitor-command", {"command-line": "o /b 0xcf9 6"})
        return result

    monkeypatch.setattr(Monitor, "execute", execute)
    outcome = go_on(left, tmp_path, None)
    assert outcome.verdict is Verdict.FAIL, report.render(outcome)
    assert outcome.findings[0].what == "the machine was lost: reset"


def no_pickle(folder: Path) -> None:
    cut(folder / KNOWN)
    listed(folder)


def test_a_damaged_beginning_is_done_again(
    left: tuple[Artifacts, Outcome], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = go_on(left, tmp_path, no_pickle)
    assert outcome.verdict is Verdict.PASS, report.render(outcome)
    assert "goes on from another case" not in marks(outcome)
    assert "snapshot not used: " in capfd.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["harness", "run", "-j", "1", "--out"], ["pytest", "-p", "harness.plugin", "--runs"]],
    ids=lambda one: one[0],
)
def test_a_session_shares_and_leaves_nothing(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "scenarios" / "x.yaml"
    file.parent.mkdir()
    file.write_text(f"summary: x\n{SCENARIO}")
    module = [sys.executable, "-m", command[0], *command[1:], str(tmp_path / "runs"), str(file)]
    subprocess.run(module, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    text = (tmp_path / "runs" / "results.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    results = [line for line in lines if line["kind"] == "result"]
    assert [dict(result["setting"]).get("shared") for result in results] == [
        None,
        "steps 1 to 5, as done by x[fdbox,1]",
    ]
    root, session = default_store().root, lines[0]["session"]
    assert not [*(root / AFTER).glob(f"{session}-*"), *(root / "lock").glob(f"{AFTER}-{session}-*")]
