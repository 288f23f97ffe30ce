"""What a `Session` tells its driver, in the order in which it happened.

A MESSAGE is its own event (`Message` is a `Frame`), and so is a RECEIPT, because there are many of them and a wrapper
for each would cost a tenth of the receiving speed. Everything else is a small record.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar

from stomp.core.errors import StompError
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import Dialect
from stomp.core.session.ledger import PendingReceipt, Subscription
from stomp.core.structs import record


class Message(Frame):
    """A MESSAGE frame arrived (client).

    Attributes:
        subscription: what it was delivered for; None when no subscription of ours fits (a reply to a
            temporary queue on RabbitMQ, for one).
    """

    __slots__ = ("subscription",)
    slot_defaults: ClassVar[dict[str, Any]] = {"subscription": None}

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        self.command = command
        self.headers = headers
        self.body = body
        self.subscription: Subscription | None = None


class ListenerMessage(Message):
    """A `Message` whose headers a listener may change.

    Attributes:
        original: the headers as received: a dictionary, or a tuple of a dictionary, the names of the headers with other
            values, and each of these values. `as_they_came` reads both forms.
    """

    __slots__ = ("original",)
    slot_defaults: ClassVar[dict[str, Any]] = Message.slot_defaults
    keeps_original: ClassVar[bool] = True

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(command, headers, body)
        self.original: Any = dict(headers)

    def as_they_came(self) -> dict[str, Any]:
        """The headers as they came."""
        if type(self.original) is tuple:
            most, names, *values = self.original
            self.original = {**most, **dict(zip(names, values, strict=True))}
        headers: dict[str, Any] = self.original
        return headers


@record
class Connected:
    """The CONNECTED frame arrived (client), or was sent (server). Frames may flow.

    Attributes:
        frame: the CONNECTED frame.
        dialect: the agreed version.
        heartbeat: milliseconds between our beats and between the peer's, 0 for none.
    """

    frame: Frame
    dialect: Dialect
    heartbeat: tuple[int, int]


class Receipt(Frame):
    """A RECEIPT frame arrived.

    Attributes:
        ticket: what was waited for; None if nobody asked, or it came too late.
    """

    __slots__ = ("ticket",)
    slot_defaults: ClassVar[dict[str, Any]] = {"ticket": None}

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        self.command = command
        self.headers = headers
        self.body = body
        self.ticket: PendingReceipt | None = None

    @property
    def frame(self) -> Frame:
        """Itself: other events have a frame."""
        return self


@record
class ReceiptOverdue:
    """A RECEIPT did not come in time. Whether the broker did what was asked is unknown."""

    ticket: PendingReceipt


@record
class Error:
    """An ERROR arrived. Some brokers then close the connection, others do not; `Closed` follows if they do.

    Attributes:
        frame: the ERROR frame.
        ticket: the frame it answers, where the broker says so by ``receipt-id``.
    """

    frame: Frame
    ticket: PendingReceipt | None


@record
class HeartbeatReceived:
    """The peer sent a heart-beat."""


@record
class HeartbeatSent:
    """A heart-beat of ours is in the data to send."""


@record
class Unknown:
    """A frame with a command that STOMP does not define arrived (client). It was ignored."""

    frame: Frame


@record
class Tolerated:
    """The peer broke a rule, and its frame was read all the same: see `stomp.core.frames.limits.Leniency`.

    Attributes:
        text: which rule, and what was done, for the log. Of each rule there is one on a connection.
    """

    text: str


@record
class ConnectRequested:
    """A client wants to connect (server). Answer by `Session.accept` or `Session.refuse`.

    Attributes:
        frame: the CONNECT or STOMP frame, credentials included: do not log it.
        dialect: the version that will be agreed on.
    """

    frame: Frame
    dialect: Dialect


@record
class Request:
    """A client sent a frame (server). It has the headers its version requires."""

    frame: Frame


class Reason(enum.Enum):
    """Why a connection ended."""

    CLEAN = "disconnected as asked"
    EOF = "the peer closed the connection"
    FAILED = "the network failed"
    HEARTBEAT = "the peer was silent for too long"
    PROTOCOL = "the protocol was broken"
    REFUSED = "the broker refused the connection"
    ERROR = "the broker sent an ERROR, which ends the connection"
    TIMEOUT = "the broker did not answer in time"
    ABORTED = "closed on this side"


@record
class Closed:
    """The session is over: the last event, exactly once. Send what is still to be sent, then close the socket.

    Attributes:
        reason: why.
        error: the error to raise to those who still wait, None after a clean end.
        unanswered: receipts that will never come; the outcome of their frames is unknown.
    """

    reason: Reason
    error: StompError | None
    unanswered: tuple[PendingReceipt, ...]

    @property
    def why(self) -> str:
        """In words."""
        return self.error.message if self.error is not None else self.reason.value


Event = (
    Message
    | Connected
    | Receipt
    | ReceiptOverdue
    | Error
    | HeartbeatReceived
    | HeartbeatSent
    | Unknown
    | Tolerated
    | ConnectRequested
    | Request
    | Closed
)
