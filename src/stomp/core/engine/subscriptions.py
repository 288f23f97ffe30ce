"""The operations for SUBSCRIBE and UNSUBSCRIBE, and the waits for a connection and for a RECEIPT.

Rules of this file: the answer to SUBSCRIBE is processed in the step in which it arrives (`on_answered`),
because the connection may be lost before the operation that sent the frame continues. A feature that the
broker does not have raises an error before SUBSCRIBE is sent.
"""

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
    """Wait until the client is connected, and return the connection.

    Raises:
        NotConnected: there is no connection before the deadline, or the client was closed or has failed.
    """
    if conv.ready is not None:
        return conv.ready
    if conv.state in (ClientState.CONNECTING, ClientState.RECONNECTING, ClientState.CONNECTED):
        yield Wait(
            conv.life,
            lambda: conv.ready is not None or conv.state.over or conv.leaving,
            deadline,
        )
    return conv.current


def gone(conv: ClientEngine, era: BrokerConnection, deadline: float) -> Operation[None]:
    """Wait until the engine has processed the end of this connection, whose session is closed already.

    Raises:
        NotConnected: that did not happen before the deadline, or the client was closed or has failed.
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
    """Send a frame and wait for its RECEIPT.

    Args:
        conv: the engine of the client.
        era: the connection to send it on.
        frame: the frame; a ``receipt`` header is added.
        deadline: until when to wait, in seconds on the driver's clock.
        feed: for a SUBSCRIBE: its subscription, which is marked as made, or ended, by the answer.

    Raises:
        BrokerError: the broker refused.
        OutcomeUnknown: the broker did not answer, or the connection was lost before the answer.
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
    # The session itself reports an overdue RECEIPT at the deadline; this later one is for a session whose
    # clock is not driven any more.
    answered = yield Wait(confirmation, confirmation.done, deadline + 1.0)
    if not answered:
        conv.cancel_request(receipt)
        raise NotConnected(f"the answer to {frame.command} was not waited for any longer")
    if confirmation.error is not None:
        raise confirmation.error


def subscribe(conv: ClientEngine, feed: ClientSubscription, deadline: float) -> Operation[None]:
    """Make a subscription, and wait for its RECEIPT if one is requested. Next, receive with `receive.take`.

    Raises:
        BrokerError: the broker refused it.
        Unsupported: the broker does not have a feature that was asked for.
        RetriesExhausted: `max_losses` connections in a row were lost after the SUBSCRIBE.
        OutcomeUnknown: the broker did not answer.
        NotConnected: there is no connection before the deadline.
        UsageError: there is a subscription with this id already.
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
    """Process the answer to a SUBSCRIBE.

    To be called by `Signal.watch`, so that it runs in the same step as the answer. The next connection may be
    made before the operation that sent the SUBSCRIBE continues, and a refused one must not be sent again.
    """
    if request.outcome == "confirmed":
        feed.made = True
        feed.inbox.fire()
    elif request.outcome == "refused":
        conv.drop_feed(feed, request.error)


def _take_back(conv: ClientEngine, feed: ClientSubscription) -> Operation[None]:
    """Send UNSUBSCRIBE after a SUBSCRIBE that has failed: the broker may have processed it."""
    era = conv.era
    if era is not None and feed.generation == era.generation and feed.id in conv.ledger.subscriptions:
        with contextlib.suppress(StompError):
            for frame in _unsubscribe_frames(era, feed, delete=False):
                yield SendFrame(era.link, frame)


def _try_to_subscribe(conv: ClientEngine, feed: ClientSubscription, deadline: float) -> Operation[None]:
    """Subscribe on the current connection. Sets `made` if that succeeded and the connection still exists."""
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
        # The connection was lost, and the subscription with it.
        yield from gone(conv, era, deadline)
    if conv.era is era:
        feed.made = True  # otherwise `made` is about the next connection


def _resubscribed(conv: ClientEngine, feed: ClientSubscription, deadline: float) -> Operation[None]:
    """Wait until a SUBSCRIBE was sent again by `lifecycle.reconnect` after a lost connection, and answered."""
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
    """Build the SUBSCRIBE of a subscription for the broker of this connection.

    Returns:
        None for the hidden subscription for replies, if the broker needs no SUBSCRIBE for these.

    Raises:
        Unsupported: the broker does not have a feature that the subscription uses.
        UsageError: a value is out of range, or another setting is missing.
    """
    wish = feed.wish
    if wish.hidden and era.vendor.temporary == "header":
        return None
    version = era.link.session.version
    assert version is not None
    headers = {
        **subscribe_headers(era.vendor, ack=wish.ack, client_id=conv.terms.client_id, **wish.options),
        **wish.headers,
    }
    return commands.subscribe(version, wish.destination, feed.id, ack=wish.ack, headers=headers)


def unsubscribe(
    conv: ClientEngine, feed: ClientSubscription, deadline: float, *, delete: bool
) -> Operation[None]:
    """End a subscription: send UNSUBSCRIBE and wait for its RECEIPT.

    Without a connection nothing is sent, and the subscription is not made again on the next connection.

    Args:
        conv: the engine of the client.
        feed: the subscription.
        deadline: until when to wait, in seconds on the driver's clock.
        delete: have the broker delete a durable subscription, too.

    Raises:
        BrokerError: the broker refused.
        ReceiptMissing: the broker did not answer before the deadline. The subscription has ended
            nevertheless.
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
        pass  # the subscription has ended with the connection
    finally:
        conv.drop_feed(feed)


def _unsubscribe_frames(era: BrokerConnection, feed: ClientSubscription, *, delete: bool) -> list[Frame]:
    version = era.link.session.version
    assert version is not None
    name = feed.wish.options.get("durable")
    vendor = era.vendor
    destination = feed.wish.destination if version.number == "1.0" else None
    if not name or not delete:
        return [commands.unsubscribe(version, feed.id, destination=destination)]
    if vendor.durable == "id":
        # RabbitMQ deletes a durable subscription when UNSUBSCRIBE has the headers of its SUBSCRIBE.
        headers = {"durable": True, "auto-delete": False}
        return [commands.unsubscribe(version, feed.id, destination=feed.wish.destination, headers=headers)]
    # ActiveMQ and Artemis: end the subscriber first, then delete the durable subscription by its name.
    return [
        commands.unsubscribe(version, feed.id, destination=destination),
        commands.unsubscribe(version, feed.id, headers={vendor.durable or "": name}),
    ]
