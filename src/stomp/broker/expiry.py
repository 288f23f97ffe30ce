"""Messages that live until a moment, and what becomes of them: they are dropped where they wait.

A message that was delivered in time may be acknowledged later; if it comes back instead, it is dropped then.
"""

from __future__ import annotations

import heapq
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.model import Queue
    from stomp.broker.store import Capacity, StoredMessage

#: Entries beyond this, and beyond twice the messages that there are, are looked through: most are of messages gone.
_MANY = 1000


class Expiry:
    """The messages that will expire, the next one first.

    Args:
        clock: seconds since 1970.
        capacity: what is dropped is counted off there.

    Attributes:
        dropped: how many messages have expired.
    """

    def __init__(self, clock: Callable[[], float], capacity: Capacity) -> None:
        self.clock = clock
        self.dropped: int = 0
        self._capacity = capacity
        # Weak, because most messages are consumed long before, and are not to be kept for this.
        self._heap: list[tuple[float, int, Queue, weakref.ref[StoredMessage]]] = []

    def watch(self, queue: Queue, message: StoredMessage) -> None:
        """A message was stored in a queue."""
        if message.expires is None:
            return
        heapq.heappush(self._heap, (message.expires, message.number, queue, weakref.ref(message)))
        if len(self._heap) > _MANY + 2 * self._capacity.messages:
            self._heap = [entry for entry in self._heap if entry[3]() is not None]
            heapq.heapify(self._heap)

    def sweep(self) -> None:
        """Drop what has expired."""
        if not self._heap:
            return
        now = self.clock()
        while self._heap and self._heap[0][0] <= now:
            _, _, queue, reference = heapq.heappop(self._heap)
            message = reference()
            if message is not None and message.waiting:
                queue.backlog.drop(message)
                self._drop(message)

    def has_come(self, message: StoredMessage) -> bool:
        """True, and it is counted off, when a message that comes back has expired meanwhile."""
        if message.expires is None or message.expires > self.clock():
            return False
        self._drop(message)
        return True

    def _drop(self, message: StoredMessage) -> None:
        self.dropped += 1
        self._capacity.release(1, message.size)
