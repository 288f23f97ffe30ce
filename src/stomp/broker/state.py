"""`BrokerState`: what the parts of the engine share: the queues, the subscriptions, the clients, and the limits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stomp.broker.dialects.dialect import Dialect
from stomp.broker.dialects.reports import Extensions
from stomp.broker.duplicates import DuplicateIds
from stomp.broker.expiry import Expiry
from stomp.broker.observer import Observer, Observers
from stomp.broker.queue_arguments import arguments_of
from stomp.broker.queues import Queues
from stomp.broker.retroactive import RetainedMessages
from stomp.broker.store import Capacity, Policy, RequestRefused
from stomp.broker.timers import Timers
from stomp.broker.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.model import Client, Queue
    from stomp.broker.queue_arguments import QueueArguments
    from stomp.core.frames.frame import Frame

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Number of declared queues that a connection remembers.
_MOST_DECLARED = 10_000
#: Seconds between two checks whether a queue is unused.
_LEAST_WAIT = 0.05


class BrokerState:
    """The state of a broker.

    Args:
        policy: limits of the queues and rules for messages.
        name: prefix of every message-id.
        clock: returns seconds since 1970.
        first_number: all numbers are above this one.
        dialect: what differs between brokers.

    Attributes:
        policy: the argument.
        name: the argument.
        clock: the argument.
        dialect: the argument.
        extensions: reports headers that the dialect does not support.
        capacity: counts the stored messages and bytes.
        expiry: the messages with an expiry time.
        clients: the connected clients, by number.
        timers: what is done at a later time.
        duplicate_ids: finds messages that were sent before.
        queues: all queues but those of subscriptions to topics.
        topics: the subscriptions to topics.
        retained: the last messages of topics.
        observer: is called for each event; None if there is no observer.
        paused: names of destinations whose messages are not delivered, see `stomp.broker.administration.pause`.
    """

    __slots__ = (
        "_count",
        "capacity",
        "clients",
        "clock",
        "dialect",
        "duplicate_ids",
        "expiry",
        "extensions",
        "name",
        "observer",
        "paused",
        "policy",
        "queues",
        "retained",
        "timers",
        "topics",
    )

    def __init__(
        self, policy: Policy, name: str, clock: Callable[[], float], dialect: Dialect, first_number: int = 0
    ) -> None:
        self.policy: Policy = policy
        self.dialect: Dialect = dialect
        self.extensions: Extensions = Extensions(dialect)
        self.name: str = name
        self.clock: Callable[[], float] = clock
        self.capacity: Capacity = Capacity(policy)
        self.expiry: Expiry = Expiry(clock, self.capacity)
        self.clients: dict[int, Client] = {}
        self.queues: Queues = Queues(policy, self.capacity, self.expiry, self.clients)
        self.topics: Topics = Topics(
            policy.max_durable, 10 * policy.max_cost, self.queues.drop, dialect.many_words
        )
        self.retained: RetainedMessages = RetainedMessages(policy, self.capacity)
        self.queues.virtual_topics = dialect.virtual_topics
        self.observer: Observer | None = None
        self.timers: Timers = Timers()
        self.duplicate_ids: DuplicateIds = DuplicateIds()
        self.paused: set[str] = set()
        self._count = first_number

    def next_number(self) -> int:
        """A number that is larger than all before."""
        self._count += 1
        return self._count

    def add_observer(self, observer: Observer) -> None:
        """Call this observer for each event, after those that were added before."""
        self.observer = observer if self.observer is None else Observers(self.observer, observer)
        for part in (self.queues, self.expiry, self.topics, self.duplicate_ids):
            part.observer = self.observer

    def declare(self, client: Client, name: str, frame: Frame) -> Queue:
        """The queue that a frame names, made with the arguments of the frame if it does not exist.

        Raises:
            RequestRefused: it exists with other arguments, and the dialect checks that; or the broker is full.
        """
        supported = "x-message-ttl" in self.dialect.subscribe_headers
        arguments = arguments_of(frame.headers) if supported else None
        queue = self.queues.get(name)
        if queue is None:
            if arguments is not None:
                arguments.check_permissions(client.permissions, name)
            queue = self.queues.get_or_new(name)
            self.queues.add(queue)
            client.declared.discard(name)
            self._declare(queue, arguments)
            if arguments is not None and self.observer is not None:
                self.observer.queue_declared(queue)
        elif queue.arguments != arguments and name not in client.declared:
            if self.dialect.checks_arguments:
                detail = f"PRECONDITION_FAILED - inequivalent arguments for queue '{name:.200}'"
                raise RequestRefused("precondition_failed", detail, fatal=True)
            if arguments is not None:
                logger.warning("the queue %.200r exists with other arguments, which it keeps", name)
        if queue.arguments is not None:
            queue.last_used = self.clock()
            if len(client.declared) < _MOST_DECLARED:
                client.declared.add(name)
        return queue

    def restore_queue(self, name: str, arguments: QueueArguments | None) -> None:
        """Declare a queue of an earlier broker; its time without use begins again, as in RabbitMQ."""
        queue = self.queues.get_or_new(name)
        self.queues.put(queue)
        self._declare(queue, arguments)
        self.queues.remove_if_empty(queue)  # this dialect has no virtual topics

    def _declare(self, queue: Queue, arguments: QueueArguments | None) -> None:
        queue.arguments, queue.last_used = arguments, self.clock()
        if arguments is not None and arguments.expires is not None:
            self.timers.add(queue.last_used + arguments.expires, lambda: self._remove_unused(queue))

    def _remove_unused(self, queue: Queue) -> None:
        """Remove a queue that was not used for the time of its ``x-expires``; otherwise check again later."""
        arguments = queue.arguments
        if arguments is None or arguments.expires is None or self.queues.get(queue.name) is not queue:
            return
        now = self.clock()
        due = (now if queue.consumers else queue.last_used) + arguments.expires
        if due <= now and not queue.unsettled:
            self.queues.remove(queue)
        else:
            self.timers.add(max(due, now + _LEAST_WAIT), lambda: self._remove_unused(queue))

    def check_subscriptions(self, client: Client) -> None:
        """Raise `RequestRefused` if a connection has as many subscriptions as the policy allows."""
        most = self.policy.max_subscriptions
        if len(client.consumers) >= most:
            raise RequestRefused(f"a connection may have {most} subscriptions at most")
