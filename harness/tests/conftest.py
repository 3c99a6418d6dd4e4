# SPDX-License-Identifier: GPL-2.0-only
"""What several tests need."""

import signal
from pathlib import Path

import pytest

from harness.artifacts import Artifacts
from harness.build.store import Store, default_store
from harness.provision import bare_plan, obtain


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """What tests start can be ended by Ctrl-C, also where the tests run in the background of a script.

    A shell without job control has such children ignore it, and so whoever is started by them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def artifacts() -> Artifacts:
    """The default kernel and its guest image, from the store; built if they are not there."""
    return obtain(bare_plan(None), default_store())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "store")
