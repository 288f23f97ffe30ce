"""`QueueReader`: what one connection receives from one queue of Kombu.

Rules of this file:

- The queue of a task is read by a subscription to ``/queue/NAME``, which exists while Kombu consumes the queue.
- A transient queue also receives from the topics of its bindings. These subscriptions are made by ``queue_bind``,
  because a reply may be sent before Kombu begins to consume.
- All subscriptions of a reader share one `MessageQueue`, so that messages keep the order of their arrival.
- A subscription with unsettled messages is not closed: brokers refuse an ACK after UNSUBSCRIBE. It is closed when the
  last of them is settled, or given back by the end of the connection.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


class QueueReader:
    """The subscriptions for one queue.

    Args:
        client: the client of the connection.
        settings: how the queue is declared.
        on_message: called when messages have arrived, or a subscription has ended. It must not block.

    Attributes:
        settings: how the queue is declared.
    """

    def __init__(self, client: Client, settings: QueueSettings, on_message: Callable[[], None]) -> None:
        self.settings = settings
        self._client = client
        self._profile: BrokerProfile = client.broker
        self._messages = MessageQueue()
        self._messages.add_callback(on_message)
        self._merged = MergedSubscription(client, self._messages)
        self._requeued: deque[Payload] = deque()
        self._topics: dict[str, Subscription] = {}
        self._bindings: list[TopicBinding] = []
        self._shared: list[Subscription] = []
        self._prefetch = 0  # the sum of the prefetches of the shared subscriptions; 0 for no limit
        self._consumers = 0
        self._unsettled = 0

    # ------------------------------------------------------------------------------------- bindings

    def bind(self, binding: TopicBinding) -> None:
        """Receive from the topic of a binding."""
        if binding in self._bindings:
            return
        if binding.destination not in self._topics:
            headers = routing_headers(self._profile, shared=False, subscribes=True)
            self._topics[binding.destination] = self._subscribe(
                binding.destination, "auto", {"headers": headers}
            )
        self._bindings.append(binding)

    def unbind(self, exchange: str, key: str) -> None:
        """Remove a binding, and the subscription that only this binding needs."""
        self._bindings = [each for each in self._bindings if (each.exchange, each.key) != (exchange, key)]
        needed = {each.destination for each in self._bindings}
        for destination in [name for name in self._topics if name not in needed]:
            self._close(self._topics.pop(destination))

    # ------------------------------------------------------------------------------------- consuming

    def consume(self, *, no_ack: bool, prefetch: int) -> None:
        """Begin to consume; `prefetch` is the maximum number of unsettled messages, 0 for no limit."""
        self._consumers += 1
        if not self._shared:
            self._prefetch = 0 if no_ack else prefetch
            self._subscribe_shared("auto" if no_ack else "client-individual", self._prefetch)

    def grow(self, prefetch: int) -> None:
        """Allow more unsettled messages, by one more subscription: STOMP cannot change the prefetch of an existing one.

        Celery adds one for each task that waits for its ``eta``. The broker's limit is at least doubled each time, and
        the exact limit is that of the channel.
        """
        if not self._consumers or not self._prefetch or 0 < prefetch <= self._prefetch:
            return
        more = max(prefetch - self._prefetch, self._prefetch) if prefetch else 0
        if self._subscribe_shared("client-individual", more) and more:
            self._prefetch += more
        else:
            self._prefetch = 0

    def _subscribe_shared(self, ack: Ack, prefetch: int) -> bool:
        """Subscribe to the queue. Returns True if the broker limits the number of messages to `prefetch`."""
        options: SubscribeOptions = {"headers": self._headers()}
        counts = self._profile.prefetch is not None
        is_one = prefetch == 1 and self._profile.prefetch_one is not None
        if ack != "auto" and prefetch and (counts or is_one):
            options["prefetch"] = prefetch
        destination = queue_destination(self._profile, self.settings.name)
        self._shared.append(self._subscribe(destination, ack, options))
        return counts

    def _headers(self) -> dict[str, Any]:
        shared = routing_headers(self._profile, shared=True, subscribes=True)
        return {**queue_headers(self._profile, self.settings), **shared}

    def _subscribe(self, destination: str, ack: Ack, options: SubscribeOptions) -> Subscription:
        subscription = self._client.subscribe(destination, ack=ack, **options)
        with self._client._lock:
            subscription._subscription.merge_into(self._messages)
        return subscription

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
        subscriptions, self._shared = self._shared, []
        self._unsettled = 0
        for subscription in subscriptions:
            self._close(subscription)

    def close(self) -> None:
        """End all subscriptions."""
        self._consumers = 0
        self.give_back()
        topics, self._topics, self._bindings = self._topics, {}, []
        for subscription in topics.values():
            self._close(subscription)

    def _close(self, subscription: Subscription) -> None:
        # If the connection was lost, the subscription has ended with it.
        with contextlib.suppress(StompError):
            subscription.close()
        with self._client._lock:
            self._messages.subscriptions.remove(subscription._subscription)

    # ------------------------------------------------------------------------------------- messages

    @property
    def is_waiting(self) -> bool:
        """True if messages have arrived that Kombu has not taken yet."""
        return bool(self._requeued or self._messages.messages)

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
        while self._messages.messages or timeout:
            message = self._merged.receive(timeout)
            if message is None:
                return None
            assert message.subscription is not None
            destination, needs_ack = message.subscription.destination, message.subscription.ack != "auto"
            if DECLARES in message.headers:
                if needs_ack:
                    message.ack()
                continue
            payload = decode(message)
            if destination in self._topics:
                if self._belongs_here(destination, payload):
                    return payload, None
                continue
            if not needs_ack:
                return payload, None
            self._unsettled += 1
            return payload, message
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
