"""The sending half of a `stomp.client.threads.link.Link`: queues frames, and decides when to write them.

Rules of this file:

- A single frame is written at once, by the thread that sends it.
- Frames that follow each other quickly are buffered, and written together when `BATCH` bytes are buffered or when the
  timer thread flushes, about 1 ms later.
- Frames that a handler sends are written at the end of the batch of events that it handles, or when the timer thread
  flushes.
- The timer thread is woken as rarely as possible: each time costs more than sending ten frames.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from stomp.client.threads.writer import BATCH
from stomp.core.errors import ConnectionLost, NotConnected, SendStalled
from stomp.core.frames import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.client.logging import FrameLog
    from stomp.client.threads.dispatcher import EventDispatcher
    from stomp.client.threads.timer_thread import TimerThread
    from stomp.client.threads.writer import SocketWriter
    from stomp.core.frames.frame import OutgoingFrame
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Closed, Message
    from stomp.core.session.ledger import PendingReceipt

#: Two sends within this many seconds make a busy sender: its frames may be buffered.
_BUSY = 20e-6
#: Longest time that a frame is buffered, about, in seconds.
FLUSH_DELAY = 0.001
#: Frames that a handler sends are buffered until the end of its batch; the timer thread flushes them for slow handlers.
#: As long as it finds nothing to flush, the delay doubles, up to this: each wake-up costs a fast handler 0.1 ms.
_CORK = 8 * FLUSH_DELAY
#: Bodies of at least this many bytes are large.
_LARGE = 8 * 1024
#: Bytes per batch while a sender fills batches with large bodies: the reader is woken less often, at the expense of
#: the writer.
_STREAM = 512 * 1024
#: Seconds until the next try when the kernel's buffer is full.
_RETRY = 0.01
#: How long closing a connection may wait for a broker that does not read, in seconds.
CLOSE_TIMEOUT = 2.0
#: Seconds that the receiving thread gets to read before a heart-beat timeout closes the connection.
GRACE = 0.02


class SendingHalf(ABC):
    """Queues frames and schedules their writing: see the module. `Link` is the receiving half and owns the parts."""

    session: ClientSession
    removed: bool
    _clock: Callable[[], float]
    _frames: FrameLog
    _timer: TimerThread
    _writer: SocketWriter
    _state: threading.Lock
    _receiver: int
    _dispatcher: EventDispatcher
    _due: float | None

    def __init__(self) -> None:
        self._last_sent = 0.0  # time of the last send
        self._lingering = False  # frames are buffered, and the timer thread was asked to flush them
        self._streaming = False  # senders fill batches, which are written without the timer thread
        self._corking = False  # the same for frames that the handler sends
        self._cork = FLUSH_DELAY  # the delay of that flush, in seconds
        self._broken: OSError | None = None  # the error of the write that failed

    @property
    @abstractmethod
    def alive(self) -> bool:
        """True until the session has ended."""

    @abstractmethod
    def on_timer(self) -> float | None:
        """See `Timed.on_timer`."""

    @abstractmethod
    def _queue_events(self) -> None: ...

    @abstractmethod
    def _request_timer(self) -> None: ...

    @abstractmethod
    def _read_while_blocked(self) -> None: ...

    @abstractmethod
    def _close_socket(self) -> None: ...

    @abstractmethod
    def _shutdown_socket(self) -> None: ...

    @abstractmethod
    def _write_error(self, err: OSError, patience: float) -> ConnectionLost: ...

    # ------------------------------------------------------------------------------------- for clients

    def transmit(
        self,
        frame: OutgoingFrame,
        *,
        escaped: bool = False,
        deadline: float | None = None,
        may_delay: bool = False,
    ) -> PendingReceipt | None:
        """Send a frame, from any thread. See `ClientSession.transmit`.

        When it returns, the frame was given to the kernel, or is queued or buffered for a later write.

        Args:
            frame: the frame.
            escaped: its headers are in escaped form already.
            deadline: the time when its receipt is overdue.
            may_delay: the frame may be buffered for up to `FLUSH_DELAY`, to be written with later ones; see `flush`.

        Raises:
            NotConnected: the connection has ended.
            FrameError: the frame cannot be encoded.
            SendStalled: the broker has not read for `Options.send_timeout`. The frame is queued.
        """
        session = self.session
        with self._state:
            if session.closed is not None:
                self._refuse(session.closed)
            ticket = session.transmit(frame, escaped=escaped, deadline=deadline)
            if not self.alive:
                self._queue_events()
            if deadline is not None and (self._due is None or deadline < self._due):
                self._request_timer()
        if self._logs():
            self._frames.sent(frame.command, frame.headers, frame.body)
        self._send(may_delay=may_delay)
        return ticket

    def flush(self) -> None:
        """Write the buffered frames. Call this before waiting for an answer."""
        if self._lingering:
            self._try_write()

    def send(
        self,
        destination: str,
        body: bytes,
        content_type: str | None = None,
        receipt: str | None = None,
        deadline: float | None = None,
        may_delay: bool = False,
        content_length: bool = True,
    ) -> None:
        """Send a message without other headers: faster than `transmit`, with the same guarantees and exceptions."""
        # Not `with`, here and in the other fast paths: that takes 0.1 us more, a tenth of the whole call.
        self._state.acquire()
        try:
            sent = self.session.send_plain(destination, body, content_type, receipt, deadline, content_length)
            if deadline is not None and (self._due is None or deadline < self._due):
                self._request_timer()
        finally:
            self._state.release()
        if not sent:
            frame = commands.send(
                destination, body, content_type=content_type, content_length=content_length, receipt=receipt
            )
            self.transmit(frame, deadline=deadline, may_delay=may_delay)
            return
        if self._frames.on if self._lingering else self._logs():
            length = len(body) if content_length else None
            headers = {"destination": destination, "content-type": content_type, "receipt": receipt}
            self._frames.sent("SEND", {**headers, "content-length": length}, body)
        if not self._lingering or self.session.outgoing >= BATCH:
            self._send(may_delay=may_delay, large=len(body) >= _LARGE)

    def acknowledge(self, message: Message) -> str | None:
        """Acknowledge a message; a fast path: see `ClientSession.acknowledge`. The ACK may be buffered."""
        self._state.acquire()
        try:
            name = self.session.acknowledge(message)
        finally:
            self._state.release()
        if name is not None:
            if self._logs():
                self._frames.sent("ACK", {"id": name})
            self._send(may_delay=True)
        return name

    def transmit_plain(self, command: str, headers: dict[str, Any], body: bytes = b"") -> bool:
        """A fast path of `transmit`: see `ClientSession.transmit_plain`. False if nothing was sent."""
        self._state.acquire()
        try:
            sent = self.session.transmit_plain(command, headers, body)
        finally:
            self._state.release()
        if sent:
            if self._frames.on if self._lingering else self._logs():
                length = {"content-length": len(body)} if body else {}
                self._frames.sent(command, {**headers, **length}, body)
            self._send()
        return sent

    def answer_plain(self, command: str, name: str) -> bool:
        """A fast path for ACK and NACK: see `ClientSession.answer_plain`. False if nothing was sent."""
        self._state.acquire()  # not `with`: see `send`
        try:
            sent = self.session.answer_plain(command, name)
        finally:
            self._state.release()
        if sent and (self._frames.on if self._lingering or self._dispatcher.batching else self._logs()):
            self._frames.sent(command, {"id": name})
        # While a batch is handled, the frame is written with the others, for which the timer thread was asked already.
        if sent and not (self._dispatcher.batching and self._corking and self.session.outgoing < BATCH):
            self._send()
        return sent

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, after the frames that are queued."""
        with self._state:
            if self.session.closed is not None:
                self._refuse(self.session.closed)
            self.session.send_raw(data)
        self._send()

    def flush_within(self, seconds: float) -> None:
        """Write the queued frames, as far as the peer reads them within this many seconds."""
        with contextlib.suppress(NotConnected, SendStalled):
            self._write(leave=0, seconds=seconds)

    def _refuse(self, closed: Closed) -> NoReturn:
        raise NotConnected(f"the connection has ended: {closed.why}", hint="connect again")

    def _logs(self) -> bool:
        """True if frames are logged. Of frames that are written together, only the first checks whether DEBUG is on.

        The fast paths do not call this for the others: the call would take 50 of 600 ns.
        """
        return self._frames.on if self._lingering or self._dispatcher.batching else self._frames.look()

    # ------------------------------------------------------------------------------------- writing

    def _send(self, *, may_delay: bool = False, large: bool = False) -> None:
        """Write the frame that this thread has queued, or leave it in the buffer.

        Args:
            may_delay: see `transmit`.
            large: the frame has a large body.

        The cases, in this order:

        - A flush is scheduled or the frame `may_delay`, and less than a batch is buffered: it stays in the buffer, and
          a flush is scheduled within `FLUSH_DELAY`.
        - The handler sends while it handles several events, and less than a batch is buffered: it stays in the buffer
          until the end of these events, or until the timer thread flushes.
        - The last send was less than `_BUSY` ago, and less than a batch is buffered: the timer thread writes it.
        - The receiving thread sends: it writes without blocking, and reads while the writer is full.
        - Otherwise this thread writes, and blocks while the writer is full.
        """
        small = self.session.outgoing < (_STREAM if large and self._streaming else BATCH)
        if (self._lingering or may_delay) and small and self.alive:
            self.schedule_flush(FLUSH_DELAY)
            return
        if self._dispatcher.batching and small and threading.get_ident() == self._receiver:
            if not self._corking:
                self._corking = True
                self._timer.call_within(self, self._cork)
        elif (now := self._clock()) - self._last_sent < _BUSY and small:
            self.schedule_flush(0.0)
            self._last_sent = now
        elif threading.get_ident() == self._receiver:
            self._try_write()
            if self._writer.full:
                self._read_while_blocked()
            self._last_sent = self._clock()
        else:
            # The buffered frames became a batch before the timer thread flushed them. The next ones probably will, too,
            # and waking the timer thread for each batch would cost more than writing the batch.
            self._streaming = streaming = self._lingering and not small
            self._write(leave=BATCH)
            if streaming:
                self.schedule_flush(FLUSH_DELAY)
            self._last_sent = self._clock()
        if self.session.closed is not None:
            self._close_socket()

    def schedule_flush(self, seconds: float) -> None:
        """Ask the timer thread to write the queued frames within this many seconds."""
        if not self._lingering:
            self._lingering = True
            self._timer.call_within(self, seconds)

    def _on_timer_fired(self) -> None:
        """The timer thread calls the link: reset the requests for a flush."""
        if self._corking:
            self._cork = (
                FLUSH_DELAY
                if self._dispatcher.batching and self.session.outgoing
                else min(2 * self._cork, _CORK)
            )
        self._lingering = self._corking = False

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
            if not self._writer.dash() and not self._writer.write(leave=leave, seconds=seconds, last=last):
                self._timer.call_within(self, _RETRY)
        except SendStalled:
            self._timer.call_within(self, _RETRY)
            raise
        except OSError as err:
            self._broken = self._broken or err
            # The receiving thread reads what has arrived, the broker's ERROR perhaps, and then EOF.
            self._shutdown_socket()
            raise self._write_error(err, patience=GRACE if leave is None else CLOSE_TIMEOUT) from err
