"""WebSockets of Artemis, ActiveMQ 6 and RabbitMQ 4: large messages, and what ActiveMQ would ignore."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

import stomp
from stomp.core.errors import Unsupported
from tests.brokers.conftest import RealBroker, at


@pytest.fixture
def client(broker: RealBroker) -> Iterator[stomp.Client]:
    assert broker.ws_url is not None
    made = stomp.Client(broker.ws_url, vhost=broker.vhost, login=broker.user, passcode=broker.password)
    with made as client:
        yield client


@at("artemis", "artemis-next", "rabbitmq4")
@pytest.mark.parametrize("body", [b"x" * 300_000, "\N{EURO SIGN}".encode() * 50_000, b"\xff" * 70_000])
def test_large_messages_pass_both_ways(client: stomp.Client, body: bytes) -> None:
    queue = f"/queue/{uuid.uuid4().hex}"
    subscription = client.subscribe(queue)
    client.send(queue, body, confirm=True)
    message = subscription.receive(timeout=10)
    assert message is not None
    assert message.body == body


@at("activemq61")
def test_frames_that_activemq_ignores_or_closes_on_are_refused(client: stomp.Client) -> None:
    queue = f"/queue/{uuid.uuid4().hex}"
    subscription = client.subscribe(queue)
    with pytest.raises(Unsupported, match="binary"):
        client.send(queue, b"\xff")
    with pytest.raises(Unsupported, match="65536"):
        client.send(queue, b"x" * 66_000)
    client.send(queue, b"x" * 65_000 + "ä".encode(), confirm=True)
    message = subscription.receive(timeout=10)
    assert message is not None
    assert len(message.body) == 65_002
