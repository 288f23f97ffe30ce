"""The connection of the threaded client: one `Link` is one connection, from the open socket to the event `Closed`.

Rules of this file:

- The receiving thread reads and runs the handler; the timer thread (`stomp.client.threads.timer_thread`) runs the
  timers.
- Locks are held briefly and are always taken in this order: `_reading` (reading the socket), the lock of the writer
  (writing the socket), `_state` (session and queues), `_codec` (layer). None of them is held while user code runs.
- No thread waits for the socket while it holds a lock other than `_reading`. The receiving thread does not wait for
  the lock of the writer either: if both peers send a lot, one thread must go on reading (a lock held across a blocking
  send deadlocks).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from stomp.client.logging import FrameLog, connections
from stomp.client.threads.open_links import LINKS
from stomp.client.threads.reader import SocketReader
from stomp.client.threads.timer_thread import timer_thread
from stomp.client.threads.write_scheduler import CLOSE_TIMEOUT, FLUSH_DELAY, GRACE, SendingHalf
from stomp.client.threads.writer import DONTWAIT, SocketWriter
from stomp.core.engine.broker_profiles import web_message_check
from stomp.core.errors import ConnectionLost, NotConnected
from stomp.core.session.events import Reason, ReceiptOverdue
from stomp.net.dial import Deadline, wait_ready

if TYPE_CHECKING:
    from stomp.client.options import Options
    from stomp.core.errors import StompError
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Event
    from stomp.net.layer import Layer

#: Called with events, in order, in general on the receiving thread: see `Link._dispatch`. None of the locks above is
#: held then, so a handler may call any method.
Handler = Callable[[list["Event"]], None]

#: Longest wait for the socket, in seconds.
_LONGEST_WAIT = 60.0
#: Most reads per call that the timer thread does for a receiving thread that is busy in a handler.
_LISTEN_READS = 64
#: When this many received bytes wait for the handler, reading pauses until the handler has returned.
_IN_HIGH = 4 * 1024 * 1024
#: How many `HeartbeatSent` events may stay in the queue while nothing is read.
_FEW = 8


class Link(SendingHalf):
    """One connection. Create it with an open socket; `start` starts reading.

    Args:
        sock: connected and blocking. The link owns it from now on.
        session: a new session.
        handler: called with the events of the connection.
        options: the settings.
        layer: TLS, a WebSocket, or both as a stack; or None.
        log_later: see `stomp.client.logging.FrameLog`.
    """

    def __init__(
        self,
        sock: socket.socket,
        session: ClientSession,
        handler: Handler,
        options: Options,
        layer: Layer | None = None,
        log_later: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        SendingHalf.__init__(self)
        self.sock = sock
        self.session = session
        self._started: object = None
        self._handler = handler
        self._options = options
        self._clock = options.clock
        self._layer = layer
        if layer is not None and layer.is_websocket:
            session.frame_check_for = web_message_check
        self._frames = FrameLog(clock=options.clock, later=log_later)
        self._make_parts()
        self._told = 0  # how many of the received bytes were dispatched
        self._timer = timer_thread()
        LINKS.add(self)
        self._begun = False  # reading has started
        self.removed = False  # for the timer thread: see `Timed`
        self.was_connected = False  # for the handler, which sets it when CONNECTED has arrived
        self._due: float | None = None  # the session's deadline for which the timer thread was asked to call
        self._receiver = 0  # ident of the receiving thread
        self._dispatching_thread = 0  # ident of the thread that runs the handler
        self._batching = False  # several events are being handled: write the handler's frames together
        self._hung_up = False
        if not DONTWAIT:
            sock.setblocking(False)

    # ------------------------------------------------------------------------------------- for clients

    def start(self) -> None:
        """Start reading, unless that was done. The handler may be called from now on."""
        with self._state:
            if self._begun:
                return
            self._begun = True
            self._request_timer()
        self._started = self._options.start_thread(self._receive_all)

    @property
    def thread(self) -> object:
        """The receiving thread, or what `Options.start_thread` returned for it."""
        return self._started

    @property
    def alive(self) -> bool:
        """True until the session has ended."""
        return self.session.closed is None

    def close(self, error: StompError | None = None) -> None:
        """Close the connection now, without DISCONNECT. The handler gets `Closed`."""
        with self._state:
            # Frames that were sent before are still written, as far as the kernel takes them.
            self._outbox.keep()
            self.session.abort(error)
            self._collect()
        self._hang_up()

    def join(self, seconds: float) -> bool:
        """Wait until the last event was handled. True if it was, False after the timeout.

        False at once when called from the handler, which cannot wait for itself.
        """
        self.start()
        if self.is_receiving_thread():
            return False
        return self._finished.wait(seconds)

    def is_receiving_thread(self) -> bool:
        """True when called from the handler, where waiting for a frame from the broker would never end."""
        return threading.get_ident() in (self._receiver, self._dispatching_thread)

    def abandon_after_fork(self) -> None:
        """In a forked child: end the link without reading or writing. The connection belongs to the parent.

        The socket is not shut down, which would end the parent's connection, too. Only the child's descriptor is
        closed.
        """
        # The parent writes the queued frames, and TLS's close_notify.
        self._layer = None
        self._hung_up = True
        self.session.abort(NotConnected("it belongs to the process that this one was forked from"))
        # Drop the events: with gevent the receiving "thread" goes on in the child, and would call the handler.
        self.session.events()
        self._make_parts()  # the threads that held the locks, or would have set the events, do not exist here
        self._ended.set()
        self._finished.set()
        self.sock.close()

    def _make_parts(self) -> None:
        self._reading = threading.Lock()
        self._state = state = threading.Lock()
        self._codec = codec = threading.Lock()
        self._telling = threading.Lock()  # held while the handler runs
        self._ended = threading.Event()  # set when the session has ended
        self._finished = threading.Event()  # set when the last event was dispatched
        patience = self._options.send_timeout
        self._inlet = SocketReader(self.sock, self.session, direct=self._layer is None)
        self._outbox = SocketWriter(self.sock, self.session, self._layer, state, codec, patience, self._clock)
        self._inbox: list[Event] = []

    # ------------------------------------------------------------------------------------- receiving

    def _receive_all(self) -> None:
        """The receiving thread."""
        self._receiver = threading.get_ident()
        try:
            if self._layer is not None:
                # The last read of the handshake may have returned bytes of the session, too.
                with self._reading:
                    self._take(b"", 0, False, None)
            while self.session.closed is None:
                with self._reading:
                    # The timer thread may have read for this thread while the handler was running.
                    if not self._inbox and not self._read(0):
                        self._wait()
                if self.session.closed is None:
                    self._dispatch()
        finally:
            self._end()

    def _end(self) -> None:
        """The session has ended: close the socket and dispatch the last events."""
        self._part()
        with self._telling:
            pass  # wait for a thread that is running the handler
        self._dispatch()
        self._finished.set()

    def _wait(self) -> None:
        """Wait until the socket is readable, with a timeout. The caller holds `_reading`."""
        wait_ready(self.sock, read=True, write=False, seconds=_LONGEST_WAIT)

    def _read(self, flags: int) -> bool:
        """Read once and process the data. False if there was nothing to read. The caller holds `_reading`."""
        error: OSError | None = None
        data, direct_bytes = b"", 0
        try:
            data, direct_bytes = self._inlet.read(flags)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as err:
            error = err
        self._take(data, direct_bytes, not (data or direct_bytes), error)
        self._inlet.note(len(data), len(self._inbox))
        return True

    def _take(self, data: bytes, direct_bytes: int, ended: bool, error: OSError | None) -> None:
        """Process what was read. The caller holds `_reading`.

        Args:
            data: the bytes that were read.
            direct_bytes: how many bytes were read directly into the buffer of a body instead.
            ended: EOF, or reading failed.
            error: the error of that.
        """
        if self._layer is not None:
            try:
                with self._codec:
                    data = self._layer.receive(data)
                    ended = ended or self._layer.ended
                    error = error or self._layer.failure
            except OSError as err:
                data, ended, error = b"", True, error or err
        session, state = self.session, self._state
        state.acquire()  # not `with`: see `send`
        try:
            if data:
                session.receive_data(data, self._clock())
            if direct_bytes:
                session.add_direct_bytes(direct_bytes, self._clock())
            if ended:
                session.receive_eof(error or self._broken, self._clock())
            self._collect()
            if session.deadline_moved_up:
                session.deadline_moved_up = False
                self._request_timer()
        finally:
            state.release()
        # The session queues frames itself at times, and TLS writes records.
        if session.outgoing or self._layer is not None:
            self._try_write()

    def _collect(self) -> None:
        """Move the events of the session to the queue of the link. The caller holds `_state`."""
        events = self.session.events()
        if events:
            self._inbox += events
            if self.session.closed is not None:
                self._ended.set()

    @property
    def _over_read_limit(self) -> bool:
        """True when too many received bytes wait for the handler, so reading pauses until it has returned."""
        return self.session.counters.bytes_received - self._told >= _IN_HIGH

    def _dispatch(self) -> None:
        """Run the handler for all queued events, in order, unless another thread is running it.

        This is the receiving thread, except after a tick of the timer thread: see `_after_timer`.
        """
        # The thread that runs the handler checks again after it has released the lock, so no event is left behind.
        while self._inbox and self._telling.acquire(False):
            try:
                self._tell()
            finally:
                self._telling.release()

    def _tell(self) -> None:
        with self._state:
            batch, self._inbox = self._inbox, []
            self._told = self.session.counters.bytes_received
        self._call_handler(batch)

    def _call_handler(self, batch: list[Event]) -> None:
        self._dispatching_thread = threading.get_ident()
        self._batching = len(batch) > 1
        if self._frames.look():
            self._frames.received(batch)
        try:
            self._handler(batch)
        except Exception:
            # Handlers catch the exceptions of callbacks; a bug in a handler must not end the connection.
            connections.exception("the handler of a connection failed")
        except SystemExit:
            self.close()  # a listener called sys.exit(), which was logged: it gets no more messages
        self._batching = False
        self._dispatching_thread = 0
        if self.session.outgoing or self._layer is not None:
            self._try_write()

    def _part(self) -> None:
        """The session has ended, and this thread ends: close the socket."""
        if self.alive:  # only if the code above has a bug
            self.close()
        self._hang_up()
        self.removed = True
        self._timer.remove(self)
        LINKS.discard(self)
        self._outbox.close()

    def _hang_up(self) -> None:
        """Shut the socket down in both directions, after the queued frames. That wakes the receiving thread."""
        if self._hung_up:
            return
        self._hung_up = True
        closed = self.session.closed
        if closed is not None and closed.reason is Reason.CLEAN:
            self.flush_within(CLOSE_TIMEOUT)
        else:
            self._try_write(last=True)
        if self._layer is not None:
            with self._codec:
                self._layer.close()
            self._try_write(last=True)
        self._wake()

    def _read_while_blocked(self) -> None:
        """The writer is full and the receiving thread wants to send: read while waiting.

        The broker may be waiting for this client to read before it reads itself.
        """
        deadline = Deadline(self._options.send_timeout)
        while self._outbox.full and self.alive:
            if not deadline.left:
                raise self._outbox.stalled()
            readable, _ = wait_ready(
                self.sock, read=not self._over_read_limit, write=True, seconds=min(deadline.left, 1.0)
            )
            if readable:
                with self._reading:
                    self._read(DONTWAIT)
            self._try_write()

    def _write_error(self, err: OSError, patience: float) -> ConnectionLost:
        """The exception for a write that failed: with the session's reason for the end, if it has one in time."""
        if threading.get_ident() != self._receiver:
            self.start()
            self._ended.wait(patience)
        closed = self.session.closed
        why = closed.why if closed is not None and closed.error is not None else f"writing failed: {err}"
        return ConnectionLost(why, hint="connect again")

    # ------------------------------------------------------------------------------------- the clock

    def _request_timer(self) -> None:
        """Ask the timer thread to call at the session's next deadline. The caller holds `_state`."""
        due = self.session.next_deadline()
        if due is not None and (self._due is None or due < self._due) and self._begun:
            self._due = due
            self._timer.call_within(self, due - self._clock())

    def on_timer(self) -> float | None:
        """See `Timed.on_timer`. Called on the timer thread; does not wait for the socket or the handler."""
        streaming, self._streaming = self._streaming, False
        self._on_timer_fired()
        session = self.session
        now = self._clock()
        due = self._due is not None and now >= self._due
        if due:
            self._read_on_timer()
            now = self._clock()
        with self._state:
            if due:
                session.tick(now)
                self._collect()
            self._due = next_due = session.next_deadline()
        if self._outbox.waiting:
            self._try_write()
        if due:
            self._after_timer()
        if streaming:
            self.schedule_flush(FLUSH_DELAY)
        return None if next_due is None else max(0.0, next_due - now)

    def _after_timer(self) -> None:
        """After a tick: have the handler run, if its events must not wait until something is read."""
        inbox = self._inbox
        if not self.alive:
            self._wake()
        elif (
            len(inbox) > _FEW
            or any(type(event) is ReceiptOverdue for event in inbox)
            or (inbox and self._frames.on)
        ):
            # The receiving thread waits for the network, perhaps for long, so another thread runs the handler.
            self._options.start_thread(self._dispatch)

    def _read_on_timer(self) -> None:
        """Read for the receiving thread while it runs a handler: a slow handler must not cause a heart-beat timeout."""
        # If the receiving thread is reading, it has read everything. Only before a heart-beat timeout does it get a
        # moment to read: its thread may have been kept from running, as this one may have been.
        patience = GRACE if self.session.is_timed_out(self._clock()) else 0.0
        if not self._reading.acquire(timeout=patience):
            return
        try:
            for _ in range(_LISTEN_READS):
                if not wait_ready(self.sock, read=True, write=False, seconds=0)[0]:
                    return
                if self._over_read_limit:
                    with self._state:
                        self.session.heard(self._clock())
                    return
                if not self._read(DONTWAIT) or not self.alive:
                    return
        finally:
            self._reading.release()

    def _wake(self) -> None:
        """Wake the receiving thread: shut the socket down."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
