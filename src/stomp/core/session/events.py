"""The events of a `Session`, which it returns in the order in which they happened.

A MESSAGE is its own event (`Message` is a `Frame`), and so is a RECEIPT: there are many of them, and a wrapper for each
would cost a tenth of the receiving speed. All other events are small records.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, ClassVar

from stomp.core.errors import StompError
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import Version
from stomp.core.session.ledger import ActiveSubscription, PendingReceipt


class MessageFrame(Frame):
    """A MESSAGE frame was received (client).

    Attributes:
        subscription: the subscription of the delivery; None if no active subscription matches (for example a reply
            to a temporary queue on RabbitMQ).
    """

    __slots__ = ("subscription",)
    slot_defaults: ClassVar[dict[str, Any]] = {"subscription": None}

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        self.command = command
        self.headers = headers
        self.body = body
        self.subscription: ActiveSubscription | None = None


class ListenerMessage(MessageFrame):
    """A `Message` whose headers a listener may change.

    Attributes:
        original: the headers as received. Use `as_they_came`, which reads both forms: a dictionary; or a tuple of a
            dictionary, the names of the headers whose values differ from it, and each of these values:
            ``({"a": "1", "b": "2"}, ("b",), "3")`` stands for ``{"a": "1", "b": "3"}``.
    """

    __slots__ = ("original",)
    slot_defaults: ClassVar[dict[str, Any]] = MessageFrame.slot_defaults
    keeps_original: ClassVar[bool] = True

    def __init__(self, command: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(command, headers, body)
        self.original: Any = dict(headers)

    def as_they_came(self) -> dict[str, Any]:
        """Return the headers as received, without the changes of a listener."""
        if type(self.original) is tuple:
            most, names, *values = self.original
            self.original = {**most, **dict(zip(names, values, strict=True))}
        headers: dict[str, Any] = self.original
        return headers


@dataclass(frozen=True, slots=True)
class Connected:
    """The CONNECTED frame was received (client) or sent (server). From now on all frames may be sent.

    Attributes:
        frame: the CONNECTED frame.
        version: the agreed version.
        heartbeat: milliseconds between our heart-beats and between the peer's; 0 for none.
    """

    frame: Frame
    version: Version
    heartbeat: tuple[int, int]


class Receipt(Frame):
    """A RECEIPT frame was received (client).

    Attributes:
        ticket: the pending receipt that it answers; None if none has this id, or it came after its deadline.
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
        """The frame itself: other events about a frame have this attribute, too."""
        return self


@dataclass(frozen=True, slots=True)
class ReceiptOverdue:
    """A RECEIPT did not arrive before its deadline. The broker may have processed the frame or not."""

    ticket: PendingReceipt


@dataclass(frozen=True, slots=True)
class Error:
    """An ERROR was received. Some brokers close the connection after it, others do not; `Closed` follows if they do.

    Attributes:
        frame: the ERROR frame.
        ticket: the pending receipt named by its ``receipt-id``, or None.
    """

    frame: Frame
    ticket: PendingReceipt | None


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """The peer sent a heart-beat."""


@dataclass(frozen=True, slots=True)
class HeartbeatSent:
    """A heart-beat is in the data to send."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame with an unknown command was received (client). It was ignored."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Tolerated:
    """The peer broke a rule, and its frame was accepted: see `stomp.core.frames.limits.Leniency`.

    Attributes:
        text: the rule and how the frame was read, for the log. There is one event per rule and connection.
    """

    text: str


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """A client sent CONNECT or STOMP (server). Call `ServerSession.accept` or `ServerSession.refuse`.

    Attributes:
        frame: the CONNECT or STOMP frame. It contains the credentials: do not log it.
        version: the version that will be agreed on.
    """

    frame: Frame
    version: Version


@dataclass(frozen=True, slots=True)
class Request:
    """A client sent a frame (server). It has all headers that its version requires."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A client sent a frame that breaks a rule, and the session has ignored it (server, with ``report_invalid``)."""

    frame: Frame
    error: StompError


class Reason(enum.Enum):
    """Why a connection ended."""

    CLEAN = "disconnected on request"
    EOF = "the peer closed the connection"
    FAILED = "the network failed"
    HEARTBEAT = "the peer was silent for too long"
    PROTOCOL = "there was a protocol error"
    REFUSED = "the broker refused the connection"
    ERROR = "the broker sent an ERROR, which ends the connection"
    TIMEOUT = "the broker did not answer in time"
    ABORTED = "closed on this side"


@dataclass(frozen=True, slots=True)
class Closed:
    """The session has ended. This is the last event. Write the remaining data to send, then close the socket.

    Attributes:
        reason: why it ended.
        error: the error for calls that are still waiting; None after a clean end.
        unanswered: the receipts that will not arrive any more; the outcome of their frames is unknown.
    """

    reason: Reason
    error: StompError | None
    unanswered: tuple[PendingReceipt, ...]

    @property
    def why(self) -> str:
        """The reason as text: that of the error, if there is one."""
        return self.error.message if self.error is not None else self.reason.value


Event = (
    MessageFrame
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
    | InvalidRequest
    | Closed
)
