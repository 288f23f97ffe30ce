"""Checks of the fields about WebSockets."""

from __future__ import annotations

import contextlib

import pytest

import stomp
from stomp.core.errors import StompError, Unsupported
from tests.brokers.places import Check, Place

#: By another version of the same kind, which has WebSockets.
ELSEWHERE = {"activemq": "activemq61", "activemq6": "activemq61"}


def _has_web(place: Place) -> bool:
    """False for a broker without WebSockets: then the fields are not used, or are those of another version."""
    if place.broker.ws_url is not None:
        return True
    profile = place.profile
    has_none = (profile.web_text_only, profile.web_largest, profile.web_disconnect_closes) == (
        False,
        None,
        False,
    )
    assert has_none or place.name in ELSEWHERE
    return False


def _passes(place: Place, body: bytes) -> bool:
    """Whether a body comes back from a broker whose kind is not known, so that nothing is checked before."""
    client: stomp.Client = place.web_client("generic")
    with contextlib.suppress(StompError), client:
        subscription = client.subscribe(place.queue)
        client.send(place.queue, body)
        message = subscription.receive(timeout=3.0)
        return message is not None and message.body == body
    return False


def web_text_only(place: Place) -> None:
    if not _has_web(place):
        return
    body = b"\xff\xfe"
    assert _passes(place, body) is not place.profile.web_text_only
    with place.web_client() as client:
        if place.profile.web_text_only:
            with pytest.raises(Unsupported, match="binary"):
                client.send(place.queue, body)
        else:
            client.send(place.queue, body, confirm=True)


def web_largest(place: Place) -> None:
    if not _has_web(place):
        return
    largest = place.profile.web_largest
    body = b"x" * (300_000 if largest is None else largest)  # with its headers, it is larger
    assert _passes(place, body) is (largest is None)
    if largest is None:
        return
    assert _passes(place, b"x" * (largest - 500))
    with place.web_client() as client, pytest.raises(Unsupported, match=str(largest)):
        client.send(place.queue, body)


def web_disconnect_closes(place: Place) -> None:
    if not _has_web(place):
        return
    # The RECEIPT comes, unless the broker closes instead, as RabbitMQ 3 does.
    closes = place.profile.web_disconnect_closes and place.name != "rabbitmq4"
    assert place.web_client("generic").connect().close(5.0) is not closes
    assert place.web_client().connect().close(5.0) is True


CHECKS: tuple[Check, ...] = (web_text_only, web_largest, web_disconnect_closes)
