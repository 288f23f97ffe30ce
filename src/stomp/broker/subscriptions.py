"""SUBSCRIBE and UNSUBSCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import (
    ADVISORIES,
    declares,
    implicit_key,
    is_temporary,
    is_topic,
    parts_of,
    qualify_limited,
    reply_name,
    topic_of,
)
from stomp.broker.dialects.headers import QUEUE_ARGUMENTS
from stomp.broker.model import Consumer
from stomp.broker.queue_arguments import arguments_of
from stomp.broker.request_headers import DurableKey, durable_of, is_true, name_of, selector_of, window_of
from stomp.broker.store import MATCH_OVERHEAD, RequestRefused
from stomp.broker.topics import cost_of_subscription
from stomp.broker.wildcards import cost_of, queue_words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stomp.broker.advisories import Advisories
    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Client, PendingSend, Queue
    from stomp.broker.selector import Selector
    from stomp.broker.state import BrokerState
    from stomp.core.frames.frame import Frame, Headers

#: The cost of each further destination of a subscription, and of a pattern: each new queue is added to its consumers.
_COST_OF_PART = 10
_COST_OF_PATTERN = 30


class Subscriptions:
    """Adds and removes the subscriptions of clients.

    Args:
        state: the state of the broker.
        dispatcher: delivers the messages.

    Attributes:
        advisories: announces subscriptions; None if the dialect has no advisories.
    """

    def __init__(self, state: BrokerState, dispatcher: Dispatcher) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self.advisories: Advisories | None = None
        state.queues.on_match = self._join_matching

    def subscribe(self, client: Client, frame: Frame) -> None:
        """Process a SUBSCRIBE.

        Raises:
            RequestRefused: it is invalid or exceeds a limit.
        """
        state, headers, supported = self._state, frame.headers, self._state.dialect.subscribe_headers
        state.extensions.check(frame)
        state.check_subscriptions(client)
        parts = parts_of(headers["destination"]) if state.dialect.composite else [headers["destination"]]
        names = {part: self._readable_name(client, part) for part in parts}
        patterns = [name for name in names.values() if self._is_pattern(name)]
        _check_extensions(headers, names, patterns, supported)
        selector = None if state.dialect.ignores_selectors else selector_of(headers, state.policy)
        id = headers.get("id")
        key = headers["destination"] if id is None else id
        consumer = Consumer(state.next_number(), client, key, id, ",".join(map(topic_of, names.values())))
        consumer.ack = headers.get("ack", "auto")
        consumer.window = consumer.prefetch = window_of(headers, state.policy, supported)
        consumer.patterns = tuple(patterns)
        consumer.cost = _cost(names.values(), patterns, selector)
        if selector is not None:
            consumer.selector_text = selector.text
            if not all(map(is_topic, names.values())):
                consumer.selector = selector
        self._rank(consumer, headers)
        of_queues = consumer.selector is not None or bool(patterns)
        state.queues.check_cost(client, consumer.cost, of_queues=of_queues)
        self._add(consumer, self._queues_of(consumer, frame, names, selector))

    def _readable_name(self, client: Client, destination: str) -> str:
        """The name inside the broker of a destination that this client may subscribe to."""
        state = self._state
        state.dialect.check_destination(destination)
        state.extensions.check_destination(destination)
        named = state.dialect.without_options(destination)
        name = qualify_limited(named, client.number, state.policy)
        if client.permissions is not None:
            client.permissions.check_read(name)
        if is_temporary(name) and state.queues.owner(name) is not client:
            raise RequestRefused("a temporary destination can be subscribed to by its own connection only")
        return name

    def _is_pattern(self, name: str) -> bool:
        """True for the name of a queue with wildcards, which stands for all queues that match (ActiveMQ)."""
        return self._state.dialect.queue_wildcards and queue_words_of(name) is not None

    def _queues_of(
        self, consumer: Consumer, frame: Frame, names: Mapping[str, str], selector: Selector | None
    ) -> dict[Queue, bool]:
        """The queues of a new subscription; True for those that match a pattern.

        Raises:
            RequestRefused: one of them cannot be subscribed to. Nothing is left of the others.
        """
        state, client = self._state, consumer.client
        matching = {queue: True for pattern in consumer.patterns for queue in state.queues.matching(pattern)}
        named = [(part, name) for part, name in names.items() if name not in consumer.patterns]
        browses = "browser" in state.dialect.subscribe_headers and is_true(frame.headers, "browser")
        if browses and not any(map(is_topic, names.values())):
            found = [queue for _, name in named if (queue := state.queues.get(name)) is not None]
            copies = state.queues.browse(
                consumer.destination, {**dict.fromkeys(found), **matching}, selector, state.next_number
            )
            consumer.patterns, consumer.selector = (), None  # the copies are chosen already
            return {copies: False}
        queues: dict[Queue, bool] = {}
        try:
            for part, name in named:
                queues[self._queue_for(client, frame, part, name, selector)] = False
            if matching:
                state.capacity.check(0, len(matching) * MATCH_OVERHEAD)
        except RequestRefused:
            for queue in queues:
                self._discard_unused(queue)
            raise
        return matching | queues

    def _queue_for(
        self, client: Client, frame: Frame, part: str, name: str, selector: Selector | None
    ) -> Queue:
        """The queue of a new subscription for one destination; `part` is its name in the frame."""
        queue_name: str | None = None
        if "::" in name and self._state.dialect.named_queues:
            name, _, queue_name = name.partition("::")
            if not is_topic(name):
                name = f"/queue/{queue_name}"
        if is_topic(name):
            return self._topic_queue(client, frame, name, selector, queue_name)
        queue = self._queue(client, frame, part, name)
        implicit = client.consumers.pop(implicit_key(part), None)
        if implicit is not None:
            self.remove(implicit)
        return queue

    def _discard_unused(self, queue: Queue) -> None:
        """Remove a queue that was made for a subscription that was refused then."""
        if not queue.private:
            self._state.queues.remove_if_empty(queue)
        elif queue.is_abandoned:
            self._state.topics.remove(queue)

    def _rank(self, consumer: Consumer, headers: Headers) -> None:
        """Read the headers of ActiveMQ for exclusive consumers and their priorities."""
        if "activemq.priority" not in self._state.dialect.subscribe_headers:
            return
        consumer.exclusive = is_true(headers, "activemq.exclusive")
        text = headers.get("activemq.priority", "0")
        try:
            consumer.priority = max(-128, min(int(text[:9]), 127))
        except ValueError as err:
            raise RequestRefused("activemq.priority must be a number") from err

    def _topic_queue(
        self,
        client: Client,
        frame: Frame,
        destination: str,
        selector: Selector | None,
        queue_name: str | None,
    ) -> Queue:
        """The queue of a new subscription to a topic; `queue_name` for a queue of an address (Artemis)."""
        state, headers = self._state, frame.headers
        supported = state.dialect.subscribe_headers
        key = durable_of(headers, destination, client.client_id, supported)
        is_new = key is None or state.topics.durable(key.key) is None
        name = headers.get("x-queue-name") if "x-queue-name" in supported else None
        durable = key is not None or queue_name is not None
        name = queue_name or name
        if name is not None:
            key = DurableKey(("queue", name), shared=True)
        arguments = arguments_of(headers) if "x-message-ttl" in supported else None
        if arguments is not None:
            # The key of a message can be any, so it takes a permission for all keys.
            arguments.check_permissions(client.permissions, "*")
        queue = state.topics.queue_for_subscription(
            topic_of(destination), key, headers.get("selector"), selector
        )
        if name is not None and not queue.consumers:
            queue.transient = not durable
        if not queue.consumers:
            queue.arguments = arguments
        if "no-local" in supported:
            own = is_true(headers, "activemq.noLocal") or is_true(headers, "no-local")
            queue.no_local = client.number if own else 0
        if is_new:
            self._add_earlier(queue, headers)
        return queue

    def _add_earlier(self, queue: Queue, headers: Headers) -> None:
        """Add to the queue of a new subscription to a topic what it gets of the time before (ActiveMQ)."""
        state = self._state
        earlier: list[PendingSend] = []
        if self.advisories is not None and queue.name.startswith(ADVISORIES):
            earlier += self.advisories.existing(state.topics.matcher(queue.name))
        if "activemq.retroactive" in state.dialect.subscribe_headers and is_true(
            headers, "activemq.retroactive"
        ):
            if state.retained.is_on:
                earlier += state.retained.matching(state.topics.matcher(queue.name))
            else:
                state.extensions.warn_not_retroactive()
        for sending in earlier:
            if queue.no_local and queue.no_local == sending.client:
                continue
            if queue.selector is None or queue.selector(sending.headers):
                state.capacity.claim(1, sending.size)
                self._dispatcher.store(queue, sending)

    def _queue(self, client: Client, frame: Frame, part: str, destination: str) -> Queue:
        """The queue of a new subscription to a queue."""
        state = self._state
        name = destination.removeprefix("/queue/")
        if (named := state.topics.durable(("queue", name))) is not None:
            return named
        if not declares(part):
            if state.dialect.checks_existence and not state.queues.was_declared(destination):
                detail = f"NOT_FOUND - no queue '{name:.200}' in vhost '/'"
                raise RequestRefused("not_found", detail, fatal=True)
            queue = state.queues.get_or_new(destination)
            state.queues.add(queue)
            return queue
        return state.declare(client, destination, frame)

    def reply_to(self, client: Client, name: str, destination: str) -> str:
        """The ``reply-to`` that the consumers of a message get; `destination` is its name inside the broker."""
        state = self._state
        if not name.startswith("/temp-queue/"):
            return destination
        queue = state.queues.get(destination)
        if queue is None or not queue.consumers:
            # RabbitMQ: there is no SUBSCRIBE; the MESSAGE has the name as its subscription. No id of a SUBSCRIBE can
            # contain a NUL, so the key is unique.
            state.check_subscriptions(client)
            queue = state.queues.get_or_new(destination)
            state.queues.add(queue)
            consumer = Consumer(state.next_number(), client, implicit_key(name), name, destination)
            self._add(consumer, {queue: False})
        return reply_name(destination) if implicit_key(name) in client.consumers else destination

    def unsubscribe(self, client: Client, frame: Frame) -> None:
        """Process an UNSUBSCRIBE.

        Raises:
            RequestRefused: there is no such subscription.
        """
        key = frame.headers.get("id", frame.headers.get("destination", ""))
        name = name_of(frame.headers, self._state.dialect.subscribe_headers)
        durable = self._state.topics.durable(("name", client.client_id or "", name)) if name else None
        consumer = client.consumers.pop(key, None)
        if consumer is None:
            # ActiveMQ: a durable subscription without a consumer is removed by an UNSUBSCRIBE with its name.
            if durable is None:
                raise RequestRefused("there is no such subscription")
            if durable.consumers:
                raise RequestRefused("the durable subscription is in use")
            if client.permissions is not None:
                client.permissions.check_read(durable.name)
            self._remove_durable(durable)
            return
        queues = list(consumer.queues)
        if self._state.dialect.holds_after_unsubscribe and not any(queue.private for queue in queues):
            self._hold(consumer)
        else:
            for delivered in consumer.unacked:
                client.expect_late_ack(delivered)
            self.remove(consumer)
        # RabbitMQ: an UNSUBSCRIBE with the same headers as the SUBSCRIBE removes the durable subscription.
        for queue in queues:
            ends = queue is durable or is_true(frame.headers, "durable")
            if queue.durable is not None and ends and not queue.consumers:
                self._remove_durable(queue)
            self._dispatcher.dispatch_or_discard(queue)

    def remove(self, consumer: Consumer) -> None:
        """Remove a consumer from its queue, and return its unacknowledged messages to the queue."""
        self._detach(consumer)
        self.return_unacked(consumer)
        for queue in consumer.queues:
            if queue.is_abandoned and not queue.browsing:
                self._state.topics.remove(queue)

    def return_unacked(self, consumer: Consumer) -> None:
        """Return the unacknowledged messages of a removed consumer to the queue."""
        for delivery in consumer.unacked.values():
            consumer.client.awaiting.pop(delivery.key, None)
            self._dispatcher.requeue(delivery)
        consumer.unacked.clear()

    def _hold(self, consumer: Consumer) -> None:
        """Remove a consumer; its connection keeps the unacknowledged messages, and cannot acknowledge them."""
        self._detach(consumer)
        for delivery in consumer.unacked.values():
            del consumer.client.awaiting[delivery.key]
        if consumer.unacked:
            consumer.client.held.append(consumer)

    def _add(self, consumer: Consumer, queues: Mapping[Queue, bool]) -> None:
        """Add a new consumer to its queues, and deliver messages."""
        state = self._state
        consumer.client.cost += consumer.cost
        if consumer.selector is not None or consumer.patterns:
            state.queues.total_cost += consumer.cost
        consumer.client.consumers[consumer.key] = consumer
        for queue, by_pattern in queues.items():
            self._join(consumer, queue, by_pattern=by_pattern)
        for pattern in consumer.patterns:
            state.queues.add_pattern(pattern, consumer)
        if state.observer is not None:
            state.observer.subscription_added(consumer)
        if self.advisories is not None:
            self.advisories.consumer_added(consumer)
        self._dispatcher.dispatch_consumer(consumer)

    def _detach(self, consumer: Consumer) -> None:
        """Remove a consumer from its queues; its attribute `queues` still has them."""
        state = self._state
        consumer.open = False
        consumer.client.cost -= consumer.cost
        if consumer.selector is not None or consumer.patterns:
            state.queues.total_cost -= consumer.cost
        for pattern in consumer.patterns:
            state.queues.remove_pattern(pattern, consumer)
        for queue, by_pattern in consumer.queues.items():
            self._leave(consumer, queue, by_pattern=by_pattern)
        if state.observer is not None:
            state.observer.subscription_removed(consumer)
        if self.advisories is not None:
            self.advisories.consumer_removed(consumer)

    def _join_matching(self, consumer: Consumer, queue: Queue) -> None:
        if queue not in consumer.queues:
            self._join(consumer, queue, by_pattern=True)

    def _join(self, consumer: Consumer, queue: Queue, *, by_pattern: bool) -> None:
        consumer.queues[queue] = by_pattern
        queue.consumers.append(consumer)
        if by_pattern:
            queue.pattern_consumers += 1
            self._state.capacity.matches += 1
        if not queue.private:
            if consumer.exclusive or consumer.priority:
                queue.ranked += 1
            if consumer.selector is not None:
                queue.selective += 1
                queue.cost += consumer.selector.cost
        queue.backlog.restore_deferred()

    def _leave(self, consumer: Consumer, queue: Queue, *, by_pattern: bool) -> None:
        queue.consumers.remove(consumer)
        queue.last_used = self._state.clock()
        if by_pattern:
            queue.pattern_consumers -= 1
            self._state.capacity.matches -= 1
        if not queue.private:
            if consumer.exclusive or consumer.priority:
                queue.ranked -= 1
            if consumer.selector is not None:
                queue.selective -= 1
                queue.cost -= consumer.selector.cost

    def _remove_durable(self, queue: Queue) -> None:
        """Remove a durable subscription and its messages."""
        self._state.topics.remove(queue)
        self._state.queues.drop(queue)


def _check_extensions(
    headers: Headers, names: Mapping[str, str], patterns: Collection[str], supported: frozenset[str]
) -> None:
    """Check that the headers fit the kinds of destinations.

    Raises:
        RequestRefused: they do not.
    """
    name = name_of(headers, supported)
    if name is not None and not all(map(is_topic, names.values())):
        # ActiveMQ refuses this, too.
        raise RequestRefused(
            "a subscription to a queue cannot be durable", "only topics have durable subscriptions"
        )
    if len(names) > 1 and (name is not None or is_true(headers, "durable")):
        raise RequestRefused("a durable subscription has one destination", "make one for each topic")
    if patterns and not QUEUE_ARGUMENTS.isdisjoint(headers):
        raise RequestRefused("a subscription with wildcards cannot declare queues", "leave out the arguments")


def _cost(names: Collection[str], patterns: Collection[str], selector: Selector | None) -> int:
    """The cost of a subscription, see `Policy.max_cost`."""
    cost = _COST_OF_PART * (len(names) - 1)
    for name in names:
        cost += cost_of_subscription(topic_of(name), selector)
        if name in patterns:
            cost += _COST_OF_PATTERN + cost_of(queue_words_of(name) or ())
    return cost
