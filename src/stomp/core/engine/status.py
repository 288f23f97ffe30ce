"""How far a client has come, over all its connections, and how it is told."""

from __future__ import annotations

import enum
from collections import deque

from stomp.core.engine.effects import Signal
from stomp.core.structs import dataclass

#: How many state changes wait for somebody who looks at them one by one; older ones are dropped.
_LOGGED = 1000


class ClientState(enum.Enum):
    """The states of a client."""

    NEW = "new"  #: connect was not called yet
    CONNECTING = "connecting"  #: for the first time
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"  #: the connection was lost, the next one is being made
    CLOSING = "closing"  #: close or drain was called
    CLOSED = "closed"  #: as asked
    FAILED = "failed"  #: it was given up

    @property
    def over(self) -> bool:
        """True when there will be no connection any more, unless `connect` is called again."""
        return self in (ClientState.CLOSED, ClientState.FAILED)


def is_loss(before: ClientState, state: ClientState) -> bool:
    """True for a change to warn of. When `connect` fails, its caller gets the error."""
    failed = state is ClientState.FAILED and before is not ClientState.CONNECTING
    return failed or state is ClientState.RECONNECTING


@dataclass(frozen=True, slots=True)
class StateChange:
    """A client came into another state.

    Attributes:
        state: the new one.
        before: the old one.
        reason: why, in words.
        error: the error behind it, if it was one.
        address: the broker that it is about, as text; empty if none.
        generation: which connection of this client it is about, counted from 1; 0 before the first.
        broker: the kind of broker, where it is known; see `stomp.core.engine.broker_profiles`.
    """

    state: ClientState
    before: ClientState
    reason: str
    error: BaseException | None = None
    address: str = ""
    generation: int = 0
    broker: str = ""


class StateChangeQueue(Signal):
    """State changes that nobody has looked at yet, for those who want them one by one."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        super().__init__()
        self.changes: deque[StateChange] = deque(maxlen=_LOGGED)

    def note(self, change: StateChange) -> None:
        """There is one more."""
        self.changes.append(change)
        self.fire()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What a client has done so far, over all its connections.

    Attributes:
        connections: how many connections were made.
        frames_sent: frames.
        frames_received: frames.
        bytes_sent: bytes on the level of STOMP.
        bytes_received: bytes on the level of STOMP.
        heartbeats_sent: heart-beats.
        heartbeats_received: heart-beats.
        messages: messages that came for a subscription.
        unmatched: messages for no subscription, or for one that has ended.
        queued: messages that arrived and were not received by the program yet.
        confirmed: confirmed sends that the broker has.
        refused: confirmed sends that it refused.
        unknown: confirmed sends with no answer.
        resent: sends that were repeated on a new connection.
        in_flight: confirmed sends without an answer yet.
        errors: ERROR frames.
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
    """What was left when a client was drained.

    Attributes:
        clean: nothing was left, and the broker said good-bye.
        unsettled: messages that were handed out and neither acknowledged nor refused; the broker delivers them again.
        returned: messages that had come and were not handed out; the broker delivers them again.
        queued: such messages of subscriptions with ack="auto", which the broker counts as delivered: they can still be
            taken from the subscription.
        unconfirmed: sends whose outcome is unknown.
    """

    clean: bool
    unsettled: int = 0
    returned: int = 0
    queued: int = 0
    unconfirmed: int = 0
