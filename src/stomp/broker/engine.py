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

from stomp.broker.acknowledgements import Acknowledgements
from stomp.broker.advisories import Advisories
from stomp.broker.dead_letters import DeadLetters
from stomp.broker.destinations import parts_of
from stomp.broker.dialects.dialect import Dialect
from stomp.broker.dispatcher import Dispatcher
from stomp.broker.model import Client
from stomp.broker.sender import Sender
from stomp.broker.state import BrokerState
from stomp.broker.store import Policy, RequestRefused
from stomp.broker.subscriptions import Subscriptions
from stomp.broker.transactions import Transactions
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame, Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stomp.broker.expiry import Expiry
    from stomp.broker.model import Queue, ScheduledMessage
    from stomp.broker.observer import Observer
    from stomp.broker.store import Capacity, StoredMessage
    from stomp.core.frames.versions import Version


class Engine:
    """The state of a broker.

    Args:
        policy: limits of the queues and rules for messages; None for the defaults of `Policy`.
        name: prefix of every message-id, so that the ids of two brokers differ.
        clock: returns seconds since 1970; used for the expiry of messages.
        first_number: the numbers of messages are above this one.
        dialect: what differs between brokers; None for the tolerant one.

    Attributes:
        capacity: counts the stored messages and bytes.
        expiry: the messages with an expiry time, and the number of expired messages.
        state: what the parts of the engine share.

    >>> from stomp.core.frames.versions import STOMP12
    >>> engine = Engine()
    >>> client = engine.open(STOMP12)
    >>> engine.handle(client, commands.subscribe(STOMP12, "/queue/a", "1"))
    >>> engine.handle(client, commands.send("/queue/a", b"hi"))
    >>> [frame.command for frame in client.take()]
    ['MESSAGE']
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        name: str = "m",
        clock: Callable[[], float] = lambda: 0.0,
        first_number: int = 0,
        dialect: Dialect | None = None,
    ) -> None:
        self.dialect: Dialect = dialect or Dialect()
        self.policy: Policy = self.dialect.adapt(policy or Policy())
        self.state: BrokerState = BrokerState(self.policy, name, clock, self.dialect, first_number)
        self.capacity: Capacity = self.state.capacity
        self.expiry: Expiry = self.state.expiry
        self._queues = self.state.queues
        self._topics = self.state.topics
        self._dispatcher = Dispatcher(self.state)
        self._subscriptions = Subscriptions(self.state, self._dispatcher)
        self._sender = Sender(self.state, self._dispatcher, self._subscriptions)
        self._advisories = Advisories(self.state, self._dispatcher.store) if self.dialect.advisories else None
        self._subscriptions.advisories = self._advisories
        self._dead_letters = DeadLetters(self.state, self._dispatcher, self._sender)
        self._dispatcher.on_undeliverable = self._dead_letters.give_up
        self._dispatcher.on_overflow = self._dead_letters.overflow
        self.expiry.on_expired = self._dead_letters.expire
        self._acknowledgements = Acknowledgements(self.state, self._dispatcher, self._dead_letters)
        self._transactions = Transactions(self.state, self._dispatcher, self._sender, self._acknowledgements)
        self._verbs: dict[str, Callable[[Client, Frame], None]] = {
            "SEND": self._send,
            "SUBSCRIBE": self._subscriptions.subscribe,
            "UNSUBSCRIBE": self._subscriptions.unsubscribe,
            "ACK": self._acknowledge,
            "NACK": self._acknowledge,
            "BEGIN": self._transactions.begin,
            "COMMIT": self._transactions.commit,
            "ABORT": self._transactions.abort,
            "DISCONNECT": self._disconnect,
        }

    def restore(self, name: str, durable: tuple[str, ...] | None, message: StoredMessage) -> None:
        """Put a message of an earlier engine into its queue; called in their order, before a client is added.

        Args:
            name: the name of the queue.
            durable: the key of the durable subscription that the message is for; None for a queue.
            message: the message.
        """
        self._dispatcher.restore(name, durable, message)

    def restore_scheduled(self, message: ScheduledMessage) -> None:
        """Add a scheduled message of an earlier engine."""
        self._sender.scheduler.restore(message)

    def add_observer(self, observer: Observer) -> None:
        """Call this observer for each event, after those that were added before."""
        self.state.add_observer(observer)

    @property
    def observer(self) -> Observer | None:
        """Calls all observers; None if there are none."""
        return self.state.observer

    # ------------------------------------------------------------------------------------- for the driver

    @property
    def slow_clients(self) -> list[Client]:
        """Clients to disconnect, because a subscription is too slow; the driver clears it."""
        return self._queues.slow_clients

    @property
    def dropped(self) -> int:
        """Number of messages dropped because a subscription was too slow."""
        return self._queues.dropped

    @property
    def dead_lettered(self) -> int:
        """Number of messages moved to the dead-letter queue."""
        return self._dead_letters.moved

    @property
    def discarded(self) -> int:
        """Number of messages that were refused in the dead-letter queue, and dropped."""
        return self._dead_letters.discarded

    def open(self, version: Version, client_id: str | None = None, login: str | None = None) -> Client:
        """Add a client whose login was accepted.

        Args:
            version: the STOMP version of its connection.
            client_id: the ``client-id`` of its CONNECT, if any.
            login: its login, if any.
        """
        client = Client(self.state.next_number(), version, client_id, login)
        self.state.clients[client.number] = client
        if self._advisories is not None:
            self._advisories.client_added(client)
        return client

    def close(self, client: Client) -> None:
        """Remove a client: abort its transactions, return its unacknowledged messages, and end its subscriptions.

        Its temporary destinations are dropped. A second call does nothing.
        """
        if not client.open:
            return
        client.open = False
        client.blocked = True
        del self.state.clients[client.number]
        for transaction in client.transactions.values():
            self._transactions.undo(transaction)
        client.transactions.clear()
        consumers = list(client.consumers.values())
        client.consumers.clear()
        # Two subscriptions may share a queue: all messages are returned first, so that redelivery is in order.
        # Those that UNSUBSCRIBE has ended have unacknowledged messages.
        held, client.held = client.held, []
        for consumer in held:
            self._subscriptions.return_unacked(consumer)
        for consumer in consumers:
            self._subscriptions.remove(consumer)
        consumers += held
        for consumer in consumers:
            for queue in consumer.queues:
                self._dispatcher.dispatch_or_discard(queue)
        self._queues.remove_temporary(client.temporary)
        client.temporary.clear()
        if self._advisories is not None:
            self._advisories.client_removed(client)

    def handle(self, client: Client, frame: Frame) -> None:
        """Process a frame of a client; `stomp.core.session.server.ServerSession` has checked its headers.

        Raises:
            RequestRefused: the request is invalid or exceeds a limit. Send ERROR, close the connection, and call
                `close`.
        """
        self.run_due()
        written = len(client.outbox)
        self._verbs[frame.command](client, frame)
        receipt = frame.headers.get("receipt")
        if receipt is None:
            return
        name = frame.headers.get("transaction")
        if name is not None and frame.command == "SEND" and self.dialect.receipts_at_commit:
            client.transactions[name].receipts.append(receipt)
        else:
            self._dispatcher.emit(client, commands.receipt(receipt), written)

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
            self._dispatcher.dispatch_consumer(consumer)

    @property
    def deadline(self) -> float | None:
        """The time at which `run_due` has something to do, in seconds since 1970; None if there is nothing."""
        timer, expiry = self.state.timers.next, self.expiry.next
        if timer is None or expiry is None:
            return expiry if timer is None else timer
        return min(timer, expiry)

    def run_due(self) -> None:
        """Drop expired messages, and do what is due at this time."""
        if self.state.timers.next is not None:
            self.state.timers.run(self.state.clock())
        self._queues.remove_expired()

    def continue_work(self) -> bool:
        """Continue with queues whose selectors took too long for one call; True if more is left to do."""
        return self._dispatcher.continue_work()

    @property
    def has_unfinished_work(self) -> bool:
        """True if `continue_work` has something to do."""
        return self._dispatcher.has_unfinished_work

    def take_clients_with_output(self) -> list[Client]:
        """The clients that got frames in their outbox since the last call."""
        return self._dispatcher.take_clients_with_output()

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
        self._sender.put(destination, body, headers)

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

    # ------------------------------------------------------------------------------------- frames

    def _send(self, client: Client, frame: Frame) -> None:
        destination = frame.headers["destination"]
        parts = parts_of(destination) if self.dialect.composite else [destination]
        if len(parts) > 1:
            # ActiveMQ: each of them gets a copy.
            for part in parts:
                self._send_one(
                    client, Frame("SEND", Headers({**frame.headers, "destination": part}), frame.body)
                )
        else:
            self._send_one(client, frame)

    def _send_one(self, client: Client, frame: Frame) -> None:
        sending = self._sender.read(client, frame)
        if sending is None:
            return
        name = frame.headers.get("transaction")
        if name is None:
            self._sender.publish(sending)
        else:
            self._transactions.add_send(self._transactions.get(client, name), sending)

    def _acknowledge(self, client: Client, frame: Frame) -> None:
        name = frame.headers.get("transaction") if self.dialect.acks_in_transactions else None
        transaction = None if name is None else self._transactions.get(client, name)
        if transaction is not None and frame.command == "NACK" and not self.dialect.nacks_in_transactions:
            raise RequestRefused(
                "a NACK cannot be part of a transaction", "send it without the header transaction"
            )
        settling = self._acknowledgements.read(client, frame)
        if settling is None:
            return
        if transaction is None:
            self._acknowledgements.settle(settling)
        else:
            self._transactions.add_ack(transaction, settling)

    def _disconnect(self, client: Client, frame: Frame) -> None:
        self.close(client)
