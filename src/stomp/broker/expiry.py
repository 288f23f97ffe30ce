"""Expiry: drops waiting messages when their expiry time has passed.

A message that was delivered before its expiry time can be acknowledged later. If it is returned to the queue after
that time, it is dropped.
"""

from __future__ import annotations

import heapq
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.model import Queue
    from stomp.broker.observer import Observer
    from stomp.broker.store import Capacity, StoredMessage

#: If the heap has more entries than this plus twice the stored messages, most of them are stale and are removed.
_MANY = 1000


class Expiry:
    """The messages that have an expiry time, the next one first.

    Args:
        clock: returns seconds since 1970.
        capacity: dropped messages are released there.

    Attributes:
        dropped: number of expired messages.
        on_expired: called with a message that has left its queue because it has expired.
        observer: see `stomp.broker.state.BrokerState`.
    """

    def __init__(self, clock: Callable[[], float], capacity: Capacity) -> None:
        self.clock = clock
        self.dropped: int = 0
        self.observer: Observer | None = None
        self.on_expired: Callable[[Queue, StoredMessage], None] | None = None
        self._capacity = capacity
        # Weak references: most messages are consumed long before they expire, and must not be kept in memory here.
        self._heap: list[tuple[float, int, Queue, weakref.ref[StoredMessage]]] = []

    def watch(self, queue: Queue, message: StoredMessage) -> None:
        """Register a message that was stored in a queue."""
        if message.expires is None:
            return
        heapq.heappush(self._heap, (message.expires, message.number, queue, weakref.ref(message)))
        if len(self._heap) > _MANY + 2 * self._capacity.messages:
            self._heap = [entry for entry in self._heap if entry[3]() is not None]
            heapq.heapify(self._heap)

    @property
    def next(self) -> float | None:
        """The time at which the next message expires, in seconds since 1970; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def sweep(self) -> list[Queue]:
        """Drop the waiting messages that have expired; return the queues that had some."""
        if not self._heap:
            return []
        queues: list[Queue] = []
        now = self.clock()
        while self._heap and self._heap[0][0] <= now:
            _, _, queue, reference = heapq.heappop(self._heap)
            message = reference()
            if message is not None and message.waiting:
                body = message.body
                queue.backlog.drop(message)
                message.body = body
                self._drop(queue, message)
                message.body = b""
                queues.append(queue)
        return queues

    def drop_if_expired(self, queue: Queue, message: StoredMessage) -> bool:
        """True if a returned message has expired meanwhile; it is then counted as dropped and released."""
        if message.expires is None or message.expires > self.clock():
            return False
        self._drop(queue, message)
        return True

    def _drop(self, queue: Queue, message: StoredMessage) -> None:
        self.dropped += 1
        queue.bytes -= message.size
        self._capacity.release(1, message.size)
        if self.observer is not None:
            self.observer.message_expired(queue, message)
        if self.on_expired is not None:
            self.on_expired(queue, message)
