"""Artemis and HornetQ, whose NACK discards: what is given back, and when. The fields are in test_profile_fields."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest

import stomp
from tests.brokers.conftest import RealBroker, at, new_queue

PATIENCE = 60.0
SOON = stomp.Backoff(initial=0.02, increase=0.0, jitter=0.0, maximum=0.02)
#: Their dead-letter queues.
DEAD = {"artemis": "DLQ", "artemis-next": "DLQ", "hornetq": "/queue/DLQ"}
DISCARDING = tuple(DEAD)


def client_of(broker: RealBroker) -> stomp.Client:
    url = f"stomp://{broker.host}:{broker.port}"
    return stomp.Client(url, vhost=broker.vhost, login=broker.user, passcode=broker.password, backoff=SOON)


@pytest.fixture
def client(broker: RealBroker) -> Iterator[stomp.Client]:
    with client_of(broker) as made:
        yield made


@pytest.fixture
def queue(broker: RealBroker) -> str:
    return new_queue(broker)


def bodies(broker: RealBroker, queue: str, selector: str | None = None) -> list[str]:
    """What is in a queue, which is empty then."""
    with client_of(broker) as client:
        return [message.text for message in client.subscribe(queue, selector=selector).messages(timeout=1)]


@pytest.fixture
def origin() -> str:
    """The header by which a message is found in a dead-letter queue, which may have others."""
    return uuid.uuid4().hex


def delivered(client: stomp.Client, queue: str, origin: str = "") -> tuple[stomp.Subscription, stomp.Message]:
    """A subscription, and its message, which is not acknowledged. The message has the header ``origin``."""
    client.send(queue, "hello", confirm=True, persistent=True, headers={"origin": origin})
    subscription = client.subscribe(queue, ack="client-individual")
    message = subscription.receive(timeout=PATIENCE)
    assert message is not None
    return subscription, message


@at(*DISCARDING)
def test_message_that_always_fails_reaches_the_dead_letter_queue(
    broker: RealBroker, client: stomp.Client, queue: str, origin: str
) -> None:
    attempts: Counter[str] = Counter()
    handled, dead = threading.Semaphore(0), threading.Event()

    def handle(message: stomp.Message) -> None:
        attempts[message.text] += 1
        if message.text == "poison":
            raise RuntimeError("it always fails")
        handled.release()

    for body in ("poison", "one", "two"):
        client.send(queue, body, confirm=True, persistent=True, headers={"origin": origin})
    with client_of(broker) as other:
        other.consume(DEAD[broker.name], lambda _: dead.set(), selector=f"origin = '{origin}'")
        client.consume(queue, handle)
        assert all(handled.acquire(timeout=PATIENCE) for _ in range(2))
        # max-delivery-attempts is 10, unless it was configured.
        assert dead.wait(PATIENCE)
    assert attempts == {"poison": 10, "one": 1, "two": 1}
    client.close()
    assert bodies(broker, queue) == []


@at(*DISCARDING)
def test_unsubscribe_returns_unacknowledged_messages(client: stomp.Client, queue: str) -> None:
    subscription, _ = delivered(client, queue)
    subscription.close()
    again = client.subscribe(queue, ack="client-individual").receive(timeout=PATIENCE)
    assert again is not None
    assert again.redelivered is False  # so it is not counted as an attempt
    again.ack(confirm=True)
