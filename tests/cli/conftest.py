"""A broker, and the command that talks to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.testing.relay import Relay
from tests.cli.oneshot import Stomp
from tests.cli.running import Command
from tests.conformance.venues import EMBEDDED, Habits

USERS = {"admin": "password"}


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(users=USERS) as running:
        yield running


@pytest.fixture
def command(broker: Broker, tmp_path: Path) -> Command:
    return Command(tmp_path, f"stomp://admin:password@{broker.host}:{broker.port}")


@pytest.fixture
def stomp(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stomp]:
    with Stomp(f"stomp://admin:password@{broker.host}:{broker.port}", monkeypatch) as made:
        yield made


@pytest.fixture
def habits() -> Habits:
    """The habits of the broker."""
    return EMBEDDED


@pytest.fixture
def queue() -> str:
    """A queue that nobody else uses."""
    return f"/queue/{uuid.uuid4().hex}"


@pytest.fixture
def target() -> str:
    """Another one."""
    return f"/queue/{uuid.uuid4().hex}"


@pytest.fixture
def relay(broker: Broker) -> Iterator[Relay]:
    with Relay(broker.host, broker.port) as running:
        yield running
