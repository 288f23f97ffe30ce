"""What the tests of Kombu's transport share."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import Any

import kombu

import stomp.kombu  # noqa: F401 - registers the transport
from tests.listening import PATIENCE


def publish(connection: kombu.Connection, queue: kombu.Queue, *bodies: Any, **options: Any) -> None:
    """Declare a queue, and send these bodies to it."""
    producer = connection.Producer()
    for body in bodies:
        producer.publish(
            body, exchange=queue.exchange, routing_key=queue.routing_key, declare=[queue], **options
        )


class Received:
    """A callback for consumers that keeps the messages.

    Args:
        connection: the connection whose events are processed while waiting.
        ack: acknowledge each message.
    """

    def __init__(self, connection: kombu.Connection, *, ack: bool = True) -> None:
        self._connection = connection
        self._ack = ack
        self._messages: SimpleQueue[Any] = SimpleQueue()

    def __call__(self, body: Any, message: Any) -> None:
        if self._ack:
            message.ack()
        self._messages.put(message)

    def next(self) -> Any:
        """The next message."""
        while True:
            try:
                return self._messages.get_nowait()
            except Empty:
                self._connection.drain_events(timeout=PATIENCE)

    def bodies(self, count: int) -> list[Any]:
        """The next bodies, sorted."""
        return sorted(self.next().payload for _ in range(count))

    def is_empty(self, seconds: float = 0.2) -> bool:
        """True if no message arrives."""
        try:
            while self._messages.empty():
                self._connection.drain_events(timeout=seconds)
        except TimeoutError:
            return True
        return False
