"""The connection of the asyncio client: one `AioLink` is one connection, from the open socket to the event `Closed`.

Rules of this file:

- Everything runs on the event loop, in callbacks that do not wait. The handler gets the events of received bytes before
  the next bytes are processed.
- A session has one timer. It is set again when it has fired, or when an earlier deadline appears, but not whenever
  bytes arrive.
- Frames are written by the rule of `stomp.client.write_scheduler`; the queued ones are written in the next iteration
  of the loop.
- A loop that was blocked may run the timer before it reads bytes that have arrived. So before a heart-beat timeout,
  the link checks whether the socket is readable.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast

from stomp.client.aio.connect import open_stream
from stomp.client.logging import FrameLog, connections
from stomp.client.write_scheduler import BATCH, WriteScheduler
from stomp.core.errors import ConnectionLost, NotConnected, SendStalled
from stomp.net.dial import wait_ready
from stomp.net.read_buffer import ReadBuffer

if TYPE_CHECKING:
    from stomp.client.connect import TlsSettings
    from stomp.client.options import Options
    from stomp.core.errors import StompError
    from stomp.core.frames.frame import OutgoingFrame
    from stomp.core.session.client import ClientSession
    from stomp.core.session.events import Closed, Event
    from stomp.core.session.ledger import PendingReceipt
    from stomp.net.address import Address
    from stomp.net.layer import Layer

#: Called on the event loop with the events of a link, in order.
AioHandler = Callable[["AioLink", "list[Event]"], None]

#: High-water mark of the transport's write buffer, in bytes: from here on senders wait.
_HIGH = 1024 * 1024
#: How long closing a connection may wait for a broker that does not read, in seconds.
_LAST_WORDS = 2.0
#: Most reads after a failed write, of `_READ` bytes each.
_LAST_READS = 64
_READ = 64 * 1024


class AioLink(asyncio.BufferedProtocol):
    """One connection. Create it with an open socket, or with `open_link`; `start` starts reading.

    Args:
        sock: connected. The link owns it from now on.
        session: a new session.
        handler: called with the events of the connection.
        options: the settings.
        layer: TLS, a WebSocket, or both as a stack; or None.

    Attributes:
        write_paused: the write buffer is full, so senders should wait: see `wait_writable`.
    """

    __slots__ = (
        "_clock",
        "_due",
        "_ended",
        "_frames",
        "_gone",
        "_handler",
        "_layer",
        "_loop",
        "_options",
        "_paused",
        "_read_buffer",
        "_scheduler",
        "_sock",
        "_timer",
        "_transport",
        "_write_waiters",
        "session",
        "write_paused",
    )

    def __init__(
        self,
        sock: socket.socket,
        session: ClientSession,
        handler: AioHandler,
        options: Options,
        layer: Layer | None = None,
    ) -> None:
        self.session: ClientSession = session
        self.write_paused: bool = False
        self._sock = sock
        self._handler = handler
        self._options = options
        self._clock = options.clock
        self._layer = layer
        if layer is None or not layer.is_websocket:
            session.frame_check_for = None
        self._frames = FrameLog(clock=options.clock)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # the time for which the timer is set
        self._read_buffer = ReadBuffer()
        self._scheduler = WriteScheduler()
        self._paused = False
        self._ended = False
        self._write_waiters: list[asyncio.Future[None]] | None = None  # the waiters of `wait_writable`
        self._gone: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------------------------- for clients

    async def start(self) -> None:
        """Start reading. The handler may be called from now on, even before this returns."""
        loop, sock = self._loop, self._sock
        try:
            sock.setblocking(False)
            if sock.family == getattr(socket, "AF_UNIX", None):
                await loop.create_unix_connection(lambda: self, sock=sock)
            else:
                await loop.create_connection(lambda: self, sock=sock)
        except BaseException:
            self.close()
            sock.close()
            raise

    @property
    def alive(self) -> bool:
        """True until the session has ended."""
        return self.session.closed is None

    def transmit(
        self, frame: OutgoingFrame, *, deadline: float | None = None, may_delay: bool = False
    ) -> PendingReceipt | None:
        """Send a frame. See `ClientSession.transmit`. It does not wait: see `wait_writable`.

        Args:
            frame: the frame.
            deadline: see `ClientSession.transmit`.
            may_delay: the frame may be delayed: it is written in the next iteration of the loop, with later ones.
                Otherwise `WriteScheduler` decides.

        Raises:
            NotConnected: the connection has ended.
            FrameError: the frame cannot be encoded.
        """
        session = self.session
        if (closed := session.closed) is not None:
            self._refuse(closed)
        ticket = session.transmit(frame, deadline=deadline)
        scheduler = self._scheduler
        # Of frames that are written together, only the first checks whether DEBUG is on.
        if not scheduler.flush_scheduled:
            self._frames.on = connections.isEnabledFor(logging.DEBUG)
        if self._frames.on:
            self._frames.sent(frame.command, frame.headers, frame.body)
        if scheduler.decide(session.outgoing, self._clock(), may_delay=may_delay):
            self._flush()
        elif not scheduler.flush_scheduled:
            scheduler.flush_scheduled = True
            self._loop.call_soon(self._flush_scheduled)
        if session.closed is not None:
            self._dispatch()
        elif deadline is not None and (self._timer is None or deadline < self._due):
            self._reset_timer()
        return ticket

    async def wait_writable(self) -> None:
        """Wait until the write buffer is no longer full.

        Raises:
            SendStalled: the broker has not read for `Options.send_timeout`. The frames stay queued.
            ConnectionLost: the connection ended while waiting.
        """
        if not self.write_paused:
            return
        waiter = self._loop.create_future()
        if self._write_waiters is None:
            self._write_waiters = []
        self._write_waiters.append(waiter)
        seconds = self._options.send_timeout
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            raise self._stalled(seconds) from None
        finally:
            self._write_waiters.remove(waiter)
        closed = self.session.closed
        if closed is not None:
            raise ConnectionLost(closed.why, hint="connect again")

    def close(self, error: StompError | None = None) -> None:
        """Close the connection now, without DISCONNECT. The handler gets `Closed`."""
        self._flush()
        self.session.abort(error)
        self._dispatch()

    @property
    def is_open(self) -> bool:
        """True until the socket is closed."""
        return self._transport is not None

    async def wait_closed(self) -> None:
        """Wait until the socket is closed. That is soon, once the session has ended."""
        if self._transport is not None:
            if self._gone is None:
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)

    def pause(self) -> None:
        """Pause reading."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Resume reading."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _stalled(self, seconds: float) -> SendStalled:
        size = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return SendStalled(
            f"the broker has not read for {seconds:g} s; {size} bytes wait to be written",
            hint="check the memory and disk alarms of the broker",
        )

    def _refuse(self, closed: Closed) -> NoReturn:
        raise NotConnected(f"the connection has ended: {closed.why}", hint="connect again") from closed.error

    # ------------------------------------------------------------------------------------- for the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH, low=BATCH)
        if self._layer is not None:
            # The last read of the handshake may have returned bytes of the session, too.
            self._receive_data(b"")

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`."""
        return self._read_buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._receive_data(self._read_buffer.take(nbytes, self.session.counters.frames_received))

    def eof_received(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._receive_data(b"", ended=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = None  # nothing can be written any more
        if self.alive and exc is not None:
            self._read_remaining()
        if self.alive:
            self._receive_data(b"", ended=True, error=exc)
        self._cancel_timer()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _read_remaining(self) -> None:
        """After a failed write, read the rest: the broker may have sent the reason in an ERROR."""
        with contextlib.suppress(OSError):
            for _ in range(_LAST_READS):
                data = self._sock.recv(_READ)
                if not data:
                    return
                self._receive_data(data)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self.write_paused = False
        self._wake()

    # ------------------------------------------------------------------------------------- reading and writing

    def _receive_data(self, data: bytes, *, ended: bool = False, error: BaseException | None = None) -> None:
        """Process what was read."""
        session, layer = self.session, self._layer
        if layer is not None:
            try:
                data = layer.receive(data)
                ended = ended or layer.ended
                error = error or layer.failure
            except OSError as err:
                data, ended, error = b"", True, error or err
        if data:
            session.receive_data(data, self._clock())
        if ended:
            session.receive_eof(error, self._clock())
        # The session queues frames itself at times, and TLS writes records.
        if session.outgoing or layer is not None:
            self._flush()
        self._dispatch()

    def _dispatch(self) -> None:
        """Call the handler with the new events. Then set the timer, or close the socket if the session has ended."""
        session = self.session
        events = session.events()
        if events:
            self._frames.on = connections.isEnabledFor(logging.DEBUG)
            if self._frames.on:
                self._frames.received(events)
            try:
                self._handler(self, events)
            except Exception:
                # Handlers catch the exceptions of callbacks; a bug in a handler must not end the connection.
                connections.exception("the handler of a connection failed")
        if session.closed is not None:
            if not self._ended:
                self._close()
        elif self._timer is None or session.deadline_moved_up:
            session.deadline_moved_up = False
            self._reset_timer()

    def _flush_scheduled(self) -> None:
        self._scheduler.flush_scheduled = False
        self._flush()

    def _flush(self) -> None:
        """Write the queued bytes of the session, through the layer, to the transport."""
        size, transport, layer = self.session.outgoing, self._transport, self._layer
        if not size and layer is None:
            return
        parts = self.session.data_to_send(self._clock())
        if transport is None:
            return
        if layer is not None:
            try:
                layer.send(parts)
            except OSError as err:
                self._break(err)
                return
            if data := layer.outgoing():
                transport.write(data)
        elif len(parts) == 1:
            transport.write(parts[0])
        elif len(parts) > 3 or size < BATCH:
            transport.write(b"".join(parts))
        else:
            # One large body, which is not copied. Not `writelines`: in Python 3.12 it does not call `pause_writing`.
            for part in parts:
                transport.write(part)

    def _break(self, err: OSError) -> None:
        """The layer has failed: end the session."""
        self.session.receive_eof(err, self._clock())
        self._loop.call_soon(self._dispatch)

    def _close(self) -> None:
        """The session has ended: close the socket after the queued frames."""
        self._ended = True
        self._cancel_timer()
        self._flush()
        self._wake()
        transport, layer = self._transport, self._layer
        if transport is None:
            return
        if layer is not None:
            layer.close()
            if data := layer.outgoing():
                transport.write(data)
        transport.close()
        if transport.get_write_buffer_size():
            self._timer = self._loop.call_later(_LAST_WORDS, transport.abort)

    def _wake(self) -> None:
        for waiter in self._write_waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    # ------------------------------------------------------------------------------------- timers

    def _reset_timer(self) -> None:
        """Set the timer to the session's next deadline."""
        due = self.session.next_deadline()
        if due is None or (self._timer is not None and self._due <= due):
            return
        self._cancel_timer()
        self._due = due
        self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._tick)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        session, now = self.session, self._clock()
        if session.is_timed_out(now) and self._readable():
            session.note_activity(now)
        session.tick(now)
        self._flush()
        self._dispatch()

    def _readable(self) -> bool:
        return wait_ready(self._sock, read=True, write=False, seconds=0)[0]


async def open_link(
    address: Address,
    options: Options,
    tls: TlsSettings | None,
    session: ClientSession,
    handler: AioHandler,
) -> AioLink:
    """Connect to one address, and start reading.

    Args:
        address: the address.
        options: the settings.
        tls: the TLS settings; None for no TLS.
        session: a new session.
        handler: called with the events of the connection, perhaps before this returns.

    Raises:
        ConnectFailed: connecting failed; `phase` is the step.
        UsageError: the settings for TLS or the WebSocket cannot be used.
    """
    sock, layer = await open_stream(address, options, tls)
    link = AioLink(sock, session, handler, options, layer)
    await link.start()
    return link
