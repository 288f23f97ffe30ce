"""Dead letters: where messages go that were refused, have expired, or exceed the length of their queue.

Rules of this file:

- A message whose queue has a dead-letter exchange goes there (RabbitMQ). A refused message of another queue goes to the
  dead-letter queue of the policy, or is dropped, as the dialect says.
- A message that has left a queue for the same reason before is dropped, and so is one that has left `_MOST` queues: no
  message goes round in circles.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from stomp.broker.model import PendingSend
from stomp.broker.store import RequestRefused, size_of

if TYPE_CHECKING:
    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Queue
    from stomp.broker.sender import Sender
    from stomp.broker.state import BrokerState
    from stomp.broker.store import StoredMessage

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Number of dead-letter exchanges that a message can pass.
_MOST = 16
#: Messages that are moved in one call.
_TURN = 1000
Reason = Literal["rejected", "expired", "maxlen"]


class DeadLetters:
    """Moves messages to dead-letter queues and exchanges.

    Args:
        state: the state of the broker.
        dispatcher: stores messages in the dead-letter queue.
        sender: sends messages to exchanges.

    Attributes:
        moved: number of messages moved.
        discarded: number of refused messages that were dropped.
    """

    def __init__(self, state: BrokerState, dispatcher: Dispatcher, sender: Sender) -> None:
        self.moved: int = 0
        self.discarded: int = 0
        self._state = state
        self._dispatcher = dispatcher
        self._sender = sender
        self._moves: deque[tuple[Queue, StoredMessage, Reason]] = deque()
        self._moving = False  # `_continue` runs

    def refuse(self, queue: Queue, message: StoredMessage, *, drop: bool) -> None:
        """Remove a refused message, which is not waiting, from its queue; `drop` if the dialect drops it."""
        state = self._state
        dead_letters = state.policy.dead_letter_queue
        exchange = queue.arguments is not None and queue.arguments.exchange is not None
        if not exchange and (drop or queue.name == dead_letters):
            self.discarded += 1
            state.queues.discard(queue, message)
            return
        state.queues.release(queue, message)
        if state.observer is not None:
            state.observer.message_dead_lettered(queue, message)
        if exchange:
            self.move(queue, message, "rejected")
        else:
            self._to_policy_queue(message)

    def give_up(self, queue: Queue, message: StoredMessage) -> None:
        """Remove a message, which is not waiting, that was delivered too often."""
        self.refuse(queue, message, drop=False)

    def overflow(self, queue: Queue, message: StoredMessage) -> None:
        """Remove a message, which is not waiting any more, from a queue that has too many."""
        state = self._state
        state.queues.release(queue, message)
        if state.observer is not None:
            state.observer.message_dropped(queue, message)
        self.move(queue, message, "maxlen")

    def expire(self, queue: Queue, message: StoredMessage) -> None:
        """Called with an expired message, which has left its queue."""
        if self._state.dialect.keeps_expired(message) and queue.name != self._state.policy.dead_letter_queue:
            self._to_policy_queue(message)
        else:
            self.move(queue, message, "expired")

    def move(self, queue: Queue, message: StoredMessage, reason: Reason) -> None:
        """Send a message that has left its queue to the dead-letter exchange of the queue, if there is one."""
        if queue.arguments is None or queue.arguments.exchange is None:
            return
        # The message may make another one leave its queue, and so on: a loop instead of recursion.
        self._moves.append((queue, message, reason))
        if not self._moving:
            self._continue()

    def _continue(self) -> None:
        self._moving = True
        try:
            for _ in range(_TURN):
                if not self._moves:
                    return
                self._move(*self._moves.popleft())
        finally:
            self._moving = False
        # Other connections have their turn.
        self._state.timers.add(self._state.clock(), self._continue)

    def _move(self, queue: Queue, message: StoredMessage, reason: Reason) -> None:
        arguments = queue.arguments
        if arguments is None:
            return
        death = (queue.name, reason)
        if (reason != "rejected" and death in message.deaths) or len(message.deaths) >= _MOST:
            logger.warning("a dead letter of %.200r was dropped: it has been there before", queue.name)
            return
        name = queue.name.rpartition("/")[2]
        first = "x-first-death-reason" not in message.headers
        headers = dict(message.headers)
        for place in ("first", "last") if first else ("last",):
            headers[f"x-{place}-death-exchange"] = _exchange_of(message.destination)
            headers[f"x-{place}-death-queue"] = name
            headers[f"x-{place}-death-reason"] = reason
        headers.pop("expiration", None)
        destination = arguments.target(message.destination)
        sending = PendingSend(destination, headers, message.body, size_of(headers, message.body))
        try:
            self._sender.publish(replace(sending, deaths=message.deaths | {death}))
            self.moved += 1
        except RequestRefused as refusal:
            logger.warning("a dead letter of %.200r was dropped: %s", queue.name, refusal.message)

    def _to_policy_queue(self, message: StoredMessage) -> None:
        state = self._state
        self.moved += 1
        name = state.policy.dead_letter_queue
        headers = dict(message.headers)
        state.dialect.add_origin(headers, message.destination)
        size = size_of(headers, message.body)
        # No check of the capacity: the message was counted before.
        state.capacity.messages += 1
        state.capacity.bytes += size
        target = state.queues.get_or_new(name)
        if state.queues.get(name) is None:
            state.queues.put(target)
        self._dispatcher.store(target, PendingSend(name, headers, message.body, size))


def _exchange_of(destination: str) -> str:
    """RabbitMQ's name of the exchange that a destination belongs to.

    >>> _exchange_of("/queue/a"), _exchange_of("/topic/a"), _exchange_of("/exchange/amq.direct/a")
    ('', 'amq.topic', 'amq.direct')
    """
    if destination.startswith("/topic/"):
        return "amq.topic"
    return destination.split("/")[2] if destination.startswith("/exchange/") else ""
