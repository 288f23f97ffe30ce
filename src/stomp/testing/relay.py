"""A TCP relay between a client and a broker that simulates network failures.

>>> from stomp.testing.servers import ScriptedServer, greet, read_frame
>>> with ScriptedServer(greet) as broker, Relay(*broker.address) as relay:
...     with socket.create_connection(relay.address) as client:
...         client.sendall(b"CONNECT\\n\\n\\0")
...         answer = read_frame(client)
...         relay.close()
...         answer[:9], client.recv(100)
(b'CONNECTED', b'')
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from stomp.net.address import Address
from stomp.testing.fault_plans import DIRECTIONS, Cut, CutPoint, Direction
from stomp.testing.servers import reset

if TYPE_CHECKING:
    from types import TracebackType

#: Maximum number of bytes that a pipe buffers: no more is read until these have been written.
_MAX_BUFFERED = 64 * 1024


class _Pipe:
    """One direction of one connection."""

    def __init__(self, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        self.direction: Direction = direction
        self.source = source
        self.sink = sink
        self.buffered = b""  # read, and not yet written
        self.ended = False  # the source has sent the end of the stream
        self.cut_point: CutPoint | None = None
        self.pending_cut: Cut | None = None  # to be made when `buffered` has been written


class _Pair:
    """One connection: the client's socket, the one to the target, and the pipes between them."""

    def __init__(self, client: socket.socket, target: socket.socket) -> None:
        self.socks = (client, target)
        self.pipes = (_Pipe("to_target", client, target), _Pipe("to_client", target, client))
        self.closing = False  # FIN was sent to both sides; data that they still send is discarded
        self.closed = False


class Relay:
    """Listens on a free port and relays each connection to a target, until a fault is requested.

    Use it as a context manager; on exit, all open connections are reset.

    One daemon thread serves all connections. A method returns after its effect: after `stall` no byte is forwarded,
    after `cut` no connection is open. New connections are always accepted; `stall` applies to them, too. The end of
    the stream and a reset are forwarded like the bytes before them.

    Args:
        target_host: the host of the broker.
        target_port: the port of the broker. Both can be changed later, as attributes, for new connections.
        host: the address to listen on; "::1" for IPv6.
        timeout: seconds to wait for the target to accept a connection, and for the thread to execute a method.

    Attributes:
        port: the port that the relay listens on.
        forwarded: number of bytes written to the other side, by direction.
        accepted: number of accepted connections.
        executed: the executed cuts of the plan, in order; see `follow`.
    """

    def __init__(
        self, target_host: str, target_port: int, *, host: str = "127.0.0.1", timeout: float = 10.0
    ) -> None:
        self.target_host = target_host
        self.target_port = target_port
        self.host = host
        self.port: int = 0
        self.forwarded: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
        self.accepted: int = 0
        self.executed: list[Cut] = []
        self._timeout = timeout
        self._stalled: set[Direction] = set()
        self._cut_after: dict[Direction, int] = {}  # remaining bytes before a cut, see `cut_after`
        self._plan: Iterator[Cut | None] = iter(())
        self._pairs: set[_Pair] = set()
        self._requests: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._running = False
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """(host, port), for `stomp.Connection` and `socket.create_connection`."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The address as a URL: stomp://host:port."""
        return Address(*self.address).url

    def __enter__(self) -> Relay:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._wakeup_writer, self._wakeup_reader = socket.socketpair()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._request(self._stop)
        assert self._thread is not None
        self._thread.join(self._timeout)
        self._wakeup_writer.close()

    # ------------------------------------------------------------------------------------- the faults

    def cut(self) -> None:
        """Reset (RST) all connections, on both sides. Bytes that are not yet forwarded are lost."""
        self._request(lambda: self._for_each_pair(self._reset))

    def close(self) -> None:
        """Close (FIN) all connections, on both sides. Bytes that are not yet forwarded are lost."""
        self._request(lambda: self._for_each_pair(self._close))

    def stall(self, direction: Direction | None = None) -> None:
        """Stop forwarding, and keep the connections open. `resume` ends it.

        The sending side can continue until the socket buffers are full.

        Args:
            direction: the direction to stall; None for both.

        Raises:
            ValueError: the direction is unknown.
        """
        if direction is not None:
            _check(direction)
        self._request(lambda: self._stalled.update([direction] if direction else DIRECTIONS))

    def resume(self) -> None:
        """End `stall`: buffered bytes are forwarded."""
        self._request(self._stalled.clear)

    def cut_after(self, count: int, direction: Direction) -> None:
        """Reset (RST), on both sides, the connection that forwards the last of the next `count` bytes.

        No byte after them is forwarded. The receiver gets all of them unless they exceed the receive buffer of its
        socket (about 64 KiB): a reset overtakes data that does not fit.

        Args:
            count: number of bytes, counted over all connections, from now.
            direction: the direction to count in.

        Raises:
            ValueError: `count` is less than 1, or the direction is unknown.
        """
        if count < 1:
            raise ValueError(f"cannot cut after {count} bytes; use cut")
        _check(direction)
        self._request(lambda: self._cut_after.update({direction: count}))

    def follow(self, plan: Iterable[Cut | None]) -> None:
        """Cut new connections by a plan: each new connection gets the next cut.

        No byte after the cut is forwarded in its direction. See `stomp.testing.fault_plans` for plans.

        Args:
            plan: the cuts. A connection that gets None, or comes after the end of the plan, is not cut.
        """
        steps = iter(plan)

        def set_plan() -> None:
            self._plan = steps

        self._request(set_plan)

    def _request(self, action: Callable[[], None]) -> None:
        """Call `action` in the thread of the relay, and wait until it has returned."""
        if self._thread is None or not self._thread.is_alive():
            raise RuntimeError("the relay is not running; use it in a with statement")
        done = threading.Event()
        self._requests.put((action, done))
        self._wakeup_writer.send(b"!")
        if not done.wait(self._timeout):
            raise RuntimeError("the relay does not obey")

    # ------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        with self._listener, self._wakeup_reader, selectors.DefaultSelector() as self._selector:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
            self._selector.register(self._wakeup_reader, selectors.EVENT_READ, self._run_requests)
            while self._running:
                for key, events in self._selector.select():
                    key.data(events)
            self._for_each_pair(self._reset)

    def _run_requests(self, events: int) -> None:
        self._wakeup_reader.recv(100)
        with contextlib.suppress(queue.Empty):
            while True:
                action, done = self._requests.get_nowait()
                action()
                self._for_each_pair(self._watch)
                done.set()

    def _stop(self) -> None:
        self._running = False

    def _accept(self, events: int) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # the client has closed already
            return
        self.accepted += 1
        try:
            target = socket.create_connection((self.target_host, self.target_port), self._timeout)
        except OSError:
            reset(client)
            return
        pair = _Pair(client, target)
        cut = next(self._plan, None)
        if cut is not None:
            pair.pipes[DIRECTIONS.index(cut.direction)].cut_point = CutPoint(cut)
        self._pairs.add(pair)
        for sock in pair.socks:
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch(pair)

    def _serve(self, pair: _Pair, sock: socket.socket, events: int) -> None:
        """Handle a readable or writable socket of a pair."""
        try:
            for pipe in pair.pipes:
                if pipe.source is sock and events & selectors.EVENT_READ and not pair.closed:
                    self._read(pair, pipe)
                if pipe.sink is sock and events & selectors.EVENT_WRITE and not pair.closed:
                    self._write(pair, pipe)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._reset(pair)
        self._watch(pair)

    def _read(self, pair: _Pair, pipe: _Pipe) -> None:
        data = pipe.source.recv(_MAX_BUFFERED)
        if not data:
            pipe.ended = True
            if not pair.closing:
                pipe.sink.shutdown(socket.SHUT_WR)
        elif not pair.closing:
            pipe.buffered = data
            if pipe.cut_point is not None and (count := pipe.cut_point.bytes_before_cut(data)) is not None:
                pipe.buffered = data[:count]
                pipe.pending_cut = pipe.cut_point.cut
            self._write(pair, pipe)

    def _write(self, pair: _Pair, pipe: _Pipe) -> None:
        remaining = self._cut_after.get(pipe.direction)
        sent = pipe.sink.send(pipe.buffered[:remaining]) if pipe.buffered else 0
        pipe.buffered = pipe.buffered[sent:]
        self.forwarded[pipe.direction] += sent
        if remaining is not None:
            self._cut_after[pipe.direction] = remaining - sent
            if remaining == sent:
                del self._cut_after[pipe.direction]
                self._reset(pair)
                return
        if pipe.pending_cut is not None and not pipe.buffered:
            self.executed.append(pipe.pending_cut)
            pipe.cut_point, close, pipe.pending_cut = None, pipe.pending_cut.close, None
            if close:
                self._close(pair)
            else:
                self._reset(pair)

    def _watch(self, pair: _Pair) -> None:
        """Register the sockets of a pair for the events that are needed next."""
        if not pair.closed and all(pipe.ended for pipe in pair.pipes):
            self._end(pair)
        if pair.closed:  # possibly since its other socket was served
            return
        events_of = dict.fromkeys(pair.socks, 0)
        for pipe in pair.pipes:
            stalled = pipe.direction in self._stalled and not pair.closing
            if not stalled and not pipe.buffered and not pipe.ended:
                events_of[pipe.source] |= selectors.EVENT_READ
            if not stalled and pipe.buffered:
                events_of[pipe.sink] |= selectors.EVENT_WRITE
        for sock, events in events_of.items():
            key = self._selector.get_map().get(sock)
            if key is not None and key.events != events:
                self._selector.unregister(sock)
            if events and (key is None or key.events != events):
                self._selector.register(sock, events, partial(self._serve, pair, sock))

    def _for_each_pair(self, action: Callable[[_Pair], None]) -> None:
        for pair in list(self._pairs):
            action(pair)

    def _close(self, pair: _Pair) -> None:
        pair.closing = True
        for pipe in pair.pipes:
            pipe.buffered = b""
            # Reading continues until both sides close: closing a socket with unread data sends a reset.
            with contextlib.suppress(OSError):
                pipe.sink.shutdown(socket.SHUT_WR)

    def _reset(self, pair: _Pair) -> None:
        self._end(pair, reset)

    def _end(self, pair: _Pair, close: Callable[[socket.socket], None] = socket.socket.close) -> None:
        pair.closed = True
        self._pairs.discard(pair)
        for sock in pair.socks:
            if sock in self._selector.get_map():
                self._selector.unregister(sock)
            close(sock)


def _check(direction: str) -> None:
    if direction not in DIRECTIONS:
        raise ValueError(f"{direction!r} is not one of {', '.join(DIRECTIONS)}")
