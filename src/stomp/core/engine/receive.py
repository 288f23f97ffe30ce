"""The operations that receive: the next message, and the next state change.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.acknowledge import give_back
from stomp.core.engine.effects import CloseConnection, Now, Operation, Wait
from stomp.core.errors import (
    ConnectionLost,
)

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.message_queue import MessageQueue
    from stomp.core.engine.status import StateChange, StateChangeQueue


def take(conv: ClientEngine, inbox: MessageQueue, deadline: float | None) -> Operation[BaseMessage | None]:
    """Receive the next message.

    It also ends the connection, so that the driver reconnects, when failed messages are due to be given back
    (`acknowledge.give_back`), or when a subscription is silent for longer than its `max_silence`.

    Args:
        conv: the engine of the client.
        inbox: the queue.
        deadline: until when to wait, in seconds on the driver's clock; None for no limit.

    Returns:
        None if no message arrived before the deadline, or if no more messages arrive: the subscriptions have
        ended (`MessageQueue.over`), or the client is drained.

    Raises:
        StompError: a subscription ended for this reason, and was not closed by the program.
    """
    while True:
        message = conv.next_message(inbox)
        if message is not None:
            return message
        if inbox.over or conv.draining:
            _raise_subscription_error(inbox)
            return None
        now = yield Now()
        yield from give_back(conv, now)
        watched = min((feed.silent_at for feed in inbox.feeds if feed.wish.max_silence), default=None)
        until = min(
            (moment for moment in (deadline, watched, conv.redelivery.due) if moment is not None),
            default=None,
        )
        if (yield Wait(inbox, lambda: bool(inbox.messages) or inbox.over or conv.draining, until)):
            continue
        now = yield Now()
        if watched is not None and now >= watched:
            yield from _reconnect_silent_gen(conv, inbox, now)
        elif deadline is not None and now >= deadline:
            return None


def _raise_subscription_error(inbox: MessageQueue) -> None:
    for feed in inbox.feeds:
        if feed.error is not None:
            error, feed.error = feed.error, None  # raised once
            raise error


def _reconnect_silent_gen(conv: ClientEngine, inbox: MessageQueue, now: float) -> Operation[None]:
    """End the connection if a subscription got no message for its `max_silence`.

    The broker may have lost the subscription. The driver reconnects.
    """
    for feed in inbox.feeds:
        if feed.wish.max_silence and now >= feed.silent_at and conv.era is not None:
            feed.last = now
            why = f"no message from {feed.wish.destination} for {feed.wish.max_silence:g} s"
            yield CloseConnection(conv.era.link, ConnectionLost(why))
            return
        feed.last = now


def next_change(
    conv: ClientEngine, log: StateChangeQueue, deadline: float | None
) -> Operation[StateChange | None]:
    """Wait for the next state change; None if there is none before the deadline, or the client has ended."""
    if not log.changes:
        yield Wait(log, lambda: bool(log.changes) or conv.state.over, deadline)
    return log.changes.popleft() if log.changes else None
