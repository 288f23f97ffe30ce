"""An application with Spring's simple broker: the how-to page is run, and each field of its profile is asserted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Literal

import pytest

import stomp
from stomp.core.errors import ReceiptMissing, RemoteProtocolError, Unsupported
from tests.brokers.conftest import spring_address
from tests.documents import ROOT, run_page


@pytest.fixture(scope="session")
def address() -> str:
    return spring_address()


@pytest.fixture(params=["/ws", "/stomp/websocket"])
def client(address: str, request: pytest.FixtureRequest) -> Iterator[stomp.Client]:
    with stomp.Client(f"ws://{address}{request.param}", broker="spring", reconnect=False) as made:
        yield made


def test_the_page_runs(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, port = address.partition(":")
    addresses = {"localhost:8080": address, '"localhost", 8080': f'"{host}", {port}'}
    run_page(ROOT / "docs/howto/spring.md", addresses, monkeypatch)


def test_a_subscription_without_the_setting_says_what_to_give(address: str) -> None:
    with stomp.Client(f"ws://{address}/ws") as client:
        assert client.broker.name == "generic"
        with pytest.raises(ReceiptMissing) as caught:
            client.subscribe("/topic/any", timeout=1)
        assert "broker='spring'" in caught.value.hint


def test_a_mapping_answers_its_subscription(client: stomp.Client) -> None:
    answer = client.subscribe("/app/status").receive(timeout=10)
    assert answer is not None
    assert json.loads(answer.text) == {"status": "running"}


def test_the_simple_broker_delivers_to_each_subscription(client: stomp.Client) -> None:
    queue = f"/queue/{uuid.uuid4().hex}"
    subscriptions = [client.subscribe(queue) for _ in range(2)]
    client.subscribe("/app/status").receive(timeout=10)
    client.send(queue, "hello")
    for subscription in subscriptions:
        message = subscription.receive(timeout=10)
        assert message is not None
        assert message.text == "hello"


def test_receipts_are_refused(client: stomp.Client) -> None:
    assert not client.broker.receipts
    with pytest.raises(Unsupported, match="receipts"):
        client.send("/topic/any", "body", confirm=True)
    with pytest.raises(Unsupported, match="receipts"):
        client.send_async("/topic/any", "body")


def test_transactions_are_refused(client: stomp.Client) -> None:
    assert not client.broker.transactions
    with pytest.raises(Unsupported, match="transactions"), client.transaction():
        pass


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_acknowledgements_are_refused(
    client: stomp.Client, ack: Literal["client", "client-individual"]
) -> None:
    assert not client.broker.acknowledges
    with pytest.raises(Unsupported, match="acknowledgements"):
        client.subscribe("/topic/any", ack=ack)


@pytest.mark.parametrize(
    "option", [{"selector": "a = 1"}, {"durable": "name"}, {"exclusive": True}, {"queue_type": "quorum"}]
)
def test_options_of_subscriptions_are_refused(client: stomp.Client, option: dict[str, object]) -> None:
    with pytest.raises(Unsupported, match="Spring has no"):
        client.subscribe("/topic/any", **option)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", [{"ttl": 1.0}, {"delay": 1.0}])
def test_options_of_sends_are_refused(client: stomp.Client, option: dict[str, float]) -> None:
    with pytest.raises(Unsupported, match="Spring has no"):
        client.send("/topic/any", "body", **option)  # type: ignore[arg-type]


def test_raw_frames_get_no_receipt_and_no_second_delivery(address: str) -> None:
    """What the fields `receipts` and `acknowledges` of the profile say, without the profile."""
    with stomp.Client(f"ws://{address}/ws", broker="spring") as watcher:
        topic = f"/topic/{uuid.uuid4().hex}"
        with stomp.Client(f"ws://{address}/ws", broker="generic") as client:
            with pytest.raises(ReceiptMissing):
                client.subscribe(topic, ack="client-individual", timeout=1)
            with pytest.raises(ReceiptMissing):
                client.send(topic, "body", confirm=True, timeout=1)
        again = watcher.subscribe(topic)
        assert again.receive(timeout=1) is None


def test_a_close_is_confirmed(address: str) -> None:
    client = stomp.Client(f"ws://{address}/ws", broker="spring").connect()
    assert client.close(timeout=10) is True


def test_a_body_that_is_not_utf_8_would_end_the_connection_of_its_receivers(
    client: stomp.Client, address: str
) -> None:
    topic = f"/topic/{uuid.uuid4().hex}"
    with pytest.raises(Unsupported, match="Spring takes no binary"):
        client.send(topic, b"\xff")
    subscription = client.subscribe(topic)
    client.subscribe("/app/status").receive(timeout=10)
    with stomp.Client(f"ws://{address}/ws", broker="generic") as careless:
        careless.send(topic, b"\xff", confirm=False)
        with pytest.raises(RemoteProtocolError, match="content-length"):
            subscription.receive(timeout=10)
