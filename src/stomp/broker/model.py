"""The records of the broker: clients, consumers, queues, deliveries and transactions.

Rules of this file: these classes hold state and answer questions about it. The rules that change the state are in
`stomp.broker.engine`.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from stomp.broker.store import Backlog, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stomp.broker.permissions import Permissions
    from stomp.broker.queue_arguments import QueueArguments
    from stomp.broker.schedule import Schedule
    from stomp.broker.selector import Selector
    from stomp.core.frames.frame import Frame
    from stomp.core.frames.versions import Version

#: Number of deliveries returned by UNSUBSCRIBE that a connection remembers, so that a late ACK for them is no error.
_REMEMBERED = 10_000
#: Number of message groups of a queue; the oldest one may get another consumer then.
_MOST_GROUPS = 10_000


class Queue:
    """Messages and the consumers that share them.

    A topic has one queue for each of its subscriptions (`private`). Its messages are for that subscription only. A
    shared durable subscription may have several consumers, all other private queues have at most one.

    Attributes:
        name: the destination.
        private: the queue belongs to one subscription of a topic, and ends with it.
        browsing: the queue has copies of the messages of another queue, for a consumer with ``browser:true``.
        durable: the key of the durable subscription that the queue belongs to; None for other queues.
        selector: the selector of a private queue: only messages that it accepts are stored. None for all messages.
        selector_text: the text of `selector`.
        backlog: the waiting messages.
        bytes: what all its messages count for.
        cost: the cost of selector and wildcards of a private queue; see `Policy.max_cost`.
        dropped: number of messages dropped because a subscription was too slow.
        consumers: the consumers; the first one is the next in the round-robin order.
        pattern_consumers: number of consumers that have the queue by a pattern only, see `Consumer`.
        selective: number of consumers with a selector.
        arguments: the arguments with which it was declared (RabbitMQ). Such a queue is kept without messages.
        last_used: the time at which it was declared, or its last consumer was removed.
        virtual: it gets the messages to a virtual topic of ActiveMQ, and is kept without messages.
        ranked: number of consumers that are exclusive or have a priority.
        no_local: the number of the client whose own messages the subscription does not get; 0 for none.
        groups: the consumer of each message group.
        transient: the durable subscription ends with its last consumer.
        unsettled: number of messages that are delivered, and neither acknowledged nor returned.
    """

    __slots__ = (
        "arguments",
        "backlog",
        "browsing",
        "bytes",
        "consumers",
        "cost",
        "dropped",
        "durable",
        "groups",
        "last_used",
        "name",
        "no_local",
        "pattern_consumers",
        "private",
        "ranked",
        "selective",
        "selector",
        "selector_text",
        "transient",
        "unsettled",
        "virtual",
    )

    def __init__(self, name: str, *, private: bool = False) -> None:
        self.name: str = name
        self.private: bool = private
        self.browsing: bool = False
        self.bytes: int = 0
        self.cost: int = 0
        self.dropped: int = 0
        self.durable: tuple[str, ...] | None = None
        self.selector: Selector | None = None
        self.selector_text: str | None = None
        self.backlog: Backlog = Backlog()
        self.consumers: deque[Consumer] = deque()
        self.pattern_consumers: int = 0
        self.selective: int = 0
        self.unsettled: int = 0
        self.arguments: QueueArguments | None = None
        self.last_used: float = 0.0
        self.transient: bool = False
        self.virtual: bool = False
        self.ranked: int = 0
        self.no_local: int = 0
        self.groups: dict[str, Consumer] = {}

    def __len__(self) -> int:
        return len(self.backlog) + self.unsettled

    def messages(self) -> list[StoredMessage]:
        """All messages, waiting or unacknowledged, in the order in which the broker received them."""
        return sorted(self, key=lambda message: message.number)

    def __iter__(self) -> Iterator[StoredMessage]:
        """All messages, waiting or unacknowledged, in no order."""
        return chain(self.backlog, self._unacknowledged())

    def _unacknowledged(self) -> Iterator[StoredMessage]:
        return (
            each.message
            for consumer in self.consumers
            for each in consumer.unacked.values()
            if each.queue is self
        )

    def page(self, offset: int, limit: int, *, newest_first: bool = False) -> list[StoredMessage]:
        """Some of its messages, in the order of delivery, without a sort or a copy of all that wait.

        Args:
            offset: number of messages to leave out.
            limit: maximum number of messages.
            newest_first: begin with the last one.
        """
        most = offset + limit
        select = heapq.nlargest if newest_first else heapq.nsmallest
        sources = self.backlog.ordered(most, newest_first=newest_first)
        sources.append(select(most, self._unacknowledged(), key=_order_of) if self.unsettled else [])
        merged = heapq.merge(*sources, key=_order_of, reverse=newest_first)
        return list(islice(merged, offset, most))

    @property
    def is_abandoned(self) -> bool:
        """True if no consumer can ever get these messages: the subscription has ended and is not durable."""
        return self.private and (self.durable is None or self.transient) and not self.consumers

    @property
    def is_kept(self) -> bool:
        """True if it exists without messages and consumers."""
        return self.virtual or self.arguments is not None

    @property
    def is_unused(self) -> bool:
        """True if it has no messages, and no consumer that has named it."""
        return not len(self) and len(self.consumers) == self.pattern_consumers

    @property
    def has_room(self) -> bool:
        """True if at least one consumer can get a message now."""
        return any(consumer.has_room for consumer in self.consumers)

    def has_interested_consumer(self, message: StoredMessage) -> bool:
        """True if the selector of at least one consumer accepts the message, whether that consumer has room or not."""
        return any(each.selector is None or each.selector(message.headers) for each in self.consumers)

    def next_consumer(self, message: StoredMessage) -> Consumer | None:
        """The next consumer for this message, round-robin; None if no matching consumer has room.

        A consumer that refused the message gets it again only if no other matching consumer has room.
        """
        consumers = self.consumers
        if self.ranked or message.group is not None:
            return self._best_consumer(message)
        refuser: Consumer | None = None
        for _ in range(len(consumers)):
            consumer = consumers[0]
            consumers.rotate(-1)
            if consumer.has_room and (consumer.selector is None or consumer.selector(message.headers)):
                if consumer.number not in message.refused_by:
                    return consumer
                refuser = refuser or consumer
        return refuser

    def _best_consumer(self, message: StoredMessage) -> Consumer | None:
        """As `next_consumer`, with message groups, exclusive consumers and priorities of consumers (ActiveMQ)."""
        group = message.group
        if group is not None and (consumer := self.groups.get(group)) is not None:
            if consumer.open:
                return consumer if consumer.has_room else None
            del self.groups[group]
        fitting = [each for each in self.consumers if each.selector is None or each.selector(message.headers)]
        exclusive = next((each for each in sorted(fitting, key=_by_number) if each.exclusive), None)
        if exclusive is not None:
            return exclusive if exclusive.has_room else None
        free = [each for each in fitting if each.has_room]
        if not free:
            return None
        # Of equal ones the first in the round-robin order, and one that has not refused the message.
        best = max(free, key=lambda each: (each.priority, each.number not in message.refused_by))
        self.consumers.remove(best)
        self.consumers.append(best)
        if group is not None:
            if len(self.groups) >= _MOST_GROUPS:
                del self.groups[next(iter(self.groups))]
            self.groups[group] = best
        return best


def _order_of(message: StoredMessage) -> int:
    return message.order


def _by_number(consumer: Consumer) -> int:
    return consumer.number


class Consumer:
    """One subscription of one connection.

    A subscription may have several queues (ActiveMQ): those that its destination names, separated by commas, and those
    that match a pattern like ``/queue/orders.*``, also when they are made later.

    Attributes:
        number: unique in the broker.
        client: the client that subscribed.
        key: the ``id`` of the SUBSCRIBE; without one (STOMP 1.0) its destination.
        id: the ``subscription`` header of MESSAGE frames; None to leave it out.
        destination: the destination, inside the broker.
        queues: the queues that it consumes from; True for one that it has by a pattern only.
        patterns: the patterns of its destination.
        ack: "auto", "client" or "client-individual".
        exclusive: no other consumer of the queue gets messages (ActiveMQ).
        priority: consumers with a higher one get messages first (ActiveMQ).
        window: maximum number of unacknowledged messages; 0 if an operator has stalled the subscription.
        prefetch: the `window` that it has otherwise.
        unacked: the unacknowledged deliveries, oldest first, by the id that an ACK uses.
        selector: the selector for messages of a queue; None for all messages. That of a topic is in `Queue.selector`.
        selector_text: the text of its selector, for queues and topics.
        cost: the cost of its selector and wildcards, see `Policy.max_cost`.
        open: False when the subscription has ended.
    """

    __slots__ = (
        "ack",
        "client",
        "cost",
        "destination",
        "exclusive",
        "id",
        "key",
        "number",
        "open",
        "patterns",
        "prefetch",
        "priority",
        "queues",
        "selector",
        "selector_text",
        "unacked",
        "window",
    )

    def __init__(self, number: int, client: Client, key: str, id: str | None, destination: str) -> None:
        self.number: int = number
        self.client: Client = client
        self.key: str = key
        self.id: str | None = id
        self.destination: str = destination
        self.queues: dict[Queue, bool] = {}
        self.patterns: tuple[str, ...] = ()
        self.ack: str = "auto"
        self.window: int = 1
        self.prefetch: int = 1
        self.exclusive: bool = False
        self.priority: int = 0
        self.cost: int = 0
        self.selector: Selector | None = None
        self.selector_text: str | None = None
        self.unacked: dict[str, Delivery] = {}
        self.open: bool = True

    @property
    def has_room(self) -> bool:
        """True if a message may be delivered now."""
        return not self.client.blocked and len(self.unacked) < self.window

    @property
    def is_stalled(self) -> bool:
        """True if it gets no messages, because an operator has asked for that."""
        return not self.window


class Delivery:
    """A message of a queue that was delivered and waits for an ACK or NACK; `key` is the id that these frames use."""

    __slots__ = ("consumer", "key", "message", "number", "queue")

    def __init__(
        self, number: int, key: str, message: StoredMessage, consumer: Consumer, queue: Queue
    ) -> None:
        self.number: int = number
        self.key: str = key
        self.message: StoredMessage = message
        self.consumer: Consumer = consumer
        self.queue: Queue = queue


@dataclass(slots=True)  # not frozen: that would cost 0.1 microseconds for each field
class PendingSend:
    """The data of a SEND; in a transaction it is kept until COMMIT.

    Attributes:
        destination: the destination, see `stomp.broker.destinations.qualify`.
        headers: the headers of its MESSAGE.
        body: the body.
        size: the bytes that it counts for.
        expires: expiry time in seconds since 1970; None if it does not expire.
        has_length: the SEND had a ``content-length``.
        deaths: the queues that it has left for a dead-letter exchange, each with the reason.
        schedule: when it is delivered; None for at once.
        client: the number of the client that has sent it; 0 for none.
        duplicate_id: identifies it, see `stomp.broker.duplicates.DuplicateIds`; None without ``_AMQ_DUPL_ID``.
    """

    destination: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    expires: float | None = None
    has_length: bool = True
    deaths: frozenset[tuple[str, str]] = frozenset()
    schedule: Schedule | None = None
    client: int = 0
    duplicate_id: bytes | None = None


@dataclass(slots=True)
class ScheduledMessage:
    """A message that is delivered later.

    Attributes:
        number: unique in the broker.
        sending: the message, without its schedule.
        schedule: its schedule.
        due: the time of its next delivery, in seconds since 1970.
        done: number of deliveries so far.
    """

    number: int
    sending: PendingSend
    schedule: Schedule
    due: float
    done: int = 0


@dataclass(frozen=True, slots=True)
class PendingAck:
    """An ACK or NACK, with all deliveries that it covers.

    Attributes:
        deliveries: the deliveries, oldest first.
        refused: True for a NACK.
        requeue: for a NACK, False if the message must not be delivered again.
    """

    deliveries: list[Delivery]
    refused: bool
    requeue: bool


class OpenTransaction:
    """An open transaction.

    Attributes:
        steps: its operations, in the order in which they were received.
        receipts: the receipts that are sent at COMMIT.
    """

    __slots__ = ("receipts", "steps")

    def __init__(self) -> None:
        self.steps: list[PendingSend | PendingAck] = []
        self.receipts: list[str] = []


class Client:
    """The engine's state of one connection. The connection calls `take` after each call of the engine.

    Attributes:
        number: unique in the broker.
        version: the STOMP version of the connection.
        client_id: the ``client-id`` header of its CONNECT, or None.
        login: the login; None if there was none.
        outbox: frames to write, in order.
        pending: bytes of messages in the outbox.
        blocked: no message is delivered, because the chunk is full or the output buffer of the connection is.
        has_output: the client is in the list that `Engine.take_clients_with_output` returns next.
        consumers: its subscriptions, by key.
        transactions: its open transactions, by id.
        awaiting: its unacknowledged deliveries, by the id that an ACK uses.
        released: ids of deliveries that an UNSUBSCRIBE returned, oldest first; see `remember`.
        cost: the cost of the selectors and wildcards of its subscriptions.
        temporary: the names of its existing temporary queues.
        declared: the names of the queues with arguments that it has declared.
        held: its ended subscriptions whose unacknowledged messages it still holds, see `Dialect`.
        permissions: the destinations that its user may use; None for all.
        open: False when the connection has ended.
    """

    __slots__ = (
        "awaiting",
        "blocked",
        "client_id",
        "consumers",
        "cost",
        "declared",
        "has_output",
        "held",
        "late_acks",
        "login",
        "number",
        "open",
        "outbox",
        "pending",
        "permissions",
        "temporary",
        "transactions",
        "version",
    )

    def __init__(
        self, number: int, version: Version, client_id: str | None = None, login: str | None = None
    ) -> None:
        self.number: int = number
        self.version: Version = version
        self.client_id: str | None = client_id
        self.login: str | None = login
        self.outbox: list[Frame] = []
        self.pending: int = 0
        self.blocked: bool = False
        self.has_output: bool = False
        self.open: bool = True
        self.consumers: dict[str, Consumer] = {}
        self.transactions: dict[str, OpenTransaction] = {}
        self.awaiting: dict[str, Delivery] = {}
        self.late_acks: dict[str, None] = {}
        self.cost: int = 0
        self.permissions: Permissions | None = None
        self.temporary: set[str] = set()
        self.held: list[Consumer] = []
        self.declared: set[str] = set()

    def take(self) -> list[Frame]:
        """The frames to write since the last call. If `blocked`, call `Engine.resume` to get more."""
        frames, self.outbox = self.outbox, []
        self.pending = 0
        return frames

    def expect_late_ack(self, key: str) -> None:
        """Remember a delivery that was returned unacknowledged: an ACK for it may still arrive, and is ignored."""
        self.late_acks[key] = None
        if len(self.late_acks) > _REMEMBERED:
            del self.late_acks[next(iter(self.late_acks))]
