"""Connections to RabbitMQ are cut at frame boundaries and anywhere else: nothing is lost."""

from __future__ import annotations

import pytest

from tests.brokers.conftest import RealBroker
from tests.brokers.test_pulling import at
from tests.pulling.faces import KINDS, makers
from tests.pulling.moving import COUNT, move


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_connections_are_cut(kind: str, rabbitmq: RealBroker) -> None:
    place = at(rabbitmq, "stomp")
    with makers(kind, place) as client:
        result = move(client, place, rabbitmq.address)
    assert result["seen"] == COUNT
    assert result["silently"] == 0
    assert result["cuts"] > 300
