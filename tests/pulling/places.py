"""Where the suite of the clients runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Place:
    """One door of a broker.

    Attributes:
        url: where it is, with login and password.
        settings: further arguments of the client.
        vendor: the kind of broker.
        wrong: the URL with a wrong password.
        queue_headers: what SEND and SUBSCRIBE of a queue need, so that it does not outlive the tests.
        redelivers: a refused message is delivered again.
        prefetch: messages that are not acknowledged can be counted.
        durable: a subscription to a topic can be durable.
        acks_in_transactions: an ACK can be part of a transaction.
        takes_all: bodies may be large, and need not be UTF-8.
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

    def queue(self) -> str:
        """A queue that nobody else uses."""
        return f"/queue/pulling-{uuid.uuid4().hex}"

    def topic(self) -> str:
        """A topic that nobody else uses."""
        return f"/topic/pulling-{uuid.uuid4().hex}"


#: Five minutes after the last subscription a queue of RabbitMQ is gone.
EXPIRES = MappingProxyType({"x-expires": "300000"})
