"""Connections lost in a row: when the next one is made, and which request is given up.

Rules of this file: the back-off belongs to the client, not to one reconnect, so that a broker which ends each
connection right after the login does not get hundreds of attempts per second. It starts again only after a
stable connection (`is_stable`). A SUBSCRIBE or a SEND is given up only if it was the only possible cause of
`max_losses` losses in a row. Requests that were pending together at two losses are therefore sent again one
by one (`stomp.core.engine.lifecycle`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.message_queue import ClientSubscription
from stomp.core.errors import LimitExceeded, RetriesExhausted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.failover import Failover
    from stomp.core.errors import StompError

#: Seconds after which a connection is stable; a shorter one must have made progress, see `is_stable`.
STABLE_AFTER = 10.0
#: Seconds without a sent frame before a suspect request is sent again. Within the same time after a SUBSCRIBE
#: or the last message for it, a loss counts against that SUBSCRIBE.
QUIET = 1.0
#: Maximum number of errors kept for `ConnectFailed.failures`.
_MAX_FAILURES = 20

Request = ClientSubscription | BaseConfirmation


class Losses:
    """The failed attempts and short connections of a client since its last stable connection.

    Args:
        max_losses: see `stomp.core.engine.config.ClientConfig`.

    Attributes:
        failover: decides when and where to connect next; None after a stable connection.
        failures: the errors of failed attempts and lost connections, oldest first.
    """

    def __init__(self, max_losses: int) -> None:
        self.failover: Failover[Any] | None = None
        self.failures: list[BaseException] = []
        self._max_losses = max_losses
        self._together: dict[Request, int] = {}
        self._alone: dict[Request, int] = {}

    def reset(self, failover: Failover[Any] | None = None) -> None:
        """Forget the failures: the back-off starts again.

        Args:
            failover: decides about the next attempts; None to make one when it is needed.
        """
        self.failover = failover
        self.failures.clear()

    def add_failure(self, error: BaseException) -> None:
        """Record that an attempt to connect failed, or that a connection was lost before it was stable."""
        self.failures.append(error)
        del self.failures[:-_MAX_FAILURES]

    def is_suspect(self, request: Request) -> bool:
        """Return True for a request that has to be sent alone.

        That is one that may have been the cause of two or more losses in a row. Without a limit (`max_losses`
        is -1) there is no such request.
        """
        return self._together.get(request, 0) > 1 and self._max_losses >= 0

    def add_loss(
        self,
        connection: BrokerConnection,
        subscriptions: Sequence[ClientSubscription],
        requests: Sequence[BaseConfirmation],
        *,
        stable: bool,
        now: float,
    ) -> Request | None:
        """Record that a connection was lost after CONNECTED.

        Args:
            connection: the connection.
            subscriptions: all subscriptions.
            requests: all unanswered requests, those for SUBSCRIBE included.
            stable: the result of `is_stable`.
            now: the time in seconds, by the clock of the driver.

        Returns:
            The request to give up; None if there is none.
        """
        ours = connection.generation
        subscribing = {subscription.receipt: subscription for subscription in subscriptions}
        candidate_error: list[Request] = [
            subscribing.get(each.receipt, each) for each in requests if each.generation == ours
        ]
        if not candidate_error and not stable:
            # RabbitMQ may send the RECEIPT before the ERROR, or before a message that is the cause.
            candidate_error = [
                subscription
                for subscription in subscriptions
                if subscription.generation == ours and now - subscription.last < QUIET
            ]
        # Other requests were answered on this connection, so their losses were not in a row.
        kept = list(candidate_error)
        kept += [subscription for subscription in subscriptions if subscription.generation != ours]
        kept += [each for each in requests if each.generation != ours]
        self._together = {each: self._together.get(each, 0) for each in kept}
        self._alone = {each: self._alone.get(each, 0) for each in kept}
        for each in candidate_error:
            self._together[each] += 1
        if len(candidate_error) != 1:
            return None
        request = candidate_error[0]
        self._alone[request] += 1
        is_repeated = isinstance(request, ClientSubscription) or request.frame is not None
        return request if is_repeated and 0 <= self._max_losses <= self._alone[request] else None


def is_stable(connection: BrokerConnection, confirmed: int, now: float) -> bool:
    """Return True for a connection after whose loss the next one may be made at once.

    It has lasted `STABLE_AFTER` seconds or has made progress: a SEND was confirmed, an ACK was sent, a
    transaction was committed, or a message was delivered that needs no ACK. A message without its ACK does
    not count, because the broker may deliver it again on each connection.

    Args:
        connection: the connection.
        confirmed: how many sends of the client were confirmed, on all connections.
        now: the time in seconds, by the clock of the driver.
    """
    return connection.connected and (
        now - connection.since >= STABLE_AFTER
        or connection.has_progress
        or connection.link.session.has_acked
        or confirmed > connection.confirmed_before
    )


def exhausted(request: Request, lost: StompError, losses: int) -> RetriesExhausted:
    """Return the error for a request that is given up after this number of losses."""
    if isinstance(request, ClientSubscription):
        what = f"SUBSCRIBE to {request.config.destination}"
    else:
        frame = request.frame
        assert frame is not None
        what = f"SEND to {frame.headers['destination']} ({len(frame.body)} bytes)"
    if isinstance(lost, LimitExceeded):
        hint = "that is a limit of this client: see limits=, or the options --max-... of the command line"
    else:
        hint = "the broker may not accept it: check its log and its limits"
    count = "a connection was" if losses < 2 else f"{losses} connections in a row were"
    error = RetriesExhausted(
        f"given up: {count} lost after {what}: {lost.message}",
        hint=hint,
        losses=losses,
    )
    error.__cause__ = lost
    error.recent = lost.recent
    return error
