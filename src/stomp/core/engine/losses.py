"""Connections that were lost in a row: when the next one is made, and which request is given up.

Rules of this file: the back-off belongs to the client, not to one reconnect, so that a broker which ends each
connection right after the login is not asked hundreds of times a second; it starts again only after a connection that
was `is_stable`. A SUBSCRIBE or a SEND is given up only if it alone can have been the reason, `max_losses` times in
a row: what was sent together before two losses is sent again one by one (`stomp.core.engine.lifecycle`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.message_queue import ClientSubscription
from stomp.core.errors import RetriesExhausted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.core.engine.broker_connection import BrokerConnection
    from stomp.core.engine.failover import Failover
    from stomp.core.errors import StompError

#: Seconds that a connection must live to be stable; a shorter one must deliver something.
STABLE_AFTER = 10.0
#: Seconds without a frame of ours before a suspect is sent again, and in which a loss is still laid to a SUBSCRIBE.
QUIET = 1.0
#: How many errors are kept for `ConnectFailed.failures`.
_MAX_FAILURES = 20

Request = ClientSubscription | Confirmation


class Losses:
    """The failed attempts and short connections of a client since its last stable connection.

    Args:
        max_losses: see `stomp.core.engine.config.ClientConfig`.

    Attributes:
        failover: decides when and where to connect next; None after a stable connection.
        failures: why attempts failed and connections ended, oldest first.
    """

    def __init__(self, max_losses: int) -> None:
        self.failover: Failover[Any] | None = None
        self.failures: list[BaseException] = []
        self._max_losses = max_losses
        self._together: dict[Request, int] = {}
        self._alone: dict[Request, int] = {}

    def reset(self, failover: Failover[Any] | None = None) -> None:
        """Start again: the next attempt is the first."""
        self.failover = failover
        self.failures.clear()

    def add_failure(self, error: BaseException) -> None:
        """An attempt to connect failed, or a connection was lost before it was stable."""
        self.failures.append(error)
        del self.failures[:-_MAX_FAILURES]

    def is_suspect(self, request: Request) -> bool:
        """True for a request that has to be sent alone: two connections were lost while it was unanswered."""
        return self._together.get(request, 0) > 1 and self._max_losses >= 0

    def add_loss(
        self,
        era: BrokerConnection,
        feeds: Sequence[ClientSubscription],
        requests: Sequence[Confirmation],
        *,
        stable: bool,
        now: float,
    ) -> Request | None:
        """A connection was lost after CONNECTED. Returns the request to give up, if there is one.

        Args:
            era: the connection.
            feeds: all subscriptions.
            requests: all requests without an answer, each SUBSCRIBE included.
            stable: see `is_stable`.
            now: what the clock says.
        """
        ours = era.generation
        subscribing = {feed.receipt: feed for feed in feeds if feed.receipt and feed.generation == ours}
        candidate_error: list[Request] = [
            subscribing.get(each.receipt, each) for each in requests if each.generation == ours
        ]
        if not candidate_error and not stable:
            # RabbitMQ may send the RECEIPT first and then the ERROR, or a message that is the reason.
            candidate_error = [feed for feed in feeds if feed.generation == ours and now - feed.last < QUIET]
        # What is not among these was answered: its losses were not in a row.
        kept = list(candidate_error)
        kept += [feed for feed in feeds if feed.generation != ours]
        kept += [each for each in requests if each.generation != ours]
        self._together = {each: self._together.get(each, 0) for each in kept}
        self._alone = {each: self._alone.get(each, 0) for each in kept}
        for each in candidate_error:
            self._together[each] += 1
        if len(candidate_error) != 1:
            return None
        self._alone[candidate_error[0]] += 1
        return candidate_error[0] if 0 <= self._max_losses <= self._alone[candidate_error[0]] else None


def is_stable(era: BrokerConnection, confirmed: int, now: float) -> bool:
    """True for a connection after whose loss the next one may be made at once.

    It has lived for `STABLE_AFTER` seconds, or a SEND was confirmed, a message acknowledged, or a message delivered
    that needs no ACK. A message that waits for its ACK does not count: it may come again on each connection.

    Args:
        era: the connection.
        confirmed: how many sends of the client were confirmed, those of earlier connections included.
        now: what the clock says.
    """
    return era.connected and (
        now - era.since >= STABLE_AFTER
        or era.has_progress
        or era.link.session.has_acked
        or confirmed > era.confirmed_before
    )


def exhausted(request: Request, lost: StompError, losses: int) -> RetriesExhausted:
    """The error of a request that is given up after so many losses."""
    if isinstance(request, ClientSubscription):
        what = f"SUBSCRIBE to {request.wish.destination}"
    else:
        frame = request.frame
        what = f"SEND to {frame.headers.get('destination', '')} ({len(frame.body)} bytes)" if frame else "it"
    error = RetriesExhausted(
        f"given up: {losses} connections in a row were lost after {what}: {lost.message}",
        hint="the broker may not accept it: look at its log and its limits",
        losses=losses,
    )
    error.__cause__ = lost
    error.recent = lost.recent
    return error
