"""Who takes part: connections, their consumers, the queues between them, and what is under way.

Plain records; the rules that move them are in `stomp.broker.engine`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stomp.broker.store import Backlog, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.selector import Selector
    from stomp.core.frames.frame import Frame
    from stomp.core.frames.versions import Dialect

#: How many deliveries taken back by UNSUBSCRIBE a connection remembers, to forgive an ACK that comes late.
_REMEMBERED = 10_000


class Queue:
    """Messages and the consumers that share them.

    A topic has one queue for each of its subscriptions (`private`), with that one consumer: what its
    subscriber does not take is nobody else's.

    Attributes:
        name: the destination.
        private: it belongs to one subscription of a topic, and goes when that goes.
        durable: it belongs to a durable subscription, which this is the key of; None for not.
        selector: what a topic's message must be like to get in here; `spelled` is its text.
        backlog: the messages that wait.
        consumers: who gets the next message, the first one first.
        selective: how many of the consumers do not want every message.
        unsettled: messages that are delivered, and neither acknowledged nor back.
    """

    __slots__ = (
        "backlog",
        "consumers",
        "durable",
        "name",
        "private",
        "selective",
        "selector",
        "spelled",
        "unsettled",
    )

    def __init__(self, name: str, *, private: bool = False) -> None:
        self.name: str = name
        self.private: bool = private
        self.durable: tuple[str, ...] | None = None
        self.selector: Selector | None = None
        self.spelled: str | None = None
        self.backlog: Backlog = Backlog()
        self.consumers: deque[Consumer] = deque()
        self.selective: int = 0
        self.unsettled: int = 0

    def __len__(self) -> int:
        return len(self.backlog) + self.unsettled

    @property
    def forgotten(self) -> bool:
        """True when nobody will ever ask for what is in here."""
        return self.private and self.durable is None and not self.consumers

    @property
    def has_room(self) -> bool:
        """True when some consumer can get a message."""
        return any(consumer.has_room for consumer in self.consumers)

    def wants(self, message: StoredMessage) -> bool:
        """True when some consumer does, now or when it has room."""
        return any(each.selector is None or each.selector(message.headers) for each in self.consumers)

    def choose(self, message: StoredMessage) -> Consumer | None:
        """The consumer that gets this message, round-robin; None when no one has room.

        One that refused the message gets it again only when no other has room.
        """
        consumers = self.consumers
        refuser: Consumer | None = None
        for _ in range(len(consumers)):
            consumer = consumers[0]
            consumers.rotate(-1)
            if consumer.has_room and (consumer.selector is None or consumer.selector(message.headers)):
                if consumer.number not in message.refused_by:
                    return consumer
                refuser = refuser or consumer
        return refuser


class Consumer:
    """One subscription.

    Attributes:
        number: unique in the broker.
        client: whose it is.
        key: the id of the SUBSCRIBE, or in STOMP 1.0 without one the destination.
        id: what MESSAGE frames say as ``subscription``, None to leave it out.
        ack: "auto", "client" or "client-individual".
        window: how many messages may be un-acknowledged.
        unacked: those that are, oldest first, by what an ACK calls them.
        selector: what a message of a shared queue must be like; None for any.
        open: False once the subscription ended.
    """

    __slots__ = ("ack", "client", "id", "key", "number", "open", "queue", "selector", "unacked", "window")

    def __init__(self, number: int, client: Client, key: str, id: str | None, queue: Queue) -> None:
        self.number: int = number
        self.client: Client = client
        self.key: str = key
        self.id: str | None = id
        self.queue: Queue = queue
        self.ack: str = "auto"
        self.window: int = 1
        self.selector: Selector | None = None
        self.unacked: dict[str, Delivery] = {}
        self.open: bool = True

    @property
    def has_room(self) -> bool:
        """True when a message may be delivered now."""
        return not self.client.blocked and len(self.unacked) < self.window


class Delivery:
    """A message that was delivered and waits for an ACK or NACK. `key` is what these call it."""

    __slots__ = ("consumer", "key", "message", "number")

    def __init__(self, number: int, key: str, message: StoredMessage, consumer: Consumer) -> None:
        self.number: int = number
        self.key: str = key
        self.message: StoredMessage = message
        self.consumer: Consumer = consumer


@dataclass(frozen=True, slots=True)
class PendingSend:
    """A SEND that waits for its COMMIT."""

    destination: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class PendingAck:
    """An ACK or NACK, with all deliveries that it covers.

    Attributes:
        deliveries: the deliveries, oldest first.
        refused: it is a NACK.
        requeue: a NACK that wants redelivery.
    """

    deliveries: list[Delivery]
    refused: bool
    requeue: bool


#: What waits for COMMIT, in the order in which it came.
Transaction = list[PendingSend | PendingAck]


class Client:
    """One connection, as the engine sees it. The driver takes `outbox` after each call of the engine.

    Attributes:
        number: unique in the broker.
        dialect: the version that the client speaks.
        client_id: what its CONNECT said as ``client-id``, or None.
        outbox: frames to write, in order.
        pending: bytes of messages in the outbox.
        blocked: no message is delivered: the chunk is full, or the driver says that the network is.
        consumers: its subscriptions, by key.
        transactions: its open transactions, by id.
        awaiting: its un-acknowledged deliveries, by what an ACK calls them.
        temporary: the names of its temporary queues and topics that exist.
        open: False once the connection ended.
    """

    __slots__ = (
        "awaiting",
        "blocked",
        "client_id",
        "consumers",
        "dialect",
        "dirty",
        "number",
        "open",
        "outbox",
        "pending",
        "released",
        "temporary",
        "transactions",
    )

    def __init__(self, number: int, dialect: Dialect, client_id: str | None = None) -> None:
        self.number: int = number
        self.dialect: Dialect = dialect
        self.client_id: str | None = client_id
        self.outbox: list[Frame] = []
        self.pending: int = 0
        self.blocked: bool = False
        self.dirty: bool = False
        self.open: bool = True
        self.consumers: dict[str, Consumer] = {}
        self.transactions: dict[str, Transaction] = {}
        self.awaiting: dict[str, Delivery] = {}
        self.released: dict[str, None] = {}
        self.temporary: set[str] = set()

    def take(self) -> list[Frame]:
        """The frames to write since the last call. When `blocked`, ask `Engine.resume` for more."""
        frames, self.outbox = self.outbox, []
        self.pending = 0
        return frames

    def remember(self, key: str) -> None:
        """An un-acknowledged delivery was taken back; an ACK may be on its way."""
        self.released[key] = None
        if len(self.released) > _REMEMBERED:
            del self.released[next(iter(self.released))]
