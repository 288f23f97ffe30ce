"""The threaded driver: one `Link` is one connection, from open socket to `Closed`.

Rules of this file:

- The receiving thread reads and runs the handler; the keeper (`stomp.client.threads.timer_thread`) has the clock.
- A connection on which nothing but heart-beats comes has no receiving thread: see `stomp.client.threads.idle`.
- Locks, each short, always taken in this order, and none held while user code runs: `_reading` (who reads the
  socket), that of the outbox (who writes it), `_state` (session and queues), `_codec` (layer).
- Nobody waits for the socket while holding one, but for `_reading`. The receiving thread does not even wait to be
  let into the outbox: if both sides send a lot, somebody must go on reading (one lock held across a blocking
  send deadlocks).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from stomp.client.logging import FrameLog, connections
from stomp.client.thread_cache import WorkItem, lend_daemon
from stomp.client.threads.idle import Sleeper
from stomp.client.threads.one_shot_event import OneShotEvent
from stomp.client.threads.open_links import LINKS
from stomp.client.threads.reader import SocketReader
from stomp.client.threads.timer_thread import keeper
from stomp.client.threads.write_scheduler import CLOSE_TIMEOUT, FLUSH_DELAY, GRACE, SendingHalf
from stomp.client.threads.writer import DONTWAIT, SocketWriter
from stomp.core.engine.broker_profiles import web_message_check
from stomp.core.errors import ConnectionLost, NotConnected
from stomp.core.session.events import HeartbeatSent, Reason, ReceiptOverdue
from stomp.core.session.state import State
from stomp.net.dial import Deadline, wait_ready

if TYPE_CHECKING:
    from stomp.client.options import Options
    from stomp.core.errors import StompError
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Event
    from stomp.net.layer import Layer

#: Called on the receiving thread with what happened, in order. It holds no lock and may call anything.
Handler = Callable[[list["Event"]], None]

#: Without MSG_DONTWAIT the receiving thread looks up this often, in seconds.
_LONGEST_WAIT = 60.0
#: When nothing has come for so long, in seconds, memory that is kept for more is given back.
_SPARE_TIME = 1.0
#: How many reads the keeper does at most for a busy receiving thread, in one go.
_LISTEN_READS = 64
_IN_HIGH = 4 * 1024 * 1024
#: So many heart-beats that were sent may wait to be told until something is read.
_FEW = 8


class Link(SendingHalf, Sleeper):
    """One connection. Made with an open socket; `start` begins to read.

    Args:
        sock: connected and blocking. The link owns it from now on.
        session: a new session.
        handler: told what happens.
        options: the settings.
        layer: TLS, a WebSocket, or both as a stack; or None.
        hears: tells whether code of the user will run when the handler is told this. None: always.
        log_later: see `stomp.client.logging.FrameLog`.
    """

    def __init__(
        self,
        sock: socket.socket,
        session: ClientSession,
        handler: Handler,
        options: Options,
        layer: Layer | None = None,
        hears: Callable[[list[Event]], bool] | None = None,
        log_later: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        SendingHalf.__init__(self)
        Sleeper.__init__(self, tireless=hears is None or options.start_thread is not lend_daemon)
        self.sock = sock
        self.session = session
        self._started: object = None
        self._handler = handler
        self._hears = hears
        self._options = options
        self._clock = options.clock
        self._layer = layer
        if layer is not None and layer.is_websocket:
            session.frame_check_for = web_message_check
        self._frames = FrameLog(clock=options.clock, later=log_later)
        self._make_parts()
        self._told = 0  # how many of the bytes received the handler was told of
        self._keeper = keeper()
        LINKS.add(self)
        self._begun = False  # it is read; until then, whoever connects looks at the clock
        self.removed = False  # for the keeper
        self.was_connected = False  # for the handler: it was told of CONNECTED
        self._due: float | None = None  # the moment for which the keeper was asked to come
        self._receiver = 0  # ident of the receiving thread
        self._dispatching_thread = 0  # ident of the thread that runs the handler
        self._batching = False  # a batch is being handled: replies leave together
        self._hung_up = False
        if not DONTWAIT:
            sock.setblocking(False)

    # ------------------------------------------------------------------------------------- for clients

    def start(self, *, quiet: bool = False) -> None:
        """Begin to read, unless that was done. The handler may be called from now on.

        Args:
            quiet: nothing is awaited from the broker now, so it may sleep.
        """
        with self._state:
            if self._begun:
                return
            self._begun = True
            self._ask_keeper()
        if not (quiet and self._told_quietly() and self._fall_asleep()):
            self._lend_thread()

    def read_connected(self) -> None:
        """Between CONNECT and `start`: read on this thread until the broker has let us in, or time is up.

        Who waits for the answer need not be woken by another thread then. The handler will be told after `start`.
        """
        deadline = Deadline(self._options.connect_timeout, self._clock)
        while self.session.state is State.CONNECTING and (left := deadline.left):
            if not self._reading.acquire(blocking=False):
                return  # it was started by somebody else
            try:
                if wait_ready(self.sock, read=True, write=False, seconds=min(left, _LONGEST_WAIT))[0]:
                    self._read(DONTWAIT)
            finally:
                self._reading.release()

    @property
    def thread(self) -> object:
        """The thread that reads, or what the factory of threads made of it."""
        self._never_idle = True  # whoever asks expects it to last as long as the connection
        self._rouse()
        started = self._started
        return started.thread if isinstance(started, WorkItem) else started

    @property
    def alive(self) -> bool:
        """True until the session has ended, for whatever reason."""
        return self.session.closed is None

    def close(self, error: StompError | None = None) -> None:
        """Drop the connection now, without DISCONNECT. The handler will be told `Closed`."""
        with self._state:
            # What was sent before still goes out, as far as the kernel takes it.
            self._outbox.keep()
            self.session.abort(error)
            self._collect()
        self._hang_up()

    def join(self, seconds: float) -> bool:
        """Wait until the last event was handled: True if it was, False if time is up.

        False at once when called from the handler, which cannot wait for itself.
        """
        self.start()
        if self.is_receiving_thread():
            return False
        deadline = Deadline(seconds)
        if self._wake_up():
            self._receive_end(deadline)
        return self._finished.wait(deadline.left)

    def is_receiving_thread(self) -> bool:
        """True when called from the handler, which would wait in vain for anything that comes in."""
        return threading.get_ident() in (self._receiver, self._dispatching_thread)

    def abandon_after_fork(self) -> None:
        """In a forked child: the connection is its parent's. Here it has ended, and not a byte of it is touched.

        Not even shut down, as that is the end for the parent, too; closing is about the child's own descriptor.
        """
        self.asleep = False
        # What was queued goes out from the parent, and so does the good-bye of TLS.
        self._layer = None
        self._hung_up = True
        self.session.abort(NotConnected("it belongs to the process that this one was forked from"))
        # The handler is not told: with gevent the receiving "thread" lives on in the child, and would do it.
        self.session.events()
        self._make_parts()  # the threads are gone that held the locks, or that would have set the events
        self._ended.set()
        self._finished.set()
        self.sock.close()

    def _make_parts(self) -> None:
        self._reading = threading.Lock()
        self._state = state = threading.Lock()
        self._codec = codec = threading.Lock()
        self._telling = threading.Lock()  # who has it runs the handler
        self._ended = OneShotEvent()  # the session is over
        self._finished = OneShotEvent()
        patience = self._options.send_timeout
        self._inlet = SocketReader(self.sock, self.session, direct=self._layer is None)
        self._outbox = SocketWriter(self.sock, self.session, self._layer, state, codec, patience, self._clock)
        self._inbox: list[Event] = []

    # ------------------------------------------------------------------------------------- receiving

    def _lend_thread(self) -> None:
        self._started = self._options.start_thread(self._receive_all)

    def _receive_all(self) -> None:
        """The receiving thread."""
        self._receiver = threading.get_ident()
        asleep = False
        try:
            if self._layer is not None:
                # The end of the handshake may have brought bytes of the session with it.
                with self._reading:
                    self._take(b"", 0, False, None)
            while not asleep and self.session.closed is None:
                with self._reading:
                    # The keeper may have read in our place while the handler was busy.
                    if not self._inbox and not self._read(DONTWAIT if self.session.spare else 0):
                        self._wait()
                if self.session.closed is None:
                    asleep = self._is_tired() and self._fall_asleep()
                    if not asleep:
                        self._dispatch()
        finally:
            if not asleep:
                self._end()

    def _end(self) -> None:
        """The session is over, and all that is left is to tell the handler."""
        self._part()
        with self._telling:
            pass  # whoever is at it comes to its end first
        self._dispatch()
        self._finished.set()

    def _receive_end(self, deadline: Deadline) -> None:
        """Read on this thread, which waits for the end and has woken the link up, as long as nobody is to be told."""
        here = False
        try:
            while self.alive and self._passed_over() and (left := deadline.left):
                with self._reading:
                    # The keeper may just have read the end.
                    if self._inbox or not self.alive:
                        continue
                    if wait_ready(self.sock, read=True, write=False, seconds=min(left, _LONGEST_WAIT))[0]:
                        self._read(DONTWAIT)
            here = not self.alive and not self._hears_any(self._inbox)
        finally:
            if not here:
                self._lend_thread()
        if here:
            self._end()

    def _wait(self) -> None:
        """Wait until there is something to read, but not for ever. The caller has `_reading`."""
        spare = self.session.spare
        seconds = _SPARE_TIME if spare else _LONGEST_WAIT
        if not wait_ready(self.sock, read=True, write=False, seconds=seconds)[0] and spare:
            with self._state:
                self.session.relax()

    def _read(self, flags: int) -> bool:
        """Read once and take it in; False if there was nothing to read. The caller has `_reading`."""
        error: OSError | None = None
        data, add_direct_bytes = b"", 0
        try:
            data, add_direct_bytes = self._inlet.read(flags)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as err:
            error = err
        self._take(data, add_direct_bytes, not (data or add_direct_bytes), error)
        self._inlet.note(len(data), len(self._inbox))
        return True

    def _take(self, data: bytes, add_direct_bytes: int, ended: bool, error: OSError | None) -> None:
        """Take in what was read, or how much of a body. The caller has `_reading`."""
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
            if add_direct_bytes:
                session.add_direct_bytes(add_direct_bytes, self._clock())
            if ended:
                session.receive_eof(error or self._broken, self._clock())
            self._collect()
            if session.deadline_moved_up:
                session.deadline_moved_up = False
                self._ask_keeper()
        finally:
            state.release()
        # The session answers by itself at times, and so does TLS.
        if session.outgoing or self._layer is not None:
            self._try_write()

    def _collect(self) -> None:
        """Move what the session has to tell into our queue. The caller has `_state`."""
        events = self.session.events()
        if events:
            self._inbox += events
            if self.session.closed is not None:
                self._ended.set()

    @property
    def _over_read_limit(self) -> bool:
        """True when so much waits for the handler that no more is to be read."""
        return self.session.counters.bytes_received - self._told >= _IN_HIGH

    def _dispatch(self) -> None:
        """Tell the handler everything, in order, on this thread or on that which is at it already.

        That is the receiving thread but for one case: see `attend`.
        """
        # Whoever is at it looks again after it has let go, so that nothing is left behind.
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
            # Handlers guard their own callbacks; this keeps a defect of theirs from ending the connection.
            connections.exception("the handler of a connection failed")
        except SystemExit:
            self.close()  # a listener called sys.exit(), which was logged: no more messages are for it
        self._batching = False
        self._dispatching_thread = 0
        if self.session.outgoing or self._layer is not None:
            self._try_write()

    def _part(self) -> None:
        """The session is over, and this thread with it: let go of the socket."""
        if self.alive:  # only if the code above has a defect
            self.close()
        self._hang_up()
        self.removed = True
        self._keeper.remove(self)
        LINKS.discard(self)
        self._outbox.close()

    def _hang_up(self) -> None:
        """Close for both directions, after what is queued; that ends the wait of the receiving thread."""
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
        """The queue is full and the receiving thread wants to send: read on while waiting.

        The broker may be waiting for us to read before it reads itself.
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
        """Why the socket broke under a write: in the words of the session, once it has ended."""
        if threading.get_ident() != self._receiver:
            self.start()
            self._ended.wait(patience)
        closed = self.session.closed
        why = closed.why if closed is not None and closed.error is not None else f"writing failed: {err}"
        return ConnectionLost(why, hint="connect again")

    # ------------------------------------------------------------------------------------- the clock

    def _ask_keeper(self) -> None:
        """Have the keeper come when the session next wants it. The caller has `_state`."""
        due = self.session.next_deadline()
        if due is not None and (self._due is None or due < self._due) and self._begun:
            self._due = due
            self._keeper.attend_in(self, due - self._clock())

    def attend(self) -> float | None:
        """See `Timed.attend`. Called by the keeper; does not wait for the socket or the handler."""
        streaming, self._streaming = self._streaming, False
        self._on_timer_fired()
        session = self.session
        now = self._clock()
        due = self._due is not None and now >= self._due
        # While it sleeps, all there is has been read, unless the watch was kept from running.
        if due and (not self.asleep or session.is_timed_out(now)):
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
        """After a tick: have the handler told, if it must not wait for something to be read."""
        inbox = self._inbox
        if self.asleep:
            if (
                not self.alive
                or len(inbox) > _FEW
                or any(type(event) is not HeartbeatSent for event in inbox)
            ):
                self._look()
        elif not self.alive:
            self._wake()
        elif any(type(event) is ReceiptOverdue for event in inbox) or (inbox and self._frames.on):
            # The receiving thread waits for the network, and may do so for long.
            self._options.start_thread(self._dispatch)

    def _read_on_timer(self) -> None:
        """Read for the receiving thread while it is busy in a handler: silence counts bytes, not handlers."""
        # If it is reading itself, then all there is has been read; but where this is about the end of the
        # connection, it gets a moment to say so: it may have been kept from running, as we may have been.
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
        """Have the wait of the receiving thread end."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
