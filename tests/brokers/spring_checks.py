"""Checks of each field of the profile of Spring: the client refuses, and the header has no effect."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import stomp
from stomp.core.errors import ReceiptMissing, StompError, Unsupported
from tests.brokers.places import PATIENCE, SHORT
from tests.listening import RecentFrames


class SpringPlace:
    """A Spring application, its clients and a topic."""

    def __init__(self, address: str, stack: ExitStack) -> None:
        host, _, port = address.partition(":")
        self.pair = (host, int(port))
        self._url = f"ws://{address}/ws"
        self._stack = stack
        self.topic = f"/topic/{uuid.uuid4().hex}"
        self.profile = self.client().broker

    def client(self, kind: str = "spring") -> stomp.Client:
        return self._stack.enter_context(stomp.Client(self._url, broker=kind, reconnect=False))

    def subscribe(self, client: stomp.Client, destination: str, **options: Any) -> stomp.Subscription:
        """Subscribe, and wait until the subscription exists: there is no RECEIPT that says so."""
        subscription = client.subscribe(destination, **options)
        deadline = time.monotonic() + PATIENCE
        while True:
            client.send(destination, "exists?", headers={"kind": "b"})
            if subscription.receive(timeout=SHORT) is not None:
                break
            assert time.monotonic() < deadline, "no subscription"
        while subscription.receive(timeout=SHORT) is not None:
            pass
        return subscription

    def refuses(self, feature: str, call: Callable[..., object], *arguments: Any, **options: Any) -> None:
        with pytest.raises(Unsupported, match=f"Spring has no {feature}"):
            call(*arguments, **options)


def texts(subscription: stomp.Subscription) -> list[str]:
    return sorted(message.text for message in subscription.messages(1.0))


def name(place: SpringPlace) -> None:
    assert (place.profile.name, place.profile.title) == ("spring", "Spring")
    # Nothing in CONNECTED names it, so that its kind must be given.
    assert place.client("generic").broker.name == "generic"


def prefetch(place: SpringPlace) -> None:
    assert place.profile.prefetch is None
    assert place.profile.prefetch_one is None
    client = place.client()
    place.refuses("acknowledgements", client.subscribe, place.topic, ack="client-individual", prefetch=1)
    place.refuses("prefetch", client.subscribe, place.topic, prefetch=1)
    subscription = place.subscribe(client, place.topic, headers={"prefetch-count": "1", "ack": "client"})
    for number in range(3):
        client.send(place.topic, str(number))
    assert texts(subscription) == ["0", "1", "2"]


def selectors(place: SpringPlace) -> None:
    assert not place.profile.selectors
    client = place.client()
    place.refuses("selector", client.subscribe, place.topic, selector="kind = 'b'")
    subscription = place.subscribe(client, place.topic, headers={"selector": "kind = 'b'"})
    for kind in ("a", "b"):
        client.send(place.topic, kind, headers={"kind": kind})
    assert texts(subscription) == ["a", "b"]


def durable(place: SpringPlace) -> None:
    """It stores nothing: for the same reason there are no types of queues, expiry and dead letters."""
    profile = place.profile
    assert (profile.durable, profile.queue_types, profile.ttl) == (None, False, None)
    client = place.client()
    place.refuses("durable subscription", client.subscribe, place.topic, durable="name")
    place.refuses("types of queues", client.subscribe, place.topic, queue_type="quorum")
    place.refuses("types of queues", client.send, place.topic, "x", queue_type="quorum")
    place.refuses("expiry", client.send, place.topic, "x", ttl=1.0)
    queue = f"/queue/{uuid.uuid4().hex}"
    headers = {"id": "kept", "durable": "true", "x-queue-type": "quorum"}
    place.subscribe(client, queue, headers=headers).close()
    client.send(queue, "meanwhile", headers={"expires": "1"})
    assert texts(place.subscribe(place.client(), queue, headers=headers)) == []


def exclusive(place: SpringPlace) -> None:
    assert place.profile.exclusive is None
    client = place.client()
    place.refuses("exclusive subscription", client.subscribe, place.topic, exclusive=True)
    both = [place.subscribe(client, place.topic, headers={"exclusive": "true"}) for _ in range(2)]
    texts(both[0])  # what the second one asked for
    client.send(place.topic, "x")
    assert [texts(one) for one in both] == [["x"], ["x"]]


def delay(place: SpringPlace) -> None:
    assert place.profile.delay is None
    client = place.client()
    place.refuses("delay", client.send, place.topic, "x", delay=1.0)
    subscription = place.subscribe(client, place.topic)
    client.send(place.topic, "x", headers={"AMQ_SCHEDULED_DELAY": "600000", "x-delay": "600000"})
    assert texts(subscription) == ["x"]


def temporary(place: SpringPlace) -> None:
    assert place.profile.temporary is None
    client = place.client()
    place.refuses("temporary queues", client.request, "/app/hello", "{}")
    queue = f"/temp-queue/{uuid.uuid4().hex}"
    subscription = client.subscribe(queue)
    place.subscribe(client, place.topic)  # so that it exists for sure, if it does at all
    client.send(queue, "x")
    assert texts(subscription) == []


def receipts(place: SpringPlace) -> None:
    assert not place.profile.receipts
    place.refuses("receipts", place.client().send, place.topic, "x", confirm=True)
    with pytest.raises(ReceiptMissing):
        place.client("generic").send(place.topic, "x", confirm=True, timeout=1)


def acknowledges(place: SpringPlace) -> None:
    profile = place.profile
    assert not profile.acknowledges
    assert not profile.holds_unacked_until_disconnect
    assert profile.nack_effect.startswith("was consumed when it was sent")
    assert not profile.nack_discards  # there is none that a user could send
    assert profile.requeue == ("",)
    queue = f"/queue/{uuid.uuid4().hex}"
    client = place.client()
    subscription = place.subscribe(client, queue, headers={"ack": "client-individual"})
    client.send(queue, "x")
    assert texts(subscription) == ["x"]
    subscription.close()
    assert texts(place.subscribe(client, queue)) == []


def transactions(place: SpringPlace) -> None:
    assert not place.profile.transactions  # so that the fields about transactions are not used
    client = place.client()
    place.refuses("transactions", client.transaction)
    subscription = place.subscribe(client, place.topic)
    client.send(place.topic, "x", headers={"transaction": "never-begun"})
    assert texts(subscription) == ["x"]


def text(place: SpringPlace) -> None:
    """Each body is a text, and content-length is always there."""
    profile = place.profile
    assert not profile.text_without_content_length
    assert not profile.adds_length
    assert not profile.hides_persistence
    assert profile.deduplication == "dedup-id"
    client = place.client()
    subscription = place.subscribe(client, place.topic)
    for is_text in (True, False):
        client.send(place.topic, "x", text=is_text, headers={"persistent": "true", "dedup-id": "1"})
        message = subscription.receive(timeout=PATIENCE)
        assert message is not None
        found = {name: message.headers.get(name) for name in ("content-length", "persistent", "dedup-id")}
        assert found == {"content-length": "1", "persistent": "true", "dedup-id": "1"}


def dead_letter_hint(place: SpringPlace) -> None:
    assert "send what fails to a destination of the application (/app/...)" in place.profile.dead_letter_hint
    client = place.client()
    answers = place.subscribe(client, "/topic/greetings")
    client.send("/app/hello", '{"name": "failed"}', content_type="application/json")
    assert any("failed" in message.text for message in answers.messages(2.0))


def web(place: SpringPlace) -> None:
    profile = place.profile
    assert profile.web_text_only
    assert (
        profile.web_largest is None
    )  # the application decides: 8,192 bytes for a message in one piece, by default
    assert not profile.web_disconnect_closes
    client = place.client()
    place.subscribe(client, place.topic)
    with pytest.raises(Unsupported, match="binary"):
        client.send(place.topic, b"\xff")
    receiver = place.client()
    subscription = place.subscribe(receiver, place.topic)
    place.client("generic").send(place.topic, b"\xff", confirm=False)
    with pytest.raises(StompError, match="content-length"):
        subscription.receive(timeout=PATIENCE)
    assert place.client().close(10.0) is True


def error_ends(place: SpringPlace) -> None:
    assert place.profile.error_ends is True
    recorder = RecentFrames()
    conn = stomp.WSConnection([place.pair], ws_path="/ws", reconnect_attempts_max=1)
    conn.set_listener("recorder", recorder)
    conn.connect(wait=True)
    conn.send_frame("NONSENSE")
    recorder.wait_for_method("on_error")
    recorder.wait_for_method("on_disconnected")
    assert not conn.is_connected()


#: A check, and the fields that it compares.
CHECKS: dict[Callable[[SpringPlace], None], tuple[str, ...]] = {
    name: ("name", "title", "server"),
    prefetch: ("prefetch", "prefetch_one"),
    selectors: ("selectors",),
    durable: ("durable", "queue_types", "ttl"),
    exclusive: ("exclusive",),
    delay: ("delay",),
    temporary: ("temporary",),
    receipts: ("receipts",),
    acknowledges: (
        "acknowledges",
        "holds_unacked_until_disconnect",
        "nack_effect",
        "nack_discards",
        "requeue",
    ),
    transactions: ("transactions", "receipts_in_transaction", "ack_in_transaction", "nack_in_transaction"),
    text: ("text_without_content_length", "adds_length", "hides_persistence", "deduplication"),
    dead_letter_hint: ("dead_letter_hint",),
    web: ("web_text_only", "web_largest", "web_disconnect_closes"),
    error_ends: ("error_ends",),
}
