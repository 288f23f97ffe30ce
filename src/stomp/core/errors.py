"""All exceptions of stompkit. The class shows the cause.

::

    StompError
    ├── UsageError               the caller: a method called in the wrong state, or an invalid argument
    │   ├── FrameError           the caller: a frame that cannot be encoded without changing its meaning
    │   ├── AddressError         the caller: an invalid address
    │   ├── AlreadySettled       the caller: the message was already acknowledged or rejected
    │   └── Unsupported          the caller: this broker or this version of STOMP does not support that
    ├── NotConnected             there is no connection
    │   └── ConnectionLost       the connection ended without a DISCONNECT
    │       └── HeartbeatLost    the peer sent nothing for longer than it had promised
    ├── OutcomeUnknown           the broker may have processed the request or not
    │   ├── ReceiptMissing       there was no RECEIPT in time
    │   ├── RetriesExhausted     a SUBSCRIBE or SEND was abandoned: several connections in a row were lost after it
    │   └── ReplyMissing         there was no reply to a request in time
    ├── StaleDelivery            a message of an earlier connection or subscription: the broker delivers it again
    ├── TransactionVoid          the connection of a transaction was lost, and the transaction with it
    ├── ContentError             a body does not match its headers
    ├── SendStalled              the broker has not read from the connection for too long
    ├── RemoteProtocolError      the peer violated the protocol
    │   └── LimitExceeded        the peer exceeded a limit
    ├── BrokerError              the broker answered with an ERROR frame
    │   └── AuthenticationFailed the broker refused the login; a retry does not help
    └── ConnectFailed            no connection could be made; has the address, the phase and the reason

Rules of this file:

- Details are attributes, so that programs need not parse texts.
- `hint` says what to do next, where that is known; `str(error)` ends with it.
- No error text contains a password: values are redacted before an error is created.
- Every text is one line without control characters, whatever the peer has sent. `BrokerError.frame` has the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.diagnostics import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.core.frames.frame import Frame


#: The maximum length of a text of an error. It may contain several texts from the network.
_LONGEST = 2000


class StompError(Exception):
    """The base class of all errors.

    Attributes:
        message: what happened.
        hint: what to do about it, a sentence, or an empty string.
        recent: the last frames of the connection, a line each, oldest first, without bodies and credentials. Only
            the errors of `stomp.Client` and `stomp.AsyncClient` about connections have them.
    """

    recent: tuple[str, ...] = ()

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        # Escaped here, in one place for all errors: no raw text from the network reaches a log or a terminal.
        message, hint = one_line(message, _LONGEST), one_line(hint, _LONGEST)
        super().__init__(*([message] if message else []))
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if self.message and self.hint:
            return f"{self.message} ({self.hint})"
        return self.message or self.hint or super().__str__()


class UsageError(StompError):
    """The call is invalid: a wrong argument, or a wrong state. Nothing was sent."""


class FrameError(UsageError):
    """A frame cannot be encoded without changing its meaning for the peer. Nothing was sent.

    Raised for a newline or NUL that the protocol version cannot escape (STOMP 1.2, "Value Encoding"): if it were
    sent, a value could inject a header or a frame.
    """


class AddressError(UsageError):
    """A broker address is malformed."""


class AlreadySettled(UsageError):
    """The message was already acknowledged or rejected, or a later one was in a subscription with ack="client"."""


class Unsupported(UsageError):
    """The broker or the agreed version of STOMP does not support that, and would ignore or misread it."""


class NotConnected(StompError):
    """There is no connection. Nothing of this call was sent (but see `ConnectionLost`). Call `connect` first."""


class SendStalled(StompError):
    """The broker does not read from the connection, or does not confirm sends while the window is full.

    Accepted frames are buffered in memory, in order, and are written when the broker reads again. Brokers stop reading
    on purpose when they run short of memory or disk.
    """


class RemoteProtocolError(StompError):
    """The peer violated the protocol. The stream cannot be trusted any more, so the connection is closed.

    Attributes:
        received: the bytes received in place of a command, up to 64, if that was the violation; else empty.
    """

    def __init__(self, message: str = "", *, hint: str = "", received: bytes = b"") -> None:
        super().__init__(message, hint=hint)
        self.received = received


class LimitExceeded(RemoteProtocolError):
    """The peer exceeded one of `stomp.core.frames.limits.Limits`.

    Attributes:
        limit: the name of the attribute of `Limits`.
    """

    def __init__(self, message: str = "", *, limit: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.limit = limit


class BrokerError(StompError):
    """The broker answered with an ERROR frame (STOMP 1.2, "ERROR").

    Attributes:
        frame: the ERROR frame, or None.
    """

    def __init__(self, message: str = "", *, frame: Frame | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.frame = frame


class AuthenticationFailed(BrokerError):
    """The broker refused the login. The same credentials would be refused again, so there is no automatic retry."""


class ConnectFailed(StompError):
    """No connection could be made.

    Attributes:
        address: the last address that was tried, as text, or an empty string.
        phase: "resolve", "tcp", "proxy", "tls", "websocket" or "stomp": the phase in which that attempt failed.
        frame: the broker's ERROR frame, or None.
        failures: one error for each failed attempt, oldest first.
    """

    def __init__(
        self,
        message: str = "",
        *,
        address: str = "",
        phase: str = "",
        frame: Frame | None = None,
        failures: Sequence[BaseException] = (),
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.address = address
        self.phase = phase
        self.frame = frame
        self.failures: tuple[BaseException, ...] = tuple(failures)


class ConnectionLost(NotConnected):
    """An established connection ended without a DISCONNECT.

    The outcome of frames that were sent and not confirmed by a RECEIPT is unknown: the broker may have them or not.
    """


class HeartbeatLost(ConnectionLost):
    """No byte arrived within the time the peer had promised (STOMP 1.2, "Heart-beating").

    Attributes:
        silence: seconds since the last byte was read.
    """

    def __init__(self, message: str = "", *, silence: float = 0.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.silence = silence


class OutcomeUnknown(StompError):
    """The broker may have processed the request or not: it did not answer in time, or can no longer answer.

    If you send it again it may be processed twice; if you do not, it may not be processed at all.
    """


class ReceiptMissing(OutcomeUnknown):
    """A RECEIPT did not arrive in time. The broker may have processed the frame or not.

    Attributes:
        receipt: the receipt id.
    """

    def __init__(self, message: str = "", *, receipt: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.receipt = receipt


class RetriesExhausted(OutcomeUnknown):
    """A SUBSCRIBE or a SEND was abandoned, because several connections in a row were lost after it was sent.

    It is not sent again. The error text includes the reason of the last loss, such as that of a WebSocket close frame.

    Attributes:
        losses: the number of connections that were lost.
    """

    def __init__(self, message: str = "", *, losses: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.losses = losses


class ReplyMissing(OutcomeUnknown):
    """There was no reply to a request in time. The request may have been processed, or may still be queued."""


class StaleDelivery(StompError):
    """The message was delivered on a connection, or to a subscription, that has ended.

    It can be neither acknowledged nor rejected. For the broker it is unacknowledged, and it will be delivered again, to
    this subscription or to another one.
    """


class TransactionVoid(StompError):
    """The connection of a transaction was lost, so the broker has rolled the transaction back. Begin a new one."""


class ContentError(StompError):
    """The body of a message cannot be decoded as its headers say, or is larger than allowed after decompression.

    The connection stays open, and the message can still be acknowledged or rejected.
    """
