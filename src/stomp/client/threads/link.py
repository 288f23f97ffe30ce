"""The connection of the threaded client: one `Link` is one connection, from the open socket to the event `Closed`.

A link owns the parts of a connection: the reader and the writer of its socket, the write scheduler, the event
dispatcher, and the timers, which the timer thread calls.

Rules of this file:

- The receiving thread reads and runs the handler; the timer thread (`stomp.client.threads.timer_thread`) runs the
  timers, and reads only to detect that the broker is alive while a handler runs.
- Locks are always taken in this order: `_read_lock` (reading the socket), the lock of the writer (writing the socket),
  `_state` (session and queues) or `_layer_lock` (TLS, WebSocket). None of them is held while user code runs. The page
  "Architecture" of the documentation has a table of all locks, which the tests check.
- No thread waits for the socket while it holds a lock other than `_read_lock`. The receiving thread does not wait for
  the lock of the writer either: if both peers send a lot, one thread must go on reading (a lock held across a blocking
  send deadlocks).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, NoReturn

from stomp.client.logging import FrameLog, connections
from stomp.client.threads.dispatcher import EventDispatcher
from stomp.client.threads.open_links import LINKS
from stomp.client.threads.reader import SocketReader
from stomp.client.threads.timer_thread import timer_thread
from stomp.client.threads.writer import DONTWAIT, SocketWriter
from stomp.client.write_scheduler import BATCH, FLUSH_DELAY, WriteScheduler
from stomp.core.errors import ConnectionLost, NotConnected, SendStalled
from stomp.core.session.events import Reason, ReceiptOverdue
from stomp.core.session.state import State
from stomp.net.dial import Deadline, wait_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.client.options import Options
    from stomp.client.threads.dispatcher import Handler
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import OutgoingFrame
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Closed, Event
    from stomp.core.session.ledger import PendingReceipt
    from stomp.net.layer import Layer

#: Seconds until the next try when the kernel's buffer is full.
_RETRY_DELAY = 0.01
#: How long closing a connection may wait for a broker that does not read, in seconds.
CLOSE_TIMEOUT = 2.0
#: Seconds that the receiving thread gets to read before a heart-beat timeout closes the connection.
GRACE = 0.02
#: Longest wait for the socket, in seconds.
_LONGEST_WAIT = 60.0
#: Most reads per call that the timer thread does for a receiving thread that is busy in a handler.
_TIMER_READS = 64
#: When this many received bytes wait for the handler, reading pauses until the handler has returned.
_READ_LIMIT = 4 * 1024 * 1024
#: How many `HeartbeatSent` events may stay in the queue while nothing is read.
_MAX_QUEUED_BEATS = 8


class Link:
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
        self.sock = sock
        #: Guarded by `_state`. `closed` and `outgoing` are read without it, too: they are set in one step.
        self.session = session
        self._options = options
        self._clock = options.clock
        self._handler = handler
        self._layer = layer  # guarded by `_layer_lock`
        if layer is None or not layer.is_websocket:
            session.frame_check_for = None
        self._frames = FrameLog(clock=options.clock, later=log_later)
        self._timer = timer_thread()
        self._scheduler = WriteScheduler()
        self._make_parts()
        # Guarded by `_state`.
        self._started = False
        self._connect_claimed = False  # see `claim_connect`
        self._due: float | None = None  # the session's deadline for which the timer thread was asked to call
        # Set once, by the thread that does it.
        self._write_failure: OSError | None = None
        self._thread: object = None  # the return value of `Options.start_thread`
        self._receiver = 0  # ident of the receiving thread
        self._closed = False  # `_close_socket` was called
        self.removed = False  # for the timer thread: see `Timed`
        self.was_connected = False  # for the handler, which sets it when CONNECTED has arrived
        LINKS.add(self)
        if not DONTWAIT:
            sock.setblocking(False)

    # ------------------------------------------------------------------------------------- for clients

    def start(self) -> None:
        """Start reading, unless that was done. The handler may be called from now on."""
        with self._state:
            if self._started:
                return
            self._started = True
        self._thread = self._options.start_thread(self._receive_all)

    def claim_connect(self) -> bool:
        """True if the caller has to send CONNECT; False if that was done, or another thread is doing it."""
        with self._state:
            if self._connect_claimed or self.session.state is not State.IDLE:
                return False
            self._connect_claimed = True
            return True

    def release_connect(self) -> None:
        """CONNECT could not be sent: allow another call of `claim_connect`."""
        self._connect_claimed = False

    @property
    def thread(self) -> object:
        """The receiving thread, or what `Options.start_thread` returned for it."""
        return self._thread

    @property
    def alive(self) -> bool:
        """True until the session has ended."""
        return self.session.closed is None

    def transmit(
        self,
        frame: OutgoingFrame,
        *,
        escaped: bool = False,
        deadline: float | None = None,
        may_delay: bool = False,
    ) -> PendingReceipt | None:
        """Send a frame, from any thread. See `ClientSession.transmit`.

        When it returns, the frame was given to the kernel, or is queued: see `WriteScheduler`.

        Args:
            frame: the frame.
            escaped: its headers are in escaped form already.
            deadline: the time when its receipt is overdue.
            may_delay: the frame may stay queued for up to `FLUSH_DELAY`, to be written with later ones; see `flush`.

        Raises:
            NotConnected: the connection has ended.
            FrameError: the frame cannot be encoded.
            SendStalled: the broker has not read for `Options.send_timeout`. The frame is queued.
        """
        session, scheduler, state = self.session, self._scheduler, self._state
        state.acquire()  # not `with`: that takes 0.1 us more
        try:
            if (closed := session.closed) is not None:
                self._raise_closed(closed)
            receipt = session.transmit(frame, escaped=escaped, deadline=deadline)
            if session.closed is not None:
                self._queue_events()
            if deadline is not None and (self._due is None or deadline < self._due):
                self._request_timer()
        finally:
            state.release()
        # Of frames that are written together, only the first checks whether DEBUG is on.
        if not scheduler.flush_scheduled:
            self._frames.on = connections.isEnabledFor(logging.DEBUG)
        if self._frames.on:
            self._frames.sent(frame.command, frame.headers, frame.body)
        if scheduler.flush_scheduled and session.outgoing < BATCH and session.closed is None:
            return receipt  # as `decide` would find; most frames of a burst end here
        thread, dispatcher = threading.get_ident(), self._dispatcher
        if dispatcher.batching and dispatcher.thread == thread:
            may_delay = True  # `_dispatch` writes at the end of the batch
        if (
            not scheduler.decide(session.outgoing, self._clock(), may_delay=may_delay)
            and session.closed is None
        ):
            scheduler.flush_scheduled = True
            self._timer.call_within(self, FLUSH_DELAY)
        elif thread == self._receiver:
            self._write_without_waiting()
        else:
            self._write(leave=BATCH)
        if session.closed is not None:
            self._close_socket()
        return receipt

    def flush(self) -> None:
        """Write the queued frames. Call this before waiting for an answer."""
        if self._scheduler.flush_scheduled:
            self._try_write()

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, after the frames that are queued."""
        with self._state:
            if self.session.closed is not None:
                self._raise_closed(self.session.closed)
            self.session.send_raw(data)
        if threading.get_ident() == self._receiver:
            self._write_without_waiting()
        else:
            self._write(leave=BATCH)

    def close(self, error: StompError | None = None) -> None:
        """Close the connection now, without DISCONNECT. The handler gets `Closed`."""
        with self._state:
            # Frames that were sent before are still written, as far as the kernel takes them.
            self._writer.take_before_abort()
            self.session.abort(error)
            self._queue_events()
        self._close_socket()

    def join(self, seconds: float) -> bool:
        """Wait until the last event was handled. True if it was, False after the timeout.

        False at once when called from the handler, which cannot wait for itself.
        """
        self.start()
        if self.is_receiving_thread():
            return False
        return self._dispatcher.finished.wait(seconds)

    def is_receiving_thread(self) -> bool:
        """True when called from the handler, where waiting for a frame from the broker would never end."""
        return threading.get_ident() in (self._receiver, self._dispatcher.thread)

    def abandon_after_fork(self) -> None:
        """In a forked child: end the link without reading or writing. The connection belongs to the parent.

        The socket is not shut down, which would end the parent's connection, too. Only the child's descriptor is
        closed.
        """
        # The parent writes the queued frames, and TLS's close_notify.
        self._layer = None
        self._closed = True
        self.session.abort(NotConnected("it belongs to the process that this one was forked from"))
        # Drop the events: with gevent the receiving "thread" goes on in the child, and would call the handler.
        self.session.events()
        self._make_parts()  # the threads that held the locks, or would have set the events, do not exist here
        self._session_ended.set()
        self._dispatcher.finished.set()
        self.sock.close()

    def _make_parts(self) -> None:
        """Make the locks, and the parts that have locks or use them."""
        self._read_lock = threading.Lock()
        self._state = state = threading.Lock()
        self._layer_lock = layer_lock = threading.Lock()
        self._session_ended = threading.Event()
        self._reader = SocketReader(
            self.sock, self.session, direct=self._layer is None
        )  # guarded by `_read_lock`
        timeout = self._options.send_timeout
        self._writer = SocketWriter(
            self.sock, self.session, self._layer, state, layer_lock, timeout, self._clock
        )
        self._dispatcher = EventDispatcher(self._handler, self._frames, self.session.counters, state)

    # ------------------------------------------------------------------------------------- receiving

    def _receive_all(self) -> None:
        """The receiving thread."""
        self._receiver = threading.get_ident()
        try:
            if self._layer is not None:
                # The last read of the handshake may have returned bytes of the session, too.
                with self._read_lock:
                    self._process(b"", 0, False, None)
            while self.session.closed is None:
                with self._read_lock:
                    # The timer thread may have read for this thread while the handler was running.
                    if not self._dispatcher.queue and not self._read(0):
                        self._wait()
                if self.session.closed is None:
                    self._dispatch()
        finally:
            self._end()

    def _end(self) -> None:
        """The session has ended: close the socket and dispatch the last events."""
        self._detach()
        self._dispatcher.end()
        self._dispatch()

    def _wait(self) -> None:
        """Wait until the socket is readable, with a timeout. The caller holds `_read_lock`."""
        wait_ready(self.sock, read=True, write=False, seconds=_LONGEST_WAIT)

    def _read(self, flags: int) -> bool:
        """Read once and process the data. False if there was nothing to read. The caller holds `_read_lock`."""
        error: OSError | None = None
        data, direct_bytes = b"", 0
        try:
            data, direct_bytes = self._reader.read(flags)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as err:
            error = err
        self._process(data, direct_bytes, not (data or direct_bytes), error)
        return True

    def _process(self, data: bytes, direct_bytes: int, ended: bool, error: OSError | None) -> None:
        """Process what was read. The caller holds `_read_lock`.

        Args:
            data: the bytes that were read.
            direct_bytes: how many bytes were read directly into the buffer of a body instead.
            ended: EOF, or reading failed.
            error: the error of that.
        """
        if self._layer is not None:
            try:
                with self._layer_lock:
                    data = self._layer.receive(data)
                    ended = ended or self._layer.ended
                    error = error or self._layer.failure
            except OSError as err:
                data, ended, error = b"", True, error or err
        session, state = self.session, self._state
        state.acquire()  # not `with`: see `transmit`
        try:
            if data:
                session.receive_data(data, self._clock())
            if direct_bytes:
                session.add_direct_bytes(direct_bytes, self._clock())
            if ended:
                session.receive_eof(error or self._write_failure, self._clock())
            self._queue_events()
            if session.deadline_moved_up:
                session.deadline_moved_up = False
                self._request_timer()
        finally:
            state.release()
        # The session queues frames itself at times, and TLS writes records.
        if session.outgoing or self._layer is not None:
            self._try_write()

    def _queue_events(self) -> list[Event]:
        """Move the events of the session to the queue of the dispatcher. The caller holds `_state`."""
        events = self.session.events()
        if events:
            self._dispatcher.queue += events
            if self.session.closed is not None:
                self._session_ended.set()
        return events

    @property
    def _over_read_limit(self) -> bool:
        """True when too many received bytes wait for the handler, so reading pauses until it has returned."""
        return self._dispatcher.waiting_bytes >= _READ_LIMIT

    def _dispatch(self) -> None:
        """Run the handler for all queued events, unless another thread is running it.

        This is the receiving thread, except after a tick of the timer thread: see `_after_tick`.
        """
        dispatcher = self._dispatcher
        while dispatcher.queue:
            try:
                if not dispatcher.run_batch():
                    return
            except SystemExit:
                self.close()  # a listener called sys.exit(), which was logged: it gets no more messages
            if self.session.outgoing or self._layer is not None:
                self._try_write()

    def _detach(self) -> None:
        """The session has ended, and this thread ends: close the socket."""
        if self.alive:  # only if the code above has a bug
            self.close()
        self._close_socket()
        self.removed = True
        self._timer.remove(self)
        LINKS.discard(self)
        self._writer.close()

    def _close_socket(self) -> None:
        """Shut the socket down in both directions, after the queued frames. That wakes the receiving thread."""
        if self._closed:
            return
        self._closed = True
        closed = self.session.closed
        if closed is not None and closed.reason is Reason.CLEAN:
            self.flush_within(CLOSE_TIMEOUT)
        else:
            self._try_write(last=True)
        if self._layer is not None:
            with self._layer_lock:
                self._layer.close()
            self._try_write(last=True)
        self._shutdown_socket()

    # ------------------------------------------------------------------------------------- writing

    def _write_without_waiting(self) -> None:
        """Write on the receiving thread, which never waits for the socket without reading: see the module."""
        self._try_write()
        if self._writer.full:
            self._read_while_blocked()

    def _try_write(self, *, last: bool = False) -> None:
        """Write what the kernel takes without blocking; the timer thread writes the rest."""
        with contextlib.suppress(ConnectionLost):
            self._write(leave=None, last=last)

    def _write(self, *, leave: int | None, seconds: float | None = None, last: bool = False) -> None:
        """Write the queued frames: see `SocketWriter.write`. The timer thread writes what is left.

        Raises:
            ConnectionLost: the socket is broken.
            SendStalled: the timeout has passed.
        """
        try:
            if not self._writer.write(leave=leave, seconds=seconds, last=last):
                self._timer.call_within(self, _RETRY_DELAY)
        except SendStalled:
            self._timer.call_within(self, _RETRY_DELAY)
            raise
        except OSError as err:
            self._write_failure = self._write_failure or err
            # The receiving thread reads what has arrived, the broker's ERROR perhaps, and then EOF.
            self._shutdown_socket()
            raise self._write_error(err, patience=GRACE if leave is None else CLOSE_TIMEOUT) from err

    def flush_within(self, seconds: float) -> None:
        """Write the queued frames, as far as the peer reads them within this many seconds."""
        with contextlib.suppress(NotConnected, SendStalled):
            self._write(leave=0, seconds=seconds)

    def _raise_closed(self, closed: Closed) -> NoReturn:
        raise NotConnected(f"the connection has ended: {closed.why}", hint="connect again") from closed.error

    def _read_while_blocked(self) -> None:
        """The writer is full and the receiving thread wants to send: read while waiting.

        The broker may be waiting for this client to read before it reads itself.
        """
        deadline = Deadline(self._options.send_timeout)
        while self._writer.full and self.alive:
            if not deadline.left:
                raise self._writer.stalled()
            readable, _ = wait_ready(
                self.sock, read=not self._over_read_limit, write=True, seconds=min(deadline.left, 1.0)
            )
            if readable:
                with self._read_lock:
                    self._read(DONTWAIT)
            self._try_write()

    def _write_error(self, err: OSError, patience: float) -> ConnectionLost:
        """The exception for a write that failed: with the session's reason for the end, if it has one in time."""
        if threading.get_ident() != self._receiver:
            self.start()
            self._session_ended.wait(patience)
        closed = self.session.closed
        why = closed.why if closed is not None and closed.error is not None else f"writing failed: {err}"
        return ConnectionLost(why, hint="connect again")

    # ------------------------------------------------------------------------------------- the clock

    def _request_timer(self) -> None:
        """Ask the timer thread to call at the session's next deadline. The caller holds `_state`."""
        due = self.session.next_deadline()
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self._timer.call_within(self, due - self._clock())

    def on_timer(self) -> float | None:
        """See `Timed.on_timer`. Called on the timer thread; does not wait for the socket or the handler."""
        self._scheduler.flush_scheduled = False
        session = self.session
        now = self._clock()
        events: list[Event] = []
        if self._due is not None and now >= self._due:
            # While no handler runs, the receiving thread reads. Only before a heart-beat timeout does it get a moment
            # to do so: it may have been kept from running, as this thread may have been.
            timed_out = session.is_timed_out(now)
            if self._dispatcher.thread or timed_out:
                self._read_on_timer(GRACE if timed_out else 0.0)
                now = self._clock()
            with self._state:
                session.tick(now)
                events = self._queue_events()
                self._due = next_due = session.next_deadline()
        else:
            with self._state:
                self._due = next_due = session.next_deadline()
        if self._writer.waiting:
            self._try_write()
        if events:
            self._after_tick(events)
        return None if next_due is None else max(0.0, next_due - now)

    def _after_tick(self, events: list[Event]) -> None:
        """Have the handler run, if these events must not wait until something is read."""
        if not self.alive:
            self._shutdown_socket()
        elif (
            type(events[-1]) is ReceiptOverdue
            or self._frames.on
            or len(self._dispatcher.queue) > _MAX_QUEUED_BEATS
        ):
            # The receiving thread waits for the network, perhaps for long, so another thread runs the handler.
            self._options.start_thread(self._dispatch)

    def _read_on_timer(self, patience: float) -> None:
        """Read for the receiving thread while it runs a handler: a slow handler must not cause a heart-beat timeout.

        Args:
            patience: seconds to wait for the receiving thread, if it is reading.
        """
        if not self._read_lock.acquire(timeout=patience):
            return
        try:
            for _ in range(_TIMER_READS):
                if not wait_ready(self.sock, read=True, write=False, seconds=0)[0]:
                    return
                if self._over_read_limit:
                    with self._state:
                        self.session.note_activity(self._clock())
                    return
                if not self._read(DONTWAIT) or not self.alive:
                    return
        finally:
            self._read_lock.release()

    def _shutdown_socket(self) -> None:
        """Wake the receiving thread: shut the socket down."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
