"""What the broker keeps in memory: messages, the queues they wait in, and how much there may be of them.

Rules of this file: a queue hands out its messages in the order in which they were stored, and one that comes back
has its old place in it. Nothing here knows connections or frames.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stomp.core.errors import StompError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a stored message weighs beside its texts: the objects around them.
_OVERHEAD = 512


class RequestRefused(StompError):
    """The broker will not do what a frame asks. Its connection gets an ERROR, and is closed.

    Attributes:
        message: the ``message`` header of the ERROR.
        detail: its body.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


@dataclass(frozen=True)
class Policy:
    """How the broker treats messages, and what it may keep.

    Attributes:
        max_messages: messages in all queues together, with those delivered and not acknowledged. A copy for
            each subscriber of a topic counts. A SEND that does not fit gets an ERROR.
        max_bytes: the same, in bytes of bodies and headers.
        window: how many messages a subscription may have un-acknowledged before it gets no more, unless its
            SUBSCRIBE says otherwise by ``prefetch-count`` or ``activemq.prefetchSize``.
        max_window: the largest window that a SUBSCRIBE can get.
        dead_letter_after: a message refused by NACK this many times goes to the dead-letter queue.
        dead_letter_queue: where that is. What is refused there as often is discarded.
        max_subscriptions: subscriptions of one connection.
        max_transactions: open transactions of one connection.
        max_durable: durable subscriptions of all connections.
        chunk: bytes of messages handed to one connection before the network is asked whether it takes more.
    """

    max_messages: int = 1_000_000
    max_bytes: int = 1024 * 1024 * 1024
    window: int = 1000
    max_window: int = 65_535
    dead_letter_after: int = 5
    dead_letter_queue: str = "/queue/DLQ"
    max_subscriptions: int = 10_000
    max_transactions: int = 1_000
    max_durable: int = 10_000
    chunk: int = 256 * 1024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"Policy.{name} must be at least 1, not {value}")


class StoredMessage:
    """One message in one queue.

    Attributes:
        number: its place in the order in which the broker took messages.
        destination: what its MESSAGE says.
        headers: the sender's headers that are passed on.
        body: its body.
        size: bytes it counts for.
        redelivered: True once it was delivered and came back.
        refused_by: the numbers of the consumers that refused it by NACK.
        refusals: how often it was refused.
        expires: when it does, in seconds since 1970; None for never.
        waiting: it is in the backlog of its queue, and not with a consumer.
    """

    __slots__ = (
        "__weakref__",
        "body",
        "destination",
        "expires",
        "headers",
        "number",
        "redelivered",
        "refusals",
        "refused_by",
        "size",
        "waiting",
    )

    def __init__(
        self,
        number: int,
        destination: str,
        headers: Mapping[str, str],
        body: bytes,
        size: int,
        expires: float | None = None,
    ) -> None:
        self.number: int = number
        self.destination: str = destination
        self.headers: Mapping[str, str] = headers
        self.body: bytes = body
        self.size: int = size
        self.expires: float | None = expires
        self.waiting: bool = False
        self.redelivered: bool = False
        self.refusals: int = 0
        self.refused_by: frozenset[int] = frozenset()


def size_of(headers: Mapping[str, str], body: bytes) -> int:
    """The bytes that a message counts for.

    >>> size_of({}, b"") == size_of({"a": "b"}, b"c") - 3
    True
    """
    return len(body) + sum(map(len, headers)) + sum(map(len, headers.values())) + _OVERHEAD


class Backlog:
    """The messages that wait in one queue.

    What comes back is in a heap beside what is fresh, and the lower number is the next one. What nobody wants at
    present is set aside. What expired stays where it is until its turn comes, as nothing but its place.
    """

    __slots__ = ("_aside", "_back", "_fresh", "_gone")

    def __init__(self) -> None:
        self._fresh: deque[StoredMessage] = deque()
        self._back: list[tuple[int, StoredMessage]] = []
        self._aside: list[StoredMessage] = []
        self._gone = 0  # of these three, how many have expired

    def __len__(self) -> int:
        return len(self._fresh) + len(self._back) + len(self._aside) - self._gone

    def add(self, message: StoredMessage) -> None:
        """A new message."""
        message.waiting = True
        self._fresh.append(message)

    def put_back(self, message: StoredMessage) -> None:
        """A message that had been taken."""
        message.waiting = True
        heapq.heappush(self._back, (message.number, message))

    def set_aside(self, message: StoredMessage) -> None:
        """A message that had been taken, or is new, and that nobody wants."""
        message.waiting = True
        self._aside.append(message)

    def recall(self) -> None:
        """Somebody new is there: what was set aside has its old place again."""
        if self._aside:
            everything = [*self._fresh, *self._aside]
            self._fresh = deque(sorted(everything, key=lambda message: message.number))
            self._aside = []

    def drop(self, message: StoredMessage) -> None:
        """A message that waits here will never be taken."""
        message.waiting = False
        message.body = b""
        self._gone += 1

    @property
    def ready(self) -> bool:
        """True if there is a message to take."""
        while self._fresh or self._back:
            if not self._gone or self._next().waiting:
                return True
            self._pop()
            self._gone -= 1
        return False

    def first(self) -> StoredMessage:
        """The next message, left where it is. There is one if it is `ready`."""
        return self._next()

    def take(self) -> StoredMessage:
        """The next message, taken out. There is one if it is `ready`."""
        message = self._pop()
        message.waiting = False
        return message

    def _back_is_next(self) -> bool:
        return bool(self._back) and (not self._fresh or self._back[0][0] < self._fresh[0].number)

    def _next(self) -> StoredMessage:
        return self._back[0][1] if self._back_is_next() else self._fresh[0]

    def _pop(self) -> StoredMessage:
        return heapq.heappop(self._back)[1] if self._back_is_next() else self._fresh.popleft()


class Capacity:
    """How much is stored, against the limits of the policy."""

    __slots__ = ("_policy", "bytes", "messages")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.messages: int = 0
        self.bytes: int = 0

    def check(self, messages: int, size: int) -> None:
        """Raise `RequestRefused` unless this much more fits."""
        policy = self._policy
        if self.messages + messages > policy.max_messages:
            what = f"{policy.max_messages} messages"
        elif self.bytes + size > policy.max_bytes:
            what = f"{policy.max_bytes} bytes"
        else:
            return
        raise RequestRefused("the broker is full", f"it keeps {what} at most; consume some, then send again")

    def claim(self, messages: int, size: int) -> None:
        """Count this much more.

        Raises:
            Refusal: it does not fit.
        """
        self.check(messages, size)
        self.messages += messages
        self.bytes += size

    def release(self, messages: int, size: int) -> None:
        """Count this much less."""
        self.messages -= messages
        self.bytes -= size
