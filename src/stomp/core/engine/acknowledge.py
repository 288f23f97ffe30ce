"""Operations for ACK and NACK.

Rules of this file: a message is settled once, and only on the connection that it arrived on; otherwise an
error gives the reason. Where NACK would discard a message and requeueing is asked for, the message is held
unacknowledged and given back later: see `stomp.core.engine.redelivery`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core.engine.broker_profiles import nack_headers
from stomp.core.engine.effects import CloseConnection, Now, Operation, SendFrame, Wait
from stomp.core.engine.status import ClientState
from stomp.core.engine.subscriptions import send_and_wait_receipt_gen
from stomp.core.errors import (
    AlreadySettled,
    NotConnected,
    StaleDelivery,
    StompError,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.session.ledger import ActiveSubscription

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.transactions import TransactionRecord
    from stomp.core.frames.frame import Frame

#: Seconds for the broker's answer to DISCONNECT.
_DISCONNECT_TIMEOUT = 5.0
#: While the connection is busy, it is checked again after this many seconds whether it may be ended.
_CHECK_INTERVAL = 1.0


def settle_gen(
    engine: ClientEngine,
    message: BaseMessage,
    deadline: float,
    *,
    negative: bool = False,
    requeue: bool | None = None,
    confirm: bool = False,
    transaction: TransactionRecord | None = None,
) -> Operation[None]:
    """Acknowledge a message (ACK), or reject it (NACK).

    Args:
        engine: the engine of the client.
        message: the message.
        deadline: with `confirm`: until when to wait for the RECEIPT, in seconds on the driver's clock.
        negative: reject the message.
        requeue: with `negative`: whether the broker is to deliver it again; None for the broker's default.
        confirm: wait for the broker's RECEIPT.
        transaction: settle the message as part of this transaction.

    Raises:
        UsageError: the subscription uses ack="auto", so there is nothing to acknowledge.
        Unsupported: the broker has no `requeue` header or no ACK or NACK in transactions, or NACK would
            discard the message and `requeue=False` was not given.
        AlreadySettled: the message was settled before.
        StaleDelivery: the message cannot be settled any more; the broker delivers it again.
        BrokerError: with `confirm`: the broker refused.
        OutcomeUnknown: with `confirm`: the broker did not answer.
    """
    headers = None
    if (connection := engine.connection) is not None and message.connection is connection:
        profile = connection.profile
        if transaction is not None:
            if negative and not profile.nack_in_transaction:
                raise profile.refuse("NACK in transactions")
            if not negative and not profile.ack_in_transaction:
                raise profile.refuse("ACK in transactions")
        if negative and profile.nack_discards and requeue:
            now = yield Now()
            hold(engine, message, *checked(engine, message, negative=True), now)
            return
        headers = nack_headers(profile, requeue) if negative else None
    frame = build_ack(engine, message, negative=negative, transaction=transaction, headers=headers)
    assert connection is not None
    try:
        if confirm:
            yield from send_and_wait_receipt_gen(engine, connection, frame, deadline)
        else:
            yield SendFrame(connection.link, frame, may_delay=True)
    except NotConnected as err:
        raise connection_lost_error() from err
    engine.settled()


def requeue_of_failure(message: BaseMessage) -> bool | None:
    """The `requeue` for a message whose handler failed: True where NACK would discard it, else None."""
    return True if message.connection is not None and message.connection.profile.nack_discards else None


def connection_lost_error() -> StaleDelivery:
    """Return the error for a message whose connection was lost before its ACK or NACK was sent."""
    return StaleDelivery(
        "the connection was lost before the message could be settled", hint="the broker delivers it again"
    )


def checked(engine: ClientEngine, message: BaseMessage, *, negative: bool) -> tuple[str, ActiveSubscription]:
    """Check that a message may be settled.

    Returns:
        The id that identifies the message in ACK and NACK, and its active subscription.

    Raises:
        UsageError: the subscription uses ack="auto", so there is nothing to acknowledge.
        AlreadySettled: the message was settled before.
        StaleDelivery: the message is from an earlier connection, or its subscription has ended.
    """
    subscription, connection, current = message.subscription, message.connection, engine.connection
    verb = "refused" if negative else "acknowledged"
    if subscription is None or subscription.ack == "auto":
        raise UsageError(
            f"this message cannot be {verb}: its subscription has ack='auto'",
            hint="subscribe with ack='client-individual'",
        )
    if message.settled:
        raise AlreadySettled("this message has already been acknowledged or rejected")
    # The session may be closed before the engine has processed its Closed event.
    if current is None or connection is not current or current.link.session.closed is not None:
        number = f"connection {connection.generation}" if connection is not None else "a connection"
        raise StaleDelivery(
            f"this message cannot be {verb}: it came over {number}, which is gone",
            hint="the broker delivers it again",
        )
    if engine.ledger.subscriptions.get(subscription.id) is not subscription:
        raise StaleDelivery(
            f"this message cannot be {verb}: its subscription has ended",
            hint="the broker delivers it again",
        )
    version = current.link.session.version
    assert version is not None
    name = (version.ack_header == "id" and message.headers.get("ack")) or message.id
    if name not in subscription.unacked:
        raise AlreadySettled(
            "this message has already been acknowledged or rejected, by itself or with a later one"
        )
    return name, subscription


def build_ack(
    engine: ClientEngine,
    message: BaseMessage,
    *,
    negative: bool = False,
    transaction: TransactionRecord | None = None,
    headers: dict[str, Any] | None = None,
) -> Frame:
    """Build the ACK or NACK of a message for the current link, and mark the message as settled.

    Raises:
        UsageError: the subscription uses ack="auto", so there is nothing to acknowledge.
        AlreadySettled: the message was settled before.
        StaleDelivery: the message is from an earlier connection, or its subscription has ended.
    """
    name, subscription = checked(engine, message, negative=negative)
    connection = message.connection
    assert connection is not None
    version = connection.link.session.version
    assert version is not None
    frame = commands.ack(
        version,
        name,
        subscription.id,
        negative=negative,
        transaction=transaction.id if transaction is not None else None,
        headers=headers,
    )
    if transaction is not None:
        covered = list(subscription.unacked)
        covered = covered[: covered.index(name) + 1] if subscription.ack == "client" else [name]
        transaction.settled(message, subscription, covered)
    message.settled = True
    if engine.config.hooks:
        how = "nack" if negative else "ack"
        engine.defer(partial(hook.settled, message, how) for hook in engine.config.hooks)
    return frame


def hold(
    engine: ClientEngine, message: BaseMessage, name: str, subscription: ActiveSubscription, now: float
) -> None:
    """Leave a failed message unacknowledged, and schedule it to be given back by `give_back_gen`.

    Args:
        engine: the engine of the client.
        message: the message; `checked` has found that it may be settled.
        name: the id that an ACK would contain.
        subscription: the active subscription that it was delivered for.
        now: the time in seconds, by the clock of the driver.
    """
    redelivery = engine.redelivery
    message.settled = True
    if subscription.ack == "client":
        redelivery.blocked.add(subscription.id)
        # With ack="client" an ACK of a later message would cover the failed one. With a new record, messages
        # of the old one cannot be settled any more; those of the new one are not delivered, as the
        # subscription is blocked.
        again = ActiveSubscription(
            subscription.id, subscription.destination, subscription.ack, subscription.headers
        )
        engine.ledger.subscriptions[subscription.id] = again
    else:
        subscription.unacked.pop(name, None)
    redelivery.add(message, now)
    engine.defer(partial(hook.settled, message, "nack") for hook in engine.config.hooks)
    engine.settled()


def give_back_gen(engine: ClientEngine, now: float) -> Operation[None]:
    """End the connection if failed messages are due to be given back. The driver then reconnects."""
    redelivery, connection = engine.redelivery, engine.connection
    if redelivery.due is None or now < redelivery.due:
        return
    if not engine.config.reconnect or engine.closing or engine.draining:
        redelivery.due = None  # they are given back when the client closes its connection
        return
    if connection is None or engine.state is not ClientState.CONNECTED or _is_busy(engine):
        redelivery.due = now + _CHECK_INTERVAL
        return
    connection.reconnect_reason = redelivery.begin(now)
    deadline = now + _DISCONNECT_TIMEOUT
    try:
        # STOMP 1.2, "Graceful shutdown": the receipt confirms that the broker has read all earlier frames.
        yield SendFrame(connection.link, commands.disconnect(engine.next_id()), deadline)
        if (yield Wait(engine.state_changed, lambda: engine.connection is not connection, deadline)):
            return
    except StompError:
        pass  # the connection has ended, or is closed below
    if engine.connection is connection:
        yield CloseConnection(connection.link)


def _is_busy(engine: ClientEngine) -> bool:
    """Return True while ending the connection would affect other operations.

    The broker would count delivery attempts of other messages, and the outcome of requests would be unknown.
    """
    ledger, blocked = engine.ledger, engine.redelivery.blocked
    return bool(
        len(engine.pending)
        or engine.replies
        or ledger.transactions
        or any(each.unacked for each in list(ledger.subscriptions.values()) if each.id not in blocked)
    )
