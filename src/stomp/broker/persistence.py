"""Persistent messages: those with ``persistent:true``, and durable subscriptions, are kept in a file.

Rules of this file:

- `Persistence` observes the engine and collects what has changed. `Persistence.commit` writes it in one transaction.
  The server calls it once in a turn of the event loop, and before it writes any frame. So a RECEIPT confirms what is
  on disk, and a message is marked as delivered on disk before a consumer gets it.
- A message that is stored and consumed between two commits is never written.
- A message of a queue or of a durable subscription is kept; one of a temporary queue, or of a subscription that is not
  durable, is not: after a restart no client could consume it.
- All STOMP text in the file is JSON or was read from valid UTF-8.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from stomp.broker.destinations import is_temporary
from stomp.broker.observer import Observer
from stomp.broker.request_headers import DurableKey, is_true, selector_of
from stomp.broker.store import RequestRefused, StoredMessage, size_of
from stomp.broker.store_file import MessageRow, StoreChanges, StoreFailed, StoreFile, SubscriptionRow
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.engine import Engine
    from stomp.broker.model import Consumer, Queue

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Seconds between two attempts to write after one has failed.
RETRY_AFTER = 1.0


class Persistence(Observer):
    """Keeps the persistent messages and durable subscriptions of an engine in a file.

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
        self._subscriptions: dict[tuple[str, ...], SubscriptionRow | None] = {}
        self._known: set[tuple[str, ...]] = set()  # keys of the durable subscriptions on disk
        self._failure: StoreFailed | None = None
        self._retry_at = 0.0
        self.has_changes: bool = False

    # ------------------------------------------------------------------------------------- start and end

    def restore(self, engine: Engine) -> None:
        """Put what the file contains into a new engine, and observe it from now on.

        Raises:
            UsageError: a durable subscription exceeds the limits of the engine's policy.
        """
        for kept in self._file.subscriptions():
            try:
                selector = selector_of(
                    {} if kept.selector is None else {"selector": kept.selector}, engine.policy
                )
                key = DurableKey(kept.key, shared=kept.key[0] in ("id", "queue"))
                engine.state.topics.queue_for_subscription(kept.name, key, kept.selector, selector)
            except RequestRefused as err:
                raise UsageError(
                    f"{self._file.path} has a durable subscription to {kept.name!r:.200} that exceeds the limits: "
                    f"{err.message}"
                ) from err
            self._known.add(kept.key)
        for row in self._file.messages():
            self._kept.add(row.number)
            message = StoredMessage(
                row.number,
                row.destination,
                row.headers,
                row.body,
                size_of(row.headers, row.body),
                row.expires,
            )
            message.redelivered, message.refusals = row.redelivered, row.refusals
            engine.restore(row.queue, row.subscription, message)
        engine.add_observer(self)
        if self._kept or self._known:
            logger.info(
                "%s: %d messages, %d durable subscriptions",
                self._file.path,
                len(self._kept),
                len(self._known),
            )

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
        self._known.update(key for key, row in self._subscriptions.items() if row is not None)
        self._known.difference_update(key for key, row in self._subscriptions.items() if row is None)
        self._added.clear()
        self._changed.clear()
        self._removed.clear()
        self._subscriptions.clear()
        self.has_changes = False

    def _batch(self) -> StoreChanges:
        added = [
            MessageRow(
                number,
                queue.name,
                key,
                message.destination,
                message.headers,
                message.body,
                message.expires,
                # A message that a consumer has may be delivered again after the broker was killed.
                message.redelivered or not message.waiting,
                message.refusals,
            )
            for number, (queue, key, message) in self._added.items()
        ]
        changed = [
            (message.redelivered or not message.waiting, message.refusals, number)
            for number, message in self._changed.items()
        ]
        return StoreChanges(added, changed, self._removed, self._subscriptions)

    # ------------------------------------------------------------------------------------- events

    def message_enqueued(self, queue: Queue, message: StoredMessage) -> None:
        if not is_true(message.headers, "persistent") or is_temporary(queue.name):
            return
        if queue.private and (queue.durable is None or queue.transient):
            return
        self._kept.add(message.number)
        self._added[message.number] = (queue, queue.durable, message)
        self._note_change()

    def message_delivered(self, consumer: Consumer, message: StoredMessage) -> None:
        if not message.redelivered:
            self._mark(message)

    def message_refused(self, consumer: Consumer, message: StoredMessage, *, requeue: bool) -> None:
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
        queue = consumer.queue
        key = queue.durable
        if key is None or is_temporary(queue.name) or queue.transient:
            return
        if self._subscriptions.get(key) is None and (key in self._subscriptions or key not in self._known):
            self._subscriptions[key] = SubscriptionRow(key, queue.name, queue.selector_text)
            self._note_change()

    def durable_removed(self, queue: Queue) -> None:
        if queue.durable is not None:
            self._subscriptions[queue.durable] = None
            self._note_change()

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
