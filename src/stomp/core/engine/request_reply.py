"""The operations for requests and replies. Replies arrive on a temporary queue of the client.

These generators yield effects (`stomp.core.engine.effects`); run them with `SyncDriver._run` or `AsyncDriver._run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.engine.broker_connection import PendingReply
from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.effects import Operation, SendFrame, Wait
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.send import _run_sending_hooks_gen, _send_frame_gen, send, send_confirmed
from stomp.core.engine.subscriptions import connected, subscribe
from stomp.core.errors import ReplyMissing

if TYPE_CHECKING:
    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.send import OutgoingMessage


def reply(conv: ClientEngine, parcel: OutgoingMessage, deadline: float, *, confirm: bool) -> Operation[None]:
    """Send a reply: by `send_confirmed` if `confirm`, else by `send`."""
    if confirm:
        yield from send_confirmed(conv, parcel, Confirmation, deadline)
    else:
        yield from send(conv, parcel, deadline)


def ask(conv: ClientEngine, parcel: OutgoingMessage, deadline: float) -> Operation[BaseMessage]:
    """Send a request and wait for its reply.

    The reply is a message to the reply queue of the client, with the ``correlation-id`` of the request.

    Raises:
        ReplyMissing: no reply arrived before the deadline.
        OutcomeUnknown: the connection was lost after the request, and the temporary queue with it.
        NotConnected: there was no connection; nothing was sent.
    """
    era = yield from connected(conv, deadline)
    name = yield from _reply_queue(conv, era, deadline)
    frame = parcel.frame(era)
    correlation = frame.headers.setdefault("correlation-id", f"{conv.terms.nonce}-{conv.next_id()}")
    frame.headers.setdefault("reply-to", name)
    told = yield from _run_sending_hooks_gen(conv, frame)
    reply = conv.replies[correlation] = PendingReply()
    if conv.paused:
        conv.maybe_resume()
    try:
        yield from _send_frame_gen(SendFrame(era.link, frame), told)
        if not (yield Wait(reply, lambda: reply.done, deadline)):
            raise ReplyMissing(
                f"nobody answered the request to {parcel.destination} in time",
                hint="is somebody subscribed to it?",
            )
    finally:
        conv.replies.pop(correlation, None)
    if reply.error is not None:
        raise reply.error
    assert reply.message is not None
    return reply.message


def _reply_queue(conv: ClientEngine, era: BrokerConnection, deadline: float) -> Operation[str]:
    """Return the destination of the reply queue, a temporary queue. Subscribes to it first if needed."""
    name = conv.reply_to.get("name")
    if name is None:
        name = conv.reply_to["name"] = f"/temp-queue/reply-{conv.terms.nonce}"
    feed = conv.feeds.get(name)
    if feed is None:
        yield from subscribe(conv, ClientSubscription(name, SubscriptionConfig(name, hidden=True)), deadline)
    else:
        # It exists, or another operation is making it.
        yield Wait(feed.inbox, lambda: feed.made or feed.ended, deadline)
    return name
