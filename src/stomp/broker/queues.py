"""The queues of the broker: makes and removes them, and keeps them within the limits of the policy.

Rule of this file: a queue without messages and consumers does not exist, so it costs nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary, is_topic, owner_of
from stomp.broker.model import Queue
from stomp.broker.store import OVERHEAD, QUEUE_OVERHEAD, RequestRefused, StoredMessage
from stomp.broker.topics import cost_of_subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stomp.broker.expiry import Expiry
    from stomp.broker.model import Client
    from stomp.broker.observer import Observer
    from stomp.broker.selector import Selector
    from stomp.broker.store import Capacity, Policy

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Names of queues that are remembered after their queue was removed.
_MOST_DECLARED = 10_000
#: The beginning of the name of a queue that gets the messages to a virtual topic.
_VIRTUAL = "/queue/Consumer."


class Queues:
    """All queues by name, without the private ones.

    Args:
        policy: limits of the queues.
        capacity: counts the messages.
        expiry: the messages with an expiry time.
        clients: the clients by number, which own temporary queues.

    Attributes:
        dropped: number of messages dropped because a subscription was too slow.
        selector_cost: the cost of the selectors of all subscriptions to queues.
        virtual_topics: there are virtual topics of ActiveMQ.
        virtual: the queues of each virtual topic, by name.
        slow_clients: clients to disconnect, because a subscription is too slow; the driver clears it.
        observer: see `stomp.broker.state.BrokerState`.
    """

    def __init__(
        self, policy: Policy, capacity: Capacity, expiry: Expiry, clients: dict[int, Client]
    ) -> None:
        self.dropped: int = 0
        self.slow_clients: list[Client] = []
        self.selector_cost: int = 0
        self.virtual_topics: bool = False
        self.virtual: dict[str, dict[str, Queue]] = {}
        self.observer: Observer | None = None
        self._policy = policy
        self._capacity = capacity
        self._expiry = expiry
        self._clients = clients
        self._queues: dict[str, Queue] = {}
        self._declared: dict[str, None] = {}  # names of queues that exist or existed

    def __iter__(self) -> Iterator[str]:
        return iter(self._queues)

    def get(self, name: str) -> Queue | None:
        """The queue of this name, or None."""
        return self._queues.get(name)

    def owner(self, name: str) -> Client | None:
        """The client that owns a temporary destination; None if it has closed, or the name is not temporary."""
        return self._clients.get(owner_of(name)) if is_temporary(name) else None

    def get_or_new(self, name: str) -> Queue:
        """The queue of this name; a new one exists only after `add`."""
        queue = self._queues.get(name)
        return Queue(name) if queue is None else queue

    def was_declared(self, name: str) -> bool:
        """True if there was a queue of this name; it exists now only if it has messages or consumers."""
        return name in self._queues or name in self._declared

    def add(self, queue: Queue) -> None:
        """Add a queue, if it is new.

        Raises:
            RequestRefused: the broker is full.
        """
        if queue.private or queue.name in self._queues:
            return
        self._capacity.check(0, QUEUE_OVERHEAD)
        self.put(queue)

    def put(self, queue: Queue) -> None:
        """As `add`, without a check whether the broker is full."""
        self._capacity.queues += 1
        self._queues[queue.name] = queue
        if self.virtual_topics and queue.name.startswith(_VIRTUAL):
            topic = queue.name.removeprefix(_VIRTUAL).partition(".")[2]
            if topic.startswith("VirtualTopic."):
                queue.virtual = True
                self.virtual.setdefault(f"/topic/{topic}", {})[queue.name] = queue
                if self.observer is not None:
                    self.observer.queue_declared(queue)
        self._declared[queue.name] = None
        if len(self._declared) > _MOST_DECLARED:
            del self._declared[next(iter(self._declared))]
        if (owner := self.owner(queue.name)) is not None:
            owner.temporary.add(queue.name)

    def remove_if_empty(self, queue: Queue) -> None:
        """Remove a queue that has no messages and no consumers."""
        if (
            not queue.is_kept
            and not (len(queue) or queue.consumers)
            and self._queues.get(queue.name) is queue
        ):
            del self._queues[queue.name]
            self._capacity.queues -= 1
            if (owner := self.owner(queue.name)) is not None:
                owner.temporary.discard(queue.name)

    def remove(self, queue: Queue) -> None:
        """Remove a queue without consumers, with its messages."""
        self.drop(queue)
        if queue.is_kept and self.observer is not None:
            self.observer.queue_removed(queue)
        queue.arguments = None
        if queue.virtual:
            queue.virtual = False
            for queues in self.virtual.values():
                queues.pop(queue.name, None)
        self.remove_if_empty(queue)

    def remove_temporary(self, names: Iterable[str]) -> None:
        """Remove the temporary queues of a client that has closed, with their messages."""
        for name in names:
            queue = self._queues.pop(name, None)
            if queue is not None:
                self.drop(queue)
                self._capacity.queues -= 1

    def drop(self, queue: Queue) -> None:
        """Drop the waiting messages of a queue."""
        queue.backlog.restore_deferred()
        while queue.backlog.ready:
            self.discard(queue, queue.backlog.take())

    def acknowledge(self, queue: Queue, message: StoredMessage) -> None:
        """Subtract a message that was consumed."""
        self.release(queue, message)
        if self.observer is not None and not queue.browsing:
            self.observer.message_acknowledged(queue, message)

    def discard(self, queue: Queue, message: StoredMessage) -> None:
        """Subtract a message that no consumer gets."""
        self.release(queue, message)
        if self.observer is not None and not queue.browsing:
            self.observer.message_dropped(queue, message)

    def release(self, queue: Queue, message: StoredMessage) -> None:
        """Subtract a message that left its queue for good."""
        queue.bytes -= message.size
        self._capacity.release(1, message.size)

    def remove_expired(self) -> None:
        for queue in self._expiry.sweep():
            self.remove_if_empty(queue)

    def limit(self, queue: Queue) -> None:
        """Drop the oldest waiting messages of a subscription that is too slow, or have it disconnected."""
        if self._policy.slow_consumer == "disconnect" and queue.consumers:
            self.slow_clients += [
                each.client for each in queue.consumers if each.client not in self.slow_clients
            ]
            return
        backlog = queue.backlog
        if not queue.dropped:
            logger.warning(
                "the subscription to %.200r is too slow: its oldest messages are dropped", queue.name
            )
        while queue.bytes > self._policy.max_subscription_bytes and len(backlog) > 1 and backlog.ready:
            self.discard(queue, backlog.take())
            queue.dropped += 1
            self.dropped += 1

    def browse(self, name: str, selector: Selector | None, next_number: Callable[[], int]) -> Queue:
        """A queue with copies of the messages of another one, for one consumer with ``browser:true``."""
        source = self._queues.get(name)
        found = [] if source is None else source.messages()
        chosen = [each for each in found if selector is None or selector(each.headers)]
        # The copies share headers and body with the originals.
        self._capacity.claim(len(chosen) + 1, (len(chosen) + 1) * OVERHEAD)
        queue = Queue(name, private=True)
        queue.browsing = True
        for each in chosen:
            queue.backlog.add(
                StoredMessage(next_number(), each.destination, each.headers, each.body, OVERHEAD)
            )
        queue.backlog.add(StoredMessage(next_number(), name, {"browser": "end"}, b"", OVERHEAD))
        return queue

    def cost(self, client: Client, name: str, selector: Selector | None) -> int:
        """The cost of a new subscription, see `Policy.max_cost`.

        Raises:
            RequestRefused: it is more than the connection or the broker may have.
        """
        cost = cost_of_subscription(name, selector)
        if client.cost + cost > self._policy.max_cost:
            raise RequestRefused(
                "the selectors and wildcards of this connection cost too much",
                f"they cost {client.cost + cost}, and {self._policy.max_cost} is the maximum",
            )
        if not is_topic(name) and self.selector_cost + cost > 10 * self._policy.max_cost:
            raise RequestRefused("the selectors of all subscriptions cost too much")
        return cost
