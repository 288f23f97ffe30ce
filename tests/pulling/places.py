"""The brokers that the suite of the clients runs with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
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
        deletes_durable: the broker can delete a durable subscription.
        acks_in_transactions: an ACK can be part of a transaction.
        takes_all: bodies may be large, and need not be UTF-8.
        clock_lag: a message may be delivered for this many seconds after its expiry.
        orders_transactions: the messages of a transaction are delivered in the order in which they were sent.
        return_time: seconds in which messages of a connection that was reset are delivered again.
        replies: the broker has temporary queues for replies.
        empty_queues: makes the name of an empty queue, if the broker does not make each queue on demand.
        topic_prefix: how the names of topics begin.
    """

    url: str
    vendor: str
    wrong: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    queue_headers: Mapping[str, str] = field(default_factory=dict)
    redelivers: bool = True
    prefetch: bool = True
    durable: bool = True
    deletes_durable: bool = True
    acks_in_transactions: bool = True
    takes_all: bool = True
    clock_lag: float = 0.0
    orders_transactions: bool = True
    return_time: float = 10.0
    replies: bool = True
    empty_queues: Callable[[], str] | None = None
    topic_prefix: str = "/topic/"

    def queue(self) -> str:
        """A queue that no other test uses."""
        if self.empty_queues is not None:
            return self.empty_queues()
        return f"/queue/pulling-{uuid.uuid4().hex}"

    def topic(self) -> str:
        """A unique topic."""
        return f"{self.topic_prefix}pulling-{uuid.uuid4().hex}"


#: RabbitMQ deletes a queue five minutes after its last subscription.
EXPIRES = MappingProxyType({"x-expires": "300000"})
