"""Redelivery of failed messages by brokers where NACK discards them.

The messages stay unacknowledged, and the end of the connection gives them back to the broker.

Artemis and HornetQ treat NACK like ACK: the message is lost, and is in no dead-letter queue. UNSUBSCRIBE
returns unacknowledged messages to the queue, but the broker does not count a delivery attempt, so that a
message that always fails would be delivered again forever. The end of the connection returns them, too, and
counts a delivery attempt for the oldest one of each subscription. After max-delivery-attempts the message
goes to the dead-letter address. (All this is as observed with Artemis 2.44 and 2.55 and HornetQ 2.4.9.)

Rules of this file: the connection is ended by DISCONNECT, and only while nothing else is pending on it: no
other message, confirmation, reply or transaction. The operation that waits for the next message does this, so
that it needs no timer and no thread. The waits grow like those between attempts to connect, until nothing has
failed for a while. The operations are in `stomp.core.engine.acknowledge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stomp.core.engine.failover import Backoff
    from stomp.core.engine.message import BaseMessage


class Redelivery:
    """The failed messages of the current connection, and when the connection is ended to give them back.

    Args:
        backoff: the waits.

    Attributes:
        messages: the failed messages.
        due: when the connection may be ended, in seconds on the driver's clock; None if no message waits.
        blocked: ids of the subscriptions with ack="client" that have a failed message. No further message of
            these is delivered to the program, because its ACK would cover the failed one.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.messages: list[BaseMessage] = []
        self.due: float | None = None
        self.blocked: set[str] = set()
        self._backoff = backoff
        self._round = 0
        self._calm_at = 0.0  # a message that fails after this gets the first wait again

    def add(self, message: BaseMessage, now: float) -> None:
        """Add a failed message; the first one sets `due`. `now` is the time on the driver's clock."""
        if not self.messages:
            self._round = 1 if now >= self._calm_at else self._round + 1
            self.due = now + self._wait
        self.messages.append(message)

    @property
    def _wait(self) -> float:
        return self._backoff.before(self._round, lambda: 0.0)

    def begin(self, now: float) -> str:
        """Note that the connection is about to be ended for the messages; returns the reason as text."""
        self._calm_at = now + 2 * self._wait
        self.due = None
        count, destination = len(self.messages), self.messages[0].destination
        return f"giving back {count} message{'s' * (count != 1)} that failed ({destination})"

    def clear(self) -> None:
        """Remove all messages, when the connection has ended."""
        self.messages = []
        self.blocked.clear()
        self.due = None
