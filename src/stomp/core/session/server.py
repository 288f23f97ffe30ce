"""The server side of a STOMP connection, for the embedded broker and `stomp.testing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.errors import LimitExceeded, RemoteProtocolError, UsageError
from stomp.core.frames import commands
from stomp.core.frames.decoder import HeartbeatMarker
from stomp.core.frames.frame import Frame
from stomp.core.frames.limits import Limits
from stomp.core.frames.versions import STOMP10, VERSIONS, Version
from stomp.core.session import heartbeat
from stomp.core.session.base import HEARTBEAT_RECEIVED, Session
from stomp.core.session.events import Connected, ConnectRequested, Event, InvalidRequest, Reason, Request
from stomp.core.session.state import Role, State, Transition, after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stomp.core.frames.commands import Extra
    from stomp.core.session.ledger import Ledger


#: An UNSUBSCRIBE with this header removes a durable subscription, which may belong to another connection.
_NAMED = "activemq.subscriptionName"
#: The commands whose ``transaction`` header must name an open transaction.
_TRANSACTED = ("SEND", "ACK", "NACK", "COMMIT", "ABORT")

#: The shortest interval of heart-beats that a server without one of its own agrees to, in milliseconds.
MIN_INTERVAL = 100


class ServerSession(Session):
    """The server side. Answer `ConnectRequested` with `accept` or `refuse`, and process each `Request` after that.

    On a protocol violation the session itself sends an ERROR and closes (STOMP 1.2, "ERROR").

    Args:
        versions: the supported versions.
        heartbeat: milliseconds between the heart-beats that this server can send, and that it wants to receive; None to
            offer what the client asks for, as RabbitMQ and ActiveMQ do, but at least `MIN_INTERVAL`.
        newline_after_frame: write a line feed after each frame, as RabbitMQ and ActiveMQ do: some clients (PHP's
            extension) wait for it. STOMP 1.2, "STOMP Frames", allows any number of them.
        limits: limits on what the client can make us store.
        ledger: the state that outlives this connection; None for a new one.
        tolerance: the number of agreed heart-beat intervals without a byte that are allowed.
        min_interval: the shortest interval of heart-beats that is agreed to if `heartbeat` is None, in milliseconds.
        report_invalid: report a frame that breaks a rule as `InvalidRequest`, instead of sending ERROR and closing: for
            servers that keep the connection open after an ERROR. Data that is no frame still ends the session.

    Raises:
        UsageError: `versions` is empty, or has an unknown version.
    """

    role = Role.SERVER

    def __init__(
        self,
        *,
        versions: Iterable[str] = ("1.0", "1.1", "1.2"),
        heartbeat: tuple[int, int] | None = (0, 0),
        newline_after_frame: bool = False,
        limits: Limits | None = None,
        ledger: Ledger | None = None,
        tolerance: float = heartbeat.TOLERANCE,
        min_interval: int = MIN_INTERVAL,
        report_invalid: bool = False,
    ) -> None:
        super().__init__(limits=limits, ledger=ledger, tolerance=tolerance)
        self._versions = tuple(versions)
        if not self._versions or not VERSIONS.keys() >= set(self._versions):
            raise UsageError(f"versions is {self._versions!r}", hint="take some of 1.0, 1.1 and 1.2")
        self._offered_heartbeat = heartbeat
        self._newline_after_frame = newline_after_frame
        self._min_interval = min_interval
        self._report_invalid = report_invalid
        self._requested_heartbeat = (0, 0)
        self._early_frames: list[Frame] = []  # frames received before CONNECTED was sent
        self._pending_error: tuple[RemoteProtocolError, str | None] | None = None
        self._receipt_requested: str | None = None  # the receipt that the current frame requests
        self.on_frame_sent: Callable[[Frame], None] | None = None  # called for each frame that is written

    # ------------------------------------------------------------------------------------- out

    def accept(self, now: float, *, headers: Extra = None) -> None:
        """Accept the connection: send CONNECTED. Frames that the client sent before are then among the events."""
        state = after(self.role, self.state, Transition.CONNECTED)
        version = self._version()
        requested = self._requested_heartbeat
        offered = self._offered_heartbeat
        if offered is None:
            theirs, ours = (max(each, self._min_interval) if each else 0 for each in requested)
            offered = ours, theirs
        frame = commands.connected(version, offered, headers=headers)
        self._write(frame, version)
        self.state = state
        if version.heartbeats:
            self._start_pulse(heartbeat.negotiate(offered, requested), now)
        self._events.append(Connected(frame, version, self.heartbeat))
        early, self._early_frames = self._early_frames, []
        try:
            for request in early:
                if self.state is not State.CLOSED:
                    self._receive_request(request)
        except RemoteProtocolError as err:
            self._broken(err)

    def refuse(
        self, message: str, *, detail: str = "", receipt_id: str | None = None, headers: Extra = None
    ) -> None:
        """Send an ERROR and end the session with `Closed`. Write `data_to_send`, then close the socket."""
        state = after(self.role, self.state, Transition.ERROR)
        frame = commands.error(message, detail=detail, receipt_id=receipt_id, headers=headers)
        self._write(frame, self.version or STOMP10)
        self.state: State = state
        self._closed_because(Reason.REFUSED, None)

    def forget(self, frame: Frame) -> None:
        """Undo what a SUBSCRIBE or BEGIN has changed, because the request was refused and the session goes on."""
        if frame.command == "SUBSCRIBE":
            self.ledger.record_frame("UNSUBSCRIBE", frame.headers)
        elif frame.command == "BEGIN":
            self.ledger.record_frame("ABORT", frame.headers)

    def deliver(self, frame: Frame) -> None:
        """Send a MESSAGE, or an ERROR after which the session goes on."""
        self._move(Transition.DELIVERY)
        self._write(frame, self._version())

    def receipt(self, id: str) -> None:
        """Send a RECEIPT."""
        self._move(Transition.DELIVERY)
        self._write(commands.receipt(id), self._version())

    def finish_disconnect(self) -> None:
        """End the session after the client's DISCONNECT was processed. Write `data_to_send`, then close the socket."""
        self._close(Reason.CLEAN, None)

    # ------------------------------------------------------------------------------------- inside

    def _write(self, frame: Frame, version: Version) -> None:
        super()._write(frame, version)
        if self.on_frame_sent is not None:
            self.on_frame_sent(frame)
        if self._newline_after_frame:
            # No part of its own: over a WebSocket it belongs to the message of the frame, as in RabbitMQ.
            self._out[-1] += b"\n"
            self.outgoing += 1

    def _tick(self, now: float) -> None:
        pass

    def _deadline(self) -> float | None:
        return None

    def _version(self) -> Version:
        assert self.version is not None, "a version is agreed on when ConnectRequested is reported"
        return self.version

    @property
    def has_pending_error(self) -> bool:
        """True while an ERROR is delayed until the requests before it have been answered; see `events`."""
        return self._pending_error is not None

    def receive_data(self, data: bytes, now: float) -> None:
        """See `Session.receive_data`. Data after a protocol violation is ignored."""
        if self._pending_error is None:
            super().receive_data(data, now)

    def events(self) -> list[Event]:
        """Return the events since the last call. Call it again until it returns an empty list.

        If a protocol violation follows the returned requests, the next call sends its ERROR and returns `Closed`. So
        answer the requests first: then the client gets their receipts before the ERROR.
        """
        events = super().events()
        if not events and self._pending_error is not None:
            (error, receipt), self._pending_error = self._pending_error, None
            if self.state is not State.CLOSED:
                self._fail(error, receipt)
            events = super().events()
        return events

    def _broken(self, error: RemoteProtocolError) -> None:
        if any(isinstance(event, Request) for event in self._events):
            self._pending_error = error, self._receipt_requested
        else:
            self._fail(error, self._receipt_requested)

    def _fail(self, error: RemoteProtocolError, receipt: str | None) -> None:
        frame = commands.error(error.message, receipt_id=receipt)
        self._write(frame, self.version or STOMP10)
        self._close(Reason.PROTOCOL, error)

    def _process_frames(self, frames: list[Frame | HeartbeatMarker], now: float) -> None:
        for frame in frames:
            if self.state is State.CLOSED:
                return
            if isinstance(frame, HeartbeatMarker):
                self.counters.heartbeats_received += 1
                self._events.append(HEARTBEAT_RECEIVED)
                continue
            self.counters.frames_received += 1
            if self.state is State.IDLE:
                self._connect(frame)
            elif self.state is State.CONNECTING:
                self._buffer_early_frame(frame)
            else:
                self._receive_request(frame)

    def _receive_request(self, frame: Frame) -> None:
        try:
            self._request(frame)
        except RemoteProtocolError as err:
            if not self._report_invalid:
                raise
            self._receipt_requested = None
            self._events.append(InvalidRequest(frame, err))

    def _connect(self, frame: Frame) -> None:
        if frame.command not in ("CONNECT", "STOMP"):
            raise RemoteProtocolError(f"the first frame must be CONNECT, not {frame.command[:20]}")
        wanted = [number.strip() for number in frame.headers.get("accept-version", "1.0").split(",")]
        common = [number for number in self._versions if number in wanted]
        if not common:
            supported = ",".join(self._versions)
            # STOMP 1.2, "Protocol Negotiation": the ERROR lists the supported versions.
            self.refuse(f"Supported protocol versions are {supported}", headers={"version": supported})
            return
        self._requested_heartbeat = heartbeat.parse(frame.headers.get("heart-beat", "0,0"))
        version = VERSIONS[max(common)]
        self._move(Transition.CONNECT)
        self.version = self._decoder.version = version
        self._events.append(ConnectRequested(frame, version))

    def _buffer_early_frame(self, frame: Frame) -> None:
        if len(self._early_frames) >= self.limits.early_frames:
            raise LimitExceeded(
                f"more than {self.limits.early_frames} frames before CONNECTED", limit="early_frames"
            )
        self._early_frames.append(frame)

    def _request(self, frame: Frame) -> None:
        command = frame.command
        receipt = frame.headers.get("receipt")
        if receipt is not None and not self._version().carries(receipt):
            raise RemoteProtocolError("the receipt id holds a character that no RECEIPT can carry")
        # STOMP 1.2, "ERROR": an ERROR about a frame that requested a receipt has its receipt-id.
        self._receipt_requested = receipt
        if command not in commands.CLIENT_COMMANDS:
            raise RemoteProtocolError(f"{command[:20]} is not a frame of a client")
        if command in ("CONNECT", "STOMP"):
            raise RemoteProtocolError("already connected")
        if self.state is State.DISCONNECTING:
            raise RemoteProtocolError(f"{command} after DISCONNECT")
        version = self._version()
        if command == "NACK" and not version.nack:
            raise RemoteProtocolError(f"STOMP {version.number} has no NACK")
        for name in commands.required(version, command):
            if name not in frame.headers:
                raise RemoteProtocolError(f"{command} needs the header {name}")
        self._move(Transition.DISCONNECT if command == "DISCONNECT" else Transition.FRAME)
        self._check(command, frame)
        self.ledger.record_frame(command, frame.headers)
        self._events.append(Request(frame))
        self._receipt_requested = None

    def _check(self, command: str, frame: Frame) -> None:
        """Raise `RemoteProtocolError` for a frame that contradicts the ledger, such as an unknown transaction."""
        headers = frame.headers
        transaction = headers.get("transaction")
        known = self.ledger.transactions
        if command == "BEGIN":
            if transaction in known:
                raise RemoteProtocolError(f"transaction {transaction!r:.60} has already begun")
        elif transaction is not None and command in _TRANSACTED and transaction not in known:
            raise RemoteProtocolError(f"there is no transaction {transaction!r:.60}")
        id = headers.get("id", headers.get("destination", ""))
        if command == "SUBSCRIBE":
            if id in self.ledger.subscriptions:
                raise RemoteProtocolError(f"there is a subscription {id!r:.60} already")
            if headers.get("ack", "auto") not in ("auto", "client", "client-individual"):
                raise RemoteProtocolError("ack must be auto, client or client-individual")
        elif command == "UNSUBSCRIBE" and id not in self.ledger.subscriptions and _NAMED not in headers:
            raise RemoteProtocolError(f"there is no subscription {id!r:.60}")
