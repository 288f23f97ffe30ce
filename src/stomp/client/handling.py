"""Helpers for the handlers of `consume`, for both clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage


def fate(message: BaseMessage, *, by_handler: bool) -> str:
    """Describe, for the log, what happens to a message whose handler has failed.

    Args:
        message: the message, after the end of its ``with`` statement.
        by_handler: the message was already settled when the handler failed.
    """
    subscription, connection = message.subscription, message.connection
    if connection is None or subscription is None or subscription.ack == "auto":
        return "the broker does not deliver it again (ack=auto)"
    if by_handler:
        return "the handler had settled it"
    if connection.profile.nack_discards:
        return "it is not acknowledged, and is given back by a new connection when nothing else is under way"
    if message.settled:
        return f"it was refused (NACK), and {connection.profile.nack_effect}"
    return "it is not acknowledged, and is delivered again when its subscription or connection has ended"


def check_drain(message: BaseMessage | None, transactions: int) -> None:
    """Check that `drain` would not wait for what its caller has to do.

    Args:
        message: the message that the caller handles; None if it handles none.
        transactions: the number of open transactions that the caller has begun.

    Raises:
        UsageError: the message is not settled, or there is an open transaction.
    """
    if transactions:
        raise UsageError(
            "drain waits until all transactions have ended, and was called by the one that has begun an open one",
            hint="commit or abort it first",
        )
    if message is None or message.settled or message.subscription is None:
        return
    if message.subscription.ack != "auto":
        raise UsageError(
            "drain waits until all messages are settled, and was called by the handler of one that is not",
            hint="acknowledge the message first, or call drain outside of the handler",
        )
