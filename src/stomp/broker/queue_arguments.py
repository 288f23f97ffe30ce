"""`QueueArguments`: the headers with which RabbitMQ declares a queue, on SUBSCRIBE and SEND."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stomp.broker.request_headers import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.permissions import Permissions

#: The maximum of ``x-max-priority``, as in RabbitMQ.
_PRIORITIES = 255


@dataclass(frozen=True, slots=True)
class QueueArguments:
    """The arguments of a queue.

    Attributes:
        ttl: ``x-message-ttl``: seconds that a message lives in the queue.
        expires: ``x-expires``: seconds after which the queue is removed if it has no subscription.
        max_length: ``x-max-length``: number of waiting messages; the oldest ones beyond it leave the queue.
        max_priority: ``x-max-priority``: messages with a higher ``priority`` are delivered first; 0 for none.
        exchange: ``x-dead-letter-exchange``: gets messages that are refused, expire, or exceed the length.
        key: ``x-dead-letter-routing-key``: their routing key; None for that of the message.
    """

    ttl: float | None = None
    expires: float | None = None
    max_length: int | None = None
    max_priority: int = 0
    exchange: str | None = None
    key: str | None = None

    def order(self, number: int, headers: Mapping[str, str]) -> int:
        """The place of a message in the queue: those with a lower one are delivered first."""
        text = headers.get("priority", "0")
        priority = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        return number - (min(priority, self.max_priority) << 64)

    def target(self, destination: str) -> str:
        """The destination of a dead letter that was sent to `destination`; there is an `exchange`.

        >>> (
        ...     QueueArguments(exchange="").target("/queue/a"),
        ...     QueueArguments(exchange="amq.topic", key="b").target("/queue/a"),
        ... )
        ('/queue/a', '/topic/b')
        """
        key = destination.rpartition("/")[2] if self.key is None else self.key
        if not self.exchange:
            return f"/queue/{key}"
        return f"/topic/{key}" if self.exchange == "amq.topic" else f"/exchange/{self.exchange}/{key}"

    def check_permissions(self, permissions: Permissions | None, destination: str) -> None:
        """Check that a user may send dead letters of a new queue to the exchange, as RabbitMQ does.

        Args:
            permissions: those of the user; None for all.
            destination: where the messages of the queue are sent to.

        Raises:
            RequestRefused: the user may not.
        """
        if permissions is not None and self.exchange is not None:
            permissions.check_write(self.target(destination))

    def to_json(self) -> str:
        """The arguments as text, for a file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> QueueArguments:
        """The arguments that `to_json` has written."""
        return cls(**json.loads(text))


def arguments_of(headers: Mapping[str, str]) -> QueueArguments | None:
    """The arguments in the headers of a frame; None if there are none.

    >>> arguments_of({"x-message-ttl": "1500"}).ttl, arguments_of({})
    (1.5, None)

    Raises:
        RequestRefused: a value is not a number.
    """

    def number(name: str) -> int | None:
        return number_of(name, headers[name]) if name in headers else None

    def seconds(name: str) -> float | None:
        found = number(name)
        return None if found is None else found / 1000

    arguments = QueueArguments(
        ttl=seconds("x-message-ttl"),
        expires=seconds("x-expires"),
        max_length=number("x-max-length"),
        max_priority=min(number("x-max-priority") or 0, _PRIORITIES),
        exchange=headers.get("x-dead-letter-exchange"),
        key=headers.get("x-dead-letter-routing-key"),
    )
    return None if arguments == QueueArguments() else arguments
