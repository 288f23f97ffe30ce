"""Each field of each broker profile, compared with what the broker does."""

from __future__ import annotations

import importlib
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields

import pytest

import stomp
from stomp.core.engine.broker_profiles import BrokerProfile
from stomp.core.errors import StompError, Unsupported
from stomp.utils import Frame
from tests.brokers.conftest import FURTHER, RealBroker, at, new_queue, new_topic

PATIENCE = 30.0
SHORT = 0.3
#: Fields that other modules compare with the brokers: module, and test or "" for several of its tests.
ELSEWHERE = {
    "text_without_content_length": ("tests.brokers.test_copies", "test_messages_moved_twice_are_unchanged"),
    "adds_length": ("tests.brokers.test_copies", "test_messages_moved_twice_are_unchanged"),
    "hides_persistence": ("tests.brokers.test_copies", "test_messages_moved_twice_are_unchanged"),
    "requeue": ("tests.brokers.test_profiles", "test_requeue_is_refused_if_unsupported"),
    "nack_in_transaction": (
        "tests.brokers.test_profiles",
        "test_nack_in_a_transaction_of_apollo_counts_at_the_commit",
    ),
    "ack_in_transaction": (
        "tests.brokers.test_profiles",
        "test_acks_and_nacks_cannot_be_part_of_a_transaction",
    ),
    "deduplication": ("tests.brokers.test_copies", "test_messages_moved_twice_are_unchanged"),
    "nack_discards": ("tests.brokers.test_profiles", "test_nack_discards"),
    "nack_effect": ("tests.brokers.test_profiles", "test_nack_redelivers_at_once"),
    "dead_letter_hint": (
        "tests.brokers.test_profiles",
        "test_message_that_always_fails_reaches_the_dead_letter_queue",
    ),
    "web_text_only": ("tests.brokers.test_further_web", ""),
    "web_largest": ("tests.brokers.test_further_web", ""),
    "web_disconnect_closes": ("tests.brokers.test_web_stomp", ""),
    "receipts": ("tests.brokers.test_spring", ""),
    "receipts_in_transaction": (
        "tests.brokers.test_profiles",
        "test_receipt_of_a_send_in_a_transaction_arrives_at_commit",
    ),
    "acknowledges": ("tests.brokers.test_spring", ""),
    "transactions": ("tests.brokers.test_spring", ""),
}


class Place:
    """A broker, its clients and destinations, for one test."""

    def __init__(self, broker: RealBroker, stack: ExitStack) -> None:
        self._broker = broker
        self._stack = stack
        self.name = broker.name
        self.profile: BrokerProfile = self.client().broker
        self.queue = new_queue(broker)
        self.topic = new_topic(broker)

    def client(self, client_id: str | None = None) -> stomp.Client:
        url = f"stomp://{self._broker.host}:{self._broker.port}"
        client = stomp.Client(
            url,
            vhost=self._broker.vhost,
            login=self._broker.user,
            passcode=self._broker.password,
            client_id=client_id,
        )
        return self._stack.enter_context(client)

    def error_of_subscribe(self, **headers: str) -> str:
        """The text of the ERROR that answers a SUBSCRIBE to the queue."""
        texts: list[str] = []
        answered = threading.Event()

        class Errors(stomp.ConnectionListener):
            def on_error(self, frame: Frame) -> None:
                texts.append(str(frame.headers["message"]) + str(frame.body))
                answered.set()

        conn = stomp.Connection12([self._broker.address], vhost=self._broker.vhost)
        conn.set_listener("errors", Errors())
        conn.connect(self._broker.user, self._broker.password, wait=True)
        conn.subscribe(self.queue, "1", headers=headers)
        assert answered.wait(PATIENCE)
        conn.disconnect()
        return texts[0]

    def fill(self, count: int) -> None:
        self.client().send_many([(self.queue, str(number)) for number in range(count)])

    def deliveries(self, subscription: stomp.Subscription, count: int) -> int:
        """The number of messages that arrive, at most this number, while none is acknowledged."""
        number = 0
        while number < count and subscription.receive(timeout=PATIENCE if number == 0 else 1.0) is not None:
            number += 1
        return number


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


CHECKS: dict[str, Callable[[Place], None]] = {
    check.__name__: check
    for check in (
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
}
#: `name` compares them, too.
WITH_NAME = {"title", "server"}


def test_each_field_has_a_check() -> None:
    names = {each.name for each in fields(BrokerProfile) if not each.name.startswith("_")}
    checked = {*CHECKS, *ELSEWHERE, *WITH_NAME}
    assert names == checked
    for module, test in ELSEWHERE.values():
        assert hasattr(importlib.import_module(module), test or "pytest")


@at("rabbitmq", "activemq", *FURTHER)
@pytest.mark.parametrize("field", CHECKS)
def test_field_is_what_the_broker_does(broker: RealBroker, field: str) -> None:
    with ExitStack() as stack:
        CHECKS[field](Place(broker, stack))
