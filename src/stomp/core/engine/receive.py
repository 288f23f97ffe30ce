"""The operations that receive: the next message, and the next state change.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.acknowledge import give_back_gen
from stomp.core.engine.effects import CloseConnection, Now, Operation, Wait
from stomp.core.errors import (
    ConnectionLost,
)

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.message_queue import MessageQueue
    from stomp.core.engine.status import StateChange, StateChangeQueue


def receive_gen(
    engine: ClientEngine, queue: MessageQueue, deadline: float | None
) -> Operation[BaseMessage | None]:
    """Receive the next message.

    It also ends the connection, so that the driver reconnects, when failed messages are due to be given back
    (`acknowledge.give_back_gen`), or when a subscription is silent for longer than its `max_silence`.

    Args:
        engine: the engine of the client.
        queue: the queue.
        deadline: until when to wait, in seconds on the driver's clock; None for no limit.

    Returns:
        None if no message arrived before the deadline, or if no more messages arrive: the subscriptions have
        ended (`MessageQueue.over`), or the client is drained.

    Raises:
        StompError: a subscription ended for this reason, and was not closed by the program.
    """
    while True:
        message = engine.next_message(queue)
        if message is not None:
            return message
        if queue.over or engine.draining:
            _raise_subscription_error(queue)
            return None
        if engine.redelivery.due is not None:
            yield from give_back_gen(engine, (yield Now()))
        watched: float | None = None
        for subscription in queue.subscriptions:
            if subscription.config.max_silence and (watched is None or subscription.silent_at < watched):
                watched = subscription.silent_at
        until = deadline
        for moment in (watched, engine.redelivery.due):
            if moment is not None and (until is None or moment < until):
                until = moment
        if (yield Wait(queue, lambda: bool(queue.messages) or queue.over or engine.draining, until)):
            continue
        now = yield Now()
        if watched is not None and now >= watched:
            yield from _reconnect_silent_gen(engine, queue, now)
        elif deadline is not None and now >= deadline:
            return None


def _raise_subscription_error(queue: MessageQueue) -> None:
    for subscription in queue.subscriptions:
        if subscription.error is not None:
            error, subscription.error = subscription.error, None  # raised once
            raise error


def _reconnect_silent_gen(engine: ClientEngine, queue: MessageQueue, now: float) -> Operation[None]:
    """End the connection if a subscription got no message for its `max_silence`.

    The broker may have lost the subscription. The driver reconnects.
    """
    connection = engine.connection
    for subscription in queue.subscriptions:
        silence = subscription.config.max_silence
        if silence and now >= subscription.silent_at and connection is not None:
            subscription.last = now
            # With a reason this is no loss: however short `max_silence` is, the next connection is made at once.
            connection.reconnect_reason = (
                f"no message from {subscription.config.destination} for {silence:g} s"
            )
            yield CloseConnection(connection.link, ConnectionLost(connection.reconnect_reason))
            return
        subscription.last = now


def next_state_change_gen(
    engine: ClientEngine, log: StateChangeQueue, deadline: float | None
) -> Operation[StateChange | None]:
    """Wait for the next state change; None if there is none before the deadline, or the client has ended."""
    if not log.changes:
        yield Wait(log, lambda: bool(log.changes) or engine.state.over, deadline)
    return log.changes.popleft() if log.changes else None
