"""What only Apollo has, by the headers that its profile and its page name: credit, durable subscriptions, browsers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

import stomp
from tests.brokers.conftest import RealBroker, at

APOLLO = at("apollo")
TIMEOUT = 30.0
QUIET = 0.5


def client_of(broker: RealBroker) -> stomp.Client:
    return stomp.Client(
        f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}", vhost="localhost"
    )


@pytest.fixture
def client(broker: RealBroker) -> Iterator[stomp.Client]:
    with client_of(broker) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"stompkit-{uuid.uuid4().hex}"


@APOLLO
def test_credit_limits_the_unacknowledged_messages(client: stomp.Client, name: str) -> None:
    queue = f"/queue/{name}"
    for number in range(5):
        client.send(queue, str(number), confirm=True)
    credit = {"credit": "2,0"}
    with client.subscribe(queue, ack="client-individual", headers=credit) as subscription:
        first, second = subscription.receive(timeout=TIMEOUT), subscription.receive(timeout=TIMEOUT)
        assert first is not None
        assert second is not None
        assert subscription.receive(timeout=QUIET) is None
        first.ack(confirm=True)
        third = subscription.receive(timeout=TIMEOUT)
        assert third is not None
        assert third.text == "2"


@APOLLO
def test_durable_subscription_keeps_messages_while_its_client_is_away(broker: RealBroker, name: str) -> None:
    topic, durable = f"/topic/{name}", {"persistent": "true"}
    with client_of(broker) as away:
        away.subscribe(topic, id=name, headers=durable)
    with client_of(broker) as sender:
        sender.send(topic, "kept", confirm=True)
    with client_of(broker) as back:
        message = back.subscribe(topic, id=name, headers=durable).receive(timeout=TIMEOUT)
        assert message is not None
        assert message.text == "kept"
        back.send(topic, "kept, too", confirm=True)


@APOLLO
def test_browser_reads_without_consuming(client: stomp.Client, name: str) -> None:
    queue = f"/queue/{name}"
    client.send(queue, "seen", confirm=True)
    with client.subscribe(queue, headers={"browser": "true", "browser-end": "false"}) as browser:
        seen = browser.receive(timeout=TIMEOUT)
        assert seen is not None
        assert seen.text == "seen"
    with client.subscribe(queue) as consumer:
        message = consumer.receive(timeout=TIMEOUT)
        assert message is not None
        assert message.text == "seen"
