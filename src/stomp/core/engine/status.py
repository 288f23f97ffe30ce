"""The states of a client over all of its connections, its statistics, and the report of a drain."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from stomp.core.engine.effects import Signal

#: Maximum number of queued state changes of an iterator; older ones are dropped.
_LOGGED = 1000


class ClientState(enum.Enum):
    """The states of a client."""

    NEW = "new"  #: `connect` was not called yet
    CONNECTING = "connecting"  #: `connect` is making the first connection
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  #: the connection was lost, the next one is being made
    CLOSING = "closing"  #: `close` was called, or `drain` has come to it
    CLOSED = "closed"  #: `close` has ended
    FAILED = "failed"  #: no connection could be made, or a lost one is not to be replaced

    @property
    def over(self) -> bool:
        """True for a final state: no more connections are made unless `connect` is called again."""
        return self in (ClientState.CLOSED, ClientState.FAILED)


def is_loss(before: ClientState, state: ClientState) -> bool:
    """Return True for a change that is logged at WARNING; not a failed `connect`, which raises the error."""
    failed = state is ClientState.FAILED and before is not ClientState.CONNECTING
    return failed or state is ClientState.RECONNECTING


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of the state of a client.

    Attributes:
        state: the new state.
        before: the old state.
        reason: the reason, as text.
        error: the error that caused it; None if there was none.
        address: the address of the broker, as text; "" while there is no connection.
        generation: the number of the last connection of this client, counted from 1; 0 before the first.
        broker: the name of the broker profile; "" before CONNECTED. See `stomp.core.engine.broker_profiles`.
    """

    state: ClientState
    before: ClientState
    reason: str
    error: BaseException | None = None
    address: str = ""
    generation: int = 0
    broker: str = ""


class StateChangeQueue(Signal):
    """The queued state changes of one iterator, see `receive.next_state_change_gen`. Fires for each change.

    Attributes:
        changes: the state changes, oldest first.
    """

    __slots__ = ("changes",)

    def __init__(self) -> None:
        super().__init__()
        self.changes: deque[StateChange] = deque(maxlen=_LOGGED)

    def note(self, change: StateChange) -> None:
        """Add a state change."""
        self.changes.append(change)
        self.notify()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The statistics of a client over all of its connections: numbers since it was made.

    Attributes:
        connections: connections that were opened.
        frames_sent: frames sent.
        frames_received: frames received.
        bytes_sent: bytes sent, without TLS and WebSocket framing.
        bytes_received: bytes received, without TLS and WebSocket framing.
        heartbeats_sent: heart-beats sent.
        heartbeats_received: heart-beats received.
        messages: messages received for a subscription.
        unmatched: messages received for no subscription, or for one that has ended.
        queued: messages that are queued now, because the program has not received them yet.
        confirmed: confirmed sends with the outcome "confirmed".
        refused: confirmed sends with the outcome "refused".
        unknown: confirmed sends with the outcome "unknown".
        resent: sends that were repeated on a new connection.
        in_flight: confirmed sends that are unanswered now.
        errors: ERROR frames received.
    """

    connections: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    heartbeats_sent: int = 0
    heartbeats_received: int = 0
    messages: int = 0
    unmatched: int = 0
    queued: int = 0
    confirmed: int = 0
    refused: int = 0
    unknown: int = 0
    resent: int = 0
    in_flight: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class DrainReport:
    """The result of a drain: what was left.

    Attributes:
        clean: no unsettled messages, unconfirmed sends and open transactions were left, and the connection was
            closed in time.
        unsettled: messages that were delivered to the program and not settled; the broker delivers them
            again.
        returned: messages that were queued and not delivered to the program; the broker delivers them again.
        queued: queued messages of subscriptions with ack="auto", which the broker counts as delivered: the
            program can still receive them from the subscription.
        unconfirmed: sends whose outcome is unknown.
        transactions: transactions that were open; the broker aborts them.
    """

    clean: bool
    unsettled: int = 0
    returned: int = 0
    queued: int = 0
    unconfirmed: int = 0
    transactions: int = 0
