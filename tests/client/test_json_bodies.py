"""`send(json=...)` of both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import stomp
from stomp.broker import Broker


@pytest.fixture
def url() -> Iterator[str]:
    with Broker() as broker:
        yield f"stomp://{broker.host}:{broker.port}"


@pytest.mark.parametrize("value", [{"a": [1, "é"]}, [], "text", 5, True, ""])
def test_object_is_sent_as_json(url: str, value: Any) -> None:
    with stomp.Client(url) as client:
        orders = client.subscribe("/queue/json")
        client.send("/queue/json", json=value, confirm=True)
        client.send_async("/queue/json", json=value, content_type="application/vnd.order+json").result()
        first, second = orders.receive(10), orders.receive(10)
    assert first is not None
    assert second is not None
    assert (first.json(), first.headers["content-type"]) == (value, "application/json")
    assert (second.json(), second.headers["content-type"]) == (value, "application/vnd.order+json")


def test_async_client_sends_json_too(url: str) -> None:
    async def main() -> object:
        async with stomp.AsyncClient(url) as client:
            orders = await client.subscribe("/queue/json")
            await client.send("/queue/json", json={"a": 1})
            message = await orders.receive(10)
            assert message is not None
            return message.json()

    assert asyncio.run(main()) == {"a": 1}


def test_reply_and_transaction_take_json(url: str) -> None:
    with stomp.Client(url) as client:
        client.consume("/queue/service", lambda message: message.reply(json={"sum": 3}))
        assert client.request("/queue/service", json=[1, 2], timeout=10).json() == {"sum": 3}
        orders = client.subscribe("/queue/json")
        with client.transaction() as transaction:
            transaction.send("/queue/json", json=1)
        message = orders.receive(10)
        assert message is not None
        assert message.json() == 1


@pytest.mark.parametrize(
    ("body", "value", "text"),
    [
        (b"x", 1, "there are a body and json="),
        (b"", {1, 2}, "json cannot be written as JSON"),
        ("x", [], "a body"),
    ],
)
def test_wrong_json_is_refused_and_nothing_is_sent(url: str, body: Any, value: Any, text: str) -> None:
    with stomp.Client(url) as client:
        with pytest.raises(stomp.UsageError, match=text):
            client.send("/queue/json", body, json=value)
        assert client.stats().confirmed == 0
