"""Counts what a broker does: messages by destination, rates by the second, and the last frames.

Rules of this file:

- Everything here is used on the event loop of the broker only.
- The number of destinations with counters is limited. Those that had traffic last are kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary, is_topic, qualify
from stomp.broker.observer import Observer
from stomp.broker.recording import FrameRecorder
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from stomp.broker.model import Client, Consumer, Queue
    from stomp.broker.server import Server
    from stomp.broker.settings import ConnectionInfo
    from stomp.broker.store import StoredMessage
    from stomp.core.frames.frame import Frame

#: Maximum number of destinations with counters.
MAX_DESTINATIONS = 10_000
#: Maximum number of connections whose user is kept: more than the recorder has frames.
MAX_LOGINS = 10_000
#: Seconds of which the numbers of each second are kept: for a destination, and for the broker.
DESTINATION_SECONDS = 60
BROKER_SECONDS = 120
#: Seconds over which a rate is averaged.
RATE_SECONDS = 3


class DestinationCounters:
    """What happened to the messages of one destination since the monitor was started.

    Attributes:
        received: messages stored, for a queue; SEND frames, for a topic.
        delivered: MESSAGE frames sent to consumers.
        redelivered: those of them with a message that was delivered before.
        acknowledged: messages acknowledged, or delivered with ack "auto".
        refused: messages refused by NACK.
        dead_lettered: messages that went to the dead-letter queue.
        expired: messages dropped because they expired.
        dropped: messages dropped for another reason.
        history: received and delivered messages of each of the last seconds.
    """

    __slots__ = (
        "_counted",
        "acknowledged",
        "dead_lettered",
        "delivered",
        "dropped",
        "expired",
        "history",
        "received",
        "redelivered",
        "refused",
    )

    def __init__(self, seconds: int = DESTINATION_SECONDS) -> None:
        self.received: int = 0
        self.delivered: int = 0
        self.redelivered: int = 0
        self.acknowledged: int = 0
        self.refused: int = 0
        self.dead_lettered: int = 0
        self.expired: int = 0
        self.dropped: int = 0
        self.history: deque[tuple[int, int]] = deque(maxlen=seconds)
        self._counted = (0, 0)

    def tick(self) -> None:
        """Called once a second."""
        before, self._counted = self._counted, (self.received, self.delivered)
        self.history.append((self.received - before[0], self.delivered - before[1]))

    @property
    def is_idle(self) -> bool:
        """True if there was no traffic in the seconds of the history."""
        return self._counted == (self.received, self.delivered) and not any(map(any, self.history))

    @property
    def rates(self) -> tuple[float, float]:
        """Received and delivered messages per second."""
        last = list(self.history)[-RATE_SECONDS:]
        if not last:
            return 0.0, 0.0
        return sum(each[0] for each in last) / len(last), sum(each[1] for each in last) / len(last)


class Monitor(Observer):
    """Counts the events of one broker, from its start on.

    Args:
        server: the broker.

    Attributes:
        started_at: seconds since 1970.
        total: the counters of all destinations together.
        counters: the counters by destination.
        recorder: the last frames.
        logins: the user of each connection that has recorded frames, by its number.
    """

    def __init__(self, server: Server) -> None:
        self.started_at: float = time.time()
        self.total: DestinationCounters = DestinationCounters(BROKER_SECONDS)
        self.counters: dict[str, DestinationCounters] = {}
        self.recorder: FrameRecorder = FrameRecorder(
            max_frames=5000, max_bytes=8 * 1024 * 1024, body_bytes=2048
        )
        self.logins: dict[int, str | None] = {}
        self._server = server
        self._active: dict[str, DestinationCounters] = {}

    def start(self) -> None:
        """Begin to count; called on the event loop of the broker."""
        self._server.engine.add_observer(self)
        self._server.observe_frames(self)
        for connection in self._server.connections():
            self._note_login(connection)
        self._schedule()

    def _schedule(self) -> None:
        asyncio.get_running_loop().call_later(1.0, self._tick)

    def _tick(self) -> None:
        if self._server.is_closing:
            return
        self._schedule()
        self.total.tick()
        for name, counters in list(self._active.items()):
            counters.tick()
            if counters.is_idle:
                del self._active[name]
                counters.history.clear()
                if is_temporary(name) and not self._server.engine.queues(name):
                    del self.counters[name]  # its name is never used again

    def of(self, name: str) -> DestinationCounters:
        """The counters of a destination that has traffic now."""
        active = self._active.get(name)
        if active is not None:
            return active
        counters = self.counters.pop(name, None) or DestinationCounters()
        if len(self.counters) >= MAX_DESTINATIONS:
            oldest = next(iter(self.counters))
            del self.counters[oldest]
            self._active.pop(oldest, None)
        self.counters[name] = self._active[name] = counters
        return counters

    def _note_login(self, connection: ConnectionInfo) -> None:
        self.logins[connection.number] = connection.login
        if len(self.logins) > MAX_LOGINS:
            del self.logins[next(iter(self.logins))]

    # ------------------------------------------------------------------------------------- events

    def connection_authenticated(self, connection: ConnectionInfo, client: Client) -> None:
        """See `Observer`."""
        self._note_login(connection)

    def on_frame(self, connection: int, frame: Frame, *, sent: bool) -> None:
        """See `FrameObserver`."""
        self.recorder.on_frame(connection, frame, sent=sent)
        if frame.command != "SEND" or sent:
            return
        try:
            name = qualify(frame.headers.get("destination", ""), 0)
        except RequestRefused:
            return
        # A topic without subscriptions stores nothing, so its messages are counted here.
        if is_topic(name) and len(name) <= self._server.settings.policy.max_destination:
            self.of(name).received += 1
            self.total.received += 1

    def message_enqueued(self, queue: Queue, message: StoredMessage) -> None:
        """See `Observer`."""
        if not queue.private:
            self.of(queue.name).received += 1
            self.total.received += 1

    def message_delivered(self, queue: Queue, consumer: Consumer, message: StoredMessage) -> None:
        """See `Observer`."""
        counters, total = self.of(message.destination), self.total
        counters.delivered += 1
        total.delivered += 1
        if message.redelivered:
            counters.redelivered += 1
            total.redelivered += 1

    def message_acknowledged(self, queue: Queue, message: StoredMessage) -> None:
        """See `Observer`."""
        self.of(message.destination).acknowledged += 1
        self.total.acknowledged += 1

    def message_refused(
        self, queue: Queue, consumer: Consumer, message: StoredMessage, *, requeue: bool
    ) -> None:
        """See `Observer`."""
        self.of(message.destination).refused += 1
        self.total.refused += 1

    def message_dead_lettered(self, queue: Queue, message: StoredMessage) -> None:
        """See `Observer`."""
        self.of(message.destination).dead_lettered += 1
        self.total.dead_lettered += 1

    def message_expired(self, queue: Queue, message: StoredMessage) -> None:
        """See `Observer`."""
        self.of(message.destination).expired += 1
        self.total.expired += 1

    def message_dropped(self, queue: Queue, message: StoredMessage) -> None:
        """See `Observer`."""
        self.of(message.destination).dropped += 1
        self.total.dropped += 1
