"""Message storage of the broker: messages, their backlog in a queue, and the limits of memory.

Rules of this file:

- A backlog returns messages in the order in which the broker received them. A message that is put back gets its old
  place.
- Nothing here depends on connections or frames.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal

from stomp.core.errors import StompError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Bytes that a stored message counts for in addition to headers and body: an estimate of its Python objects.
OVERHEAD = 512
#: The same for each header, and for each queue.
HEADER_OVERHEAD = 100
QUEUE_OVERHEAD = 2048
#: The same for each queue that a subscription has by a pattern.
MATCH_OVERHEAD = 200


class RequestRefused(StompError):
    """The broker refuses the request of a frame. It sends ERROR and closes the connection.

    Attributes:
        message: the ``message`` header of the ERROR.
        detail: the body of the ERROR.
        fatal: the connection ends in every dialect.
    """

    def __init__(self, message: str, detail: str = "", *, fatal: bool = False) -> None:
        super().__init__(message)
        self.detail = detail
        self.fatal = fatal


@dataclass(frozen=True)
class Policy:
    """Limits of the queues of a broker, and rules for messages.

    Attributes:
        max_messages: maximum number of messages in all queues, including those delivered and not acknowledged. For a
            topic, the copy of each subscriber counts. A SEND beyond the limit gets an ERROR.
        max_bytes: the same limit in bytes: headers and body, plus 512 bytes for each message, 100 for each of its
            headers and 2048 for each queue. Frames that have arrived in part count as well, and may use half of it.
        max_queue_bytes: maximum number of bytes of one queue. A SEND beyond it gets an ERROR.
        max_subscription_bytes: maximum number of bytes that wait for one subscription to a topic.
        slow_consumer: what happens beyond this limit: "drop-oldest" drops the oldest waiting messages of the
            subscription, "disconnect" ends its connection. A durable subscription without a consumer drops the oldest.
        window: maximum number of unacknowledged messages of a subscription; more are not delivered. A SUBSCRIBE can
            set another value by ``prefetch-count`` or ``activemq.prefetchSize``.
        max_window: the maximum of the value that a SUBSCRIBE can set.
        dead_letter_after: number of refusals by NACK after which a message goes to the dead-letter queue.
        dead_letter_queue: the destination of that queue. A message that is refused there as often is discarded.
        max_subscriptions: maximum number of subscriptions of one connection.
        max_transactions: maximum number of open transactions of one connection.
        max_durable: maximum number of durable subscriptions of the broker.
        max_retroactive: number of messages that each topic keeps for subscriptions with ``activemq.retroactive:true``;
            0 for none. They use a quarter of `max_bytes` at most.
        max_destination: maximum number of characters of a destination.
        max_selector: maximum number of characters of a selector.
        max_cost: maximum cost of the selectors and wildcards of one connection; of all together, ten times as much. A
            unit is about 0.2 microseconds for each message: a name or literal in a selector costs 10, a LIKE 300, one
            with ``_`` between two ``%`` 20,000, a wildcard subscription 1 for each word, or 50 if a ``#`` is followed
            by more words.
        chunk: bytes of messages written to one connection before the others have their turn and back-pressure is
            checked.
    """

    max_messages: int = 1_000_000
    max_bytes: int = 128 * 1024 * 1024
    max_queue_bytes: int = 64 * 1024 * 1024
    max_subscription_bytes: int = 16 * 1024 * 1024
    slow_consumer: Literal["drop-oldest", "disconnect"] = "drop-oldest"
    window: int = 1000
    max_window: int = 65_535
    dead_letter_after: int = 5
    dead_letter_queue: str = "/queue/DLQ"
    max_subscriptions: int = 10_000
    max_transactions: int = 1_000
    max_durable: int = 10_000
    max_retroactive: int = 0
    max_destination: int = 1024
    max_selector: int = 8192
    max_cost: int = 100_000
    chunk: int = 256 * 1024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name == "max_retroactive" else 1
            if isinstance(value, int) and value < least:
                raise ValueError(f"Policy.{name} must be at least {least}, not {value}")
        if self.slow_consumer not in ("drop-oldest", "disconnect"):
            raise ValueError(
                f'Policy.slow_consumer must be "drop-oldest" or "disconnect", not {self.slow_consumer!r}'
            )


#: Shared, because each call of frozenset() makes an object of 216 bytes.
_NO_DEATHS: frozenset[tuple[str, str]] = frozenset()
_NOBODY: frozenset[int] = frozenset()


class StoredMessage:
    """One message in one queue.

    Attributes:
        number: position in the order in which the broker received messages.
        destination: the ``destination`` header of its MESSAGE.
        headers: the headers of the sender that its MESSAGE contains.
        body: the body.
        size: number of bytes that it counts for, see `size_of`.
        redelivered: True if it was delivered before and returned.
        refused_by: the numbers of the consumers that refused it by NACK.
        refusals: number of refusals.
        expires: expiry time in seconds since 1970; None if it does not expire.
        group: its message group, whose messages go to one consumer; None without.
        deliveries: number of deliveries without an acknowledgement.
        order: its place in the queue; that of a message with a priority is lower than its number.
        deaths: the queues that it has left for a dead-letter exchange, each with the reason.
        has_length: its SEND had a ``content-length``.
        waiting: True while it is in the backlog of its queue; False while a consumer has it.
    """

    __slots__ = (
        "__weakref__",
        "body",
        "deaths",
        "deliveries",
        "destination",
        "expires",
        "group",
        "has_length",
        "headers",
        "number",
        "order",
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
        self.has_length: bool = True
        self.order: int = number
        self.deliveries: int = 0
        self.group: str | None = None
        self.deaths: frozenset[tuple[str, str]] = _NO_DEATHS
        self.waiting: bool = False
        self.redelivered: bool = False
        self.refusals: int = 0
        self.refused_by: frozenset[int] = _NOBODY


def size_of(headers: Mapping[str, str], body: bytes) -> int:
    """The number of bytes that a message counts for: body, headers, and the overhead of their objects.

    >>> size_of({}, b""), size_of({"a": "b"}, b"c")
    (512, 615)
    """
    text = sum(map(len, headers)) + sum(map(len, headers.values()))
    return len(body) + text + HEADER_OVERHEAD * len(headers) + OVERHEAD


class Backlog:
    """The waiting messages of one queue.

    New messages are in a deque, returned ones and those with a priority in a heap; the message with the lower `order`
    is the next one.
    Messages that no selector of a consumer accepts are in a list of their own (`defer`). An expired message stays
    in its place, without its body, until it is the next one, and is then removed.
    """

    __slots__ = ("_back", "_deferred", "_fresh", "_gone")

    def __init__(self) -> None:
        self._fresh: deque[StoredMessage] = deque()
        self._back: list[tuple[int, StoredMessage]] = []
        self._deferred: list[StoredMessage] = []
        self._gone = 0  # number of expired messages in these three

    def __len__(self) -> int:
        return len(self._fresh) + len(self._back) + len(self._deferred) - self._gone

    def add(self, message: StoredMessage) -> None:
        """Add a new message at the end."""
        message.waiting = True
        if self._fresh and message.order < self._fresh[-1].order:
            heapq.heappush(self._back, (message.order, message))
        else:
            self._fresh.append(message)

    def put_back(self, message: StoredMessage) -> None:
        """Return a message that was taken; it gets its old place."""
        message.waiting = True
        heapq.heappush(self._back, (message.order, message))

    def messages(self) -> list[StoredMessage]:
        """The waiting messages, those that were deferred included, in no order."""
        return list(self)

    def __iter__(self) -> Iterator[StoredMessage]:
        everything = chain(self._fresh, self._deferred, (message for _, message in self._back))
        return (message for message in everything if message.waiting)

    def ordered(self, most: int, *, newest_first: bool) -> list[Iterable[StoredMessage]]:
        """The waiting messages as several sequences, each by `order`. Nothing is copied that is not among the first.

        Args:
            most: how many messages are read.
            newest_first: begin with the highest `order`.
        """
        # A heap is not sorted: only its first waiting messages are, in one pass.
        select = heapq.nlargest if newest_first else heapq.nsmallest
        waiting = (entry for entry in self._back if entry[1].waiting)
        returned = [message for _, message in select(most, waiting)] if self._back else []
        kept = (self._fresh, self._deferred)
        ends = [reversed(each) for each in kept] if newest_first else [iter(each) for each in kept]
        return [*(filter(_is_waiting, each) if self._gone else each for each in ends), returned]

    def defer(self, message: StoredMessage) -> None:
        """Store a new or taken message that no consumer accepts; it is not returned until `restore_deferred`."""
        message.waiting = True
        if self._deferred and message.order < self._deferred[-1].order:
            insort(self._deferred, message, key=_order_of)
        else:
            self._deferred.append(message)

    def restore_deferred(self) -> None:
        """Put the messages that were set aside in their old places; called when a consumer is added."""
        if self._deferred:
            everything = [*self._fresh, *self._deferred]
            self._fresh = deque(sorted(everything, key=lambda message: message.order))
            self._deferred = []

    def drop(self, message: StoredMessage) -> None:
        """Drop a waiting message: its body is released now, its entry when it is the next one."""
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
        """The next message, without removing it. Call only if `ready` is true."""
        return self._next()

    def take(self) -> StoredMessage:
        """Remove and return the next message. Call only if `ready` is true."""
        message = self._pop()
        message.waiting = False
        return message

    def _back_is_next(self) -> bool:
        return bool(self._back) and (not self._fresh or self._back[0][0] < self._fresh[0].order)

    def _next(self) -> StoredMessage:
        return self._back[0][1] if self._back_is_next() else self._fresh[0]

    def _pop(self) -> StoredMessage:
        return heapq.heappop(self._back)[1] if self._back_is_next() else self._fresh.popleft()


def _is_waiting(message: StoredMessage) -> bool:
    return message.waiting


def _order_of(message: StoredMessage) -> int:
    return message.order


class Capacity:
    """Counts stored messages and bytes, and enforces the limits of the policy."""

    __slots__ = ("_policy", "bytes", "matches", "messages", "queues", "unfinished")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.messages: int = 0
        self.bytes: int = 0
        self.queues: int = 0  # each one counts for `QUEUE_OVERHEAD` bytes
        self.matches: int = (
            0  # queues that subscriptions have by a pattern; each one counts for `MATCH_OVERHEAD` bytes
        )
        self.unfinished: int = 0  # bytes of frames that have arrived in part; `bytes` contains them

    def hold_unfinished(self, size: int) -> None:
        """Add bytes of a frame that has arrived in part.

        Raises:
            RequestRefused: they do not fit.
        """
        if self.unfinished + size > self._policy.max_bytes // 2:
            raise RequestRefused("the broker is full", "too many large frames arrive at the same time")
        self.check(0, size)
        self.unfinished += size
        self.bytes += size

    def release_unfinished(self, size: int) -> None:
        """Subtract bytes of a frame that has arrived in full."""
        self.unfinished -= size
        self.bytes -= size

    @property
    def total_bytes(self) -> int:
        """The bytes of messages, queues and subscriptions."""
        return self.bytes + self.queues * QUEUE_OVERHEAD + self.matches * MATCH_OVERHEAD

    def check(self, messages: int, size: int) -> None:
        """Raise `RequestRefused` if this number of messages and bytes does not fit in addition."""
        policy = self._policy
        if self.messages + messages > policy.max_messages:
            what = f"{policy.max_messages} messages"
        elif self.total_bytes + size > policy.max_bytes:
            what = f"{policy.max_bytes} bytes"
        else:
            return
        raise RequestRefused("the broker is full", f"it keeps {what} at most; consume some, then send again")

    def claim(self, messages: int, size: int) -> None:
        """Add messages and bytes.

        Raises:
            RequestRefused: they do not fit.
        """
        self.check(messages, size)
        self.messages += messages
        self.bytes += size

    def release(self, messages: int, size: int) -> None:
        """Subtract messages and bytes."""
        self.messages -= messages
        self.bytes -= size
