"""Delivers the messages of queues to their consumers.

Rule of this file: this is the only module that writes MESSAGE frames and changes which messages of a queue wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import own_name, qualify
from stomp.broker.model import Delivery
from stomp.broker.queue_arguments import QueueArguments
from stomp.broker.store import StoredMessage
from stomp.core.frames.frame import Frame, Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stomp.broker.model import Client, Consumer, PendingSend, Queue
    from stomp.broker.state import BrokerState

#: The cost of selectors that one call evaluates for the waiting messages of a queue, see `Policy.max_cost`.
_TURN = 100_000
#: Messages that are skipped because the consumer of their group has no room.
_MOST_PASSED = 1000
#: In a dialect that orders all queues by priority.
_PRIORITIES = QueueArguments(max_priority=9)


class Dispatcher:
    """Stores messages in queues, and delivers them.

    Args:
        state: the state of the broker.

    Attributes:
        on_undeliverable: called with a message that was delivered too often without an acknowledgement.
        on_overflow: called with a message that a queue with a maximum length has too many.
    """

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._unfinished: dict[Queue, None] = {}  # queues that `continue_work` continues with
        self._with_output: list[Client] = []
        self.on_undeliverable: Callable[[Queue, StoredMessage], None] | None = None
        self.on_overflow: Callable[[Queue, StoredMessage], None] | None = None

    # ------------------------------------------------------------------------------------- for the driver

    def emit(self, client: Client, frame: Frame, at: int | None = None) -> None:
        """Put a frame into the outbox of a client, at the end or at the index `at`."""
        if at is None:
            client.outbox.append(frame)
        else:
            client.outbox.insert(at, frame)
        if not client.has_output:
            client.has_output = True
            self._with_output.append(client)

    def take_clients_with_output(self) -> list[Client]:
        """The clients that got frames in their outbox since the last call."""
        has_output, self._with_output = self._with_output, []
        for client in has_output:
            client.has_output = False
        return has_output

    def continue_work(self) -> bool:
        """Continue with queues whose selectors took too long for one call; True if more is left to do."""
        queues, self._unfinished = self._unfinished, {}
        for queue in queues:
            self.dispatch(queue)
        return bool(self._unfinished)

    @property
    def has_unfinished_work(self) -> bool:
        """True if `continue_work` has something to do."""
        return bool(self._unfinished)

    # ------------------------------------------------------------------------------------- into a queue

    def store(self, queue: Queue, sending: PendingSend) -> None:
        """Add a message to a queue, and deliver it if a consumer has room. Its size was claimed before."""
        state = self._state
        message = StoredMessage(
            state.next_number(),
            sending.destination,
            sending.headers,
            sending.body,
            sending.size,
            sending.expires,
        )
        message.has_length = sending.has_length
        arguments = queue.arguments
        if arguments is not None:
            message.deaths = sending.deaths
            if arguments.ttl is not None:
                end = state.clock() + arguments.ttl
                message.expires = end if message.expires is None else min(end, message.expires)
        self._set_place(queue, message)
        if message.expires is not None:
            state.expiry.watch(queue, message)
        queue.bytes += message.size
        if state.observer is not None:
            state.observer.message_enqueued(queue, message)
        if queue.name in state.paused or (queue.backlog.ready and not queue.selective):
            queue.backlog.add(message)
            self.dispatch(queue)
        # The waiting messages were offered to the consumers before; only this one is new.
        elif (consumer := queue.next_consumer(message)) is not None:
            self._deliver(queue, consumer, message)
        elif not queue.selective or queue.has_interested_consumer(message):
            queue.backlog.add(message)
        else:
            queue.backlog.defer(message)
        if arguments is not None and arguments.max_length is not None and self.on_overflow is not None:
            while len(queue.backlog) > arguments.max_length and queue.backlog.ready:
                self.on_overflow(queue, queue.backlog.take())
        if queue.pattern_consumers:
            state.queues.remove_if_empty(queue)
        if queue.bytes > state.policy.max_subscription_bytes and queue.private and not queue.browsing:
            state.queues.limit(queue)

    def _set_place(self, queue: Queue, message: StoredMessage) -> None:
        """Set the message group and the order of a message, which follow from its headers and its queue."""
        dialect, arguments = self._state.dialect, queue.arguments
        if dialect.has_groups and not queue.private:
            message.group = message.headers.get("JMSXGroupID")
        if arguments is not None and arguments.max_priority:
            message.order = arguments.order(message.number, message.headers)
        elif dialect.orders_by_priority:
            message.order = _PRIORITIES.order(message.number, message.headers)

    def restore(self, name: str, durable: tuple[str, ...] | None, message: StoredMessage) -> None:
        """See `stomp.broker.engine.Engine.restore`. The limits are not checked: the message was accepted before."""
        state = self._state
        queue = state.queues.get_or_new(name) if durable is None else state.topics.durable(durable)
        if queue is None:
            return
        if durable is None and state.queues.get(name) is None:
            state.queues.put(queue)
        state.capacity.messages += 1
        state.capacity.bytes += message.size
        queue.bytes += message.size
        self._set_place(queue, message)
        queue.backlog.add(message)
        state.expiry.watch(queue, message)

    def requeue(self, delivery: Delivery) -> None:
        """Return a delivered message to its queue; it is marked as redelivered."""
        state, queue, message = self._state, delivery.queue, delivery.message
        queue.unsettled -= 1
        message.redelivered = True
        message.deliveries += 1
        most = state.dialect.max_deliveries
        if most and message.deliveries >= most and self.on_undeliverable is not None:
            self.on_undeliverable(queue, message)
        elif not state.expiry.drop_if_expired(queue, message):
            queue.backlog.put_back(message)
            if state.observer is not None:
                state.observer.message_returned(queue, message)

    # ------------------------------------------------------------------------------------- to the consumers

    def dispatch_or_discard(self, queue: Queue) -> None:
        """Dispatch a queue to which messages were returned; drop them if no consumer can get them any more."""
        if queue.is_abandoned:
            self._state.queues.drop(queue)
        else:
            self.dispatch(queue)
            self._state.queues.remove_if_empty(queue)

    def dispatch_settled(self, deliveries: Sequence[Delivery]) -> None:
        """Dispatch the queues of settled deliveries, of one consumer, which has room again."""
        first = deliveries[0]
        if len(first.consumer.queues) == 1:
            self.dispatch_or_discard(first.queue)
            return
        for queue in dict.fromkeys(each.queue for each in deliveries):
            self.dispatch_or_discard(queue)
        self.dispatch_consumer(first.consumer)

    def dispatch_consumer(self, consumer: Consumer) -> None:
        """Dispatch the queues of a consumer, until it has no more room."""
        if len(consumer.queues) == 1:
            self.dispatch(next(iter(consumer.queues)))
            return
        for queue in list(consumer.queues):
            if not consumer.has_room:
                return
            by_pattern = consumer.queues.pop(queue, None)
            if by_pattern is None:
                continue  # it was removed meanwhile
            # It moves to the end, so that the next call begins with another queue and none starves.
            consumer.queues[queue] = by_pattern
            self.dispatch(queue)

    def dispatch(self, queue: Queue) -> None:
        """Deliver waiting messages to the consumers that have room."""
        if queue.name in self._state.paused:
            return
        backlog, selective = queue.backlog, queue.selective
        passed: list[StoredMessage] = []  # match consumers that have no room
        cost, deferred = 0, False
        while queue.consumers and backlog.ready and (not selective or queue.has_room):
            if selective:
                cost += queue.cost
                if cost > _TURN:
                    # Other connections have their turn. What follows was not looked at; what was deferred is done.
                    if deferred:
                        self._unfinished[queue] = None
                    break
            consumer = queue.next_consumer(backlog.first())
            if consumer is not None:
                self._deliver(queue, consumer, backlog.take())
            elif not selective:
                # The consumer of a message group has no room: messages of other groups go on.
                if backlog.first().group is None or not queue.has_room or len(passed) >= _MOST_PASSED:
                    break
                passed.append(backlog.take())
            elif queue.has_interested_consumer(backlog.first()):
                passed.append(backlog.take())
            else:
                backlog.defer(backlog.take())
                deferred = True
        for message in passed:
            backlog.put_back(message)
        if queue.pattern_consumers:
            self._state.queues.remove_if_empty(queue)

    def _deliver(self, queue: Queue, consumer: Consumer, message: StoredMessage) -> None:
        state, client = self._state, consumer.client
        dialect = state.dialect
        message_id = f"{state.name}-{message.number}"
        if dialect.ack_is_message_id:
            message_id = dialect.message_id(message_id, consumer.id, client.number, state.next_number())
        headers = Headers()
        headers["message-id"] = message_id
        headers["destination"] = message.destination
        if consumer.id is not None:
            headers["subscription"] = consumer.id
        if state.observer is not None and not queue.browsing:
            state.observer.message_delivered(queue, consumer, message)
        if consumer.ack == "auto":
            state.queues.acknowledge(queue, message)
        else:
            number = state.next_number()
            key = message_id
            if client.version.ack_header == "id":
                if not dialect.ack_is_message_id:
                    key = f"{message_id}-{number}"
                headers["ack"] = key
            delivery = Delivery(number, key, message, consumer, queue)
            consumer.unacked[key] = client.awaiting[key] = delivery
            queue.unsettled += 1
        if dialect.adds_length or dialect.has_length(client.version, message.body, given=message.has_length):
            headers["content-length"] = str(len(message.body))
        # RabbitMQ writes it with a first delivery, too.
        headers["redelivered"] = "true" if message.redelivered else "false"
        headers.update(message.headers)
        if message.destination.startswith("/remote-temp-"):
            headers["destination"] = own_name(message.destination, client.number)
        if "reply-to" in message.headers:
            own = own_name(qualify(headers["reply-to"], client.number), client.number)
            if own.startswith("/temp-"):
                headers["reply-to"] = own
        client.pending += message.size
        if client.pending >= state.policy.chunk:
            client.blocked = True
        self.emit(client, Frame("MESSAGE", headers, message.body))
