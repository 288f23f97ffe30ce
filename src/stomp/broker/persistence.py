"""Persistent messages: those with ``persistent:true``, durable subscriptions and declared queues are kept in a file.

Rules of this file:

- `Persistence` observes the engine and collects what has changed. `Persistence.commit` writes it in one transaction.
  The server calls it once in a turn of the event loop, and before it writes any frame. So a RECEIPT confirms what is
  on disk, and a message is marked as delivered on disk before a consumer gets it.
- A message that is stored and consumed between two commits is never written.
- A message of a queue or of a durable subscription is kept; one of a temporary queue, or of a subscription that is not
  durable, is not: after a restart no client could consume it.
- A queue that exists without messages is kept: one with arguments (RabbitMQ), and one of a virtual topic (ActiveMQ).
- The place of a message in its queue and its message group are not in the file: they follow from its headers and from
  the arguments of the queue.
- All STOMP text in the file is JSON or was read from valid UTF-8.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary
from stomp.broker.duplicates import MAX_IDS
from stomp.broker.model import PendingSend, ScheduledMessage
from stomp.broker.observer import Observer
from stomp.broker.queue_arguments import QueueArguments
from stomp.broker.request_headers import DurableKey, is_true, selector_of
from stomp.broker.schedule import Schedule
from stomp.broker.store import RequestRefused, StoredMessage, size_of
from stomp.broker.store_file import (
    MessageRow,
    MessageState,
    ScheduledRow,
    StoreChanges,
    StoreFailed,
    StoreFile,
    SubscriptionRow,
)
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stomp.broker.engine import Engine
    from stomp.broker.model import Consumer, Queue
    from stomp.broker.store_file import Key

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Seconds between two attempts to write after one has failed.
RETRY_AFTER = 1.0


class Persistence(Observer):
    """Keeps the persistent messages, durable subscriptions and declared queues of an engine in a file.

    Args:
        file: the file; `close` closes it.
        on_change: called when there is something to commit, once until the next commit.
        clock: returns seconds; used for the time between two attempts to write.
    """

    def __init__(
        self,
        file: StoreFile,
        on_change: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._on_change = on_change
        self._clock = clock
        self._kept: set[int] = set()  # numbers of the messages that are on disk, or will be
        self._added: dict[int, tuple[Queue, tuple[str, ...] | None, StoredMessage]] = {}
        self._changed: dict[int, StoredMessage] = {}
        self._removed: list[int] = []
        self._known: dict[Key, SubscriptionRow] = {}  # the durable subscriptions that are on disk, or will be
        self._subscriptions: dict[Key, SubscriptionRow | None] = {}
        self._queues: dict[str, Queue | None] = {}
        self._scheduled: dict[int, ScheduledMessage | None] = {}
        self._ids: list[bytes] = []
        self._failure: StoreFailed | None = None
        self._retry_at = 0.0
        self.has_changes: bool = False

    # ------------------------------------------------------------------------------------- start and end

    def restore(self, engine: Engine) -> None:
        """Put what the file contains into a new engine, and observe it from now on.

        Raises:
            UsageError: a durable subscription exceeds the limits of the engine's policy.
        """
        for name, arguments in self._file.queues():
            engine.state.restore_queue(
                name, None if arguments is None else QueueArguments.from_json(arguments)
            )
        for kept in self._file.subscriptions():
            self._restore_subscription(engine, kept)
        for row in self._file.messages():
            self._kept.add(row.number)
            engine.restore(row.queue, row.subscription, _message_of(row))
        for scheduled in self._file.scheduled():
            engine.restore_scheduled(_scheduled_of(scheduled))
        for id in self._file.duplicate_ids():
            engine.state.duplicate_ids.restore(id)
        engine.add_observer(self)
        if self._kept or self._known:
            logger.info(
                "%s: %d messages, %d durable subscriptions",
                self._file.path,
                len(self._kept),
                len(self._known),
            )

    def _restore_subscription(self, engine: Engine, kept: SubscriptionRow) -> None:
        try:
            selector = selector_of(
                {} if kept.selector is None else {"selector": kept.selector}, engine.policy
            )
            key = DurableKey(kept.key, shared=kept.key[0] in ("id", "queue"))
            queue = engine.state.topics.queue_for_subscription(kept.name, key, kept.selector, selector)
        except RequestRefused as err:
            raise UsageError(
                f"{self._file.path} has a durable subscription to {kept.name!r:.200} that exceeds the limits: "
                f"{err.message}"
            ) from err
        if kept.arguments is not None:
            queue.arguments = QueueArguments.from_json(kept.arguments)
        self._known[kept.key] = kept

    def close(self) -> None:
        """Write the changes, and close the file."""
        try:
            self.commit()
        except StoreFailed as err:
            logger.error("%s", err)
        self._file.close()

    def commit(self) -> None:
        """Write the changes. Does nothing if there are none.

        Raises:
            StoreFailed: writing failed. The changes are written by a later call.
        """
        if not self.has_changes:
            return
        if self._failure is not None and self._clock() < self._retry_at:
            raise self._failure
        try:
            self._file.write(self._batch())
        except StoreFailed as err:
            if self._failure is None:
                logger.error("%s", err)
            self._failure = err
            self._retry_at = self._clock() + RETRY_AFTER
            raise
        if self._failure is not None:
            logger.warning("%s can be written again", self._file.path)
        self._failure = None
        for changes in (self._added, self._changed, self._subscriptions, self._queues, self._scheduled):
            changes.clear()
        self._removed.clear()
        self._ids.clear()
        self.has_changes = False

    def _batch(self) -> StoreChanges:
        return StoreChanges(
            [_row_of(queue, key, message) for queue, key, message in self._added.values()],
            [_state_of(message) for message in self._changed.values()],
            self._removed,
            self._subscriptions,
            {name: _json(queue.arguments) for name, queue in self._queues.items() if queue is not None},
            [name for name, queue in self._queues.items() if queue is None],
            {
                number: None if message is None else _scheduled_row_of(message)
                for number, message in self._scheduled.items()
            },
            self._ids,
            MAX_IDS,
        )

    # ------------------------------------------------------------------------------------- events

    def message_enqueued(self, queue: Queue, message: StoredMessage) -> None:
        if not self._is_kept(message.headers, queue.name):
            return
        if queue.private and (queue.durable is None or queue.transient):
            return
        self._kept.add(message.number)
        self._added[message.number] = (queue, queue.durable, message)
        self._note_change()

    def message_delivered(self, queue: Queue, consumer: Consumer, message: StoredMessage) -> None:
        if not message.redelivered:
            self._mark(message)

    def message_refused(
        self, queue: Queue, consumer: Consumer, message: StoredMessage, *, requeue: bool
    ) -> None:
        self._mark(message)

    def message_returned(self, queue: Queue, message: StoredMessage) -> None:
        self._mark(message)

    def message_acknowledged(self, queue: Queue, message: StoredMessage) -> None:
        self._remove(message)

    def message_dead_lettered(self, queue: Queue, message: StoredMessage) -> None:
        self._remove(message)

    def message_expired(self, queue: Queue, message: StoredMessage) -> None:
        self._remove(message)

    def message_dropped(self, queue: Queue, message: StoredMessage) -> None:
        self._remove(message)

    def subscription_added(self, consumer: Consumer) -> None:
        for queue in consumer.queues:
            self._add_subscription(queue)

    def _add_subscription(self, queue: Queue) -> None:
        key = queue.durable
        if key is None or is_temporary(queue.name) or queue.transient:
            return
        row = SubscriptionRow(key, queue.name, queue.selector_text, _json(queue.arguments))
        if self._known.get(key) != row:
            self._known[key] = self._subscriptions[key] = row
            self._note_change()

    def durable_removed(self, queue: Queue) -> None:
        if queue.durable is not None and self._known.pop(queue.durable, None) is not None:
            self._subscriptions[queue.durable] = None
            self._note_change()

    def queue_declared(self, queue: Queue) -> None:
        if not is_temporary(queue.name):
            self._queues[queue.name] = queue
            self._note_change()

    def queue_removed(self, queue: Queue) -> None:
        if not is_temporary(queue.name):
            self._queues[queue.name] = None
            self._note_change()

    def message_scheduled(self, message: ScheduledMessage) -> None:
        if self._is_kept(message.sending.headers, message.sending.destination):
            self._scheduled[message.number] = message
            self._note_change()

    def schedule_ended(self, message: ScheduledMessage) -> None:
        if self._is_kept(message.sending.headers, message.sending.destination):
            self._scheduled[message.number] = None
            self._note_change()

    def id_remembered(self, id: bytes, headers: Mapping[str, str]) -> None:
        # A message that is not persistent is gone after a restart, so it has to be accepted once more.
        if is_true(headers, "persistent"):
            self._ids.append(id)
            self._note_change()

    def _is_kept(self, headers: Mapping[str, str], destination: str) -> bool:
        return is_true(headers, "persistent") and not is_temporary(destination)

    def _mark(self, message: StoredMessage) -> None:
        """Have the state of a message written."""
        number = message.number
        if number in self._kept and number not in self._added:
            self._changed[number] = message
            self._note_change()

    def _remove(self, message: StoredMessage) -> None:
        number = message.number
        if number not in self._kept:
            return
        self._kept.discard(number)
        if self._added.pop(number, None) is None:
            self._changed.pop(number, None)
            self._removed.append(number)
            self._note_change()

    def _note_change(self) -> None:
        if not self.has_changes:
            self.has_changes = True
            self._on_change()


def _row_of(queue: Queue, key: Key | None, message: StoredMessage) -> MessageRow:
    return MessageRow(
        message.number,
        queue.name,
        key,
        message.destination,
        message.headers,
        message.body,
        message.expires,
        _was_delivered(message),
        message.refusals,
        message.deliveries,
        message.has_length,
        message.deaths,
    )


def _state_of(message: StoredMessage) -> MessageState:
    return MessageState(message.number, _was_delivered(message), message.refusals, message.deliveries)


def _was_delivered(message: StoredMessage) -> bool:
    """True if it may be delivered again: a consumer had it, or has it, and the broker may be killed."""
    return message.redelivered or not message.waiting


def _message_of(row: MessageRow) -> StoredMessage:
    size = size_of(row.headers, row.body)
    message = StoredMessage(row.number, row.destination, row.headers, row.body, size, row.expires)
    message.redelivered, message.refusals, message.deliveries = row.redelivered, row.refusals, row.deliveries
    message.has_length, message.deaths = row.has_length, row.deaths
    return message


def _scheduled_row_of(message: ScheduledMessage) -> ScheduledRow:
    sending = message.sending
    return ScheduledRow(
        message.number,
        sending.destination,
        sending.headers,
        sending.body,
        sending.expires,
        sending.has_length,
        message.schedule.to_json(),
        message.due,
        message.done,
    )


def _scheduled_of(row: ScheduledRow) -> ScheduledMessage:
    size = size_of(row.headers, row.body)
    sending = PendingSend(row.destination, row.headers, row.body, size, row.expires, row.has_length)
    return ScheduledMessage(row.number, sending, Schedule.from_json(row.schedule), row.due, row.done)


def _json(arguments: QueueArguments | None) -> str | None:
    return None if arguments is None else arguments.to_json()
