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
from stomp.core.engine.confirmations import BaseConfirmation
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


def wait_connected_gen(engine: ClientEngine, deadline: float) -> Operation[BrokerConnection]:
    """Wait until the client is connected, and return the connection.

    Raises:
        NotConnected: there is no connection before the deadline, or the client was closed or has failed.
    """
    while (connection := engine.ready_connection) is None:
        if engine.state not in (ClientState.CONNECTING, ClientState.RECONNECTING, ClientState.CONNECTED):
            return engine.current
        if not (
            yield Wait(
                engine.state_changed,
                lambda: engine.ready_connection is not None or engine.state.over or engine.closing,
                deadline,
            )
        ):
            return engine.current
        # A connection may be lost between the end of the wait and this step.
        if engine.closing:
            return engine.current
    return connection


def wait_disconnected_gen(
    engine: ClientEngine, connection: BrokerConnection, deadline: float
) -> Operation[None]:
    """Wait until the engine has processed the end of this connection, whose session is closed already.

    Raises:
        NotConnected: that did not happen before the deadline.
    """
    if not (yield Wait(engine.state_changed, lambda: engine.connection is not connection, deadline)):
        raise engine.not_connected()


def send_and_wait_receipt_gen(
    engine: ClientEngine,
    connection: BrokerConnection,
    frame: Frame,
    deadline: float,
    subscription: ClientSubscription | None = None,
) -> Operation[None]:
    """Send a frame and wait for its RECEIPT.

    Args:
        engine: the engine of the client.
        connection: the connection to send it on.
        frame: the frame; a ``receipt`` header is added.
        deadline: until when to wait, in seconds on the driver's clock.
        subscription: for a SUBSCRIBE: its subscription, which is marked as made, or ended, by the answer.

    Raises:
        BrokerError: the broker refused.
        OutcomeUnknown: the broker did not answer, or the connection was lost before the answer.
        NotConnected: the connection was lost before the frame was sent.
        Unsupported: the broker does not answer it.
    """
    if not connection.profile.receipts:
        if frame.command not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            raise connection.profile.refuse("receipts", "do without confirm=True")
        yield SendFrame(connection.link, frame)
        return
    receipt = engine.next_id()
    frame.headers["receipt"] = receipt
    if subscription is not None:
        subscription.receipt = receipt
    confirmation = engine.add_request(BaseConfirmation(receipt, None, 0), connection)
    if subscription is not None:
        confirmation.add_callback(partial(on_answered, engine, subscription, confirmation))
    try:
        yield SendFrame(connection.link, frame, deadline)
    except StompError:
        engine.cancel_request(receipt)
        raise
    # The session itself reports an overdue RECEIPT at the deadline; this later one is for a session whose
    # clock is not driven any more.
    answered = yield Wait(confirmation, confirmation.done, deadline + 1.0)
    if not answered:
        engine.cancel_request(receipt)
        raise NotConnected(f"the answer to {frame.command} was not waited for any longer")
    if confirmation.error is not None:
        raise confirmation.error


def subscribe_gen(engine: ClientEngine, subscription: ClientSubscription, deadline: float) -> Operation[None]:
    """Make a subscription, and wait for its RECEIPT if one is requested. Next, receive with `receive.receive_gen`.

    Raises:
        BrokerError: the broker refused it.
        Unsupported: the broker does not have a feature that was asked for.
        RetriesExhausted: `max_losses` connections in a row were lost after the SUBSCRIBE.
        OutcomeUnknown: the broker did not answer.
        NotConnected: there is no connection before the deadline.
        UsageError: there is a subscription with this id already.
    """
    engine.add_subscription(subscription)
    try:
        while not subscription.made:
            yield from _subscribe_once_gen(engine, subscription, deadline)
            if subscription.generation and not subscription.made:
                yield from _wait_resubscribed_gen(engine, subscription, deadline)
        subscription.queue.notify()
    except BaseException as err:
        engine.drop_subscription(subscription, err if isinstance(err, StompError) else None)
        if not isinstance(err, BrokerError | NotConnected | GeneratorExit):
            yield from _cancel_subscribe_gen(engine, subscription)
        raise


def on_answered(engine: ClientEngine, subscription: ClientSubscription, request: BaseConfirmation) -> None:
    """Process the answer to a SUBSCRIBE.

    To be called by `Signal.add_callback`, so that it runs in the same step as the answer. The next connection may be
    made before the operation that sent the SUBSCRIBE continues, and a refused one must not be sent again.
    """
    if request.outcome == "confirmed":
        subscription.made = True
        subscription.queue.notify()
    elif request.outcome == "refused":
        engine.drop_subscription(subscription, request.error)


def _cancel_subscribe_gen(engine: ClientEngine, subscription: ClientSubscription) -> Operation[None]:
    """Send UNSUBSCRIBE after a SUBSCRIBE that has failed: the broker may have processed it."""
    connection = engine.connection
    if (
        connection is not None
        and subscription.generation == connection.generation
        and subscription.id in engine.ledger.subscriptions
    ):
        with contextlib.suppress(StompError):
            for frame in _unsubscribe_frames(connection, subscription, delete=False):
                yield SendFrame(connection.link, frame)


def _subscribe_once_gen(
    engine: ClientEngine, subscription: ClientSubscription, deadline: float
) -> Operation[None]:
    """Subscribe on the current connection. Sets `made` if that succeeded and the connection still exists."""
    connection = yield from wait_connected_gen(engine, deadline)
    frame = subscribe_frame(engine, connection, subscription)
    now = yield Now()
    if engine.connection is not connection:
        return
    subscription.generation, subscription.last, subscription.receipt = connection.generation, now, ""
    try:
        if frame is not None and subscription.config.confirm:
            yield from send_and_wait_receipt_gen(engine, connection, frame, deadline, subscription)
        elif frame is not None:
            yield SendFrame(connection.link, frame)
    except (ReceiptMissing, RetriesExhausted):
        raise
    except (NotConnected, OutcomeUnknown):
        # The connection was lost, and the subscription with it.
        yield from wait_disconnected_gen(engine, connection, deadline)
    if engine.connection is connection:
        subscription.made = True  # otherwise `made` is about the next connection


def _wait_resubscribed_gen(
    engine: ClientEngine, subscription: ClientSubscription, deadline: float
) -> Operation[None]:
    """Wait until a SUBSCRIBE was sent again by `lifecycle.reconnect_gen` after a lost connection, and answered."""
    yield Wait(subscription.queue, lambda: subscription.made or subscription.ended, deadline)
    if subscription.made:
        return
    if subscription.error is not None and not engine.state.over:
        raise subscription.error
    connection = engine.connection
    if connection is not None and connection.generation == subscription.generation and not subscription.ended:
        raise ReceiptMissing("the broker did not answer SUBSCRIBE in time", receipt=subscription.receipt)
    raise engine.not_connected()


def subscribe_frame(
    engine: ClientEngine, connection: BrokerConnection, subscription: ClientSubscription
) -> Frame | None:
    """Build the SUBSCRIBE of a subscription for the broker of this connection.

    Returns:
        None for the hidden subscription for replies, if the broker needs no SUBSCRIBE for these.

    Raises:
        Unsupported: the broker does not have a feature that the subscription uses.
        UsageError: a value is out of range, or another setting is missing.
    """
    config = subscription.config
    if config.hidden and connection.profile.temporary == "header":
        return None
    if config.hidden and connection.profile.temporary is None:
        raise connection.profile.refuse(
            "temporary queues", "subscribe to a queue for replies, and send with headers={'reply-to': QUEUE}"
        )
    version = connection.link.session.version
    assert version is not None
    headers = {
        **subscribe_headers(
            connection.profile, ack=config.ack, client_id=engine.config.client_id, **config.options
        ),
        **config.headers,
    }
    return commands.subscribe(version, config.destination, subscription.id, ack=config.ack, headers=headers)


def unsubscribe_gen(
    engine: ClientEngine, subscription: ClientSubscription, deadline: float, *, delete: bool
) -> Operation[None]:
    """End a subscription: send UNSUBSCRIBE and wait for its RECEIPT.

    Without a connection nothing is sent, and the subscription is not made again on the next connection. If it was
    made again already, and the client still restores others, UNSUBSCRIBE is sent after that.

    Args:
        engine: the engine of the client.
        subscription: the subscription.
        deadline: until when to wait, in seconds on the driver's clock.
        delete: have the broker delete a durable subscription, too.

    Raises:
        BrokerError: the broker refused.
        ReceiptMissing: the broker did not answer before the deadline. The subscription has ended
            nevertheless.
    """
    if subscription.ended:
        return
    while (
        (connection := engine.connection) is not None
        and engine.state is ClientState.RECONNECTING
        and subscription.generation == connection.generation
    ):
        # Its SUBSCRIBE was sent again, or is about to be sent: UNSUBSCRIBE has to follow it.
        if not (yield Wait(engine.state_changed, partial(_is_restored, engine, connection), deadline)):
            break
    if (
        connection is None
        or engine.subscriptions.get(subscription.id) is not subscription  # refused meanwhile
        or engine.state is not ClientState.CONNECTED
        or subscription.generation != connection.generation
    ):
        engine.drop_subscription(subscription)
        return
    active = engine.ledger.subscriptions.get(subscription.id)
    if active is None:
        # Another operation has sent UNSUBSCRIBE, and ends the subscription when that is answered.
        yield Wait(subscription.queue, lambda: subscription.ended, deadline)
        engine.drop_subscription(subscription)
        return
    left = len(active.unacked)
    if left and connection.profile.holds_unacked_until_disconnect:
        engine.log(
            "%d unacknowledged messages of %s stay with this connection until it ends: %s "
            "delivers them to no other consumer before",
            left,
            subscription.config.destination,
            connection.profile.title,
        )
    try:
        frames = _unsubscribe_frames(connection, subscription, delete=delete)
        for frame in frames:
            yield from send_and_wait_receipt_gen(engine, connection, frame, deadline)
    except ReceiptMissing:
        raise
    except (NotConnected, OutcomeUnknown):
        pass  # the subscription has ended with the connection
    finally:
        engine.drop_subscription(subscription)


def _is_restored(engine: ClientEngine, connection: BrokerConnection) -> bool:
    """Return True when a new connection may be used, or has ended before."""
    return engine.state is not ClientState.RECONNECTING or engine.connection is not connection


def _unsubscribe_frames(
    connection: BrokerConnection, subscription: ClientSubscription, *, delete: bool
) -> list[Frame]:
    version = connection.link.session.version
    assert version is not None
    name = subscription.config.options.get("durable")
    profile = connection.profile
    destination = subscription.config.destination if version.number == "1.0" else None
    if not name or not delete:
        return [commands.unsubscribe(version, subscription.id, destination=destination)]
    if profile.durable == "id":
        # RabbitMQ deletes a durable subscription when UNSUBSCRIBE has the headers of its SUBSCRIBE.
        headers = {"durable": True, "auto-delete": False}
        return [
            commands.unsubscribe(
                version, subscription.id, destination=subscription.config.destination, headers=headers
            )
        ]
    # ActiveMQ and Artemis: end the subscriber first, then delete the durable subscription by its name.
    assert profile.durable is not None  # `subscribe_headers` has checked it
    return [
        commands.unsubscribe(version, subscription.id, destination=destination),
        commands.unsubscribe(version, subscription.id, headers={profile.durable: name}),
    ]
