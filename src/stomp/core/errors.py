"""Everything that stompkit raises, by who is to blame.

::

    StompError
    ├── UsageError               the caller: a verb in the wrong state, a value that cannot be used
    │   ├── FrameError           the caller: a frame that cannot be put on the wire safely
    │   ├── AddressError         the caller: an address that cannot be understood
    │   ├── AlreadySettled       the caller: a message was acknowledged or refused before
    │   └── Unsupported          the caller: this broker, or this version, cannot do that
    ├── NotConnected             there is no connection
    │   └── ConnectionLost       there was one, and it ended without having been asked to
    │       └── HeartbeatLost    the peer was silent for longer than it had promised
    ├── OutcomeUnknown           the broker may have done what was asked, or not
    │   ├── ReceiptMissing       it did not answer in time
    │   ├── RetriesExhausted     a SUBSCRIBE or SEND was given up: connection after connection was lost after it
    │   └── ReplyMissing         nobody answered a request in time
    ├── StaleDelivery            a message of an earlier connection: the broker delivers it again
    ├── TransactionVoid          the connection of a transaction is gone, and the transaction with it
    ├── ContentError             a body is not what its headers say
    ├── SendStalled              the broker has not read what we wrote for too long
    ├── RemoteProtocolError      the peer broke the protocol
    │   └── LimitExceeded        the peer sent more than the limits allow
    ├── BrokerError              the broker refused: it answered with an ERROR frame
    │   └── AuthenticationFailed the broker refused the login; trying again will not help
    └── ConnectFailed            no connection could be made; says where, in which phase, and why

Facts are fields, so programs need not parse texts. `hint` says what to do next, where that is known;
`str(error)` ends with it. No error text holds a password: redaction happens before an error is made. Every text is
one line without control characters, whatever the other side has sent: `BrokerError.frame` has it as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.diagnostics import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stomp.core.frames.frame import Frame


#: An error may put several texts of the network into one of its own.
_LONGEST = 2000


class StompError(Exception):
    """The root of the tree.

    Attributes:
        hint: what to do about it, a sentence, or an empty string.
        recent: the last frames of the connection, a line each, oldest first, without bodies and credentials. Only
            the errors of `stomp.Client` and `stomp.AsyncClient` about connections have them.
    """

    recent: tuple[str, ...] = ()

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        # Here, so that no text of the network reaches a log or a terminal raw by an error, wherever it is made.
        message, hint = one_line(message, _LONGEST), one_line(hint, _LONGEST)
        super().__init__(*([message] if message else []))
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        if self.message and self.hint:
            return f"{self.message} ({self.hint})"
        return self.message or self.hint or super().__str__()


class UsageError(StompError):
    """The call cannot be carried out as it was made. Nothing was sent."""


class FrameError(UsageError):
    """A frame cannot be encoded without changing its meaning for the peer. Nothing was sent.

    Raised for a newline or NUL where the protocol version cannot escape it (STOMP 1.2, "Value Encoding"):
    passing it on would let a value start a header or a frame of its own.
    """


class AddressError(UsageError):
    """A broker address is malformed."""


class AlreadySettled(UsageError):
    """The message was acknowledged or refused before, or a later one was in a cumulative subscription."""


class Unsupported(UsageError):
    """The broker, or the agreed version of STOMP, cannot do that, and would ignore it or misunderstand it."""


class NotConnected(StompError):
    """There is no connection. Nothing of this call was sent (but see `ConnectionLost`). Call `connect` first."""


class SendStalled(StompError):
    """The broker does not read: what was given to be sent waits in memory, in order.

    It goes out when the broker reads again. Brokers do this on purpose when they run short of memory or disk.
    """


class RemoteProtocolError(StompError):
    """The peer broke the protocol. The stream cannot be trusted any more, so the connection is closed.

    Attributes:
        received: what came in the place of a command, up to 64 bytes, if that is what was wrong.
    """

    def __init__(self, message: str = "", *, hint: str = "", received: bytes = b"") -> None:
        super().__init__(message, hint=hint)
        self.received = received


class LimitExceeded(RemoteProtocolError):
    """The peer sent more than `stomp.core.frames.limits.Limits` allows.

    Attributes:
        limit: the name of the field of `Limits`.
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
    """The broker refused the login. The same credentials will be refused again, so nothing retries this."""


class ConnectFailed(StompError):
    """No connection could be made.

    Attributes:
        address: the last address that was tried, as text, or an empty string.
        phase: "resolve", "tcp", "proxy", "tls", "websocket" or "stomp": how far that try came.
        frame: the broker's ERROR frame, if it sent one.
        failures: one error for each try that failed, oldest first.
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
    """An established connection ended without having been asked to.

    What was sent and not yet confirmed by a RECEIPT has an unknown outcome: the broker may have it or not.
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
    """The broker may have done what was asked, or not: there was no answer, and now there can be none.

    Sending it again may do it twice; not sending it again may leave it undone.
    """


class ReceiptMissing(OutcomeUnknown):
    """A RECEIPT did not come in time. The broker may have done what was asked, or not.

    Attributes:
        receipt: the receipt id that was waited for.
    """

    def __init__(self, message: str = "", *, receipt: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.receipt = receipt


class RetriesExhausted(OutcomeUnknown):
    """A SUBSCRIBE or a SEND was given up, because connections in a row were lost after it was sent.

    The message has the last reason, that of a WebSocket's close frame included. It is not sent again.

    Attributes:
        losses: how many connections were lost.
    """

    def __init__(self, message: str = "", *, losses: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.losses = losses


class ReplyMissing(OutcomeUnknown):
    """Nobody answered a request in time. It may have been carried out, or wait to be."""


class StaleDelivery(StompError):
    """The message came over a connection, or for a subscription, that is no more.

    It can be neither acknowledged nor refused. The broker counts it as not delivered and will deliver it again,
    to this subscription or to another one.
    """


class TransactionVoid(StompError):
    """The connection of a transaction was lost, and the broker has dropped the transaction. Begin a new one."""


class ContentError(StompError):
    """The body of a message is not what its headers say: not in that encoding, or larger than is allowed.

    The connection lives, and the message can still be acknowledged or refused.
    """
