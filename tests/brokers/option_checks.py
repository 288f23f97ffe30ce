"""Checks of the fields about options of SUBSCRIBE and SEND, and about the ends of subscriptions and connections."""

from __future__ import annotations

import uuid

import pytest

from stomp.core.errors import StompError, Unsupported
from tests.brokers.places import PATIENCE, SHORT, Check, Place


def name(place: Place) -> None:
    kind = place.name.removesuffix("-next").rstrip("0123456789")
    assert place.profile.name == kind
    assert kind in place.profile.title.lower()


def prefetch(place: Place) -> None:
    client = place.client()
    if place.profile.prefetch is None:
        with pytest.raises(Unsupported, match="prefetch"):
            client.subscribe(place.queue, ack="client-individual", prefetch=2)
        return
    place.fill(4)
    assert place.deliveries(client.subscribe(place.queue, ack="client-individual", prefetch=2), 4) == 2


def prefetch_one(place: Place) -> None:
    client = place.client()
    if place.profile.prefetch is None and place.profile.prefetch_one is None:
        with pytest.raises(Unsupported, match="prefetch"):
            client.subscribe(place.queue, ack="client-individual", prefetch=1)
        return
    place.fill(3)
    assert place.deliveries(client.subscribe(place.queue, ack="client-individual", prefetch=1), 3) == 1


def selectors(place: Place) -> None:
    client = place.client()
    for kind in ("a", "b"):
        client.send(place.queue, kind, confirm=True, headers={"kind": kind})
    subscription = client.subscribe(place.queue, headers={"selector": "kind = 'b'"})
    first = subscription.receive(timeout=PATIENCE)
    assert first is not None
    assert first.text == ("b" if place.profile.selectors else "a")


def durable(place: Place) -> None:
    id = uuid.uuid4().hex
    client = place.client(id)
    if place.profile.durable is None:
        with pytest.raises(Unsupported, match="durable subscription"):
            client.subscribe(place.topic, durable=id)
        return
    client.subscribe(place.topic, durable=id)
    client.close()
    place.client().send(place.topic, "meanwhile", confirm=True, persistent=True)
    message = place.client(id).subscribe(place.topic, durable=id).receive(timeout=PATIENCE)
    assert message is not None
    assert message.text == "meanwhile"


def exclusive(place: Place) -> None:
    client = place.client()
    if place.profile.exclusive is None:
        with pytest.raises(Unsupported, match="exclusive subscription"):
            client.subscribe(place.queue, exclusive=True)
        return
    first = client.subscribe(place.queue, exclusive=True)
    if place.profile.name == "rabbitmq":  # the queue is for this connection, also for sending to it
        assert "exclusive" in place.error_of_subscribe(exclusive="true")
        second = None
    else:
        second = place.client().subscribe(place.queue, exclusive=True)
    for number in range(4):
        client.send(place.queue, str(number), confirm=True)
    assert [message.text for message in (first.receive(timeout=PATIENCE) for _ in range(4)) if message] == [
        str(number) for number in range(4)
    ]
    assert second is None or second.receive(timeout=SHORT) is None


def queue_types(place: Place) -> None:
    client = place.client()
    if not place.profile.queue_types:
        with pytest.raises(Unsupported, match="types of queues"):
            client.subscribe(place.queue, queue_type="quorum")
        return
    subscription = client.subscribe(place.queue, ack="client-individual", queue_type="quorum")
    client.send(place.queue, "x", confirm=True, queue_type="quorum")
    first = subscription.receive(timeout=PATIENCE)
    assert first is not None
    first.nack()
    again = subscription.receive(timeout=PATIENCE)
    assert again is not None
    assert "x-delivery-count" in again.headers  # only a quorum queue counts
    again.ack(confirm=True)


def ttl(place: Place) -> None:
    assert place.profile.ttl is not None
    client = place.client()
    client.send(place.queue, "short", confirm=True, ttl=0.2)
    client.send(place.queue, "long", confirm=True, ttl=600)
    with client.subscribe(place.topic) as nothing:  # the first one expires meanwhile
        assert nothing.receive(timeout=1.0) is None
    message = client.subscribe(place.queue).receive(timeout=PATIENCE)
    assert message is not None
    assert message.text == "long"


def delay(place: Place) -> None:
    client = place.client()
    if place.profile.delay is None:
        with pytest.raises(Unsupported, match="delay"):
            client.send(place.queue, "later", delay=1.0)
        return
    client.send(place.queue, "later", confirm=True, delay=1.5)
    subscription = client.subscribe(place.queue)
    assert subscription.receive(timeout=SHORT) is None
    assert subscription.receive(timeout=PATIENCE) is not None


def temporary(place: Place) -> None:
    server, client = place.client(), place.client()
    server.consume(place.queue, lambda message: message.reply("answer"), ack="auto")
    if place.profile.temporary is None:
        with pytest.raises(Unsupported, match="temporary queues"):
            client.request(place.queue, "?", timeout=PATIENCE)
        return
    assert client.request(place.queue, "?", timeout=PATIENCE).text == "answer"


def holds_unacked_until_disconnect(place: Place) -> None:
    client = place.client()
    place.fill(1)
    subscription = client.subscribe(place.queue, ack="client-individual")
    assert subscription.receive(timeout=PATIENCE) is not None
    subscription.close()
    again = client.subscribe(place.queue, ack="client-individual")
    if not place.profile.holds_unacked_until_disconnect:
        assert again.receive(timeout=PATIENCE) is not None
        return
    assert again.receive(timeout=SHORT) is None
    client.close()
    assert place.client().subscribe(place.queue).receive(timeout=PATIENCE) is not None


def error_ends(place: Place) -> None:
    client = place.client()
    nowhere = {"rabbitmq": "/nonsense/x", "apollo": "nonsense", "hornetq": "/queue/none"}
    if (destination := nowhere.get(place.profile.name)) is not None:
        with pytest.raises(StompError):
            client.send(destination, "x", confirm=True)
    else:
        with pytest.raises(StompError):
            client.subscribe(place.queue, selector="not (a selector")
    client.send(place.queue, "x", confirm=True, timeout=PATIENCE)
    assert client.stats().connections == (2 if place.profile.error_ends else 1)


CHECKS: tuple[Check, ...] = (
    name,
    prefetch,
    prefetch_one,
    selectors,
    durable,
    exclusive,
    queue_types,
    ttl,
    delay,
    temporary,
    holds_unacked_until_disconnect,
    error_ends,
)
