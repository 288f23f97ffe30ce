"""`Observer`: the events of a broker, for the parts that store, count or show what it does.

Rules of this file:

- The events are called on the broker's event loop, in the order in which they occur, and must not wait. An exception in
  one of them is a defect, and ends the connection whose frame caused it.
- Without an observer they cost one comparison.
- A message in a queue is announced by `message_enqueued`. It leaves the queue with exactly one of
  `message_acknowledged` (with ack "auto" right after `message_delivered`), `message_dead_lettered` (it is then enqueued
  again, as a new message of another queue), `message_expired` and `message_dropped`. The copies for a subscription with
  ``browser:true`` are not announced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.model import Client, Consumer, Queue, ScheduledMessage
    from stomp.broker.settings import ConnectionInfo
    from stomp.broker.store import StoredMessage


class Observer:
    """The base class of observers; every method does nothing. Give an instance to `Engine.add_observer`.

    >>> class Depth(Observer):
    ...     enqueued = 0
    ...
    ...     def message_enqueued(self, queue, message):
    ...         self.enqueued += 1
    """

    def message_enqueued(self, queue: Queue, message: StoredMessage) -> None:
        """A queue has a new message; called before it is delivered, and before the RECEIPT of its SEND."""

    def message_delivered(self, queue: Queue, consumer: Consumer, message: StoredMessage) -> None:
        """A consumer gets a message."""

    def message_acknowledged(self, queue: Queue, message: StoredMessage) -> None:
        """A message was acknowledged, or delivered with ack "auto"."""

    def message_refused(
        self, queue: Queue, consumer: Consumer, message: StoredMessage, *, requeue: bool
    ) -> None:
        """A consumer refused a message by NACK; what happens to the message is another event."""

    def message_returned(self, queue: Queue, message: StoredMessage) -> None:
        """A delivered message is in its queue again, after a NACK or the end of a subscription."""

    def message_dead_lettered(self, queue: Queue, message: StoredMessage) -> None:
        """A message left its queue for the dead-letter queue."""

    def message_expired(self, queue: Queue, message: StoredMessage) -> None:
        """A message was dropped because its expiry time has passed."""

    def message_dropped(self, queue: Queue, message: StoredMessage) -> None:
        """A message was dropped for another reason: a slow subscription, a purge, the end of its queue, a refusal."""

    def subscription_added(self, consumer: Consumer) -> None:
        """A client has subscribed."""

    def subscription_removed(self, consumer: Consumer) -> None:
        """A subscription has ended; its unacknowledged messages are returned afterwards."""

    def durable_removed(self, queue: Queue) -> None:
        """A durable subscription has ended; its messages are dropped afterwards."""

    def queue_declared(self, queue: Queue) -> None:
        """There is a queue that exists without messages and consumers: it has arguments, or is of a virtual topic."""

    def queue_removed(self, queue: Queue) -> None:
        """Such a queue does not exist any more."""

    def message_scheduled(self, message: ScheduledMessage) -> None:
        """A message was received that is delivered later, or the time of its next delivery has changed."""

    def schedule_ended(self, message: ScheduledMessage) -> None:
        """A scheduled message is not delivered any more."""

    def id_remembered(self, id: bytes, headers: Mapping[str, str]) -> None:
        """A message with these headers was stored; another one with the same id is dropped as a duplicate."""

    def connection_opened(self, connection: ConnectionInfo) -> None:
        """A client has connected; it has not logged in yet."""

    def connection_authenticated(self, connection: ConnectionInfo, client: Client) -> None:
        """The login of a client was accepted."""

    def connection_closed(self, connection: ConnectionInfo) -> None:
        """A connection has ended."""


class Observers(Observer):
    """Calls several observers, in the order in which they were added.

    Args:
        members: the observers.
    """

    def __init__(self, *members: Observer) -> None:
        self._members = members

    def message_enqueued(self, queue: Queue, message: StoredMessage) -> None:
        for each in self._members:
            each.message_enqueued(queue, message)

    def message_delivered(self, queue: Queue, consumer: Consumer, message: StoredMessage) -> None:
        for each in self._members:
            each.message_delivered(queue, consumer, message)

    def message_acknowledged(self, queue: Queue, message: StoredMessage) -> None:
        for each in self._members:
            each.message_acknowledged(queue, message)

    def message_refused(
        self, queue: Queue, consumer: Consumer, message: StoredMessage, *, requeue: bool
    ) -> None:
        for each in self._members:
            each.message_refused(queue, consumer, message, requeue=requeue)

    def message_returned(self, queue: Queue, message: StoredMessage) -> None:
        for each in self._members:
            each.message_returned(queue, message)

    def message_dead_lettered(self, queue: Queue, message: StoredMessage) -> None:
        for each in self._members:
            each.message_dead_lettered(queue, message)

    def message_expired(self, queue: Queue, message: StoredMessage) -> None:
        for each in self._members:
            each.message_expired(queue, message)

    def message_dropped(self, queue: Queue, message: StoredMessage) -> None:
        for each in self._members:
            each.message_dropped(queue, message)

    def subscription_added(self, consumer: Consumer) -> None:
        for each in self._members:
            each.subscription_added(consumer)

    def subscription_removed(self, consumer: Consumer) -> None:
        for each in self._members:
            each.subscription_removed(consumer)

    def durable_removed(self, queue: Queue) -> None:
        for each in self._members:
            each.durable_removed(queue)

    def queue_declared(self, queue: Queue) -> None:
        for each in self._members:
            each.queue_declared(queue)

    def queue_removed(self, queue: Queue) -> None:
        for each in self._members:
            each.queue_removed(queue)

    def message_scheduled(self, message: ScheduledMessage) -> None:
        for each in self._members:
            each.message_scheduled(message)

    def schedule_ended(self, message: ScheduledMessage) -> None:
        for each in self._members:
            each.schedule_ended(message)

    def id_remembered(self, id: bytes, headers: Mapping[str, str]) -> None:
        for each in self._members:
            each.id_remembered(id, headers)

    def connection_opened(self, connection: ConnectionInfo) -> None:
        for each in self._members:
            each.connection_opened(connection)

    def connection_authenticated(self, connection: ConnectionInfo, client: Client) -> None:
        for each in self._members:
            each.connection_authenticated(connection, client)

    def connection_closed(self, connection: ConnectionInfo) -> None:
        for each in self._members:
            each.connection_closed(connection)
