"""The client side of a STOMP connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
    NotConnected,
    ReceiptMissing,
    RemoteProtocolError,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.frames import native as native_codec
from stomp.core.frames.decoder import HeartbeatMarker
from stomp.core.frames.encoder import core_frame, encode_general, encode_plain
from stomp.core.frames.frame import Frame, Headers, OutgoingFrame, text_of
from stomp.core.frames.limits import LENIENT, Lenient, Limits
from stomp.core.frames.versions import STOMP10, VERSIONS, Version
from stomp.core.session import heartbeat
from stomp.core.session.base import HEARTBEAT_RECEIVED, Session, earlier
from stomp.core.session.error_frames import ConnectRequest, connect_error_from, error_text, lost, request_of
from stomp.core.session.events import Connected, Error, MessageFrame, Reason, Receipt, ReceiptOverdue, Unknown
from stomp.core.session.state import Role, State, Transition, after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stomp.core.frames.commands import Extra
    from stomp.core.session.ledger import Ledger, PendingReceipt

#: A module variable for the frequent calls: reading a member of an enum class takes 0.1 us.
_CONNECTED = State.CONNECTED
_CONNECTING = State.CONNECTING
_FLOWING = (State.CONNECTED, State.DISCONNECTING)
#: Frames that change the state of the session.
_STATE_COMMANDS = frozenset({"CONNECT", "STOMP", "DISCONNECT"})


class ClientSession(Session):
    """The client side. Call `connect` first; call the other methods once `events` has returned `Connected`.

    Args:
        message_class: the class of MESSAGE frames.
        receipt_class: the class of RECEIPT frames. For all other arguments see `Session`.
        error_ends: function that gets the ``server`` header of CONNECTED and returns True if an ERROR ends the
            connection. None: an ERROR after CONNECTED does not.

    >>> session = ClientSession()
    >>> session.connect(["1.2"], "/")
    >>> session.data_to_send(now=0.0)
    [b'CONNECT\\naccept-version:1.2\\nhost:/\\n\\n\\x00']
    >>> session.receive_data(b"CONNECTED\\nversion:1.2\\n\\n\\0", now=0.1)
    >>> session.events()[0].version.number
    '1.2'
    """

    role = Role.CLIENT

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        lenient: Lenient = LENIENT,
        ledger: Ledger | None = None,
        tolerance: float = heartbeat.TOLERANCE,
        message_class: type[MessageFrame] = MessageFrame,
        receipt_class: type[Receipt] = Receipt,
        error_ends: Callable[[str | None], bool] | None = None,
    ) -> None:
        classes = {"MESSAGE": message_class, "RECEIPT": receipt_class}
        super().__init__(limits=limits, lenient=lenient, ledger=ledger, tolerance=tolerance, classes=classes)
        self._request = ConnectRequest()
        self._requested_heartbeat = (0, 0)
        self._connect_deadline: float | None = None
        self._disconnecting = False  # DISCONNECT was sent or queued
        self._disconnect_receipt: PendingReceipt | None = None  # the receipt of DISCONNECT
        self._last_error: Frame | None = None
        self._error_ends = error_ends
        self._is_error_final = False
        self.has_acked: bool = False  # True once an ACK was sent

    # ------------------------------------------------------------------------------------- out

    def transmit(
        self, frame: OutgoingFrame, *, escaped: bool = False, deadline: float | None = None
    ) -> PendingReceipt | None:
        """Send a frame. `connect`, `send`, `subscribe` and the other methods call it.

        A frame given before CONNECTED is queued until then; that requires that CONNECT offered a single version.

        Args:
            frame: the frame. The headers ``accept-version`` and ``heart-beat`` of a CONNECT determine the offer.
            escaped: the headers are already escaped: see `stomp.core.frames.encoder.encode_parts`.
            deadline: when the RECEIPT is overdue; for a CONNECT, when the CONNECTED is.

        Returns:
            The pending receipt if the frame has a ``receipt`` header, else None. The same object is in the event
            `Receipt`, `Error`, `ReceiptOverdue` or `Closed` that resolves it.

        Raises:
            NotConnected: the state does not allow the frame.
            UsageError: no version was negotiated yet.
            Unsupported: the broker cannot receive the frame over this transport.
            FrameError: it cannot be encoded.
        """
        command, state = frame.command, self.state
        # In the state CONNECTED the table of states allows all other frames. The look-up is skipped for speed.
        if state is not _CONNECTED or command in _STATE_COMMANDS or type(command) is not str:
            command = text_of(command)
            if command == "CONNECT" or command == "STOMP":
                self._transmit_connect(core_frame(frame), deadline)
                return None
            move = Transition.DISCONNECT if command == "DISCONNECT" else Transition.FRAME
            state = after(self.role, state, move)
            if self._disconnecting:
                raise NotConnected(f"{command} after DISCONNECT", hint="connect again")
        version, headers = self.version, frame.headers
        if version is None:
            raise UsageError(f"{command} before a version was negotiated", hint="wait for CONNECTED")
        native = native_codec.native
        if native is None:
            parts = encode_plain(command, headers, frame.body, version if escaped else None)
        else:
            codes = version.codes if escaped else None
            parts = native.encode_plain(command, headers, frame.body, codes, Headers)
        if parts is None:
            frame = core_frame(frame)
            headers = frame.headers
            parts = encode_general(frame, version, escaped=escaped)
        if self._frame_check is not None:
            self._frame_check(b"".join(parts))
        if command != "SEND":
            self.ledger.record_frame(command, headers, version if escaped else None)
            if command == "ACK":
                self.has_acked = True
        ticket = None
        receipt = headers.get("receipt")
        if receipt is not None:
            if type(receipt) is not str or (escaped and "\\" in receipt):
                receipt = _plain_value(receipt, version if escaped else None)
            ticket = self.ledger.expect_receipt(receipt, command, deadline)
        if state is _CONNECTING:
            self._queued_frames.append(parts)
        else:
            self._out += parts
            self.outgoing += len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
        self.counters.frames_sent += 1
        if state is not _CONNECTED and command == "DISCONNECT":
            self._start_disconnect(ticket, state)
        return ticket

    def connect(
        self,
        versions: Iterable[str] = ("1.0", "1.1", "1.2"),
        host: str | None = None,
        *,
        login: str | None = None,
        passcode: str | None = None,
        heartbeat: tuple[int, int] = (0, 0),
        headers: Extra = None,
        command: str = "CONNECT",
        deadline: float | None = None,
    ) -> None:
        """Send CONNECT. The event `Connected` or `Closed` follows."""
        who = {"login": login, "passcode": passcode}
        frame = commands.connect(versions, host, heartbeat=heartbeat, headers=headers, command=command, **who)
        self.transmit(frame, deadline=deadline)

    def send(
        self,
        destination: str,
        body: bytes,
        *,
        content_type: str | None = None,
        content_length: bool = True,
        transaction: str | None = None,
        receipt: str | None = None,
        headers: Extra = None,
        deadline: float | None = None,
    ) -> PendingReceipt | None:
        """Send a message. If `receipt` is given, the event `Receipt` confirms that the broker has it."""
        frame = commands.send(
            destination,
            body,
            content_type=content_type,
            content_length=content_length,
            transaction=transaction,
            receipt=receipt,
            headers=headers,
        )
        return self.transmit(frame, deadline=deadline)

    def subscribe(
        self,
        destination: str,
        id: str | None = None,
        *,
        ack: str = "auto",
        receipt: str | None = None,
        headers: Extra = None,
        deadline: float | None = None,
    ) -> PendingReceipt | None:
        """Subscribe to a destination. Its messages are `Message` events."""
        frame = commands.subscribe(
            self._require_version(), destination, id, ack=ack, receipt=receipt, headers=headers
        )
        return self.transmit(frame, deadline=deadline)

    def unsubscribe(
        self,
        id: str | None = None,
        *,
        destination: str | None = None,
        receipt: str | None = None,
        headers: Extra = None,
        deadline: float | None = None,
    ) -> PendingReceipt | None:
        """End a subscription. Messages that the broker has already sent may still arrive."""
        frame = commands.unsubscribe(
            self._require_version(), id, destination=destination, receipt=receipt, headers=headers
        )
        return self.transmit(frame, deadline=deadline)

    def ack(
        self,
        message: str,
        subscription: str | None = None,
        *,
        negative: bool = False,
        transaction: str | None = None,
        receipt: str | None = None,
        headers: Extra = None,
        deadline: float | None = None,
    ) -> PendingReceipt | None:
        """Acknowledge a message, or reject it if `negative`: see `stomp.core.frames.commands.ack` for the arguments."""
        frame = commands.ack(
            self._require_version(),
            message,
            subscription,
            negative=negative,
            transaction=transaction,
            receipt=receipt,
            headers=headers,
        )
        return self.transmit(frame, deadline=deadline)

    def begin(self, transaction: str, *, receipt: str | None = None) -> PendingReceipt | None:
        """Begin a transaction."""
        return self.transmit(commands.transaction("BEGIN", transaction, receipt=receipt))

    def commit(self, transaction: str, *, receipt: str | None = None) -> PendingReceipt | None:
        """Commit a transaction."""
        return self.transmit(commands.transaction("COMMIT", transaction, receipt=receipt))

    def rollback(self, transaction: str, *, receipt: str | None = None) -> PendingReceipt | None:
        """Roll a transaction back: send ABORT. (`abort` ends the session.)"""
        return self.transmit(commands.transaction("ABORT", transaction, receipt=receipt))

    def disconnect(
        self, receipt: str | None = None, *, deadline: float | None = None
    ) -> PendingReceipt | None:
        """Send DISCONNECT. `Closed` follows when the RECEIPT arrives; without `receipt`, at once."""
        return self.transmit(commands.disconnect(receipt), deadline=deadline)

    # ------------------------------------------------------------------------------------- inside

    def _require_version(self) -> Version:
        if self.version is None:
            after(self.role, self.state, Transition.FRAME)
            raise UsageError("no version was negotiated yet", hint="wait for CONNECTED")
        return self.version

    def _transmit_connect(self, frame: Frame, deadline: float | None) -> None:
        state = after(self.role, self.state, Transition.CONNECT)
        offered = tuple(v.strip() for v in frame.headers.get("accept-version", "1.0").split(","))
        try:
            requested = heartbeat.parse(frame.headers.get("heart-beat", "0,0"))
        except RemoteProtocolError as err:
            raise UsageError(err.message, hint="two numbers of milliseconds, 0 for none") from None
        self._write(frame, STOMP10)
        self.state = state
        self._request = request_of(frame.headers, offered)
        self._requested_heartbeat = requested
        self._connect_deadline = deadline
        if len(offered) == 1:
            # With a single offer the version is known, so frames can be encoded and queued before CONNECTED.
            self.version = VERSIONS.get(offered[0])

    def _start_disconnect(self, ticket: PendingReceipt | None, state: State) -> None:
        self._disconnecting = True
        self._disconnect_receipt = ticket
        self.state: State = state
        if ticket is None and state is State.DISCONNECTING:
            self._close(Reason.CLEAN, None)

    def _process_frames(self, frames: list[Frame | HeartbeatMarker], now: float) -> None:
        flowing = self.state in _FLOWING
        subscriptions = self.ledger.subscriptions
        # Before STOMP 1.2 an ack header of a MESSAGE was set by its sender and has no meaning here.
        by_ack = self.version is not None and self.version.ack_header == "id"
        events = self._events
        first = len(events)
        taken = 0
        native = native_codec.native
        if native is not None and flowing:
            taken = native.route(frames, 0, MessageFrame, subscriptions, by_ack, events)
            frames = frames[taken:]
        try:
            for frame in frames:
                if flowing and isinstance(frame, MessageFrame):
                    # By far the most frequent branch.
                    headers = frame.headers
                    id = headers.get("subscription")
                    if id is None:
                        id = headers.get("destination", "")
                    frame.subscription = subscription = subscriptions.get(id)
                    if subscription is not None and subscription.acknowledges:
                        message = (by_ack and headers.get("ack")) or headers.get("message-id", "")
                        subscription.unacked[message] = None
                    events.append(frame)
                elif isinstance(frame, HeartbeatMarker):
                    self.counters.heartbeats_received += 1
                    events.append(HEARTBEAT_RECEIVED)
                    continue
                elif self.state is State.CLOSED:
                    return
                else:
                    self._process_control_frame(frame, now)
                    flowing = self.state in _FLOWING
                taken += 1
        finally:
            self.counters.frames_received += taken
            if self.version is STOMP10:
                for event in events[first:]:
                    if isinstance(event, MessageFrame) and event.subscription is None:
                        event.subscription = self.ledger.match_by_destination(event.headers)

    def _process_control_frame(self, frame: Frame, now: float) -> None:
        command = frame.command
        if isinstance(frame, Receipt):
            if self.state is not _CONNECTED:
                self._check_transition(Transition.DELIVERY, command)
            frame.ticket = ticket = self.ledger.resolve_receipt(frame.headers.get("receipt-id"))
            self._events.append(frame)
            if (
                ticket is not None
                and ticket is self._disconnect_receipt
                and self.state is State.DISCONNECTING
            ):
                self._close(Reason.CLEAN, None)
        elif command == "CONNECTED":
            self._connected(frame, now)
        elif command == "ERROR":
            self._error(frame)
        else:
            # A MESSAGE comes here only in a state that does not allow it.
            self._check_transition(Transition.DELIVERY, command[:20])
            self._events.append(Unknown(frame))

    def _check_transition(self, move: Transition, command: str) -> None:
        try:
            after(self.role, self.state, move)
        except NotConnected:
            raise RemoteProtocolError(f"the broker sent {command} while {self.state.value}") from None

    def _connected(self, frame: Frame, now: float) -> None:
        self._check_transition(Transition.CONNECTED, "CONNECTED")
        chosen = frame.headers.get("version")
        # A CONNECTED without a version means 1.0 (STOMP 1.1, "Protocol Negotiation").
        version = STOMP10 if chosen is None else VERSIONS.get(chosen.strip())
        if version is None or (chosen is not None and version.number not in self._request.versions):
            offered = self._request.offered
            raise RemoteProtocolError(f"the broker chose version {chosen!r:.20}, offered was {offered}")
        theirs = (0, 0)
        if self._requested_heartbeat != theirs and version.heartbeats:
            # An invalid header is an error only if we requested heart-beats: then it must not silently disable them.
            theirs = heartbeat.parse(frame.headers.get("heart-beat", "0,0"))
        self._move(Transition.CONNECTED)
        self._connect_deadline = None
        self.version = self._decoder.version = version
        if version.heartbeats:
            self._start_pulse(heartbeat.negotiate(self._requested_heartbeat, theirs), now)
        if self._error_ends is not None:
            self._is_error_final = self._error_ends(frame.headers.get("server"))
        self._events.append(Connected(frame, version, self.heartbeat))
        if self._send_queued(frame.headers.get("server")) and self._disconnecting:
            self._move(Transition.DISCONNECT)
            if self._disconnect_receipt is None:
                self._close(Reason.CLEAN, None)

    def _error(self, frame: Frame) -> None:
        self._last_error = frame
        ticket = self.ledger.resolve_receipt(frame.headers.get("receipt-id"))
        self._events.append(Error(frame, ticket))
        self._move(Transition.ERROR)
        if self.state is State.CLOSED:
            # End now instead of waiting for the broker to close the connection: RabbitMQ takes 10 s.
            self._closed_because(Reason.REFUSED, connect_error_from(frame, self._request))
        elif ticket is not None and ticket is self._disconnect_receipt:
            # There will be no RECEIPT for the DISCONNECT any more.
            refused = BrokerError(f"the broker refused DISCONNECT: {error_text(frame)}", frame=frame)
            self._close(Reason.REFUSED, refused)
        elif self._is_error_final:
            # STOMP 1.2, "ERROR": the server closes the connection after it. Some take 5 s, and frames sent
            # meanwhile are lost.
            reason = error_text(frame)
            ended = ConnectionLost(f"the broker ended the connection by an ERROR: {reason}")
            ended.__cause__ = BrokerError(reason, frame=frame)
            self._close(Reason.ERROR, ended)

    def _broken(self, error: RemoteProtocolError) -> None:
        if self._last_error is not None:
            error.message += f"; its last ERROR said: {error_text(self._last_error)}"
        super()._broken(error)

    def _lost(self, why: str, quiet: float) -> ConnectionLost:
        return lost(why, self._last_error, self._request, self.state in _FLOWING, quiet)

    def _tick(self, now: float) -> None:
        if self._connect_deadline is not None and now >= self._connect_deadline:
            if self._process_unfinished():
                return
            self._close(Reason.TIMEOUT, ConnectionLost("the broker did not answer CONNECT in time"))
            return
        overdue = self.ledger.expired(now)
        self._events += map(ReceiptOverdue, overdue)
        pending = self._disconnect_receipt
        if pending is not None and any(ticket is pending for ticket in overdue):
            late = ReceiptMissing("the broker did not answer DISCONNECT in time", receipt=pending.receipt)
            self._close(Reason.TIMEOUT, late)

    def _deadline(self) -> float | None:
        return earlier(self._connect_deadline, self.ledger.next_deadline())


def _plain_value(value: object, escaped: Version | None) -> str:
    """The text of a header value without escape sequences. `escaped`: see `Ledger.record_frame`."""
    text = text_of(value)
    return text if escaped is None else escaped.unescape(text)
