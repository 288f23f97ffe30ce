"""Sends that wait for their confirmations."""

from __future__ import annotations

from typing import Any

import pytest

from stomp.cli.messages.publisher import MessagePublisher
from stomp.core.errors import BrokerError, OutcomeUnknown


class Confirmation:
    """A client with scripted answers."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.ready = False

    def done(self) -> bool:
        return self.ready

    def result(self) -> None:
        if self.error is not None:
            raise self.error


class Client:
    """Keeps what it is to send."""

    def __init__(self) -> None:
        self.requested: list[Confirmation] = []
        self.sent: list[bytes] = []

    def send_async(self, destination: str, body: bytes, **options: Any) -> Confirmation:
        self.sent.append(body)
        self.requested.append(Confirmation())
        return self.requested[-1]

    def send(self, destination: str, body: bytes, **options: Any) -> None:
        self.sent.append(body)


def test_confirmations_count_in_order() -> None:
    client, on_confirmed = Client(), list[str]()
    publisher = MessagePublisher(client, on_confirmed=on_confirmed.append)
    for name in "abc":
        publisher.send("/queue/a", name.encode(), note=name)
    client.requested[1].ready = True
    publisher.collect()
    assert (publisher.sent, publisher.confirmed, on_confirmed) == (3, 0, [])
    client.requested[0].ready = True
    publisher.collect()
    assert (publisher.confirmed, on_confirmed) == (2, ["a", "b"])
    publisher.collect(wait=True)
    assert (publisher.confirmed, on_confirmed) == (3, ["a", "b", "c"])


def test_failure_is_raised_once_and_others_are_sent() -> None:
    client, on_confirmed = Client(), list[str]()
    publisher = MessagePublisher(client, on_confirmed=on_confirmed.append)
    for name in "abc":
        publisher.send("/queue/a", b"", note=name)
    client.requested[0].error = OutcomeUnknown("a")
    client.requested[1].error = BrokerError("b")
    with pytest.raises(OutcomeUnknown):
        publisher.collect(wait=True)
    with pytest.raises(BrokerError):
        publisher.collect(wait=True)
    publisher.collect(wait=True)
    assert (publisher.confirmed, on_confirmed) == (1, ["c"])


def test_without_confirmations_sent_messages_count() -> None:
    client = Client()
    publisher = MessagePublisher(client, confirm=False)
    publisher.send("/queue/a", b"x")
    assert (client.sent, publisher.sent, publisher.confirmed) == ([b"x"], 1, 1)
