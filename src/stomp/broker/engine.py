"""The broker without I/O: destinations, subscriptions, deliveries, transactions.

Rules of this file:

- No function waits, and the only clock is the argument `clock`. `Engine.handle` processes one frame of one connection.
  It puts the frames to write into the outboxes of the clients that `Engine.take_clients_with_output` returns.
- ``/topic/...`` is a topic: each subscription that exists when a message is sent gets a copy, by name or by wildcards
  (`stomp.broker.topics`). A durable subscription exists until it is unsubscribed. Every other name is a queue: each
  message goes to one consumer, round-robin, and is kept until there is a consumer.
- An ACK or a NACK settles one delivery with ``client-individual``, and all deliveries up to it with ``client``
  (STOMP 1.2, "ACK", "NACK").
- A message refused by NACK is delivered again with ``redelivered:true``, to another consumer if one has room. After
  `Policy.dead_letter_after` refusals, or at once for a NACK with ``requeue:false``, it goes to the dead-letter queue,
  with its destination in ``original-destination``. So no message is redelivered endlessly.
- Messages that are unacknowledged when a connection closes, or at an UNSUBSCRIBE, are delivered again, in order, before
  newer messages. This is no refusal, and does not count towards `Policy.dead_letter_after`.
- SEND, ACK and NACK of a transaction take effect at COMMIT, in their order. Their receipts are sent immediately.
- ``/temp-queue/NAME`` and ``/temp-topic/NAME`` belong to the connection that uses the name. Other connections get, in
  ``reply-to``, a name that they can send to but not subscribe to. A SEND with such a ``reply-to`` whose queue has no
  subscription yet makes one, with the name as its id (RabbitMQ).
- A SUBSCRIBE to a queue with ``browser:true`` gets copies of its messages, then one with ``browser:end`` (ActiveMQ).
- The RECEIPT of a frame is sent before the MESSAGEs that the frame causes for its own connection.
- A subscription with a ``selector`` gets the messages for which the selector is true. In a queue, the other messages
  are kept for other consumers, and do not delay the messages behind them.
- An expired message is dropped; it does not go to the dead-letter queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.destinations import (
    implicit_key,
    is_temporary,
    is_topic,
    own_name,
    qualify,
    reply_name,
    topic_of,
)
from stomp.broker.expiry import Expiry
from stomp.broker.model import Client, Consumer, Delivery, PendingAck, PendingSend, Queue, Transaction
from stomp.broker.queues import Queues
from stomp.broker.request_headers import (
    durable_of,
    expiry_of,
    is_true,
    message_headers,
    name_of,
    selector_of,
    window_of,
)
from stomp.broker.store import (
    QUEUE_OVERHEAD,
    Capacity,
    Policy,
    RequestRefused,
    StoredMessage,
    size_of,
)
from stomp.broker.topics import Topics, check_words
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame, Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stomp.core.frames.versions import Version

#: The cost of selectors that one call evaluates for the waiting messages of a queue, see `Policy.max_cost`.
_TURN = 100_000


class Engine:
    """The state of a broker.

    Args:
        policy: limits of the queues and rules for messages; None for the defaults of `Policy`.
        name: prefix of every message-id, so that the ids of two brokers differ.
        clock: returns seconds since 1970; used for the expiry of messages.

    Attributes:
        capacity: counts the stored messages and bytes.
        expiry: the messages with an expiry time, and the number of expired messages.
        dead_lettered: number of messages moved to the dead-letter queue.
        discarded: number of messages that were refused in the dead-letter queue, and dropped.

    >>> from stomp.core.frames.versions import STOMP12
    >>> engine = Engine()
    >>> client = engine.open(STOMP12)
    >>> engine.handle(client, commands.subscribe(STOMP12, "/queue/a", "1"))
    >>> engine.handle(client, commands.send("/queue/a", b"hi"))
    >>> [frame.command for frame in client.take()]
    ['MESSAGE']
    """

    def __init__(
        self, policy: Policy | None = None, *, name: str = "m", clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.policy: Policy = policy or Policy()
        self.capacity: Capacity = Capacity(self.policy)
        self.expiry: Expiry = Expiry(clock, self.capacity)
        self.dead_lettered: int = 0
        self.discarded: int = 0
        self._name = name
        self._count = 0
        self._clients: dict[int, Client] = {}
        self._queues = Queues(self.policy, self.capacity, self.expiry, self._clients)
        self._unfinished: dict[Queue, None] = {}  # queues that `continue_work` continues with
        self._topics = Topics(self.policy.max_durable, 10 * self.policy.max_cost, self._queues.drop)
        self._with_output: list[Client] = []
        self._verbs: dict[str, Callable[[Client, Frame], None]] = {
            "SEND": self._send,
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "ACK": self._acknowledge,
            "NACK": self._acknowledge,
            "BEGIN": self._begin,
            "COMMIT": self._commit,
            "ABORT": self._abort,
            "DISCONNECT": self._disconnect,
        }

    # ------------------------------------------------------------------------------------- for the driver

    @property
    def slow_clients(self) -> list[Client]:
        """Clients to disconnect, because a subscription is too slow; the driver clears it."""
        return self._queues.slow_clients

    @property
    def dropped(self) -> int:
        """Number of messages dropped because a subscription was too slow."""
        return self._queues.dropped

    def open(self, version: Version, client_id: str | None = None) -> Client:
        """Add a client whose login was accepted; `client_id` is the ``client-id`` of its CONNECT, if any."""
        client = Client(self._next(), version, client_id)
        self._clients[client.number] = client
        return client

    def close(self, client: Client) -> None:
        """Remove a client: abort its transactions, return its unacknowledged messages, and end its subscriptions.

        Its temporary destinations are dropped. A second call does nothing.
        """
        if not client.open:
            return
        client.open = False
        client.blocked = True
        del self._clients[client.number]
        for transaction in client.transactions.values():
            self._undo(transaction)
        client.transactions.clear()
        consumers = list(client.consumers.values())
        client.consumers.clear()
        # Two subscriptions may share a queue: all messages are returned first, so that redelivery is in order.
        for consumer in consumers:
            self._remove_consumer(consumer)
        for consumer in consumers:
            self._dispatch_or_discard(consumer.queue)
        self._queues.remove_temporary(client.temporary)
        client.temporary.clear()

    def handle(self, client: Client, frame: Frame) -> None:
        """Process a frame of a client; `stomp.core.session.server.ServerSession` has checked its headers.

        Raises:
            RequestRefused: the request is invalid or exceeds a limit. Send ERROR, close the connection, and call
                `close`.
        """
        self._queues.remove_expired()
        written = len(client.outbox)
        self._verbs[frame.command](client, frame)
        receipt = frame.headers.get("receipt")
        if receipt is not None:
            self._emit(client, commands.receipt(receipt), written)

    def resume(self, client: Client) -> None:
        """Deliver waiting messages to a client that can receive more, up to the next `Policy.chunk` bytes."""
        client.blocked = False
        self._queues.remove_expired()
        # Each subscription moves to the end, so that the next call begins with another one and none starves.
        for key in list(client.consumers):
            if client.blocked or not client.open:
                return
            consumer = client.consumers.pop(key)
            client.consumers[key] = consumer
            self._dispatch(consumer.queue)

    def continue_work(self) -> bool:
        """Continue with queues whose selectors took too long for one call; True if more is left to do."""
        queues, self._unfinished = self._unfinished, {}
        for queue in queues:
            self._dispatch(queue)
        return bool(self._unfinished)

    @property
    def has_unfinished_work(self) -> bool:
        """True if `continue_work` has something to do."""
        return bool(self._unfinished)

    def take_clients_with_output(self) -> list[Client]:
        """The clients that got frames in their outbox since the last call."""
        has_output, self._with_output = self._with_output, []
        for client in has_output:
            client.has_output = False
        return has_output

    def depth(self, destination: str) -> int:
        """The number of messages of a destination: those waiting, and those delivered and not acknowledged."""
        return sum(map(len, self.queues(destination)))

    def queues(self, destination: str) -> list[Queue]:
        """The queue with this name, or those of the subscriptions to this topic."""
        self._queues.remove_expired()
        if (queues := self._topics.named(destination)) is not None:
            return list(queues)
        queue = self._queues.get(destination)
        return [] if queue is None else [queue]

    def put(self, destination: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Store a message, as a SEND of a client that has no temporary destinations.

        Raises:
            RequestRefused: it is invalid or exceeds a limit.
        """
        name = qualify(destination, 0)
        now = self.expiry.clock()
        size = size_of(headers, body)
        self._publish(PendingSend(name, headers, body, size, expiry_of(headers, now)), now)

    def purge(self, destination: str) -> int:
        """Drop the waiting messages of a destination; return their number."""
        count = 0
        for queue in self.queues(destination):
            count += len(queue.backlog)
            self._queues.drop(queue)
            self._queues.remove_if_empty(queue)
        return count

    def destinations(self) -> dict[str, int]:
        """The depth of every destination that has messages or subscriptions."""
        return {name: self.depth(name) for name in (*self._queues, *self._topics.names())}

    # ------------------------------------------------------------------------------------- sending

    def _send(self, client: Client, frame: Frame) -> None:
        destination = self._destination(client, frame)
        if is_topic(destination):
            check_words(destination)
        elif (queue := self._queues.get(destination)) is not None:
            most = self.policy.max_queue_bytes
            if queue.bytes + len(frame.body) > most:
                detail = f"it keeps {most} bytes at most; consume some, then send again"
                raise RequestRefused("the queue is full", detail)
        headers = message_headers(frame.headers)
        now = self.expiry.clock()
        expires = expiry_of(headers, now)
        if "reply-to" in headers:
            headers["reply-to"] = self._reply_to(client, headers["reply-to"])
        sending = PendingSend(destination, headers, frame.body, size_of(headers, frame.body), expires)
        name = frame.headers.get("transaction")
        if name is None:
            self._publish(sending, now)
        else:
            # A message that waits for its COMMIT uses memory, so it counts.
            transaction = self._transaction(client, name)
            self.capacity.claim(1, sending.size)
            transaction.append(sending)

    def _reply_to(self, client: Client, name: str) -> str:
        """The ``reply-to`` that the consumers of a message get."""
        destination = qualify(name, client.number)
        if not name.startswith("/temp-queue/"):
            return destination
        queue = self._queues.get(destination)
        if queue is None or not queue.consumers:
            # RabbitMQ: there is no SUBSCRIBE; the MESSAGE has the name as its subscription. No id of a SUBSCRIBE can
            # contain a NUL, so the key is unique.
            self._check_subscriptions(client)
            queue = self._queues.get_or_new(destination)
            self._queues.add(queue)
            consumer = Consumer(self._next(), client, implicit_key(name), name, queue)
            self._add_consumer(consumer)
        return reply_name(destination) if implicit_key(name) in client.consumers else destination

    def _publish(self, sending: PendingSend, now: float) -> None:
        # One that lives for no time at all (RabbitMQ: expiration:0) is delivered if a consumer has room.
        if sending.expires is not None and sending.expires < now:
            self.expiry.dropped += 1
            return
        queues = self._matching_queues(sending)
        self.capacity.claim(len(queues), sending.size * len(queues))
        try:
            for queue in queues:
                self._queues.add(queue)
        except RequestRefused:
            self.capacity.release(len(queues), sending.size * len(queues))
            raise
        for queue in queues:
            self._store(queue, sending)

    def _matching_queues(self, sending: PendingSend) -> list[Queue]:
        """The queues that get a copy of the message."""
        destination = sending.destination
        if is_topic(destination):
            return self._topics.matching_queues(topic_of(destination), sending.headers)
        if is_temporary(destination) and self._queues.owner(destination) is None:
            return []  # The connection that could consume it has closed.
        return [self._queues.get_or_new(destination)]

    def _store(self, queue: Queue, sending: PendingSend) -> None:
        message = StoredMessage(
            self._next(), sending.destination, sending.headers, sending.body, sending.size, sending.expires
        )
        self.expiry.watch(queue, message)
        queue.bytes += message.size
        if not queue.selective:
            queue.backlog.add(message)
            self._dispatch(queue)
        # The waiting messages were offered to the consumers before; only this one is new.
        elif (consumer := queue.next_consumer(message)) is not None:
            self._deliver(consumer, message)
        elif queue.has_interested_consumer(message):
            queue.backlog.add(message)
        else:
            queue.backlog.defer(message)
        if queue.bytes > self.policy.max_subscription_bytes and queue.private and not queue.browsing:
            self._queues.limit(queue)

    # ------------------------------------------------------------------------------------- subscriptions

    def _subscribe(self, client: Client, frame: Frame) -> None:
        headers = frame.headers
        destination = self._destination(client, frame)
        if is_temporary(destination) and self._queues.owner(destination) is not client:
            raise RequestRefused("a temporary destination can be subscribed to by its own connection only")
        self._check_subscriptions(client)
        window, selector = window_of(headers, self.policy), selector_of(headers, self.policy)
        cost = self._queues.cost(client, topic_of(destination), selector)
        id = headers.get("id")
        key = headers["destination"] if id is None else id
        topic = is_topic(destination)
        if topic:
            durable_key = durable_of(headers, destination, client.client_id)
            queue = self._topics.queue_for_subscription(
                topic_of(destination), durable_key, headers.get("selector"), selector
            )
        elif name_of(headers) is not None:
            # ActiveMQ refuses this, too.
            raise RequestRefused(
                "a subscription to a queue cannot be durable", "only topics have durable subscriptions"
            )
        elif is_true(headers, "browser"):
            queue = self._queues.browse(destination, selector, self._next)
        else:
            queue = self._queues.get_or_new(destination)
            self._queues.add(queue)
            implicit = client.consumers.pop(implicit_key(headers["destination"]), None)
            if implicit is not None:
                self._remove_consumer(implicit)
        consumer = Consumer(self._next(), client, key, id, queue)
        consumer.ack = headers.get("ack", "auto")
        consumer.window = window
        consumer.cost = cost
        if not queue.private and selector is not None:
            consumer.selector = selector
            queue.selective += 1
            queue.cost += selector.cost
            self._queues.selector_cost += selector.cost
        self._add_consumer(consumer)

    def _destination(self, client: Client, frame: Frame) -> str:
        destination = frame.headers["destination"]
        if len(destination) > self.policy.max_destination:
            raise RequestRefused(f"a destination may have {self.policy.max_destination} characters at most")
        return qualify(destination, client.number)

    def _check_subscriptions(self, client: Client) -> None:
        """Raise `RequestRefused` if the connection has as many subscriptions as the policy allows."""
        most = self.policy.max_subscriptions
        if len(client.consumers) >= most:
            raise RequestRefused(f"a connection may have {most} subscriptions at most")

    def _add_consumer(self, consumer: Consumer) -> None:
        queue = consumer.queue
        consumer.client.cost += consumer.cost
        consumer.client.consumers[consumer.key] = consumer
        queue.consumers.append(consumer)
        queue.backlog.restore_deferred()
        self._dispatch(queue)

    def _remove_durable(self, queue: Queue) -> None:
        """Remove a durable subscription and its messages."""
        self._topics.remove(queue)
        self._queues.drop(queue)

    def _unsubscribe(self, client: Client, frame: Frame) -> None:
        key = frame.headers.get("id", frame.headers.get("destination", ""))
        name = name_of(frame.headers)
        durable = self._topics.durable(("name", client.client_id or "", name)) if name else None
        consumer = client.consumers.pop(key, None)
        if consumer is None:
            # ActiveMQ: a durable subscription without a consumer is removed by an UNSUBSCRIBE with its name.
            if durable is None:
                raise RequestRefused("there is no such subscription")
            if durable.consumers:
                raise RequestRefused("the durable subscription is in use")
            self._remove_durable(durable)
            return
        for delivered in consumer.unacked:
            client.expect_late_ack(delivered)
        self._remove_consumer(consumer)
        queue = consumer.queue
        # RabbitMQ: an UNSUBSCRIBE with the same headers as the SUBSCRIBE removes the durable subscription.
        ends = queue is durable or is_true(frame.headers, "durable")
        if queue.durable is not None and ends and not queue.consumers:
            self._remove_durable(queue)
        self._dispatch_or_discard(queue)

    def _remove_consumer(self, consumer: Consumer) -> None:
        """Remove a consumer from its queue, and return its unacknowledged messages to the queue."""
        consumer.open = False
        queue = consumer.queue
        queue.consumers.remove(consumer)
        consumer.client.cost -= consumer.cost
        if consumer.selector is not None:
            queue.selective -= 1
            queue.cost -= consumer.selector.cost
            self._queues.selector_cost -= consumer.selector.cost
        for delivery in consumer.unacked.values():
            del consumer.client.awaiting[delivery.key]
            self._requeue(delivery)
        consumer.unacked.clear()
        if queue.is_abandoned and not queue.browsing:
            self._topics.remove(queue)

    def _requeue(self, delivery: Delivery) -> None:
        queue, message = delivery.consumer.queue, delivery.message
        queue.unsettled -= 1
        message.redelivered = True
        if not self.expiry.drop_if_expired(queue, message):
            queue.backlog.put_back(message)

    def _dispatch_or_discard(self, queue: Queue) -> None:
        """Dispatch a queue to which messages were returned; drop them if no consumer can get them any more."""
        if queue.is_abandoned:
            self._queues.drop(queue)
        else:
            self._dispatch(queue)
            self._queues.remove_if_empty(queue)

    # ------------------------------------------------------------------------------------- delivering

    def _dispatch(self, queue: Queue) -> None:
        """Deliver waiting messages to the consumers that have room."""
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
                self._deliver(consumer, backlog.take())
            elif not selective:
                return
            elif queue.has_interested_consumer(backlog.first()):
                passed.append(backlog.take())
            else:
                backlog.defer(backlog.take())
                deferred = True
        for message in passed:
            backlog.put_back(message)

    def _deliver(self, consumer: Consumer, message: StoredMessage) -> None:
        client = consumer.client
        message_id = f"{self._name}-{message.number}"
        headers = Headers()
        headers["message-id"] = message_id
        headers["destination"] = message.destination
        if consumer.id is not None:
            headers["subscription"] = consumer.id
        if consumer.ack == "auto":
            self._queues.release(consumer.queue, message)
        else:
            number = self._next()
            key = message_id
            if client.version.ack_header == "id":
                key = headers["ack"] = f"{message_id}-{number}"
            delivery = Delivery(number, key, message, consumer)
            consumer.unacked[key] = client.awaiting[key] = delivery
            consumer.queue.unsettled += 1
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
        if client.pending >= self.policy.chunk:
            client.blocked = True
        self._emit(client, Frame("MESSAGE", headers, message.body))

    def _emit(self, client: Client, frame: Frame, at: int | None = None) -> None:
        """Put a frame into the outbox of a client, at the end or at the index `at`."""
        client.outbox.insert(len(client.outbox) if at is None else at, frame)
        if not client.has_output:
            client.has_output = True
            self._with_output.append(client)

    # ------------------------------------------------------------------------------------- acknowledging

    def _acknowledge(self, client: Client, frame: Frame) -> None:
        headers = frame.headers
        key = headers[client.version.ack_header]
        name = headers.get("transaction")
        transaction = None if name is None else self._transaction(client, name)
        delivery = client.awaiting.get(key)
        if delivery is None:
            if key in client.late_acks:
                return  # The ACK was sent before the UNSUBSCRIBE was processed; the message was returned.
            raise RequestRefused(f"no unacknowledged message with the id {key!r:.80}")
        if client.version.number == "1.1" and headers["subscription"] != delivery.consumer.key:
            raise RequestRefused(f"message {key!r:.80} was not delivered to that subscription")
        requeue = is_true(headers, "requeue", "true")
        settling = PendingAck(self._covered(delivery), frame.command == "NACK", requeue)
        if transaction is None:
            self._settle(settling)
        else:
            transaction.append(settling)
            self._dispatch(delivery.consumer.queue)  # its window has room again

    def _covered(self, delivery: Delivery) -> list[Delivery]:
        """Remove and return the deliveries that an ACK of this one covers."""
        consumer = delivery.consumer
        covered = [delivery]
        if consumer.ack == "client":
            covered = []
            for earlier in consumer.unacked.values():
                covered.append(earlier)
                if earlier is delivery:
                    break
        for each in covered:
            del consumer.unacked[each.key]
            del consumer.client.awaiting[each.key]
        return covered

    def _settle(self, settling: PendingAck) -> None:
        queue = settling.deliveries[0].consumer.queue
        for delivery in settling.deliveries:
            if settling.refused:
                self._refuse(delivery, requeue=settling.requeue)
            else:
                queue.unsettled -= 1
                self._queues.release(queue, delivery.message)
        self._dispatch_or_discard(queue)

    def _refuse(self, delivery: Delivery, *, requeue: bool) -> None:
        message = delivery.message
        message.refusals += 1
        message.refused_by |= {delivery.consumer.number}
        if requeue and message.refusals < self.policy.dead_letter_after:
            self._requeue(delivery)
            return
        delivery.consumer.queue.unsettled -= 1
        self._queues.release(delivery.consumer.queue, message)
        dead_letters = self.policy.dead_letter_queue
        if delivery.consumer.queue.name == dead_letters:
            self.discarded += 1
            return
        self.dead_lettered += 1
        headers = {**message.headers, "original-destination": message.destination}
        size = size_of(headers, message.body)
        # No check of the capacity: the message was counted before.
        self.capacity.messages += 1
        self.capacity.bytes += size
        queue = self._queues.get_or_new(dead_letters)
        if self._queues.get(dead_letters) is None:
            self._queues.put(queue)
        self._store(queue, PendingSend(dead_letters, headers, message.body, size))

    # ------------------------------------------------------------------------------------- transactions

    def _transaction(self, client: Client, name: str) -> Transaction:
        transaction = client.transactions.get(name)
        if transaction is None:
            raise RequestRefused(f"there is no transaction {name!r:.60}")
        return transaction

    def _begin(self, client: Client, frame: Frame) -> None:
        if len(client.transactions) >= self.policy.max_transactions:
            raise RequestRefused(
                f"a connection may have {self.policy.max_transactions} open transactions at most"
            )
        client.transactions[frame.headers["transaction"]] = []

    def _commit(self, client: Client, frame: Frame) -> None:
        name = frame.headers["transaction"]
        transaction = self._transaction(client, name)
        del client.transactions[name]
        sendings = [step for step in transaction if isinstance(step, PendingSend)]
        size = sum(sending.size for sending in sendings)
        copies = [(len(self._matching_queues(sending)), sending.size) for sending in sendings]
        try:
            more = sum(count for count, _ in copies) - len(sendings)
            new = {each.destination for each in sendings if not is_topic(each.destination)} - set(
                self._queues
            )
            new_size = sum(count * each for count, each in copies) + len(new) * QUEUE_OVERHEAD
            self.capacity.check(more, new_size - size)
        except RequestRefused:
            self._undo(transaction)
            raise
        self.capacity.release(len(sendings), size)
        for step in transaction:
            if isinstance(step, PendingSend):
                self._publish(step, self.expiry.clock())
            else:
                self._settle(step)

    def _abort(self, client: Client, frame: Frame) -> None:
        name = frame.headers["transaction"]
        transaction = self._transaction(client, name)
        del client.transactions[name]
        self._undo(transaction)

    def _undo(self, transaction: Transaction) -> None:
        """Drop the messages that a transaction sent, and make the deliveries that it settled unacknowledged again."""
        for step in transaction:
            if isinstance(step, PendingSend):
                self.capacity.release(1, step.size)
                continue
            consumer = step.deliveries[0].consumer
            if not consumer.open:
                for delivery in step.deliveries:
                    self._requeue(delivery)
                self._dispatch_or_discard(consumer.queue)
                continue
            restored = {**consumer.unacked, **{each.key: each for each in step.deliveries}}
            oldest_first = sorted(restored.values(), key=lambda each: each.number)
            consumer.unacked = {each.key: each for each in oldest_first}
            consumer.client.awaiting.update((each.key, each) for each in step.deliveries)

    def _disconnect(self, client: Client, frame: Frame) -> None:
        self.close(client)

    def _next(self) -> int:
        self._count += 1
        return self._count
