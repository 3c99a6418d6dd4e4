# SPDX-License-Identifier: GPL-2.0-only
"""What several tests need."""

import pytest

from harness.artifacts import Artifacts, bare_plan, obtain
from harness.build.store import default_store


@pytest.fixture(scope="session")
def artifacts() -> Artifacts:
    """The default kernel and its guest image, from the store; built if they are not there."""
    return obtain(bare_plan(None), default_store())
