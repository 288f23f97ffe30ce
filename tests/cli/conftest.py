"""A broker, and the command that talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stomp.broker import Broker
from tests.cli.running import Command

USERS = {"admin": "password"}


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(users=USERS) as running:
        yield running


@pytest.fixture
def command(broker: Broker, tmp_path: Path) -> Command:
    return Command(tmp_path, f"stomp://admin:password@{broker.host}:{broker.port}")
