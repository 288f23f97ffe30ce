"""`Scheduler`: messages that are delivered later, or several times (ActiveMQ).

Rule of this file: a scheduled message counts for `Capacity` as one message, until it is delivered for the last time.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from stomp.broker.model import ScheduledMessage
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.broker.model import PendingSend
    from stomp.broker.schedule import Schedule
    from stomp.broker.state import BrokerState

logger: logging.Logger = logging.getLogger("stomp.broker")


class Scheduler:
    """Publishes scheduled messages when they are due.

    Args:
        state: the state of the broker.
        publish: stores a message in the queues that get it.
    """

    def __init__(self, state: BrokerState, publish: Callable[[PendingSend], None]) -> None:
        self._state = state
        self._publish = publish

    def add(self, sending: PendingSend, schedule: Schedule) -> None:
        """Add a message.

        Raises:
            RequestRefused: the broker is full.
        """
        state = self._state
        state.capacity.claim(1, sending.size)
        due = schedule.first(state.clock())
        sending = replace(sending, schedule=None, duplicate_id=None)
        self._wait(ScheduledMessage(state.next_number(), sending, schedule, due))

    def restore(self, message: ScheduledMessage) -> None:
        """Add a message of an earlier broker, without a check of the capacity; one that is overdue is delivered."""
        self._state.capacity.messages += 1
        self._state.capacity.bytes += message.sending.size
        self._state.timers.add(message.due, lambda: self._deliver(message))

    def _wait(self, message: ScheduledMessage) -> None:
        state = self._state
        state.timers.add(message.due, lambda: self._deliver(message))
        if state.observer is not None:
            state.observer.message_scheduled(message)

    def _deliver(self, message: ScheduledMessage) -> None:
        state, sending = self._state, message.sending
        # Its own size must not be the reason that its copy does not fit.
        state.capacity.release(1, sending.size)
        headers = {**sending.headers, "scheduledJobId": f"{state.name}-{message.number}"}
        try:
            self._publish(replace(sending, headers=headers))
            message.done += 1
            following = message.schedule.next(state.clock(), message.done)
            if following is not None:
                state.capacity.claim(1, sending.size)
                message.due = following
                self._wait(message)
                return
        except RequestRefused as refusal:
            logger.warning(
                "a scheduled message for %.200r was dropped: %s", sending.destination, refusal.message
            )
        if state.observer is not None:
            state.observer.schedule_ended(message)
