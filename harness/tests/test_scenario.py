# SPDX-License-Identifier: GPL-2.0-only
import json
from dataclasses import fields
from typing import get_args

import pytest
from pydantic import TypeAdapter

from harness.actions import Action
from harness.boxactions import Get, Put
from harness.diagnostic import guess, nearest
from harness.explain import descriptions
from harness.fdactions import Open
from harness.kinds import KINDS, Carrier, Kind
from harness.record import PROMISES
from harness.scalars import check_memory, parse_size
from harness.scenario import Allowed, Boot, Header, Modifiers
from harness.verbs import VERB_OF, VERBS


def test_every_kind_of_step_has_exactly_one_verb() -> None:
    assert {verb.kind for verb in VERBS.values()} == set(get_args(Action))
    assert len(VERB_OF) == len(VERBS)


@pytest.mark.parametrize("word", VERBS)
def test_a_verb_is_the_snake_case_of_its_kind(word: str) -> None:
    assert word.replace("_", "") == VERBS[word].kind.__name__.lower()


@pytest.mark.parametrize("word", VERBS)
def test_a_verb_is_complete(word: str) -> None:
    verb = VERBS[word]
    names = [field.name for field in fields(verb.kind)]
    assert verb.short is None or verb.short == names[0]
    assert verb.means
    assert set(verb.refusable) <= set(verb.means)
    # A carrier that does not have the verb: the message says what to do.
    assert bool(verb.instead) == (set(verb.means) != set(Carrier))


@pytest.mark.parametrize("kind", [*get_args(Action), Allowed, Boot, Header, Modifiers])
def test_everything_is_described_and_has_a_schema(kind: type) -> None:
    assert all(text.endswith(".") for text in descriptions(kind).values())
    assert kind.__doc__
    schema = TypeAdapter(kind).json_schema()
    schema = schema.get("$defs", {}).get(kind.__name__, schema)
    assert schema["additionalProperties"] is False
    json.dumps(schema)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), (7, 7), ("4096", 4096), ("4K", 4096), ("4K+1", 4097), ("2M-4K", 2093056), ("1G", 1 << 30)],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "M", "16Q", "16 M", "16MB", "16MiB", "16m", "1.5M", "+1", "-1", "1++1", "1K1", "0x10", "1T", True],
)
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="a size is bytes"):
        parse_size(text)


def test_memory() -> None:
    assert check_memory(1 << 30) == 1 << 30
    for size in (1024, (1 << 30) + 1, 1 << 50):
        with pytest.raises(ValueError, match="256M to 64G"):
            check_memory(size)


def test_the_name_in_the_box_is_the_fds_own_unless_said() -> None:
    assert Put("vm0", "ram").name == "ram"
    assert Get("vm0", "ram", "other").name == "other"


def test_nearest() -> None:
    assert guess("Create-Box", VERBS) == "create_box"
    assert guess("xyz", VERBS) is None
    assert nearest("ebusy", ["EBUSY", "EIO"]) == "; did you mean 'EBUSY'?"
    assert nearest("x", ["fdbox", "luo"]) == "; valid: fdbox, luo"
    assert nearest("x", []) == ""


def test_every_kind_has_its_facts() -> None:
    assert set(KINDS) == set(Kind)
    keys = {field.name for field in fields(Open)} - {"fd", "kind"}
    assert all({*facts.needs, *facts.takes} <= keys for facts in KINDS.values())
    # What is in no box has nothing that is promised of it.
    carried = {kind for kind, facts in KINDS.items() if facts.modules}
    assert {kind for kind, _ in PROMISES} == carried
