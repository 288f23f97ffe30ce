"""One STOMP connection without I/O: the base class of `ClientSession` and `ServerSession`.

A driver calls these methods, and needs no other knowledge of STOMP:

    bytes read       -> session.receive_data(data, now); at the end of the stream session.receive_eof()
                        (while session.wants_direct_read, session.read_into(read) and
                        session.add_direct_bytes(count, now) save copies)
    events           <- session.events()
    bytes to write   <- session.data_to_send(now), after each of the calls here
    timer            -> session.tick(now), at session.next_deadline()

Rules of this file: `now` is the time of any monotonic clock in seconds. No call waits. A session is not thread-safe:
the driver needs a lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from stomp.core.diagnostics import Counters
from stomp.core.errors import ConnectionLost, HeartbeatLost, RemoteProtocolError, StompError, Unsupported
from stomp.core.frames.decoder import Decoder, HeartbeatMarker
from stomp.core.frames.encoder import encode_parts
from stomp.core.frames.limits import STRICT, Lenient, Limits
from stomp.core.session.events import Closed, Event, HeartbeatReceived, HeartbeatSent, Reason, Tolerated
from stomp.core.session.heartbeat import TOLERANCE, Heartbeat
from stomp.core.session.ledger import Ledger
from stomp.core.session.state import Role, State, Transition, after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frames.frame import Frame
    from stomp.core.frames.versions import Version

#: Raises `Unsupported` for an encoded frame that the broker cannot receive over this transport.
FrameCheck = Callable[[bytes], None]

_BEAT = b"\n"
_BEAT_SENT = HeartbeatSent()
HEARTBEAT_RECEIVED = HeartbeatReceived()


class Session(ABC):
    """The state of one connection. The module describes how to drive it. Use one of the two subclasses.

    Args:
        limits: limits on what the peer can make us store.
        lenient: how strictly frames are read, see `stomp.core.frames.limits.Leniency`.
        ledger: the state that outlives this connection; None for a new one.
        tolerance: the number of agreed heart-beat intervals without a byte that are allowed; see
            `stomp.core.session.heartbeat`.
        classes: command -> the subclass of `Frame` to make; `Frame` itself for other commands.

    Attributes:
        state: the current state.
        version: the agreed version; None before it is known.
        closed: the `Closed` event once the session has ended, else None.
        counters: the numbers of frames, bytes and heart-beats.
        outgoing: the number of bytes that `data_to_send` would return.
        generation: the number of this connection in its ledger.
        frame_check_for: function that gets the ``server`` header of CONNECTED and returns the check for each frame to
            send, or None. It is set before CONNECT if the transport (WebSocket) carries less than TCP.
        deadline_moved_up: True if `next_deadline` may be earlier than before because of data that was read. The driver
            reads and resets it.
    """

    role: ClassVar[Role]

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        lenient: Lenient = STRICT,
        ledger: Ledger | None = None,
        tolerance: float = TOLERANCE,
        classes: Mapping[str, type[Frame]] | None = None,
    ) -> None:
        self.state: State = State.IDLE
        self.version: Version | None = None
        self.closed: Closed | None = None
        self.counters: Counters = Counters()
        self.limits: Limits = limits or Limits()
        self.ledger: Ledger = ledger if ledger is not None else Ledger()
        self.generation: int = self.ledger.begin_generation()
        self._decoder = Decoder(self.limits, lenient=lenient, classes=classes)
        self._tolerance = tolerance
        self._pulse: Heartbeat | None = None
        self._events: list[Event] = []
        self._out: list[bytes] = []
        self.outgoing: int = 0
        self._last_write = 0.0
        self.deadline_moved_up: bool = False
        self.frame_check_for: Callable[[str | None], FrameCheck | None] | None = None
        self._frame_check: FrameCheck | None = None
        self._queued_frames: list[list[bytes]] = []  # encoded frames that were given before CONNECTED

    # ------------------------------------------------------------------------------------- in

    def receive_data(self, data: bytes, now: float) -> None:
        """Process bytes that were read. Call `events` and `data_to_send` next."""
        if self.state is State.CLOSED:
            return
        self.counters.bytes_received += len(data)
        # Any byte counts as activity of the peer (STOMP 1.2, "Heart-beating"), also that of a rejected frame.
        if self._pulse is not None and self._pulse.read(now, data):
            self.deadline_moved_up = True
        decoder = self._decoder
        if data == _BEAT and decoder.idle and self.version is not None:
            # Fast path: idle connections read nearly nothing else, and there may be many of them.
            self.counters.heartbeats_received += 1
            self._events.append(HEARTBEAT_RECEIVED)
            return
        try:
            decoder.feed(data)
            while frames := decoder.frames():
                if decoder.notes:
                    self._events += map(Tolerated, decoder.notes)
                    decoder.notes.clear()
                self._process_frames(frames, now)
                if self.closed is not None:
                    return  # further frames are ignored: they could end the session a second time
        except RemoteProtocolError as err:
            self._broken(err)

    @property
    def has_unfinished_frame(self) -> bool:
        """True if a frame has arrived in part."""
        return not self._decoder.idle

    @property
    def wants_direct_read(self) -> bool:
        """True while it is cheaper to read bytes of a large body by `read_into` than by `receive_data`."""
        return self._decoder.missing_bytes > 0

    def read_into(self, read: Callable[[memoryview], int]) -> int:
        """Let `read` write bytes of a large body into its buffer: see `Decoder.read_into`.

        Call `add_direct_bytes` with the result.
        """
        return self._decoder.read_into(read)

    def add_direct_bytes(self, count: int, now: float) -> None:
        """Count the bytes that `read_into` returned."""
        self.counters.bytes_received += count
        self.note_activity(now)

    def is_timed_out(self, now: float) -> bool:
        """True if the peer has sent nothing for too long: `tick` would end the connection now."""
        due = self._pulse.timeout_at if self._pulse is not None else None
        return due is not None and now >= due

    @property
    def last_read(self) -> float | None:
        """When bytes of the peer last arrived; None while no heart-beats are agreed on."""
        return self._pulse.last_read if self._pulse is not None else None

    def note_activity(self, now: float) -> None:
        """Record activity of the peer: bytes have arrived, but reading is paused because buffers are full."""
        if self._pulse is not None:
            self._pulse.read(now)

    def receive_eof(self, error: BaseException | None = None, now: float | None = None) -> None:
        """Process the end of the stream: the peer closed it, or it failed with `error`.

        Without `now` the error has no hint about a connection that was closed because it was idle.
        """
        if self.state is State.CLOSED:
            return
        if self.state is State.DISCONNECTING:
            # STOMP 1.2, "DISCONNECT": the server may close the connection without sending the RECEIPT.
            self._close(Reason.CLEAN, None)
            return
        if self._process_unfinished():
            return
        cut = "" if self._decoder.idle else " in the middle of a frame"
        why = (
            f"the peer closed the connection{cut}"
            if error is None
            else f"the connection failed{cut}: {error}"
        )
        # If we send heart-beats, the peer cannot have closed the connection because we were idle.
        quiet = 0.0 if now is None or self.heartbeat[0] else now - self._last_write
        lost = self._lost(why, quiet)
        lost.__cause__ = error
        self._close(Reason.EOF if error is None else Reason.FAILED, lost)

    def tick(self, now: float) -> None:
        """Process the deadlines: send a heart-beat, detect a timeout of the peer, report overdue receipts."""
        if self.state is State.CLOSED:
            return
        pulse = self._pulse
        if pulse is not None:
            if self.is_timed_out(now):
                if self._process_unfinished():
                    return
                silence = now - pulse.last_read
                lost = HeartbeatLost(
                    f"the peer sent nothing for {silence:.1f} s, although it promised a heart-beat "
                    f"every {pulse.expect:g} s",
                    silence=silence,
                )
                self._close(Reason.HEARTBEAT, lost)
                return
            due = pulse.next_send_at
            if due is not None and now >= due:
                pulse.last_sent = now
                self._put([_BEAT])
                self.counters.heartbeats_sent += 1
                self._events.append(_BEAT_SENT)
        self._tick(now)

    # ------------------------------------------------------------------------------------- out

    def events(self) -> list[Event]:
        """Return the events since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    @property
    def has_events(self) -> bool:
        """True if `events` has something to return."""
        return bool(self._events)

    def data_to_send(self, now: float) -> list[bytes]:
        """Return the bytes to write since the last call, in parts; an empty list if there are none."""
        out = self._out
        if out:
            self._out = []
            self._last_write = now
            self.counters.bytes_sent += self.outgoing
            self.outgoing = 0
            if self._pulse is not None:
                self._pulse.last_sent = now
        return out

    def send_raw(self, data: bytes) -> None:
        """Send bytes unchanged and unchecked. After the end of the session they are dropped."""
        if self.state is not State.CLOSED:
            self._put([data])

    def next_deadline(self) -> float | None:
        """Return when to call `tick`; None if there is no deadline."""
        if self.state is State.CLOSED:
            return None
        due = self._deadline()
        pulse = self._pulse
        if pulse is not None:
            for beat in (pulse.next_send_at, pulse.timeout_at):
                if beat is not None and (due is None or beat < due):
                    due = beat
        return due

    @property
    def heartbeat(self) -> tuple[int, int]:
        """The agreed milliseconds between our heart-beats and between the peer's; 0 for none."""
        pulse = self._pulse
        return (0, 0) if pulse is None else (round(pulse.send * 1000), round(pulse.expect * 1000))

    def abort(self, error: StompError | None = None) -> None:
        """End the session without sending DISCONNECT. Unsent data is dropped."""
        if self.state is not State.CLOSED:
            self._out = []
            self.outgoing = 0
            self._close(Reason.ABORTED, error)

    # ------------------------------------------------------------------------------------- for the subclasses

    @abstractmethod
    def _process_frames(self, frames: list[Frame | HeartbeatMarker], now: float) -> None:
        """Process decoded frames; ignore them once the session is closed."""

    @abstractmethod
    def _tick(self, now: float) -> None:
        """Process the deadlines of the subclass."""

    @abstractmethod
    def _deadline(self) -> float | None:
        """Return the next deadline of the subclass, or None."""

    def _lost(self, why: str, quiet: float) -> ConnectionLost:
        """Return the error for the end of the stream; `quiet` is the number of seconds since the last write."""
        return ConnectionLost(why)

    def _process_unfinished(self) -> bool:
        """Process an incomplete ERROR frame, as no more data will be read. True if it ended the session."""
        frame = self._decoder.unfinished_error()
        if frame is not None:
            self._process_frames([frame], 0.0)
        return self.closed is not None

    def _broken(self, error: RemoteProtocolError) -> None:
        """End the session because the peer violated the protocol."""
        self._close(Reason.PROTOCOL, error)

    def _move(self, move: Transition) -> None:
        self.state = after(self.role, self.state, move)

    def _start_pulse(self, agreed: tuple[int, int], now: float) -> None:
        if agreed != (0, 0):
            send, expect = agreed
            self._pulse = Heartbeat(send / 1000, expect / 1000, now, tolerance=self._tolerance)
            self.deadline_moved_up = True

    def _write(self, frame: Frame, version: Version) -> None:
        self._put(encode_parts(frame, version))
        self.counters.frames_sent += 1

    def _check_parts(self, parts: list[bytes]) -> None:
        """Raise `Unsupported` for a frame that the transport to this broker cannot carry."""
        if self._frame_check is not None:
            self._frame_check(b"".join(parts))

    def _send_queued(self, server: str | None) -> bool:
        """Send the frames that were queued until CONNECTED named the broker. False if one of them ended the session."""
        if self.frame_check_for is not None:
            self._frame_check = self.frame_check_for(server)
        held, self._queued_frames = self._queued_frames, []
        for parts in held:
            try:
                self._check_parts(parts)
            except Unsupported as err:
                # The call that queued the frame has returned, so the error is reported by closing the session.
                self._close(Reason.FAILED, err)
                return False
            self._put(parts)
        return True

    def _put(self, parts: list[bytes]) -> None:
        self._out += parts
        self.outgoing += len(parts[0]) if len(parts) == 1 else sum(map(len, parts))

    def _close(self, reason: Reason, error: StompError | None) -> None:
        self._move(Transition.END)
        self._closed_because(reason, error)

    def _closed_because(self, reason: Reason, error: StompError | None) -> None:
        self._pulse = None
        self.closed = Closed(reason, error, self.ledger.end_generation())
        self._events.append(self.closed)


def earlier(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two times; None means never."""
    return other if one is None or (other is not None and other < one) else one
