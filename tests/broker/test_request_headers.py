"""Headers of SUBSCRIBE and SEND that extend STOMP."""

from __future__ import annotations

import pytest

from stomp.broker import Policy
from stomp.broker.request_headers import (
    DurableKey,
    durable_of,
    expiry_of,
    message_headers,
    name_of,
    selector_of,
    window_of,
)
from stomp.broker.store import RequestRefused
from stomp.core.frames.frame import headers_of

TOPIC = "/topic/a"


def test_sender_headers_are_passed_on() -> None:
    headers = headers_of(
        {"destination": TOPIC, "receipt": "1", "redelivered": "true", "a": "b", "expires": "0"}
    )
    assert message_headers(headers) == {"a": "b", "expires": "0"}


@pytest.mark.parametrize(
    ("headers", "durable"),
    [
        ({}, None),
        ({"durable": "true", "id": "1"}, DurableKey(("id", TOPIC, "1"), shared=True)),
        ({"durable": "true", "auto-delete": "false"}, DurableKey(("id", TOPIC, ""), shared=True)),
        ({"durable": "true", "auto-delete": "true"}, None),
        ({"durable": "false"}, None),
        ({"activemq.subscriptionName": "n"}, DurableKey(("name", "me", "n"), shared=False)),
        (
            {"durable-subscription-name": "n", "durable": "true"},
            DurableKey(("name", "me", "n"), shared=False),
        ),
        ({"activemq.subscriptionName": ""}, None),
    ],
)
def test_durable_subscriptions_are_recognised(headers: dict[str, str], durable: DurableKey | None) -> None:
    assert durable_of(headers, TOPIC, "me") == durable
    assert (name_of(headers) is not None) == (durable is not None and not durable.shared)


def test_durable_name_without_client_id_is_refused() -> None:
    with pytest.raises(RequestRefused, match="client-id"):
        durable_of({"activemq.subscriptionName": "n"}, TOPIC, None)


@pytest.mark.parametrize(
    ("headers", "window"),
    [
        ({}, 100),
        ({"prefetch-count": "7"}, 7),
        ({"activemq.prefetchSize": "8"}, 8),
        ({"prefetch-count": "0"}, 500),
        ({"prefetch-count": "9" * 4000}, 500),
    ],
)
def test_prefetch_headers_are_parsed(headers: dict[str, str], window: int) -> None:
    assert window_of(headers, Policy(window=100, max_window=500)) == window


@pytest.mark.parametrize(
    ("headers", "moment"),
    [
        ({}, None),
        ({"expiration": "1500"}, 101.5),
        ({"expires": "50000"}, 50.0),
        ({"expires": "0"}, None),
        ({"expires": "500000", "expiration": "1000"}, 101.0),
    ],
)
def test_expiry_headers_are_parsed(headers: dict[str, str], moment: float | None) -> None:
    assert expiry_of(headers, 100.0) == moment


def test_selectors_are_parsed() -> None:
    assert selector_of({}, Policy()) is None
    wanted = selector_of({"selector": "a = '1'"}, Policy())
    assert wanted is not None
    assert wanted({"a": "1"})


@pytest.mark.parametrize("text", ["-1", "1.5", "", "²"])
def test_invalid_numbers_are_refused(text: str) -> None:
    with pytest.raises(RequestRefused, match="must be a number"):
        window_of({"prefetch-count": text}, Policy())
    with pytest.raises(RequestRefused, match="must be a number"):
        expiry_of({"expires": text}, 0.0)
