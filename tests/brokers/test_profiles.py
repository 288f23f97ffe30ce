"""Profiles of `stomp.core.engine.broker_profiles`, each at its broker: NACK, what gives back, selectors, expiry."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest

import stomp
from stomp.core.errors import Unsupported
from tests.brokers.conftest import RealBroker, at, new_queue

PATIENCE = 60.0
SOON = stomp.Backoff(initial=0.02, increase=0.0, jitter=0.0, maximum=0.02)
#: Their dead-letter queues.
DEAD = {"artemis": "DLQ", "artemis-next": "DLQ", "hornetq": "/queue/DLQ"}
DISCARDING = tuple(DEAD)
ACTIVEMQS = ("activemq", "activemq6", "activemq61")


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


def only(subscription: stomp.Subscription) -> str:
    """The text of the one message that comes."""
    message = subscription.receive(timeout=PATIENCE)
    assert message is not None
    assert subscription.receive(timeout=0.5) is None
    return message.text


def delivered(client: stomp.Client, queue: str, origin: str = "") -> tuple[stomp.Subscription, stomp.Message]:
    """A subscription, and its message, which is not acknowledged. The message has the header ``origin``."""
    client.send(queue, "hello", confirm=True, persistent=True, headers={"origin": origin})
    subscription = client.subscribe(queue, ack="client-individual")
    message = subscription.receive(timeout=PATIENCE)
    assert message is not None
    return subscription, message


@at(*DISCARDING)
def test_nack_discards(broker: RealBroker, client: stomp.Client, queue: str, origin: str) -> None:
    assert client.broker.nack_discards
    _, message = delivered(client, queue, origin)
    with pytest.raises(Unsupported, match="discards"):
        message.nack()
    message.nack(requeue=False, confirm=True)
    client.close()
    assert bodies(broker, queue) == []
    assert bodies(broker, DEAD[broker.name], selector=f"origin = '{origin}'") == []


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


@at(*DISCARDING)
def test_acks_and_nacks_cannot_be_part_of_a_transaction(client: stomp.Client, queue: str) -> None:
    _, message = delivered(client, queue)
    with client.transaction() as transaction:
        with pytest.raises(Unsupported, match="broker ignores the header"):
            transaction.ack(message)
        with pytest.raises(Unsupported, match="broker ignores the header"):
            transaction.nack(message)
    message.ack(confirm=True)


@at("rabbitmq", "rabbitmq4", "apollo")
def test_nack_redelivers_at_once(broker: RealBroker, client: stomp.Client, queue: str) -> None:
    subscription, message = delivered(client, queue)
    message.nack()
    again = subscription.receive(timeout=PATIENCE)
    assert again is not None
    # Apollo does not mark it.
    assert again.redelivered is (broker.name != "apollo")
    again.ack(confirm=True)


@at("rabbitmq", "rabbitmq4")
def test_nack_without_requeue_discards(broker: RealBroker, client: stomp.Client, queue: str) -> None:
    subscription, message = delivered(client, queue)
    message.nack(requeue=False, confirm=True)
    assert subscription.receive(timeout=1) is None
    client.close()
    assert bodies(broker, queue) == []


@at("apollo", *ACTIVEMQS)
def test_requeue_is_refused_if_unsupported(client: stomp.Client, queue: str) -> None:
    _, message = delivered(client, queue)
    for requeue in (True, False):
        with pytest.raises(Unsupported, match="has no requeue"):
            message.nack(requeue=requeue)
    message.ack(confirm=True)


@at(*ACTIVEMQS)
def test_nack_of_a_persistent_message_is_in_the_dead_letter_queue(
    broker: RealBroker, client: stomp.Client, queue: str, origin: str
) -> None:
    subscription, message = delivered(client, queue, origin)
    message.nack(confirm=True)
    assert subscription.receive(timeout=1) is None
    client.close()
    assert bodies(broker, "/queue/ActiveMQ.DLQ", selector=f"origin = '{origin}'") == ["hello"]


@at("apollo")
def test_nack_in_a_transaction_of_apollo_counts_at_the_commit(client: stomp.Client, queue: str) -> None:
    subscription, message = delivered(client, queue)
    with client.transaction() as transaction:
        transaction.nack(message)
        assert subscription.receive(timeout=0.5) is None
    again = subscription.receive(timeout=PATIENCE)
    assert again is not None
    again.ack(confirm=True)


@at(*DISCARDING, "apollo")
def test_selectors_filter(client: stomp.Client, queue: str) -> None:
    for kind in ("a", "b"):
        client.send(queue, kind, confirm=True, headers={"kind": kind})
    with client.subscribe(queue, selector="kind = 'b'") as subscription:
        assert only(subscription) == "b"
    assert only(client.subscribe(queue)) == "a"


@at(*DISCARDING, "apollo")
def test_messages_expire(client: stomp.Client, queue: str) -> None:
    client.send(queue, "short", confirm=True, ttl=0.2)
    client.send(queue, "long", confirm=True, ttl=600)
    with client.subscribe(
        f"{queue}-other" if client.broker.name != "hornetq" else "/queue/pool-999"
    ) as other:
        assert other.receive(timeout=0.5) is None
    assert only(client.subscribe(queue)) == "long"


@at("apollo")
def test_exclusive_subscription_gets_all_messages(
    broker: RealBroker, client: stomp.Client, queue: str
) -> None:
    first = client.subscribe(queue, exclusive=True)
    with client_of(broker) as other:
        second = other.subscribe(queue, exclusive=True)
        for number in range(10):
            client.send(queue, str(number), confirm=True)
        for number in range(10):
            message = first.receive(timeout=PATIENCE)
            assert message is not None
            assert message.text == str(number)
        assert second.receive(timeout=0.1) is None


@at("apollo")
def test_receipt_of_a_send_in_a_transaction_arrives_at_commit(client: stomp.Client, queue: str) -> None:
    assert not client.broker.receipts_in_transaction
    subscription = client.subscribe(queue)
    with client.transaction() as transaction:
        transaction.send(queue, "later")
        assert subscription.receive(timeout=0.5) is None
    message = subscription.receive(timeout=PATIENCE)
    assert message is not None
    assert message.text == "later"


@at("artemis", "artemis-next")
def test_delay_delays_the_delivery(client: stomp.Client, queue: str) -> None:
    client.send(queue, "later", confirm=True, delay=1.5)
    subscription = client.subscribe(queue)
    assert subscription.receive(timeout=0.5) is None
    assert subscription.receive(timeout=PATIENCE) is not None
