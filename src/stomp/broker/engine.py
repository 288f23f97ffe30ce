"""The broker without I/O: destinations, subscriptions, deliveries, transactions.

Rules of this file:

- It never waits and never asks the time. `Engine.handle` takes one frame of one connection, and leaves what is
  to be written in the outboxes of the clients that `Engine.take_dirty` names.
- ``/topic/...`` is a topic: each subscription that exists at the moment gets a copy. Every other name is a
  queue: each message goes to one consumer, round-robin, and is kept until there is one.
- An ACK or a NACK settles one delivery with ``client-individual``, and all up to it with ``client``
  (STOMP 1.2, "ACK", "NACK").
- A message refused by NACK is delivered again, marked ``redelivered:true``, to another consumer if one has
  room. After `Policy.dead_letter_after` refusals, or at once for a NACK with ``requeue:false``, it goes to the
  dead-letter queue, with its destination in ``original-destination``. So no message circles without end.
- What a closed connection or an UNSUBSCRIBE leaves un-acknowledged is delivered again, in order, before newer
  messages. That is no refusal and does not count towards the dead-letter queue.
- SEND, ACK and NACK of a transaction take effect at COMMIT, in their order. Their receipts come at once.
- ``/temp-queue/NAME`` and ``/temp-topic/NAME`` belong to the connection that names them. Other connections see
  them, in ``reply-to``, under a name that they can send to and not subscribe to.
- ``selector`` and expiry headers have no effect, and there are no wildcards and no durable topics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.parties import Client, Consumer, Delivery, Queue, Sending, Settling, Transaction
from stomp.broker.store import Capacity, Policy, Refusal, Stored, size_of
from stomp.core import commands
from stomp.core.frame import Frame, Headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.core.dialect import Dialect

#: Headers of a SEND that are not passed on: they are between the sender and the broker, or the broker sets them.
_NOT_PASSED_ON = frozenset(
    [
        "ack",
        "content-length",
        "destination",
        "message-id",
        "receipt",
        "receipt-id",
        "redelivered",
        "subscription",
        "transaction",
    ]
)
#: What the owner calls its temporary destinations, and what everybody else does.
_TEMPORARY = {"/temp-queue/": "/remote-temp-queue/", "/temp-topic/": "/remote-temp-topic/"}
_REMOTE = tuple(_TEMPORARY.values())
_TOPICS = ("/topic/", "/remote-temp-topic/")


class Engine:
    """The state of a broker.

    Args:
        policy: how messages are treated, and how many are kept.
        name: begins every message-id, so that those of two brokers differ.

    Attributes:
        capacity: how much is stored.
        dead_lettered: messages that went to the dead-letter queue.
        discarded: messages that were refused even there.

    >>> from stomp.core.dialect import STOMP12
    >>> engine = Engine()
    >>> client = engine.open(STOMP12)
    >>> engine.handle(client, commands.subscribe(STOMP12, "/queue/a", "1"))
    >>> engine.handle(client, commands.send("/queue/a", b"hi"))
    >>> [frame.command for frame in client.take()]
    ['MESSAGE']
    """

    def __init__(self, policy: Policy | None = None, *, name: str = "m") -> None:
        self.policy = policy or Policy()
        self.capacity = Capacity(self.policy)
        self.dead_lettered = 0
        self.discarded = 0
        self._name = name
        self._count = 0
        self._clients: dict[int, Client] = {}
        self._queues: dict[str, Queue] = {}
        self._topics: dict[str, list[Queue]] = {}
        self._dirty: list[Client] = []
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

    def open(self, dialect: Dialect) -> Client:
        """A connection was let in."""
        client = Client(self._next(), dialect)
        self._clients[client.number] = client
        return client

    def close(self, client: Client) -> None:
        """A connection ended: what it left open is undone. Calling it again does nothing."""
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
        # Two subscriptions may share a queue: all goes back before anything of it is delivered again, in order.
        for consumer in consumers:
            self._detach(consumer)
        for consumer in consumers:
            self._dispatch_or_drop(consumer.queue)
        for name in client.temporary:
            queue = self._queues.pop(name, None)
            if queue is not None:
                self._drop(queue)
        client.temporary.clear()

    def handle(self, client: Client, frame: Frame) -> None:
        """Do what a frame of a client asks; `stomp.core.server_session.ServerSession` has checked its headers.

        Raises:
            Refusal: it cannot be done. Answer by ERROR, close the connection, and call `close`.
        """
        self._verbs[frame.command](client, frame)
        receipt = frame.headers.get("receipt")
        if receipt is not None:
            self._emit(client, commands.receipt(receipt))

    def resume(self, client: Client) -> None:
        """The network takes more: deliver what waits for this client, up to the next chunk."""
        client.blocked = False
        # The subscription that comes first now comes last the next time, so that none starves.
        for key in list(client.consumers):
            if client.blocked or not client.open:
                return
            consumer = client.consumers.pop(key)
            client.consumers[key] = consumer
            self._dispatch(consumer.queue)

    def take_dirty(self) -> list[Client]:
        """The clients with something in the outbox since the last call."""
        dirty, self._dirty = self._dirty, []
        for client in dirty:
            client.dirty = False
        return dirty

    def depth(self, destination: str) -> int:
        """How many messages a destination holds: those that wait, and those delivered and not acknowledged."""
        if destination in self._topics:
            return sum(map(len, self._topics[destination]))
        queue = self._queues.get(destination)
        return 0 if queue is None else len(queue)

    def destinations(self) -> dict[str, int]:
        """The depth of every destination that has messages or subscriptions."""
        return {name: self.depth(name) for name in (*self._queues, *self._topics)}

    # ------------------------------------------------------------------------------------- sending

    def _send(self, client: Client, frame: Frame) -> None:
        destination = self._resolve(client, frame.headers["destination"])
        headers = {name: value for name, value in frame.headers.items() if name not in _NOT_PASSED_ON}
        if "reply-to" in headers:
            headers["reply-to"] = self._resolve(client, headers["reply-to"])
        sending = Sending(destination, headers, frame.body, size_of(headers, frame.body))
        name = frame.headers.get("transaction")
        if name is None:
            self._publish(sending)
        else:
            # What waits for its COMMIT takes memory, too.
            transaction = self._transaction(client, name)
            self.capacity.claim(1, sending.size)
            transaction.append(sending)

    def _publish(self, sending: Sending) -> None:
        destination = sending.destination
        self.capacity.claim(copies := self._copies(destination), sending.size * copies)
        if destination.startswith(_TOPICS):
            for queue in self._topics.get(destination, ()):
                self._store(queue, sending)
        elif copies:
            self._store(self._queue(destination), sending)

    def _copies(self, destination: str) -> int:
        if destination.startswith(_TOPICS):
            return len(self._topics.get(destination, ()))
        if destination.startswith(_REMOTE) and self._owner(destination) is None:
            return 0  # The one who would read it is gone.
        return 1

    def _store(self, queue: Queue, sending: Sending) -> None:
        queue.backlog.add(
            Stored(self._next(), sending.destination, sending.headers, sending.body, sending.size)
        )
        self._dispatch(queue)

    # ------------------------------------------------------------------------------------- destinations

    def _resolve(self, client: Client, destination: str) -> str:
        """The name of a destination for everybody."""
        if not destination:
            raise Refusal("the destination is empty")
        if destination.startswith("/temp-"):
            for mine, everybodys in _TEMPORARY.items():
                if destination.startswith(mine):
                    return f"{everybodys}{client.number}-{destination.removeprefix(mine)}"
        return destination

    def _owner(self, destination: str) -> Client | None:
        number = destination.split("/", 2)[2].partition("-")[0]
        return self._clients.get(int(number)) if number.isascii() and number.isdigit() else None

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue(name)
            if name.startswith(_REMOTE) and (owner := self._owner(name)) is not None:
                owner.temporary.add(name)
        return queue

    def _tidy(self, queue: Queue) -> None:
        """Forget a queue that holds nothing and that nobody listens to."""
        if not (len(queue) or queue.consumers) and self._queues.get(queue.name) is queue:
            del self._queues[queue.name]
            if queue.name.startswith(_REMOTE) and (owner := self._owner(queue.name)) is not None:
                owner.temporary.discard(queue.name)

    # ------------------------------------------------------------------------------------- subscriptions

    def _subscribe(self, client: Client, frame: Frame) -> None:
        headers = frame.headers
        destination = self._resolve(client, headers["destination"])
        if destination.startswith(_REMOTE) and self._owner(destination) is not client:
            raise Refusal("a temporary destination can be subscribed to by its own connection only")
        if len(client.consumers) >= self.policy.max_subscriptions:
            raise Refusal(f"a connection may have {self.policy.max_subscriptions} subscriptions at most")
        window = self._window(headers)
        id = headers.get("id")
        key = headers["destination"] if id is None else id
        topic = destination.startswith(_TOPICS)
        queue = Queue(destination, private=True) if topic else self._queue(destination)
        consumer = Consumer(self._next(), client, key, id, queue)
        consumer.ack = headers.get("ack", "auto")
        consumer.window = window
        client.consumers[key] = consumer
        queue.consumers.append(consumer)
        if topic:
            self._topics.setdefault(destination, []).append(queue)
        self._dispatch(queue)

    def _window(self, headers: Headers) -> int:
        text = headers.get("prefetch-count", headers.get("activemq.prefetchSize"))
        if text is None:
            return self.policy.window
        if not (text.isascii() and text.isdigit()):
            raise Refusal("prefetch-count must be a number")
        # 0 is "no limit" on RabbitMQ; here it is the largest window there is.
        asked = int(text) if len(text) < 10 else self.policy.max_window
        return min(asked or self.policy.max_window, self.policy.max_window)

    def _unsubscribe(self, client: Client, frame: Frame) -> None:
        key = frame.headers.get("id", frame.headers.get("destination", ""))
        consumer = client.consumers.pop(key)
        for delivered in consumer.unacked:
            client.remember(delivered)
        self._detach(consumer)
        self._dispatch_or_drop(consumer.queue)

    def _detach(self, consumer: Consumer) -> None:
        """Let a consumer get no more, and give back what it did not acknowledge."""
        consumer.open = False
        queue = consumer.queue
        queue.consumers.remove(consumer)
        for delivery in consumer.unacked.values():
            del consumer.client.awaiting[delivery.key]
            self._give_back(delivery)
        consumer.unacked.clear()
        if queue.private:
            queues = self._topics[queue.name]
            queues.remove(queue)
            if not queues:
                del self._topics[queue.name]

    def _give_back(self, delivery: Delivery) -> None:
        queue, message = delivery.consumer.queue, delivery.message
        queue.unsettled -= 1
        message.redelivered = True
        queue.backlog.put_back(message)

    def _dispatch_or_drop(self, queue: Queue) -> None:
        """Something came back: deliver it, or forget it where nobody will ask for it again."""
        if queue.private and not queue.consumers:
            self._drop(queue)
        else:
            self._dispatch(queue)
            self._tidy(queue)

    def _drop(self, queue: Queue) -> None:
        """Forget the messages that wait in a queue."""
        while queue.backlog:
            self.capacity.release(1, queue.backlog.take().size)

    # ------------------------------------------------------------------------------------- delivering

    def _dispatch(self, queue: Queue) -> None:
        """Deliver what waits to those who have room."""
        backlog = queue.backlog
        if queue.consumers:
            while backlog:
                consumer = queue.choose(backlog.first())
                if consumer is None:
                    return
                self._deliver(consumer, backlog.take())

    def _deliver(self, consumer: Consumer, message: Stored) -> None:
        client = consumer.client
        message_id = f"{self._name}-{message.number}"
        headers = Headers()
        headers["message-id"] = message_id
        headers["destination"] = message.destination
        if consumer.id is not None:
            headers["subscription"] = consumer.id
        if consumer.ack == "auto":
            self.capacity.release(1, message.size)
        else:
            number = self._next()
            key = message_id
            if client.dialect.ack_header == "id":
                key = headers["ack"] = f"{message_id}-{number}"
            delivery = Delivery(number, key, message, consumer)
            consumer.unacked[key] = client.awaiting[key] = delivery
            consumer.queue.unsettled += 1
        headers["content-length"] = str(len(message.body))
        if message.redelivered:
            headers["redelivered"] = "true"
        headers.update(message.headers)
        client.pending += message.size
        if client.pending >= self.policy.chunk:
            client.blocked = True
        self._emit(client, Frame("MESSAGE", headers, message.body))

    def _emit(self, client: Client, frame: Frame) -> None:
        client.outbox.append(frame)
        if not client.dirty:
            client.dirty = True
            self._dirty.append(client)

    # ------------------------------------------------------------------------------------- acknowledging

    def _acknowledge(self, client: Client, frame: Frame) -> None:
        headers = frame.headers
        key = headers[client.dialect.ack_header]
        name = headers.get("transaction")
        transaction = None if name is None else self._transaction(client, name)
        delivery = client.awaiting.get(key)
        if delivery is None:
            if key in client.released:
                return  # It was on its way when the UNSUBSCRIBE came, and the message has gone back.
            raise Refusal(f"no message {key!r:.80} awaits {frame.command}")
        if client.dialect.version == "1.1" and headers["subscription"] != delivery.consumer.key:
            raise Refusal(f"message {key!r:.80} was not delivered to that subscription")
        requeue = headers.get("requeue", "true") != "false"
        settling = Settling(self._covered(delivery), frame.command == "NACK", requeue)
        if transaction is None:
            self._settle(settling)
        else:
            transaction.append(settling)
            self._dispatch(delivery.consumer.queue)  # its window has room again

    def _covered(self, delivery: Delivery) -> list[Delivery]:
        """Take out the deliveries that an ACK of this one is about."""
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

    def _settle(self, settling: Settling) -> None:
        queue = settling.deliveries[0].consumer.queue
        for delivery in settling.deliveries:
            if settling.refused:
                self._refuse(delivery, requeue=settling.requeue)
            else:
                queue.unsettled -= 1
                self.capacity.release(1, delivery.message.size)
        self._dispatch_or_drop(queue)

    def _refuse(self, delivery: Delivery, *, requeue: bool) -> None:
        message = delivery.message
        message.refusals += 1
        message.refused_by |= {delivery.consumer.number}
        if requeue and message.refusals < self.policy.dead_letter_after:
            self._give_back(delivery)
            return
        delivery.consumer.queue.unsettled -= 1
        self.capacity.release(1, message.size)
        dead_letters = self.policy.dead_letter_queue
        if delivery.consumer.queue.name == dead_letters:
            self.discarded += 1
            return
        self.dead_lettered += 1
        headers = {**message.headers, "original-destination": message.destination}
        size = size_of(headers, message.body)
        # Without asking whether it fits: it was there before.
        self.capacity.messages += 1
        self.capacity.bytes += size
        self._store(self._queue(dead_letters), Sending(dead_letters, headers, message.body, size))

    # ------------------------------------------------------------------------------------- transactions

    def _transaction(self, client: Client, name: str) -> Transaction:
        transaction = client.transactions.get(name)
        if transaction is None:
            raise Refusal(f"there is no transaction {name!r:.60}")
        return transaction

    def _begin(self, client: Client, frame: Frame) -> None:
        if len(client.transactions) >= self.policy.max_transactions:
            raise Refusal(f"a connection may have {self.policy.max_transactions} open transactions at most")
        client.transactions[frame.headers["transaction"]] = []

    def _commit(self, client: Client, frame: Frame) -> None:
        name = frame.headers["transaction"]
        transaction = self._transaction(client, name)
        del client.transactions[name]
        sendings = [step for step in transaction if isinstance(step, Sending)]
        size = sum(sending.size for sending in sendings)
        copies = [(self._copies(sending.destination), sending.size) for sending in sendings]
        try:
            more = sum(count for count, _ in copies) - len(sendings)
            self.capacity.check(more, sum(count * each for count, each in copies) - size)
        except Refusal:
            self._undo(transaction)
            raise
        self.capacity.release(len(sendings), size)
        for step in transaction:
            if isinstance(step, Sending):
                self._publish(step)
            else:
                self._settle(step)

    def _abort(self, client: Client, frame: Frame) -> None:
        name = frame.headers["transaction"]
        transaction = self._transaction(client, name)
        del client.transactions[name]
        self._undo(transaction)

    def _undo(self, transaction: Transaction) -> None:
        """Forget what a transaction sent, and let what it settled await an ACK again."""
        for step in transaction:
            if isinstance(step, Sending):
                self.capacity.release(1, step.size)
                continue
            consumer = step.deliveries[0].consumer
            if not consumer.open:
                for delivery in step.deliveries:
                    self._give_back(delivery)
                self._dispatch_or_drop(consumer.queue)
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
