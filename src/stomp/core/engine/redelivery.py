"""Messages that failed, at brokers where NACK discards them: they stay unacknowledged, and are given back.

Artemis and HornetQ take NACK for ACK: the message is gone, and in no dead-letter queue. UNSUBSCRIBE gives back what is
not acknowledged, but without counting it, so that a message that always fails would come again for ever. The end of
the connection gives back as well, and counts the oldest one of each subscription as a delivery attempt; after
max-delivery-attempts it goes to the dead-letter address (all observed: Artemis 2.44 and 2.55, HornetQ 2.4.9).

Rules of this file: the connection is ended by DISCONNECT, and only while nothing else is under way on it: no other
message, no confirmation, reply or transaction; who waits for the next message does it, so there is no timer and no
thread for this; each time it is waited for longer, as between attempts to connect, until nothing fails for a while.
The programs are in `stomp.core.engine.acknowledge`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stomp.core.engine.failover import Backoff
    from stomp.core.engine.message import BaseMessage


class Redelivery:
    """What waits to be given back on the current connection, and when that is done.

    Attributes:
        messages: those that failed.
        due: when the connection may be ended for them, on the driver's clock; None while there are none.
        blocked: subscriptions with ack="client" one of whose messages failed: an ACK of a later one would cover it.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.messages: list[BaseMessage] = []
        self.due: float | None = None
        self.blocked: set[str] = set()
        self._backoff = backoff
        self._round = 0
        self._wait = 0.0
        self._calm_at = 0.0  # what fails later than this is waited for as at first

    def add(self, message: BaseMessage, now: float) -> None:
        """A message has failed."""
        if not self.messages:
            self._round = 1 if now >= self._calm_at else self._round + 1
            self._wait = self._backoff.before(self._round, lambda: 0.0)
            self.due = now + self._wait
        self.messages.append(message)

    def begin(self, now: float) -> str:
        """The connection is about to be ended; returns the reason in words."""
        self._calm_at = now + 2 * self._wait
        self.due = None
        count, destination = len(self.messages), self.messages[0].destination
        return f"giving back {count} message{'s' * (count != 1)} that failed ({destination})"

    def clear(self) -> None:
        """The connection has ended."""
        self.messages = []
        self.blocked.clear()
        self.due = None
