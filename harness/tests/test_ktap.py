# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: strictly what its page says, and what the kernel's own parser makes of it."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness import ktap
from harness.build.store import default_store
from harness.tests.ktap_checker import KtapError, parse
from harness.tests.outcomes import (
    KERNEL_SAYS,
    NASTY_CASE,
    ONE_OF_EACH,
    PASSED,
    a_case,
    digest_of,
    finding,
)
from harness.verdict import Verdict

GOLDEN = Path(__file__).parent / "golden" / "report" / "all.ktap"


@pytest.fixture(scope="module")
def kunit() -> Iterator[ModuleType]:
    """tools/testing/kunit/kunit_parser.py of a kernel in the store."""
    found = sorted((default_store().root / "source").glob("*/linux/tools/testing/kunit/kunit_parser.py"))
    if not found:
        pytest.skip("no kernel tree in the store: 'harness build' puts one there")
    sys.path.insert(0, str(found[0].parent))
    # The tree is shared: nothing is written into it.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec = importlib.util.spec_from_file_location("kunit_parser", found[0])
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["kunit_parser"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(str(found[0].parent))
        sys.modules.pop("kunit_parser", None)
        sys.modules.pop("kunit_printer", None)


def parsed(kunit: ModuleType, text: str) -> Any:
    printer = sys.modules["kunit_printer"].Printer(False)
    return kunit.parse_run_tests(text.splitlines(), printer)


def test_one_of_each() -> None:
    text = ktap.render(digest_of(*ONE_OF_EACH))
    if os.environ.get("HARNESS_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    (file,) = parse(text)
    assert not file.ok
    assert file.name == "scenarios/memfd/holes.yaml"
    seen = {test.name: (test.ok, test.directive) for test in file.subtests}
    assert seen == {
        "memfd/pass[fdbox]": (True, ""),
        "memfd/fail[fdbox]": (False, ""),
        "memfd/error[fdbox]": (False, "ERROR"),
        "memfd/skip[fdbox]": (True, "SKIP"),
        "memfd/xfail[fdbox]": (True, "XFAIL"),
        "memfd/xpass[fdbox]": (False, ""),
    }


def test_kunit_reads_one_of_each(kunit: ModuleType) -> None:
    test = parsed(kunit, ktap.render(digest_of(*ONE_OF_EACH)))
    counts = test.counts
    assert (counts.passed, counts.failed, counts.skipped, counts.errors, counts.crashed) == (2, 3, 1, 0, 0)


def test_green_and_skipped_files() -> None:
    skipped = a_case(Verdict.SKIP, source=Path("s.yaml"))
    green, other = parse(ktap.render(digest_of(PASSED, a_case(Verdict.XFAIL), skipped)))
    assert (green.ok, green.directive) == (True, "")
    assert (other.ok, other.directive) == (True, "SKIP")


def test_nasty_names_and_kernel_logs(kunit: ModuleType) -> None:
    text = ktap.render(digest_of(NASTY_CASE, PASSED, NASTY_CASE))
    first, second = parse(text)
    assert [test.ok for test in first.subtests] == [False, False]
    assert len({test.name for test in first.subtests}) == 2
    assert second.ok
    counts = parsed(kunit, text).counts
    assert (counts.passed, counts.failed, counts.errors, counts.crashed) == (1, 2, 0, 0)


@pytest.mark.parametrize("line", KERNEL_SAYS)
def test_a_line_of_the_kernel_is_only_a_line(kunit: ModuleType, line: str) -> None:
    broken = a_case(Verdict.FAIL, findings=(finding(line, line),))
    text = ktap.render(digest_of(broken, PASSED))
    assert any(line.partition(":")[0] in said for said in parse(text)[0].subtests[0].diagnostics)
    counts = parsed(kunit, text).counts
    assert (counts.passed, counts.failed, counts.errors, counts.crashed) == (1, 1, 0, 0)


def test_names_that_are_equal_or_empty(kunit: ModuleType) -> None:
    cases = [
        PASSED,
        PASSED,
        replace(PASSED, case=""),
        replace(PASSED, case="#"),
        replace(PASSED, case="x" * 9999),
    ]
    text = ktap.render(digest_of(*cases))
    names = [test.name for test in parse(text)[0].subtests]
    assert len(set(names)) == 5
    assert max(map(len, names)) <= 200
    assert parsed(kunit, text).counts.passed == 5


def test_many_and_much(kunit: ModuleType) -> None:
    much = a_case(Verdict.FAIL, findings=(finding("x" * 5_000_000, *["y" * 1000] * 5000),))
    many = [replace(PASSED, case=f"c{n}", source=Path(f"f{n % 100}.yaml")) for n in range(10_000)]
    text = ktap.render(digest_of(much, *many))
    assert len(text) < 2_000_000
    assert sum(len(test.subtests) for test in parse(text)) == 10_001
    assert parsed(kunit, text).counts.passed == 10_000


def test_nothing_at_all() -> None:
    assert parse(ktap.render(digest_of())) == []


@pytest.mark.parametrize(
    "broken",
    [
        "KTAP version 1\n1..1\nok 1 a",
        "KTAP version 2\n1..1\nok 1 a\n",
        "KTAP version 1\n1..2\nok 1 a\n",
        "KTAP version 1\n1..1\nok 2 a\n",
        "KTAP version 1\n1..1\nok 1 a # ERROR x\n",
        "KTAP version 1\n1..1\nok 1 a#b\n",
        "KTAP version 1\n1..1\nhello\nok 1 a\n",
        "KTAP version 1\n1..1\nok 1 a\nok 2 b\n",
        "KTAP version 1\n1..1\nok 1 a\x1b[0m\n",
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 a\nok 1 b\n",
        "KTAP version 1\n1..1\n KTAP version 1\n 1..1\n ok 1 a\nok 1 b\n",
    ],
)
def test_the_checker_refuses(broken: str) -> None:
    with pytest.raises(KtapError):
        parse(broken)
