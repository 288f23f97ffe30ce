"""ACK and NACK: a message is settled once, on the connection that it came over, or the caller is told why not.

Where NACK would discard a message it is held instead, and given back later: see `stomp.core.engine.redelivery`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core.engine.broker_profiles import nack_headers
from stomp.core.engine.effects import CloseConnection, Now, Operation, SendFrame, Wait
from stomp.core.engine.status import ClientState
from stomp.core.engine.subscriptions import request
from stomp.core.errors import (
    AlreadySettled,
    ConnectionLost,
    NotConnected,
    StaleDelivery,
    StompError,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.session.ledger import Subscription

if TYPE_CHECKING:
    from stomp.core.engine.engine import ClientEngine
    from stomp.core.engine.message import BaseMessage
    from stomp.core.engine.transactions import TransactionRecord
    from stomp.core.frames.frame import Frame

#: Seconds for the broker's answer to DISCONNECT.
_PATIENCE = 5.0
#: While something else is under way, it is looked again after so many seconds.
_LOOK_AGAIN = 1.0


def settle(
    conv: ClientEngine,
    message: BaseMessage,
    deadline: float,
    *,
    negative: bool = False,
    requeue: bool | None = None,
    confirm: bool = False,
    transaction: TransactionRecord | None = None,
) -> Operation[None]:
    """Acknowledge or refuse a message.

    Raises:
        UsageError: its subscription needs no acknowledgement, or the broker cannot be told about requeueing.
        Unsupported: the broker would discard what is refused, and that was not asked for by `requeue=False`.
        AlreadySettled: it was settled before.
        StaleDelivery: it cannot be settled any more; the broker delivers it again.
        BrokerError: with `confirm`: the broker refused.
        OutcomeUnknown: with `confirm`: the broker did not answer.
    """
    headers = None
    if (era := conv.era) is not None and message.era is era:
        vendor = era.vendor
        if transaction is not None:
            if negative and not vendor.nack_in_transaction:
                raise vendor.refuse("NACK in transactions")
            if not negative and not vendor.ack_in_transaction:
                raise vendor.refuse("ACK in transactions")
        if negative and vendor.nack_discards and requeue:
            now = yield Now()
            hold(conv, message, *checked(conv, message, negative=True), now)
            return
        headers = nack_headers(vendor, requeue) if negative else None
    frame = build_ack(conv, message, negative=negative, transaction=transaction, headers=headers)
    assert era is not None
    try:
        if confirm:
            yield from request(conv, era, frame, deadline)
        else:
            yield SendFrame(era.link, frame, patient=True)
    except NotConnected as err:
        raise lost() from err
    conv.settled()


def requeue_of_failure(message: BaseMessage) -> bool | None:
    """What to tell the broker about a message whose handler failed: True where its own way is to discard it."""
    return True if message.era is not None and message.era.vendor.nack_discards else None


def lost() -> StaleDelivery:
    """The error for a message whose connection was lost under its ACK or NACK."""
    return StaleDelivery(
        "the connection was lost before the message could be settled", hint="the broker delivers it again"
    )


def checked(conv: ClientEngine, message: BaseMessage, *, negative: bool) -> tuple[str, Subscription]:
    """Make sure that a message may be settled: what to call it then, and what it came for.

    Raises:
        UsageError: its subscription is one that needs no acknowledgement.
        AlreadySettled: it was settled before.
        StaleDelivery: it is of an earlier connection, or of a subscription that has ended.
    """
    subscription, era, current = message.subscription, message.era, conv.era
    verb = "refused" if negative else "acknowledged"
    if subscription is None or subscription.ack == "auto":
        raise UsageError(
            f"this message cannot be {verb}: it came for a subscription with ack='auto'",
            hint="subscribe with ack='client-individual'",
        )
    if message.settled:
        raise AlreadySettled("this message was acknowledged or refused already")
    # The session may know of its end before the conversation does.
    if current is None or era is not current or current.link.session.closed is not None:
        raise StaleDelivery(
            f"this message cannot be {verb}: it came over connection {era.generation}, which is gone",
            hint="the broker delivers it again",
        )
    if conv.ledger.subscriptions.get(subscription.id) is not subscription:
        raise StaleDelivery(
            f"this message cannot be {verb}: its subscription has ended",
            hint="the broker delivers it again",
        )
    dialect = current.link.session.dialect
    assert dialect is not None
    name = (dialect.ack_header == "id" and message.headers.get("ack")) or message.id
    if name not in subscription.unacked:
        raise AlreadySettled(
            "this message was acknowledged or refused already, by itself or with a later one"
        )
    return name, subscription


def build_ack(
    conv: ClientEngine,
    message: BaseMessage,
    *,
    negative: bool = False,
    transaction: TransactionRecord | None = None,
    headers: dict[str, Any] | None = None,
) -> Frame:
    """Acknowledge or refuse a message: the frame for the current link.

    Raises:
        UsageError: its subscription is one that needs no acknowledgement.
        AlreadySettled: it was settled before.
        StaleDelivery: it is of an earlier connection, or of a subscription that has ended.
    """
    name, subscription = checked(conv, message, negative=negative)
    dialect = message.era.link.session.dialect
    frame = commands.ack(
        dialect,
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
    how = "nack" if negative else "ack"
    conv.later(partial(hook.settled, message, how) for hook in conv.terms.hooks)
    return frame


def hold(conv: ClientEngine, message: BaseMessage, name: str, subscription: Subscription, now: float) -> None:
    """A message has failed: leave it unacknowledged, to be given back.

    Args:
        conv: the conversation.
        message: it may still be settled.
        name: what an ACK would call it.
        subscription: what it came for.
        now: what the clock says.
    """
    redelivery = conv.redelivery
    message.settled = True
    if subscription.ack == "client":
        redelivery.blocked.add(subscription.id)
        # Messages of the old record cannot be settled any more, those of the new one are not handed out.
        again = Subscription(
            subscription.id, subscription.destination, subscription.ack, subscription.headers
        )
        conv.ledger.subscriptions[subscription.id] = again
    else:
        subscription.unacked.pop(name, None)
    redelivery.add(message, now)
    conv.later(partial(hook.settled, message, "nack") for hook in conv.terms.hooks)
    conv.settled()


def give_back(conv: ClientEngine, now: float) -> Operation[None]:
    """End the connection if it is time to give messages back. The driver makes the next one."""
    redelivery, era = conv.redelivery, conv.era
    if redelivery.due is None or now < redelivery.due:
        return
    if not conv.terms.reconnect or conv.leaving or conv.draining:
        redelivery.due = None  # the end of the client gives them back
        return
    if era is None or conv.state is not ClientState.CONNECTED or _is_busy(conv):
        redelivery.due = now + _LOOK_AGAIN
        return
    era.parting = redelivery.begin(now)
    deadline = now + _PATIENCE
    try:
        # STOMP 1.2, "Graceful shutdown": the broker has read everything before it.
        yield SendFrame(era.link, commands.disconnect(conv.next_id()), deadline)
        if (yield Wait(conv.life, lambda: conv.era is not era, deadline)):
            return
    except StompError:
        pass  # it has ended, or is ended below
    if conv.era is era:
        yield CloseConnection(era.link, ConnectionLost(era.parting))


def _is_busy(conv: ClientEngine) -> bool:
    """True while the end of the connection would harm others: messages would be counted, outcomes unknown."""
    ledger, blocked = conv.ledger, conv.redelivery.blocked
    return bool(
        len(conv.waiting)
        or conv.replies
        or ledger.transactions
        or any(each.unacked for each in list(ledger.subscriptions.values()) if each.id not in blocked)
    )
