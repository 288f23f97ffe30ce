"""One STOMP connection, without I/O: what both ends have in common.

`ClientSession` and `ServerSession` are the two ends; this base holds the state, the clock and the bytes.
A driver does this, and nothing else that knows STOMP:

    bytes read       -> session.receive_data(data, now); at the end of the stream session.receive_eof()
                        (while session.filling, session.fill(read) and session.filled(count, now) save copies)
    what happened    <- session.events()
    bytes to write   <- session.data_to_send(now), after each of the calls here
    the clock        -> session.tick(now), at session.next_deadline()

`now` is any monotonic clock in seconds. No call waits. The session is not thread-safe: the driver has a lock.
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
    from stomp.core.frames.versions import Dialect

#: Raises `Unsupported` for the bytes of a frame that the broker would not read.
FrameCheck = Callable[[bytes], None]

_BEAT = b"\n"
_BEAT_SENT = HeartbeatSent()
HEARTBEAT_RECEIVED = HeartbeatReceived()


class Session(ABC):
    """The state of one connection. See the module for how to drive it; make one of its two subclasses.

    Args:
        limits: what the peer may make us hold.
        lenient: how frames are read that break a rule, see `stomp.core.frames.limits.Leniency`.
        ledger: what outlives this connection; a new one if not given.
        tolerance: how many agreed heart-beat intervals without a byte are borne; see `stomp.core.session.heartbeat`.
        classes: what to make of a command, where it is not `Frame` itself.

    Attributes:
        state: how far the session has come.
        dialect: the agreed version, None before.
        closed: the `Closed` event once the session is over.
        counters: what went over the connection.
        outgoing: how many bytes `data_to_send` would give.
        generation: which connection of its ledger this is.
        frame_check_for: given the ``server`` header of CONNECTED, returns the check for each sent frame, or None.
            For the driver to set before CONNECT, where a transport (WebSocket) carries less than TCP.
        hastened: `next_deadline` may have come nearer by what was read. For the driver to take note of, and to reset.
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
        self.dialect: Dialect | None = None
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
        self._queued_frames: list[list[bytes]] = []  # frames given before CONNECTED, encoded

    # ------------------------------------------------------------------------------------- in

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes that were read. Look at `events` and `data_to_send` afterwards."""
        if self.state is State.CLOSED:
            return
        self.counters.bytes_received += len(data)
        # Any byte is a sign of life (STOMP 1.2, "Heart-beating"), whatever becomes of it.
        if self._pulse is not None and self._pulse.read(now, data):
            self.deadline_moved_up = True
        decoder = self._decoder
        if data == _BEAT and decoder.idle and self.dialect is not None:
            # Nearly all that idle connections read, and there may be many of them.
            self.counters.heartbeats_received += 1
            self._events.append(HEARTBEAT_RECEIVED)
            return
        try:
            decoder.feed(data)
            while frames := decoder.frames():
                if decoder.notes:
                    self._events += map(Tolerated, decoder.notes)
                    decoder.notes.clear()
                self._take(frames, now)
                if self.closed is not None:
                    return  # what follows the end is not looked at, or the session could end a second time
        except RemoteProtocolError as err:
            self._broken(err)

    @property
    def wants_direct_read(self) -> bool:
        """True while bytes of a large body are best read by `read_into`."""
        return self._decoder.missing > 0

    def read_into(self, read: Callable[[memoryview], int]) -> int:
        """Have `read` put bytes of a large body straight into place: see `Decoder.read_into`.

        Call `add_direct_bytes` with the result.
        """
        return self._decoder.read_into(read)

    def add_direct_bytes(self, count: int, now: float) -> None:
        """What `read_into` returned: as many bytes were read."""
        self.counters.bytes_received += count
        self.heard(now)

    @property
    def spare(self) -> bool:
        """True while memory is kept for the next large text: call `relax` when that does not come."""
        return self._decoder.spare

    def relax(self) -> None:
        """Let go of memory that is kept."""
        self._decoder.relax()

    def is_timed_out(self, now: float) -> bool:
        """True when the peer has sent nothing for too long: `tick` would end the connection now."""
        due = self._pulse.timeout_at if self._pulse is not None else None
        return due is not None and now >= due

    @property
    def last_read(self) -> float | None:
        """When the peer was last heard of; None as long as no heart-beats are agreed on."""
        return self._pulse.last_read if self._pulse is not None else None

    def heard(self, now: float) -> None:
        """Bytes of the peer have arrived and are not read yet, for want of room: it is not silent."""
        if self._pulse is not None:
            self._pulse.read(now)

    def receive_eof(self, error: BaseException | None = None, now: float | None = None) -> None:
        """The stream ended: the peer closed it, or `error` broke it."""
        if self.state is State.CLOSED:
            return
        if self.state is State.DISCONNECTING:
            # STOMP 1.2, "DISCONNECT": the other side may close without having answered.
            self._close(Reason.CLEAN, None)
            return
        if self._take_unfinished():
            return
        cut = "" if self._decoder.idle else " in the middle of a frame"
        why = (
            f"the peer closed the connection{cut}"
            if error is None
            else f"the connection failed{cut}: {error}"
        )
        # With heart-beats of ours it cannot be for our silence.
        quiet = 0.0 if now is None or self.heartbeat[0] else now - self._last_write
        lost = self._lost(why, quiet)
        lost.__cause__ = error
        self._close(Reason.EOF if error is None else Reason.FAILED, lost)

    def tick(self, now: float) -> None:
        """The clock moved: send a beat, notice silence, give up what is overdue."""
        if self.state is State.CLOSED:
            return
        pulse = self._pulse
        if pulse is not None:
            if self.is_timed_out(now):
                if self._take_unfinished():
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
        """What happened since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    def data_to_send(self, now: float) -> list[bytes]:
        """The bytes to write since the last call, in parts; an empty list when there are none."""
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
        """Write bytes as they are, which nobody looks at. Nothing after the end."""
        if self.state is not State.CLOSED:
            self._put([data])

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        if self.state is State.CLOSED:
            return None
        due = self._deadline()
        if self._pulse is not None:
            due = earlier(due, earlier(self._pulse.next_send_at, self._pulse.timeout_at))
        return due

    @property
    def heartbeat(self) -> tuple[int, int]:
        """Milliseconds between our beats and between the peer's, as agreed; 0 for none."""
        pulse = self._pulse
        return (0, 0) if pulse is None else (round(pulse.send * 1000), round(pulse.expect * 1000))

    def abort(self, error: StompError | None = None) -> None:
        """Give the connection up on this side, without a word to the peer."""
        if self.state is not State.CLOSED:
            self._out = []
            self.outgoing = 0
            self._close(Reason.ABORTED, error)

    # ------------------------------------------------------------------------------------- for the two ends

    @abstractmethod
    def _take(self, frames: list[Frame | HeartbeatMarker], now: float) -> None:
        """Handle decoded frames; ignore them once the session is closed."""

    @abstractmethod
    def _tick(self, now: float) -> None:
        """Handle the deadlines of this end."""

    @abstractmethod
    def _deadline(self) -> float | None:
        """The next deadline of this end, or None."""

    def _lost(self, why: str, quiet: float) -> ConnectionLost:
        """The error for an end of the stream, after so many seconds in which nothing was written."""
        return ConnectionLost(why)

    def _take_unfinished(self) -> bool:
        """Nothing more will be read: take what has arrived of an ERROR. True if that was the end."""
        frame = self._decoder.unfinished_error()
        if frame is not None:
            self._take([frame], 0.0)
        return self.closed is not None

    def _broken(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol."""
        self._close(Reason.PROTOCOL, error)

    def _move(self, move: Transition) -> None:
        self.state = after(self.role, self.state, move)

    def _start_pulse(self, agreed: tuple[int, int], now: float) -> None:
        if agreed != (0, 0):
            send, expect = agreed
            self._pulse = Heartbeat(send / 1000, expect / 1000, now, tolerance=self._tolerance)
            self.deadline_moved_up = True

    def _write(self, frame: Frame, dialect: Dialect) -> None:
        self._put(encode_parts(frame, dialect))
        self.counters.frames_sent += 1

    def _check_parts(self, parts: list[bytes]) -> None:
        """Raise `Unsupported` for a frame that the transport to this broker cannot carry."""
        if self._frame_check is not None:
            self._frame_check(b"".join(parts))

    def _put_held(self, server: str | None) -> bool:
        """Put the frames that were given before CONNECTED told which broker it is; False if that was the end."""
        if self.frame_check_for is not None:
            self._frame_check = self.frame_check_for(server)
        held, self._queued_frames = self._queued_frames, []
        for parts in held:
            try:
                self._check_parts(parts)
            except Unsupported as err:
                # Who gave it has gone on: the end of the connection tells.
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
    """The earlier of two moments; None is never."""
    return other if one is None or (other is not None and other < one) else one
