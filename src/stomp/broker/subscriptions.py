"""SUBSCRIBE and UNSUBSCRIBE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import (
    implicit_key,
    is_temporary,
    is_topic,
    qualify_limited,
    reply_name,
    topic_of,
)
from stomp.broker.model import Consumer
from stomp.broker.queue_arguments import arguments_of
from stomp.broker.request_headers import DurableKey, durable_of, is_true, name_of, selector_of, window_of
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Client, Queue
    from stomp.broker.selector import Selector
    from stomp.broker.state import BrokerState
    from stomp.core.frames.frame import Frame, Headers


class Subscriptions:
    """Adds and removes the subscriptions of clients.

    Args:
        state: the state of the broker.
        dispatcher: delivers the messages.
    """

    def __init__(self, state: BrokerState, dispatcher: Dispatcher) -> None:
        self._state = state
        self._dispatcher = dispatcher

    def subscribe(self, client: Client, frame: Frame) -> None:
        """Process a SUBSCRIBE.

        Raises:
            RequestRefused: it is invalid or exceeds a limit.
        """
        state, headers = self._state, frame.headers
        state.extensions.check(frame)
        state.dialect.check_destination(headers["destination"])
        destination = qualify_limited(headers["destination"], client.number, state.policy)
        if client.permissions is not None:
            client.permissions.check_read(destination)
        if is_temporary(destination) and state.queues.owner(destination) is not client:
            raise RequestRefused("a temporary destination can be subscribed to by its own connection only")
        state.check_subscriptions(client)
        window = window_of(headers, state.policy)
        selector = None if state.dialect.ignores_selectors else selector_of(headers, state.policy)
        cost = state.queues.cost(client, topic_of(destination), selector)
        id = headers.get("id")
        key = headers["destination"] if id is None else id
        queue_name: str | None = None
        if "::" in destination and state.dialect.named_queues:
            destination, _, queue_name = destination.partition("::")
            if not is_topic(destination):
                destination = f"/queue/{queue_name}"
        if is_topic(destination):
            queue = self._topic_queue(client, frame, destination, selector, queue_name)
        elif name_of(headers) is not None:
            # ActiveMQ refuses this, too.
            raise RequestRefused(
                "a subscription to a queue cannot be durable", "only topics have durable subscriptions"
            )
        elif is_true(headers, "browser"):
            queue = state.queues.browse(destination, selector, state.next_number)
        else:
            queue = self._queue(client, frame, destination)
            implicit = client.consumers.pop(implicit_key(headers["destination"]), None)
            if implicit is not None:
                self.remove(implicit)
        consumer = Consumer(state.next_number(), client, key, id, queue)
        consumer.ack = headers.get("ack", "auto")
        consumer.window = window
        consumer.cost = cost
        self._rank(consumer, headers)
        if not queue.private and selector is not None:
            consumer.selector = selector
            queue.selective += 1
            queue.cost += selector.cost
            state.queues.selector_cost += selector.cost
        self._add(consumer)

    def _rank(self, consumer: Consumer, headers: Headers) -> None:
        """Read the headers of ActiveMQ for exclusive consumers, priorities, and messages of the own connection."""
        supported, queue = self._state.dialect.subscribe_headers, consumer.queue
        if "activemq.priority" not in supported:
            return
        if queue.private:
            if is_true(headers, "activemq.noLocal") or is_true(headers, "no-local"):
                queue.no_local = consumer.client.number
            return
        consumer.exclusive = is_true(headers, "activemq.exclusive")
        text = headers.get("activemq.priority", "0")
        try:
            consumer.priority = max(-128, min(int(text[:9]), 127))
        except ValueError as err:
            raise RequestRefused("activemq.priority must be a number") from err
        if consumer.exclusive or consumer.priority:
            queue.ranked += 1

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
        name = headers.get("x-queue-name") if "x-queue-name" in supported else None
        durable = key is not None or queue_name is not None
        name = queue_name or name
        if name is not None:
            key = DurableKey(("queue", name), shared=True)
        queue = state.topics.queue_for_subscription(
            topic_of(destination), key, headers.get("selector"), selector
        )
        if name is not None and not queue.consumers:
            queue.transient = not durable
        if "x-message-ttl" in supported and not queue.consumers:
            queue.arguments = arguments_of(headers)
        return queue

    def _queue(self, client: Client, frame: Frame, destination: str) -> Queue:
        """The queue of a new subscription to a queue."""
        state = self._state
        name = destination.removeprefix("/queue/")
        if (named := state.topics.durable(("queue", name))) is not None:
            return named
        by_name = frame.headers["destination"].startswith("/amq/queue/")
        if by_name and state.dialect.checks_existence and not state.queues.was_declared(destination):
            detail = f"NOT_FOUND - no queue '{name:.200}' in vhost '/'"
            raise RequestRefused("not_found", detail, fatal=True)
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
            consumer = Consumer(state.next_number(), client, implicit_key(name), name, queue)
            self._add(consumer)
        return reply_name(destination) if implicit_key(name) in client.consumers else destination

    def unsubscribe(self, client: Client, frame: Frame) -> None:
        """Process an UNSUBSCRIBE.

        Raises:
            RequestRefused: there is no such subscription.
        """
        key = frame.headers.get("id", frame.headers.get("destination", ""))
        name = name_of(frame.headers)
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
        queue = consumer.queue
        if self._state.dialect.holds_after_unsubscribe and not queue.private:
            self._hold(consumer)
        else:
            for delivered in consumer.unacked:
                client.expect_late_ack(delivered)
            self.remove(consumer)
        # RabbitMQ: an UNSUBSCRIBE with the same headers as the SUBSCRIBE removes the durable subscription.
        ends = queue is durable or is_true(frame.headers, "durable")
        if queue.durable is not None and ends and not queue.consumers:
            self._remove_durable(queue)
        self._dispatcher.dispatch_or_discard(queue)

    def remove(self, consumer: Consumer) -> None:
        """Remove a consumer from its queue, and return its unacknowledged messages to the queue."""
        self._detach(consumer)
        queue = consumer.queue
        self.return_unacked(consumer)
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

    def _detach(self, consumer: Consumer) -> None:
        state = self._state
        consumer.open = False
        queue = consumer.queue
        queue.consumers.remove(consumer)
        queue.last_used = state.clock()
        if consumer.exclusive or consumer.priority:
            queue.ranked -= 1
        consumer.client.cost -= consumer.cost
        if consumer.selector is not None:
            queue.selective -= 1
            queue.cost -= consumer.selector.cost
            state.queues.selector_cost -= consumer.selector.cost
        if state.observer is not None:
            state.observer.subscription_removed(consumer)

    def _add(self, consumer: Consumer) -> None:
        queue = consumer.queue
        consumer.client.cost += consumer.cost
        consumer.client.consumers[consumer.key] = consumer
        queue.consumers.append(consumer)
        queue.backlog.restore_deferred()
        if self._state.observer is not None:
            self._state.observer.subscription_added(consumer)
        self._dispatcher.dispatch(queue)

    def _remove_durable(self, queue: Queue) -> None:
        """Remove a durable subscription and its messages."""
        self._state.topics.remove(queue)
        self._state.queues.drop(queue)
