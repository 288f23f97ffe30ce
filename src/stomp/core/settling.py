"""ACK and NACK: a message is settled once, on the connection that it came over, or the caller is told why not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from stomp.core import commands
from stomp.core.effects import Program, Transmit
from stomp.core.errors import AlreadySettled, NotConnected, StaleDelivery, UsageError
from stomp.core.subscribing import request
from stomp.core.vendors import nack_headers

if TYPE_CHECKING:
    from stomp.core.conversation import Conversation
    from stomp.core.delivery import Delivery
    from stomp.core.frame import Frame
    from stomp.core.transaction import TransactionRecord


def settle(
    conv: Conversation,
    message: Delivery,
    deadline: float,
    *,
    negative: bool = False,
    requeue: bool | None = None,
    confirm: bool = False,
    transaction: TransactionRecord | None = None,
) -> Program[None]:
    """Acknowledge or refuse a message.

    Raises:
        UsageError: its subscription needs no acknowledgement, or the broker cannot be told about requeueing.
        AlreadySettled: it was settled before.
        StaleDelivery: it cannot be settled any more; the broker delivers it again.
        BrokerError: with `confirm`: the broker refused.
        OutcomeUnknown: with `confirm`: the broker did not answer.
    """
    headers = None
    if (era := conv.era) is not None and message.era is era:
        vendor = era.vendor
        headers = nack_headers(vendor, requeue) if negative else None
        if transaction is not None:
            if negative and not vendor.nack_in_transaction:
                raise vendor.refuse("NACK in transactions")
            if not negative and not vendor.ack_in_transaction:
                raise vendor.refuse("ACK in transactions")
    frame = settling_frame(conv, message, negative=negative, transaction=transaction, headers=headers)
    assert era is not None
    try:
        if confirm:
            yield from request(conv, era, frame, deadline)
        else:
            yield Transmit(era.link, frame, patient=True)
    except NotConnected as err:
        raise lost() from err
    conv.settled()


def lost() -> StaleDelivery:
    """The error for a message whose connection was lost under its ACK or NACK."""
    return StaleDelivery(
        "the connection was lost before the message could be settled", hint="the broker delivers it again"
    )


def settling_frame(
    conv: Conversation,
    message: Delivery,
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
    if not negative and transaction is None:
        current.has_progress = True
    how = "nack" if negative else "ack"
    conv.later(partial(hook.settled, message, how) for hook in conv.terms.hooks)
    return frame
