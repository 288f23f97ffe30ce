"""A stage for the tests of operations."""

from __future__ import annotations

import pytest

from tests.core.stage import Stage


@pytest.fixture
def stage() -> Stage:
    """A client that is connected. Modules with another broker have a fixture of this name."""
    stage = Stage()
    stage.connect()
    return stage
