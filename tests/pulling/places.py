"""The brokers that the suite of the clients runs with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Place:
    """One listening address of a broker, and the behaviour of this broker.

    Attributes:
        url: the URL, with login and password.
        settings: further arguments of the client.
        vendor: the type of the broker.
        wrong: the URL with a wrong password.
        queue_headers: headers for SEND and SUBSCRIBE to a queue, so that the broker deletes the queue after the tests.
        redelivers: a message refused by NACK is delivered again.
        prefetch: the broker supports a limit of unacknowledged messages.
        durable: the broker supports durable subscriptions to topics.
        acks_in_transactions: an ACK can be part of a transaction.
        takes_all: bodies may be large, and need not be UTF-8.
        clock_lag: a message may be delivered for this many seconds after its expiry.
        orders_transactions: the messages of a transaction are delivered in the order in which they were sent.
    """

    url: str
    vendor: str
    wrong: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    queue_headers: Mapping[str, str] = field(default_factory=dict)
    redelivers: bool = True
    prefetch: bool = True
    durable: bool = True
    acks_in_transactions: bool = True
    takes_all: bool = True
    clock_lag: float = 0.0
    orders_transactions: bool = True

    def queue(self) -> str:
        """A unique queue."""
        return f"/queue/pulling-{uuid.uuid4().hex}"

    def topic(self) -> str:
        """A unique topic."""
        return f"/topic/pulling-{uuid.uuid4().hex}"


#: RabbitMQ deletes a queue five minutes after its last subscription.
EXPIRES = MappingProxyType({"x-expires": "300000"})
