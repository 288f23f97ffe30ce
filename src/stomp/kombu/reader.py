"""`QueueReader`: what one connection receives from one queue of Kombu.

Rules of this file:

- The queue of a task is read by a subscription to ``/queue/NAME``, which exists while Kombu consumes the queue.
- A transient queue also receives from the topics of its bindings. These subscriptions are made by ``queue_bind``,
  because a reply may be sent before Kombu begins to consume.
- Where the broker keeps unacknowledged messages after UNSUBSCRIBE (RabbitMQ), the subscriptions to ``/queue/NAME`` have
  a connection to themselves: closing it is the only way to give messages back.
- A subscription with unsettled messages is not closed: brokers refuse an ACK after UNSUBSCRIBE. It is closed when the
  last of them is settled, or given back by the end of the connection.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from stomp.client.sync.handles import MergedSubscription, Message, Subscription
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.errors import StompError
from stomp.kombu.destinations import queue_destination, queue_headers, routing_headers
from stomp.kombu.payload import decode

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from stomp.client.arguments import Ack, SubscribeOptions
    from stomp.client.sync.client import Client
    from stomp.core.engine.broker_profiles import BrokerProfile
    from stomp.kombu.destinations import QueueSettings
    from stomp.kombu.payload import Payload

#: The header of an empty message whose only purpose is that RabbitMQ declares its queue.
DECLARES = "kombu-declares"


class ReaderConnection(Protocol):
    """What a reader needs of the connection."""

    client: Client

    def wake(self) -> None:
        """Called when messages have arrived, or a subscription has ended. It does not block."""

    def open_for_queue(self) -> Client:
        """The client for the subscriptions to a queue."""
        raise NotImplementedError

    def close_for_queue(self, client: Client) -> bool:
        """Close that client, if it is not used for anything else. Returns False otherwise."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TopicBinding:
    """A binding of a transient queue to an exchange.

    Attributes:
        exchange: the name of the exchange.
        key: the routing key, with wildcards if the exchange is a topic exchange.
        regex: matches the routing keys of its messages; None for all, as of a fanout exchange.
        destination: the topic to subscribe to; it may match more keys.
    """

    exchange: str
    key: str
    regex: re.Pattern[str] | None
    destination: str

    def matches(self, info: dict[str, Any]) -> bool:
        """True if a message with this ``delivery_info`` belongs to the binding."""
        key = info.get("routing_key") or ""
        return info.get("exchange") == self.exchange and (self.regex is None or bool(self.regex.match(key)))


class MessageSet:
    """Subscriptions of one client whose messages are received together, in the order of their arrival.

    Args:
        client: the client.
        on_message: called when messages have arrived, or a subscription has ended. It must not block.
    """

    def __init__(self, client: Client, on_message: Callable[[], None]) -> None:
        self.client = client
        self._queue = MessageQueue()
        self._queue.add_callback(on_message)
        self._merged = MergedSubscription(client, self._queue)
        self._subscriptions: list[Subscription] = []

    def subscribe(self, destination: str, ack: Ack, options: SubscribeOptions) -> Subscription:
        """Subscribe to one more destination."""
        subscription = self.client.subscribe(destination, ack=ack, **options)
        with self.client._lock:
            subscription._subscription.merge_into(self._queue)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription."""
        self._subscriptions.remove(subscription)
        with contextlib.suppress(
            StompError
        ):  # if the connection was lost, the subscription has ended with it
            subscription.close()
        with self.client._lock:
            self._queue.subscriptions.remove(subscription._subscription)

    def unsubscribe_all(self) -> None:
        """End all subscriptions."""
        for subscription in list(self._subscriptions):
            self.unsubscribe(subscription)

    @property
    def is_waiting(self) -> bool:
        """True if messages have arrived that were not received yet."""
        return bool(self._queue.messages)

    def receive(self, timeout: float) -> Message | None:
        """Receive the next message; None if there is none in time."""
        return self._merged.receive(timeout) if self._queue.messages or timeout else None


class QueueReader:
    """The subscriptions for one queue.

    Args:
        connection: the connection.
        settings: how the queue is declared.

    Attributes:
        settings: how the queue is declared.
    """

    def __init__(self, connection: ReaderConnection, settings: QueueSettings) -> None:
        self.settings = settings
        self._connection = connection
        self._profile: BrokerProfile = connection.client.broker
        self._requeued: deque[Payload] = deque()
        self._from_topics = MessageSet(connection.client, connection.wake)
        self._topics: dict[str, Subscription] = {}
        self._bindings: list[TopicBinding] = []
        self._from_queue: MessageSet | None = None
        self._prefetch = 0  # the sum of the prefetches of the subscriptions to the queue; 0 for no limit
        self._no_ack = False
        self._consumers = 0
        self._unsettled = 0

    # ------------------------------------------------------------------------------------- bindings

    def bind(self, binding: TopicBinding) -> None:
        """Receive from the topic of a binding."""
        if binding in self._bindings:
            return
        if binding.destination not in self._topics:
            headers = routing_headers(self._profile, shared=False, subscribes=True)
            self._topics[binding.destination] = self._from_topics.subscribe(
                binding.destination, "auto", {"headers": headers}
            )
        self._bindings.append(binding)

    def unbind(self, exchange: str, key: str) -> None:
        """Remove a binding, and the subscription that only this binding needs."""
        self._bindings = [each for each in self._bindings if (each.exchange, each.key) != (exchange, key)]
        needed = {each.destination for each in self._bindings}
        for destination in [name for name in self._topics if name not in needed]:
            self._from_topics.unsubscribe(self._topics.pop(destination))

    # ------------------------------------------------------------------------------------- consuming

    def consume(self, *, no_ack: bool, prefetch: int) -> None:
        """Begin to consume; `prefetch` is the maximum number of unsettled messages, 0 for no limit."""
        self._consumers += 1
        if self._from_queue is None:
            self._no_ack, self._prefetch = no_ack, 0 if no_ack else prefetch
            self._begin()

    def _begin(self) -> None:
        self._from_queue = MessageSet(self._connection.open_for_queue(), self._connection.wake)
        self._subscribe_shared("auto" if self._no_ack else "client-individual", self._prefetch)

    def grow(self, prefetch: int) -> None:
        """Allow more unsettled messages, by one more subscription: STOMP cannot change the prefetch of an existing one.

        Celery adds one for each task that waits for its ``eta``. The broker's limit is at least doubled each time, and
        the exact limit is that of the channel.
        """
        if not self._consumers or not self._prefetch or 0 < prefetch <= self._prefetch:
            return
        # Where the broker counts bytes, the prefetch is no number.
        more = max(prefetch - self._prefetch, self._prefetch) if prefetch and self._profile.prefetch else 0
        self._subscribe_shared("client-individual", more)
        self._prefetch = self._prefetch + more if more else 0

    def _subscribe_shared(self, ack: Ack, prefetch: int) -> None:
        options: SubscribeOptions = {"headers": self._headers()}
        is_one = prefetch == 1 and self._profile.prefetch_one is not None
        if ack != "auto" and prefetch and (self._profile.prefetch or is_one):
            options["prefetch"] = prefetch
        destination = queue_destination(self._profile, self.settings.name)
        assert self._from_queue is not None
        self._from_queue.subscribe(destination, ack, options)

    def _headers(self) -> dict[str, Any]:
        shared = routing_headers(self._profile, shared=True, subscribes=True)
        return {**queue_headers(self._profile, self.settings), **shared}

    def cancel(self) -> None:
        """Stop consuming."""
        self._consumers = max(0, self._consumers - 1)
        self._close_shared()

    def settled(self) -> None:
        """Note that a message was settled."""
        self._unsettled -= 1
        self._close_shared()

    def _close_shared(self) -> None:
        if not self._consumers and self._unsettled <= 0:
            self.give_back()

    def give_back(self) -> None:
        """End the subscriptions to the queue: the broker delivers their unsettled messages to others."""
        messages, self._from_queue = self._from_queue, None
        self._unsettled = 0
        if messages is not None and not self._connection.close_for_queue(messages.client):
            messages.unsubscribe_all()
        if self._consumers:
            self._begin()  # for the consumers of other channels

    def close(self) -> None:
        """End all subscriptions."""
        self._consumers = 0
        self.give_back()
        self._from_topics.unsubscribe_all()
        self._topics, self._bindings = {}, []

    # ------------------------------------------------------------------------------------- messages

    def put_first(self, payload: Payload) -> None:
        """Deliver a message of a topic again, before all others."""
        self._requeued.appendleft(payload)

    def receive(self, timeout: float = 0.0) -> tuple[Payload, Message | None] | None:
        """Receive the next message; the second item is None if it needs no ACK. None if there is no message in time.

        Raises:
            StompError: the connection was lost.
        """
        if self._requeued:
            return self._requeued.popleft(), None
        while (message := self._from_topics.receive(0)) is not None:
            payload = decode(message)
            if message.subscription is not None and self._belongs_here(
                message.subscription.destination, payload
            ):
                return payload, None
        messages = self._from_queue
        while messages is not None and (message := messages.receive(timeout)) is not None:
            assert message.subscription is not None
            needs_ack = message.subscription.ack != "auto"
            if DECLARES in message.headers:
                if needs_ack:
                    message.ack()
                continue
            self._unsettled += needs_ack
            return decode(message), message if needs_ack else None
        return None

    def _belongs_here(self, destination: str, payload: Payload) -> bool:
        """True if a message of a topic matches a binding, and was not received by another subscription as well."""
        info = payload["properties"]["delivery_info"]
        first = next((each for each in self._bindings if each.matches(info)), None)
        return first is not None and first.destination == destination


@dataclass(slots=True)
class Unsettled:
    """A message that the broker waits for.

    Attributes:
        message: the message.
        reader: the reader that has received it.
    """

    message: Message
    reader: QueueReader
