"""An application with Spring's simple broker: the how-to page is run. The fields of its profile: spring_checks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

import stomp
from stomp.core.errors import ReceiptMissing
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
