"""SUBSCRIBE and UNSUBSCRIBE as programs, and what goes with them for each kind of broker."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from stomp.core.engine.broker_profiles import subscribe_headers
from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.effects import Now, Operation, SendFrame, Wait
from stomp.core.engine.status import ClientState
from stomp.core.errors import (
    BrokerError,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    RetriesExhausted,
    StompError,
)
from stomp.core.frames import commands

if TYPE_CHECKING:
    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message_queue import ClientSubscription
    from stomp.core.frames.frame import Frame


def connected(conv: ClientEngine, deadline: float) -> Operation[BrokerConnection]:
    """Wait until the client is connected (again).

    Raises:
        NotConnected: it is not, and will not be in time.
    """
    if conv.state is ClientState.CONNECTED and conv.era is not None:
        return conv.era
    if conv.state in (ClientState.CONNECTING, ClientState.RECONNECTING, ClientState.CONNECTED):
        yield Wait(
            conv.life,
            lambda: (
                (conv.state is ClientState.CONNECTED and conv.era is not None)
                or conv.state.over
                or conv.leaving
            ),
            deadline,
        )
    return conv.current


def gone(conv: ClientEngine, era: BrokerConnection, deadline: float) -> Operation[None]:
    """The session of this connection has ended: wait until the conversation has heard of it.

    Raises:
        NotConnected: it has not in time, or the client is over.
    """
    if not (yield Wait(conv.life, lambda: conv.era is not era, deadline)) or conv.state.over or conv.leaving:
        raise conv.not_connected()


def request(
    conv: ClientEngine,
    era: BrokerConnection,
    frame: Frame,
    deadline: float,
    feed: ClientSubscription | None = None,
) -> Operation[None]:
    """Send a frame and wait for its RECEIPT. `feed` is the subscription of a SUBSCRIBE.

    Raises:
        BrokerError: the broker refused.
        OutcomeUnknown: it did not answer, or the connection was lost first.
        NotConnected: the connection was lost before the frame was sent.
    """
    receipt = conv.next_id()
    frame.headers["receipt"] = receipt
    if feed is not None:
        feed.receipt = receipt
    confirmation = conv.ask(Confirmation(receipt, None, 0))
    if feed is not None:
        confirmation.watch(partial(on_answered, conv, feed, confirmation))
    try:
        yield SendFrame(era.link, frame, deadline)
    except StompError:
        conv.cancel_request(receipt)
        raise
    # The session gives it up at the deadline by itself; this is for one that is not driven any more.
    answered = yield Wait(confirmation, confirmation.done, deadline + 1.0)
    if not answered:
        conv.cancel_request(receipt)
        raise NotConnected(f"the answer to {frame.command} was not waited for any longer")
    if confirmation.error is not None:
        raise confirmation.error


def subscribe(conv: ClientEngine, feed: ClientSubscription, deadline: float) -> Operation[None]:
    """Make a subscription.

    Raises:
        BrokerError: the broker refused it.
        Unsupported: the broker cannot do what was asked for.
        RetriesExhausted: connection after connection was lost after it.
        OutcomeUnknown: the broker did not answer.
        NotConnected: there is no connection.
        UsageError: there is a subscription of that id.
    """
    conv.add_feed(feed)
    try:
        while not feed.made:
            yield from _try_to_subscribe(conv, feed, deadline)
            if feed.generation and not feed.made:
                yield from _resubscribed(conv, feed, deadline)
        feed.inbox.fire()
    except BaseException as err:
        conv.drop_feed(feed, err if isinstance(err, StompError) else None)
        if not isinstance(err, BrokerError | NotConnected | GeneratorExit):
            yield from _take_back(conv, feed)
        raise


def on_answered(conv: ClientEngine, feed: ClientSubscription, request: Confirmation) -> None:
    """A SUBSCRIBE has its answer.

    This is for `Signal.watch`, so that it is part of the same step: the next connection may be made before the program
    goes on that has sent it, and must not send a refused one again.
    """
    if request.outcome == "confirmed":
        feed.made = True
        feed.inbox.fire()
    elif request.outcome == "refused":
        conv.drop_feed(feed, request.error)


def _take_back(conv: ClientEngine, feed: ClientSubscription) -> Operation[None]:
    """Nobody waits for the answer to a SUBSCRIBE any longer, but the broker may have carried it out."""
    era = conv.era
    if era is not None and feed.generation == era.generation and feed.id in conv.ledger.subscriptions:
        with contextlib.suppress(StompError):
            for frame in _unsubscribe_frames(era, feed, delete=False):
                yield SendFrame(era.link, frame)


def _try_to_subscribe(conv: ClientEngine, feed: ClientSubscription, deadline: float) -> Operation[None]:
    """Subscribe on the current connection. `made` is set if that worked, and the connection still stands."""
    era = yield from connected(conv, deadline)
    frame = subscribe_frame(conv, era, feed)
    now = yield Now()
    if conv.era is not era:
        return
    feed.generation, feed.last, feed.receipt = era.generation, now, ""
    try:
        if frame is not None and feed.wish.confirm:
            yield from request(conv, era, frame, deadline, feed)
        elif frame is not None:
            yield SendFrame(era.link, frame)
    except (ReceiptMissing, RetriesExhausted):
        raise
    except (NotConnected, OutcomeUnknown):
        # It ended with the connection, if it was made at all.
        yield from gone(conv, era, deadline)
    if conv.era is era:
        feed.made = True  # else it may be made again already


def _resubscribed(conv: ClientEngine, feed: ClientSubscription, deadline: float) -> Operation[None]:
    """The connection was lost after the SUBSCRIBE: wait until it was sent again and answered (`life.reconnect`)."""
    yield Wait(feed.inbox, lambda: feed.made or feed.ended, deadline)
    if feed.made:
        return
    if feed.error is not None and not conv.state.over:
        raise feed.error
    era = conv.era
    if era is not None and era.generation == feed.generation and not feed.ended:
        raise ReceiptMissing("the broker did not answer SUBSCRIBE in time", receipt=feed.receipt)
    raise conv.not_connected()


def subscribe_frame(conv: ClientEngine, era: BrokerConnection, feed: ClientSubscription) -> Frame | None:
    """The SUBSCRIBE of a feed, for the broker of this connection; None where there is nothing to subscribe to."""
    wish = feed.wish
    if wish.hidden and era.vendor.temporary == "header":
        return None
    dialect = era.link.session.dialect
    assert dialect is not None
    headers = {
        **subscribe_headers(era.vendor, ack=wish.ack, client_id=conv.terms.client_id, **wish.options),
        **wish.headers,
    }
    return commands.subscribe(dialect, wish.destination, feed.id, ack=wish.ack, headers=headers)


def unsubscribe(
    conv: ClientEngine, feed: ClientSubscription, deadline: float, *, delete: bool
) -> Operation[None]:
    """End a subscription. With `delete`, a durable one is forgotten by the broker, too.

    Without a connection it is not made again on the next one.
    """
    if feed.ended:
        return
    era = conv.era
    if era is None or conv.state is not ClientState.CONNECTED or feed.generation != era.generation:
        conv.drop_feed(feed)
        return
    subscription = conv.ledger.subscriptions.get(feed.id)
    left = len(subscription.unacked) if subscription is not None else 0
    if left and era.vendor.holds_unacked_until_disconnect:
        conv.remark(
            "%d unacknowledged messages of %s stay with this connection until it ends: %s gives them to nobody before",
            left,
            feed.wish.destination,
            era.vendor.title,
        )
    try:
        frames = _unsubscribe_frames(era, feed, delete=delete)
        for frame in frames:
            yield from request(conv, era, frame, deadline)
    except ReceiptMissing:
        raise
    except (NotConnected, OutcomeUnknown):
        pass  # gone with the connection
    finally:
        conv.drop_feed(feed)


def _unsubscribe_frames(era: BrokerConnection, feed: ClientSubscription, *, delete: bool) -> list[Frame]:
    dialect = era.link.session.dialect
    assert dialect is not None
    name = feed.wish.options.get("durable")
    vendor = era.vendor
    destination = feed.wish.destination if dialect.version == "1.0" else None
    if not name or not delete:
        return [commands.unsubscribe(dialect, feed.id, destination=destination)]
    if vendor.durable == "id":
        # RabbitMQ deletes a durable subscription when UNSUBSCRIBE has the headers of its SUBSCRIBE.
        headers = {"durable": True, "auto-delete": False}
        return [commands.unsubscribe(dialect, feed.id, destination=feed.wish.destination, headers=headers)]
    # ActiveMQ and Artemis: the subscriber goes first, then its name.
    return [
        commands.unsubscribe(dialect, feed.id, destination=destination),
        commands.unsubscribe(dialect, feed.id, headers={vendor.durable or "": name}),
    ]
