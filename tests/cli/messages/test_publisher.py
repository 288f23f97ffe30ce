"""Sends that wait for their confirmations."""

from __future__ import annotations

from typing import Any

import pytest

from stomp.cli.messages.publisher import MessagePublisher
from stomp.core.errors import BrokerError, OutcomeUnknown


class Confirmation:
    """One that is told what to say."""

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
        self.asked: list[Confirmation] = []
        self.sent: list[bytes] = []

    def send_async(self, destination: str, body: bytes, **options: Any) -> Confirmation:
        self.sent.append(body)
        self.asked.append(Confirmation())
        return self.asked[-1]

    def send(self, destination: str, body: bytes, **options: Any) -> None:
        self.sent.append(body)


def test_confirmations_count_in_order() -> None:
    client, done = Client(), list[str]()
    shipment = MessagePublisher(client, done=done.append)
    for name in "abc":
        shipment.send("/queue/a", name.encode(), note=name)
    client.asked[1].ready = True
    shipment.settle()
    assert (shipment.sent, shipment.confirmed, done) == (3, 0, [])
    client.asked[0].ready = True
    shipment.settle()
    assert (shipment.confirmed, done) == (2, ["a", "b"])
    shipment.settle(wait=True)
    assert (shipment.confirmed, done) == (3, ["a", "b", "c"])


def test_failure_is_raised_once_and_others_are_sent() -> None:
    client, done = Client(), list[str]()
    shipment = MessagePublisher(client, done=done.append)
    for name in "abc":
        shipment.send("/queue/a", b"", note=name)
    client.asked[0].error = OutcomeUnknown("a")
    client.asked[1].error = BrokerError("b")
    with pytest.raises(OutcomeUnknown):
        shipment.settle(wait=True)
    with pytest.raises(BrokerError):
        shipment.settle(wait=True)
    shipment.settle(wait=True)
    assert (shipment.confirmed, done) == (1, ["c"])


def test_without_confirmations_sent_messages_count() -> None:
    client = Client()
    shipment = MessagePublisher(client, confirm=False)
    shipment.send("/queue/a", b"x")
    assert (client.sent, shipment.sent, shipment.confirmed) == ([b"x"], 1, 1)
