"""The operations for requests and replies. Replies arrive on a temporary queue of the client.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import Operation, SendFrame, Wait
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.pending_reply import PendingReply
from stomp.core.engine.send import run_sending_hooks_gen, send_confirmed_gen, send_frame_gen, send_gen
from stomp.core.engine.subscriptions import subscribe_gen, wait_connected_gen
from stomp.core.errors import ReplyMissing

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.send import OutgoingMessage


def reply_gen(
    engine: ClientEngine, outgoing: OutgoingMessage, deadline: float, *, confirm: bool
) -> Operation[None]:
    """Send a reply: by `send_confirmed_gen` if `confirm`, else by `send`."""
    if confirm:
        yield from send_confirmed_gen(engine, outgoing, BaseConfirmation, deadline)
    else:
        yield from send_gen(engine, outgoing, deadline)


def request_gen(engine: ClientEngine, outgoing: OutgoingMessage, deadline: float) -> Operation[BaseMessage]:
    """Send a request and wait for its reply.

    The reply is a message to the reply queue of the client, with the ``correlation-id`` of the request.

    Raises:
        ReplyMissing: no reply arrived before the deadline.
        OutcomeUnknown: the connection was lost after the request, and the temporary queue with it.
        NotConnected: there was no connection; nothing was sent.
    """
    [reply] = yield from request_many_gen(engine, outgoing, deadline, 1)
    return reply


def request_many_gen(
    engine: ClientEngine, outgoing: OutgoingMessage, deadline: float, count: int
) -> Operation[list[BaseMessage]]:
    """Send a request, and wait for replies of several services: until there are `count`, or until the deadline.

    Raises:
        ReplyMissing: no reply arrived before the deadline.
        OutcomeUnknown: the connection was lost after the request, and the temporary queue with it.
        NotConnected: there was no connection; nothing was sent.
    """
    connection = yield from wait_connected_gen(engine, deadline)
    name = yield from _reply_queue_gen(engine, deadline)
    frame = outgoing.frame(connection)
    correlation = frame.headers.setdefault("correlation-id", f"{engine.config.nonce}-{engine.next_id()}")
    frame.headers.setdefault("reply-to", name)
    callbacks = yield from run_sending_hooks_gen(engine, frame)
    reply = engine.replies[correlation] = PendingReply(count)
    if engine.reading_paused:
        engine.maybe_resume()
    try:
        yield from send_frame_gen(SendFrame(connection.link, frame), callbacks)
        if not (yield Wait(reply, lambda: reply.done, deadline)) and not reply.messages:
            raise ReplyMissing(
                f"no reply to the request to {outgoing.destination} in time",
                hint="check that a service is subscribed to it",
            )
    finally:
        engine.replies.pop(correlation, None)
    if reply.error is not None:
        raise reply.error
    return reply.messages


def _reply_queue_gen(engine: ClientEngine, deadline: float) -> Operation[str]:
    """Return the destination of the reply queue, a temporary queue. Subscribes to it first if needed."""
    name = f"/temp-queue/reply-{engine.config.nonce}"
    subscription = engine.subscriptions.get(name)
    if subscription is None:
        yield from subscribe_gen(
            engine, ClientSubscription(name, SubscriptionConfig(name, hidden=True)), deadline
        )
    else:
        # It exists, or another operation is making it.
        yield Wait(subscription.queue, lambda: subscription.made or subscription.ended, deadline)
    return name
