"""One connection of the broker: an asyncio protocol around `ServerSession`.

Rules of this file:

- A connection handles all events of a read first. Then each connection with new frames writes once.
- A connection continues to read while its output is blocked: a client that sends and receives much data at once must
  not deadlock. Instead, no more messages are delivered to it. Reading is paused only when the output buffer
  exceeds `_PAUSE_READING_ABOVE` bytes (RECEIPT frames that the client does not read), until the buffer has drained.
- After an ERROR the client must be able to read it: the connection shuts down its sending side, and discards
  incoming data for up to `CLOSE_TIMEOUT` seconds. Closing at once would send a TCP reset, which may overtake the ERROR.
- After `_TURN` seconds of work for one connection, the others have their turn: the rest of its events wait in
  `_waiting`, and it is not read meanwhile. So one connection cannot delay the others, whatever its frames cost.
- Before CONNECT, a client may send `_CONNECT_SIZE` bytes. Bytes of a large frame that has arrived in part count as
  stored.
- Each connection has one timer for the next deadline of its session.
- Bodies and secrets are never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from stomp._version import __version__
from stomp.broker.logins import user_of
from stomp.broker.settings import ConnectionInfo, ConsumerInfo, Settings
from stomp.broker.store import RequestRefused
from stomp.core.diagnostics import describe, one_line
from stomp.core.errors import FrameError, RemoteProtocolError
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.events import Closed, ConnectRequested, Event, InvalidRequest, Reason, Request
from stomp.core.session.server import ServerSession
from stomp.core.session.state import State
from stomp.net.read_buffer import ReadBuffer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.engine import Engine
    from stomp.broker.faults import Faults
    from stomp.broker.model import Client
    from stomp.broker.recording import FrameObserver
    from stomp.broker.store_file import StoreFailed
    from stomp.core.frames.versions import Version
    from stomp.net.websocket_server import WebSocketServerLayer

logger: logging.Logger = logging.getLogger("stomp.broker")

#: Bytes in the output buffer above which no more messages are delivered to the connection.
_HIGH_WATER = 256 * 1024
#: Bytes in the output buffer above which reading from the connection is paused.
_PAUSE_READING_ABOVE = 4 * 1024 * 1024
#: Seconds within which a client has to read the remaining output before the connection is aborted.
CLOSE_TIMEOUT = 2.0
#: After an ERROR over TLS, the connection is closed when the client has sent nothing for this number of seconds.
_IDLE_BEFORE_CLOSE = 0.1
#: Seconds of work after which other connections have their turn.
_TURN = 0.02
#: Bytes that a client may send until its CONNECT is complete.
_CONNECT_SIZE = 64 * 1024
#: Bytes of an incomplete frame that are not counted.
_SMALL = 64 * 1024


class ConnectionOwner(Protocol):
    """The interface of the server that a connection uses; implemented by `stomp.broker.server.Server`."""

    settings: Settings
    engine: Engine
    faults: Faults
    frame_observers: list[FrameObserver]

    def connection_opened(self, connection: Connection) -> None:
        """Called when the network connection is established."""

    def client_connected(self, connection: Connection, client: Client) -> None:
        """Called when the login was accepted, before CONNECTED is sent."""

    def client_disconnected(self, client: Client) -> None:
        """Called when a session has ended: its unacknowledged messages are delivered to others."""

    def connection_closed(self, connection: Connection) -> None:
        """Called when the network connection is closed."""

    def flush(self) -> None:
        """Have every connection write the frames that the engine has for it."""

    def commit(self) -> StoreFailed | None:
        """Write the changes of persistent messages to disk, before frames are written; returns the error."""


class Connection(asyncio.BufferedProtocol):
    """One connection of a client.

    Args:
        server: the server that it belongs to.
        number: the number of the connection, counted from 1.
        layer: the WebSocket layer of the stream, or None. (TLS is done by asyncio.)
    """

    def __init__(
        self, server: ConnectionOwner, number: int, layer: WebSocketServerLayer | None = None
    ) -> None:
        settings = server.settings
        self.number = number
        self.closing: bool = False  # closing: only the remaining output is still to be written
        self.client: Client | None = None
        self._server = server
        self._layer = layer
        self._engine = server.engine
        self._login: str | None = None
        self._peer = "?"
        self._session = ServerSession(
            versions=settings.versions,
            heartbeat=settings.heartbeat,
            newline_after_frame=True,
            limits=settings.limits,
            tolerance=settings.tolerance,
            min_interval=settings.dialect.min_heartbeat,
            report_invalid=settings.dialect.keeps_open,
        )
        self._read_buffer = ReadBuffer()
        self._dialect = settings.dialect
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Handle | None = None  # continues with the waiting events
        self._timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = (
            None  # closes the connection after `_IDLE_BEFORE_CLOSE`
        )
        self._connect_deadline: float | None = self._loop.time() + settings.connect_timeout
        self._blocked = False  # the output buffer is above the high-water mark
        self._waiting: deque[Event] = deque()  # events that wait for the next turn
        self._unfinished = 0  # bytes of an incomplete frame that `Capacity` counts
        self._reading_paused = False  # reading is paused, because too much output is pending
        self._delayed = False  # the waiting events wait for `Faults.delay`
        self._observers = server.frame_observers
        self._connect_headers: Mapping[str, str] = {}
        self._opened_at = time.time()
        self.observers_changed()

    # ------------------------------------------------------------------------------------- from asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is established, including TLS."""
        # A cast, no isinstance: the transports of uvloop are not subclasses of asyncio.Transport.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # Without this, each small response waits for the client's delayed TCP acknowledgement: 40 ms.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = _address(transport.get_extra_info("peername"))
        self._server.connection_opened(self)
        self._set_timer()

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: return where to read to."""
        return self._read_buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: bytes were read."""
        data = self._read_buffer.take(nbytes, self._session.counters.frames_received)
        if self.closing:
            if self._idle_timer is not None:
                self._close_when_idle()
            return
        try:
            layer = self._layer
            if layer is not None:
                data = layer.receive(data)
                self._write_bytes(layer.outgoing())
            session = self._session
            frames = session.counters.frames_received
            session.receive_data(data, self._loop.time())
            if session.has_unfinished_frame or self._unfinished:
                self._count_unfinished(len(data), goes_on=frames == session.counters.frames_received)
            if layer is not None and layer.ended:
                self._session.receive_eof(layer.failure)
            self._events()
        except Exception:
            # A defect of the broker must not affect the other connections.
            logger.exception("connection %d from %s: gave up", self.number, self._peer)
            self.close(abort=True)
        self._server.flush()

    def eof_received(self) -> None:
        """asyncio: the client sends no more. Afterwards asyncio writes the pending output and closes."""
        self._session.receive_eof()
        self._events()
        self._server.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is closed."""
        self._session.receive_eof(exc)
        if self._delayed and self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._events()
        self.closing = True
        for timer in (self._timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._engine.capacity.release_unfinished(self._unfinished)
        self._unfinished = 0
        self._server.connection_closed(self)
        self._server.flush()

    def pause_writing(self) -> None:
        """asyncio: the output buffer is above the high-water mark."""
        self._blocked = True
        if self.client is not None:
            self.client.blocked = True

    def resume_writing(self) -> None:
        """asyncio: the output buffer has drained."""
        self._blocked = False
        if self._reading_paused:
            self._reading_paused = False
            if not self.closing:
                self._resume_reading()
        self._refill()

    # ------------------------------------------------------------------------------------- observers

    def observers_changed(self) -> None:
        """Have the session call the observers of frames, if there are any."""
        self._session.on_frame_sent = self._frame_sent if self._observers else None

    def _frame_sent(self, frame: Frame) -> None:
        for observer in tuple(self._observers):
            observer.on_frame(self.number, frame, sent=True)

    def _frame_received(self, frame: Frame) -> None:
        for observer in tuple(self._observers):
            observer.on_frame(self.number, frame, sent=False)

    # ------------------------------------------------------------------------------------- what happened

    def _events(self) -> None:
        """Process the events of the session, for one turn."""
        session, waiting = self._session, self._waiting
        if self._turn is not None:
            waiting += session.events()
            return
        if self._server.faults.delay and not self._delayed and session.has_events:
            self._delayed = True
            self._pause_for_turn(self._server.faults.delay)
            return
        self._delayed = False
        end = self._loop.time() + _TURN
        while events := waiting or session.events():
            if events is not waiting:
                waiting.extend(events)
            while waiting:
                event = waiting.popleft()
                if isinstance(event, Request):
                    self._request(event.frame)
                    if self._loop.time() > end and len(waiting):
                        self._pause_for_turn()
                        return
                elif isinstance(event, InvalidRequest):
                    self._refuse_request(event.frame, RequestRefused(event.error.message))
                elif isinstance(event, ConnectRequested):
                    self._connect_requested(event.frame, event.version)
                elif isinstance(event, Closed):
                    self._session_closed(event)
            if session.has_pending_error:
                self.write()  # the responses to the valid frames, before the ERROR for the invalid one
        self._flush_session()

    def _pause_for_turn(self, delay: float = 0.0) -> None:
        """Continue with the waiting events after the other connections had their turn, or after a delay."""
        self._flush_session()
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._turn = (
            self._loop.call_later(delay, self._next_turn) if delay else self._loop.call_soon(self._next_turn)
        )

    def _next_turn(self) -> None:
        self._turn = None
        try:
            self._events()
        except Exception:
            logger.exception("connection %d from %s: gave up", self.number, self._peer)
            self._waiting.clear()
            self.close(abort=True)
        self._resume_reading()
        self._server.flush()

    def _resume_reading(self) -> None:
        """Read on, unless too much output is pending or events wait for the next turn."""
        if self._turn is None and not self._reading_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def _count_unfinished(self, size: int, *, goes_on: bool) -> None:
        """Count the bytes of an incomplete frame, of which `size` bytes have just been read."""
        session, capacity = self._session, self._engine.capacity
        if session.version is None and session.counters.bytes_received > _CONNECT_SIZE:
            self._refuse(f"there was no complete CONNECT frame within {_CONNECT_SIZE} bytes")
            return
        held = 0
        if session.has_unfinished_frame:
            held = self._unfinished + size if goes_on else size
            held = held if held > _SMALL else 0
        capacity.release_unfinished(self._unfinished)
        self._unfinished = 0
        try:
            capacity.hold_unfinished(held)
            self._unfinished = held
        except RequestRefused as refusal:
            self._refuse(refusal.message, refusal.detail)

    def too_slow(self) -> None:
        """End the connection, because it does not read the messages of a topic fast enough."""
        logger.warning("connection %d from %s is too slow, and is closed", self.number, self._peer)
        self.close(abort=True)

    def _request(self, frame: Frame) -> None:
        if self._observers:
            self._frame_received(frame)
        client = self.client
        if client is None or not client.open:
            return  # A frame that follows a refused one in the same read.
        try:
            if frame.command == "SEND" and self._server.faults.takes_send(frame.headers["destination"]):
                raise RequestRefused(
                    "this SEND was refused on purpose", "an operator of the broker asked for it"
                )
            if self._dialect.alters_old and client.version.number == "1.0":
                frame.headers = self._dialect.decode_old(frame.headers)
            self._engine.handle(client, frame)
        except RequestRefused as refusal:
            self._refuse_request(frame, refusal)
            return
        except RemoteProtocolError as err:
            # RabbitMQ closes without an ERROR.
            logger.warning("connection %d from %s: %s", self.number, self._peer, one_line(err.message))
            self.close(abort=False)
            return
        if frame.command == "DISCONNECT":
            self.write()
            if self._session.state is not State.CLOSED and not self._session.has_pending_error:
                self._session.finish_disconnect()

    def _refuse_request(self, frame: Frame, refusal: RequestRefused) -> None:
        """Send the ERROR for a frame, and close the connection unless the dialect keeps it open."""
        client, dialect = self.client, self._dialect
        if client is None or not client.open:
            return
        words = one_line(refusal.message)
        logger.info("connection %d: refused %s: %s", self.number, describe(frame), words)
        receipt, answer = dialect.receipt_id(frame), dialect.error_for(frame, refusal)
        if not dialect.stays_open(frame, refusal, client.version):
            self._refuse(answer.message, answer.detail, receipt)
            self._engine.close(client)
            return
        self.write()
        if self._session.state is not State.CLOSED:
            self._session.forget(frame)
            self._deliver(
                commands.error(answer.message, detail=answer.detail, receipt_id=receipt), client.version
            )

    def _connect_requested(self, frame: Frame, version: Version) -> None:
        headers = self._connect_headers = frame.headers
        if self._observers:
            self._frame_received(frame)
        if self._session.state is State.CLOSED:
            return  # the connection was closed while the CONNECT was delayed
        if self._server.faults.refuse_logins:
            self._refuse("Bad CONNECT", "an operator of the broker has it refuse all logins")
            return
        settings = self._server.settings
        try:
            login = user_of(settings, headers, self._transport.get_extra_info("peercert"))
        except RequestRefused as refusal:
            name = headers.get("login")
            logger.warning("connection %d from %s: refused the login %.200r", self.number, self._peer, name)
            self._refuse(refusal.message, refusal.detail)
            return
        try:
            self._dialect.check_connect(headers)
        except RequestRefused as refusal:
            self._refuse(refusal.message, refusal.detail)
            return
        self._connect_deadline = None
        self._login = login
        self.client = self._engine.open(version, headers.get("client-id"), login)
        self.client.blocked = self._blocked
        self.client.permissions = settings.permissions.get(login or "")
        self._server.client_connected(self, self.client)
        sent = self._dialect.connected_headers(
            version, f"stompkit-embedded/{__version__}", f"session-{self.number}"
        )
        self._session.accept(self._loop.time(), headers=sent)
        logger.debug("connection %d from %s: %s", self.number, self._peer, describe(frame))
        self._set_timer()

    def _refuse(self, message: str, detail: str = "", receipt: str | None = None) -> None:
        self.write()
        if self._session.state is not State.CLOSED:
            self._session.refuse(message, detail=detail, receipt_id=receipt)

    def _session_closed(self, closed: Closed) -> None:
        """Handle the end of the session, whatever the reason."""
        if closed.reason not in (Reason.CLEAN, Reason.EOF):
            logger.info(
                "connection %d from %s ended: %s",
                self.number,
                self._peer,
                closed.error or closed.reason.value,
            )
        if self.client is not None:
            self._server.client_disconnected(self.client)
        self._flush_session()
        self._start_closing()

    # ------------------------------------------------------------------------------------- output

    def write(self) -> None:
        """Write the frames that the engine has for this client."""
        client, session = self.client, self._session
        if client is not None:
            failure = self._server.commit()
            frames = client.take()
            for frame in frames:
                if session.state is State.CLOSED:
                    break
                if failure is not None and frame.command == "RECEIPT":
                    # What this frame would confirm is not on disk.
                    self._refuse("the store cannot be written", str(failure), frame.headers["receipt-id"])
                    self._engine.close(client)
                    self._loop.call_soon(self._events)  # the session has ended
                    break
                self._deliver(frame, client.version)
        self._flush_session()
        if client is not None and client.blocked and not self._blocked:
            # The chunk was full, and the network took it: continue after the other connections had their turn.
            self._loop.call_soon(self._refill)

    def _deliver(self, frame: Frame, version: Version) -> None:
        if self._dialect.alters_old and version.number == "1.0":
            frame.headers = self._dialect.encode_old(frame.headers)
        try:
            self._session.deliver(frame)
        except FrameError:
            # A header from a sender with a newer version that this version cannot encode: leave it out.
            frame.headers = _encodable_headers(frame.headers, version)
            self._session.deliver(frame)

    def _flush_session(self) -> None:
        parts = self._session.data_to_send(self._loop.time())
        if self._layer is None:
            self._write_bytes(b"".join(parts))
        elif parts:
            self._layer.send(parts)
            self._write_bytes(self._layer.outgoing())

    def _write_bytes(self, data: bytes) -> None:
        if not data or self._transport.is_closing():
            return
        # Not writelines: in some releases of Python 3.12, it does not call pause_writing (CVE-2024-12254).
        self._transport.write(data)
        if (
            self._blocked
            and not self._reading_paused
            and self._transport.get_write_buffer_size() > _PAUSE_READING_ABOVE
        ):
            self._reading_paused = True
            self._transport.pause_reading()

    def _refill(self) -> None:
        if self.client is not None and not self._blocked and not self.closing:
            self._engine.resume(self.client)
            self._server.flush()

    # ------------------------------------------------------------------------------------- time and the end

    def _set_timer(self) -> None:
        """Set the timer to the next deadline. Deadlines only move later; a timer that fires too early is harmless."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._connect_deadline
        if due is None:
            due = self._session.next_deadline()
        if due is not None:
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.closing:
            self._transport.abort()
            return
        now = self._loop.time()
        if self._connect_deadline is not None and now >= self._connect_deadline:
            self._connect_deadline = None
            self._refuse(
                f"there was no CONNECT frame within {self._server.settings.connect_timeout:g} seconds"
            )
        else:
            if self._reading_paused or self._turn is not None:
                # Heart-beats of the client may be unread, because reading is paused: this is no timeout.
                self._session.note_activity(now)
            self._session.tick(now)
        self._events()
        self._server.flush()
        if not self.closing:
            self._set_timer()

    def _start_closing(self) -> None:
        """Write the pending output, send the end of the stream, and close when the client closes.

        The connection is aborted after `CLOSE_TIMEOUT` seconds.
        """
        if self.closing:
            return
        self.closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(CLOSE_TIMEOUT, self._on_timer)
        transport = self._transport
        if transport.is_closing():
            return
        if self._reading_paused:
            transport.resume_reading()
        if self._layer is not None:
            self._layer.close()
            self._write_bytes(self._layer.outgoing())
        closed = self._session.closed
        if transport.can_write_eof():
            with contextlib.suppress(OSError):  # the client has closed already
                transport.write_eof()
        elif closed is not None and closed.reason in (Reason.PROTOCOL, Reason.REFUSED):
            self._close_when_idle()
        else:
            transport.close()  # asyncio sends the TLS close_notify, and waits for that of the client.

    def _close_when_idle(self) -> None:
        """Close the connection when the client has sent nothing for `_IDLE_BEFORE_CLOSE` seconds.

        TLS cannot end one direction only: data that a client sends after the close_notify is answered by a TCP reset,
        which can overtake the ERROR that gives the reason.
        """
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self._loop.call_later(_IDLE_BEFORE_CLOSE, self._transport.close)

    def close(self, *, abort: bool) -> None:
        """Close the connection from the side of the broker; `abort` discards the pending output."""
        self._session.abort()
        if abort:
            self._transport.abort()
        else:
            if self._layer is not None:
                self._layer.close(1001)
                self._write_bytes(self._layer.outgoing())
            self._transport.close()
        self._events()

    def info(self) -> ConnectionInfo:
        """The data of this connection that `Broker.connections` returns."""
        agreed = self._session.version
        subscriptions = 0 if self.client is None else len(self.client.consumers)
        version = None if agreed is None else agreed.number
        counters, headers = self._session.counters, self._connect_headers
        heartbeat = self._session.heartbeat
        name = headers.get("user-agent") or (None if self._layer is None else self._layer.user_agent)
        return ConnectionInfo(
            self.number,
            self._peer,
            self._login,
            version,
            subscriptions,
            heartbeat=heartbeat,
            client_id=headers.get("client-id"),
            client_name=name,
            connected_at=self._opened_at,
            frames_received=counters.frames_received,
            frames_sent=counters.frames_sent,
            bytes_received=counters.bytes_received,
            bytes_sent=counters.bytes_sent,
            unacknowledged=0 if self.client is None else len(self.client.awaiting),
        )

    def subscriptions(self, limit: int | None = None) -> list[ConsumerInfo]:
        """The data of its subscriptions, at most `limit`."""
        consumers = [] if self.client is None else islice(self.client.consumers.values(), limit)
        return [
            ConsumerInfo(
                self.number,
                each.key.lstrip("\0"),
                each.destination,
                each.ack,
                each.prefetch,
                len(each.unacked),
                sum(len(queue.backlog) for queue in each.queues if queue.private),
                each.selector_text,
                any(queue.durable is not None for queue in each.queues),
                each.is_stalled,
            )
            for each in consumers
        ]


def _encodable_headers(headers: Headers, version: Version) -> Headers:
    """The headers that a version can encode."""
    no_colon = not version.escapes
    return Headers(
        (name, value)
        for name, value in headers.items()
        if name and version.carries(name + value) and not (no_colon and ":" in name)
    )


def _address(peer: object) -> str:
    if not peer:
        return "a Unix socket"
    return f"{peer[0]} port {peer[1]}" if isinstance(peer, tuple) and len(peer) > 1 else str(peer)
