# SPDX-License-Identifier: GPL-2.0-only
"""What lint must let pass; what it must refuse is in golden/scenario."""

from pathlib import Path

import pytest

from harness.diagnostic import ScenarioError
from harness.kinds import Carrier
from harness.load import load_text
from harness.verbs import VERBS

START = ["create_box: vm0", "open: {fd: ram, size: 1M}", "put: {box: vm0, fd: ram}"]
BACK = ["unseal: vm0", "get: {box: vm0, fd: ram}", "verify: ram"]


def faults(carrier: str, *steps: str) -> list[str]:
    text = f"summary: test\ncarrier: {carrier}\nsteps:\n" + "".join(f"  - {step}\n" for step in steps)
    try:
        load_text(text, Path("x.yaml"))
    except ScenarioError as error:
        return [str(fault) for fault in error.diagnostics]
    return []


@pytest.mark.parametrize("carrier", Carrier)
def test_a_live_update(carrier: str) -> None:
    assert faults(carrier, *START, "seal: vm0", "kexec:", *BACK, "close: ram", "delete_box: vm0") == []


@pytest.mark.parametrize("carrier", Carrier)
def test_two_live_updates_with_a_new_box_each_time(carrier: str) -> None:
    once = ["seal: vm0", "kexec:", *BACK, "delete_box: vm0"]
    again = ["create_box: vm0", "put: {box: vm0, fd: ram}"]
    assert faults(carrier, *START, *once, *again, *once) == []


def test_a_sealed_box_travels_again_on_fdbox() -> None:
    assert faults("fdbox", *START, "seal: vm0", "kexec:", "kexec:", *BACK) == []
    assert faults("fdbox", *START, "seal: vm0", "kexec:", *BACK[:1], "seal: vm0", "kexec:", *BACK) == []


def test_a_box_is_a_plain_stash_on_fdbox() -> None:
    assert faults("fdbox", *START, "seal: vm0", *BACK, "put: {box: vm0, fd: ram}", *BACK[1:]) == []


def test_a_session_travels_without_being_sealed() -> None:
    assert faults("luo", *START, "kexec:", *BACK) == []


def test_what_a_command_does_with_a_box_that_it_names_is_not_known() -> None:
    sealing = """ssh: agent call '{"op":"fdbox_seal","box":"vm0"}'"""
    assert faults("fdbox", *START, sealing, "kexec:", *BACK) == []
    assert faults("fdbox", *START, sealing.replace("vm0", "vm01"), "kexec:", *BACK) != []
    odd = [step.replace("vm0", '"vm-"') for step in (*START, "kexec:", *BACK)]
    assert faults("fdbox", *odd[:3], sealing.replace("vm0", "vm-"), *odd[3:]) == []


def test_an_unsealed_box_that_is_gone_can_be_created_anew() -> None:
    assert faults("fdbox", *START, "kexec:", "create_box: vm0", "open: {fd: ram, size: 1M}") == []


@pytest.mark.parametrize("carrier", Carrier)
def test_a_kexec_that_must_fail_changes_nothing(carrier: str) -> None:
    failing = "kexec:\n    expect: EADDRNOTAVAIL"
    assert (
        faults(carrier, *START, "open: {fd: b, size: 1}", failing, "verify: b", "seal: vm0", "kexec:", *BACK)
        == []
    )


@pytest.mark.parametrize(
    "step",
    [
        "create_box: vm0\n    expect: EEXIST",
        "create_box: a/b\n    expect: EINVAL",
        "create_box: {box: fdbox}\n    expect: EINVAL",
        "seal: vm0\n    expect: EBUSY",
        "put: {box: vm0, fd: b}\n    expect: EBUSY",
        "get: {box: vm0, fd: ram}\n    expect: EBUSY",
        "get: {box: vm0, fd: c, name: nothing}\n    expect: ENOENT",
        "delete_box: other\n    expect: ENOENT",
        "unseal: other\n    expect: ENOENT",
        "open: {fd: c, size: 1M}\n    expect: ENOMEM",
    ],
)
def test_a_step_with_expect_may_ask_for_anything_and_changes_nothing(step: str) -> None:
    before = [*START, "open: {fd: b, size: 1M}", "seal: vm0"]
    assert faults("fdbox", *before, step, "verify: b", "kexec:", *BACK) == []


def test_finish_is_luos() -> None:
    steps = [*START, "seal: vm0", "kexec:", *BACK, "finish: vm0"]
    assert faults("luo", *steps, "delete_box: vm0") == []
    assert [fault.partition(": ")[2][:36] for fault in faults("[fdbox, luo]", *steps)] == [
        "the carrier fdbox has no 'finish': a"
    ]


@pytest.mark.parametrize("carrier", Carrier)
@pytest.mark.parametrize("ask", ["get: {box: vm0, fd: ram}", "finish: vm0", "delete_box: vm0"])
def test_luo_cannot_be_asked_about_a_session_that_is_not_held(carrier: Carrier, ask: str) -> None:
    word = ask.partition(":")[0]
    if carrier not in VERBS[word].means:
        pytest.skip("no such verb")
    found = faults(carrier, *START, "seal: vm0", "kexec:", f"{ask}\n    expect: EBUSY")
    assert bool(found) == (carrier == Carrier.LUO)


@pytest.mark.parametrize(
    "broken", ["kexec: {kernal: x}", "kexce:", "kexec", "kexec: [1]", "kexec:\n    expcet: EBUSY"]
)
def test_a_kexec_that_is_mistyped_is_still_a_kexec(broken: str) -> None:
    assert len(faults("fdbox", *START, "seal: vm0", broken, *BACK)) == 1


@pytest.mark.parametrize(
    "broken",
    [
        "creat_box: vm0",
        "create_box vm0",
        "create_box:\n    box: vm0",
        "create_box: {box: vm0, size: 1M}",
    ],
)
def test_one_mistake_is_one_message(broken: str) -> None:
    assert len(faults("fdbox", broken, *START[1:], "seal: vm0", "kexec:", *BACK)) == 1


def test_a_name_that_is_mistyped_everywhere_is_reported_once() -> None:
    steps = [
        "create_box: vm0",
        "open: {fd: ram, size: 1M}",
        "put: {box: other, fd: ram}",
        "seal: other",
        "kexec:",
    ]
    assert len(faults("fdbox", *steps, "unseal: other", "get: {box: other, fd: ram}", "verify: ram")) == 1


@pytest.mark.parametrize("carrier", Carrier)
@pytest.mark.parametrize(
    "looks", [["verify: ram"], ["put: {box: vm1, fd: ram}"], ["ssh: x"], ["seal: vm0\n    expect: EBUSY"]]
)
def test_what_was_preserved_has_to_be_looked_at(carrier: str, looks: list[str]) -> None:
    steps = [*START, "seal: vm0", "kexec:", *BACK[:2], "create_box: vm1", *looks]
    found = faults(carrier, *steps)
    if looks == ["ssh: x"]:
        assert [fault.partition(": ")[2][:46] for fault in found] == [
            "what box 'vm0' carries is never looked at: 'ver"[:46]
        ]
    elif carrier == Carrier.FDBOX:
        assert found == []


def test_what_may_have_happened_is_not_known() -> None:
    race = "parallel: [{put: {box: vm0, fd: b}, expect: [EBUSY, ok]}, {seal: vm0, expect: [EBUSY, ok]}]"
    steps = ["create_box: vm0", "open: {fd: b, size: 1M}", race]
    assert (
        faults("fdbox", *steps, "unseal: vm0\n    expect: [EBUSY, ok]", "get: {box: vm0, fd: c, name: b}")
        == []
    )
    assert faults("fdbox", *steps, "put: {box: vm0, fd: b}") == []


def test_each_process_has_its_own_fds() -> None:
    steps = ["open: {fd: a, size: 1M}\n    as: one", "dup: {fd: a, name: b, process: two}\n    as: one"]
    assert faults("fdbox", *steps, "verify: a\n    as: one", "end: one", "verify: b\n    as: two") == []
    assert len(faults("fdbox", *steps, "verify: b", "end: two", "verify: b\n    as: two")) == 2


@pytest.mark.parametrize("word", ["panic", "reset"])
@pytest.mark.parametrize("step", ["load: fdbox_memfd", "unload: fdbox_memfd", "load_kernel:", "unseal: vm0"])
def test_a_single_call_can_be_cut_short_and_all_boxes_are_gone_then(step: str, word: str) -> None:
    steps = [*START, "seal: vm0", "kexec: {modules: -fdbox_memfd}", f"{step}\n    fault: {word}"]
    assert faults("fdbox", *steps, "list: {boxes: {}}") == []
    assert [fault.partition(": ")[2][:46] for fault in faults("fdbox", *steps, "seal: vm0")] == [
        "box 'vm0' ended with the machine in line 9"
    ]


@pytest.mark.parametrize("step", ["guest: {vm: vm, memory: mem, count: 1}", "verify: mem", "ssh: x"])
def test_what_is_more_than_a_call_cannot_be_cut_short(step: str) -> None:
    opened = ["open: {fd: vm, kind: vm}", "open: {fd: mem, kind: guest_memfd, vm: vm, size: 1M}"]
    (found,) = faults("fdbox", *opened, f"{step}\n    fault: reset")
    assert "this step is not one call that could be cut short" in found
