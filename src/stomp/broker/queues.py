"""The queues of the broker: makes and removes them, and keeps them within the limits of the policy.

Rule of this file: a queue without messages and consumers does not exist, so it costs nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary, owner_of
from stomp.broker.model import Queue
from stomp.broker.store import OVERHEAD, QUEUE_OVERHEAD, RequestRefused, StoredMessage
from stomp.broker.wildcards import Trie, queue_words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stomp.broker.expiry import Expiry
    from stomp.broker.model import Client, Consumer
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
        total_cost: the cost of the selectors and patterns of all subscriptions to queues.
        on_match: called with a consumer and a new queue that matches a pattern of the consumer.
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
        self.total_cost: int = 0
        self.on_match: Callable[[Consumer, Queue], None] | None = None
        self.virtual_topics: bool = False
        self.virtual: dict[str, dict[str, Queue]] = {}
        self.observer: Observer | None = None
        self._policy = policy
        self._capacity = capacity
        self._expiry = expiry
        self._clients = clients
        self._queues: dict[str, Queue] = {}
        self._patterns = Trie()
        self._consumers: dict[str, dict[Consumer, None]] = {}  # those of each pattern
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
        if self._consumers and self.on_match is not None:
            for pattern in self._patterns.find(queue.name):
                for consumer in self._consumers[pattern]:
                    self.on_match(consumer, queue)

    def remove_if_empty(self, queue: Queue) -> None:
        """Remove a queue that has no messages and no consumers that have named it."""
        if queue.is_kept or not queue.is_unused or self._queues.get(queue.name) is not queue:
            return
        del self._queues[queue.name]
        self._capacity.queues -= 1
        if (owner := self.owner(queue.name)) is not None:
            owner.temporary.discard(queue.name)
        for consumer in queue.consumers:
            del consumer.queues[queue]
        self._capacity.matches -= queue.pattern_consumers
        queue.consumers.clear()
        queue.pattern_consumers = 0

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

    def browse(
        self,
        destination: str,
        sources: Iterable[Queue],
        selector: Selector | None,
        next_number: Callable[[], int],
    ) -> Queue:
        """A queue with copies of the messages of other ones, for one consumer with ``browser:true``."""
        found = [message for source in sources for message in source.messages()]
        chosen = [each for each in found if selector is None or selector(each.headers)]
        # The copies share headers and body with the originals.
        self._capacity.claim(len(chosen) + 1, (len(chosen) + 1) * OVERHEAD)
        queue = Queue(destination, private=True)
        queue.browsing = True
        for each in chosen:
            queue.backlog.add(
                StoredMessage(next_number(), each.destination, each.headers, each.body, OVERHEAD)
            )
        queue.backlog.add(StoredMessage(next_number(), destination, {"browser": "end"}, b"", OVERHEAD))
        return queue

    # ------------------------------------------------------------------------------------- patterns

    def matching(self, pattern: str) -> list[Queue]:
        """The queues that match a pattern, see `stomp.broker.wildcards.queue_words_of`."""
        words = queue_words_of(pattern)
        if words is None:
            return []
        trie = Trie()
        trie.add(pattern, words)
        return [queue for queue in self._queues.values() if trie.find(queue.name)]

    def add_pattern(self, pattern: str, consumer: Consumer) -> None:
        """Call `on_match` for this consumer and each new queue that matches a pattern."""
        if pattern not in self._consumers and (words := queue_words_of(pattern)) is not None:
            self._patterns.add(pattern, words)
        self._consumers.setdefault(pattern, {})[consumer] = None

    def remove_pattern(self, pattern: str, consumer: Consumer) -> None:
        """Undo `add_pattern`."""
        consumers = self._consumers[pattern]
        del consumers[consumer]
        if not consumers:
            del self._consumers[pattern]
            if (words := queue_words_of(pattern)) is not None:
                self._patterns.remove(pattern, words)

    # ------------------------------------------------------------------------------------- limits

    def check_cost(self, client: Client, cost: int, *, of_queues: bool) -> None:
        """Check the cost of a new subscription, see `Policy.max_cost`.

        Args:
            client: the client.
            cost: the cost of the subscription.
            of_queues: it has queues; the sum for topics is checked elsewhere.

        Raises:
            RequestRefused: it is more than the connection or the broker may have.
        """
        if client.cost + cost > self._policy.max_cost:
            raise RequestRefused(
                "the selectors and wildcards of this connection cost too much",
                f"they cost {client.cost + cost}, and {self._policy.max_cost} is the maximum",
            )
        if of_queues and self.total_cost + cost > 10 * self._policy.max_cost:
            raise RequestRefused("the selectors and wildcards of all subscriptions cost too much")
