"""stomp.net.layer: what a driver owes to a layer, shown with the threaded one"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from stomp.client.options import Options
from stomp.client.threads.link import Link
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.client import ClientSession
from stomp.core.session.events import Closed, Connected, Event
from stomp.net.layer import Layer, StackedLayer
from stomp.net.tls import TlsLayer

PATIENCE = 10.0
CONNECTED = b"CONNECTED\nversion:1.2\n\n\0"


class Shouting:
    """A layer that turns upper case into lower case and back, answers "!" to all input, and "." in the end."""

    def __init__(self, *, left: bytes = b"", failure: OSError | None = None) -> None:
        self.ended = False
        self.failure: OSError | None = None
        self.is_websocket = False
        self._left = left
        self._failure = failure
        self._out = b""

    def receive(self, data: bytes) -> bytes:
        if data:
            self._out += b"!"
        elif self._failure is not None and not self._left:
            raise self._failure
        self.ended = data.endswith(b".")
        left, self._left = self._left, b""
        return left + data.swapcase().removesuffix(b".")

    def send(self, parts: list[bytes]) -> None:
        self._out += b"".join(parts).swapcase()

    def outgoing(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def close(self) -> None:
        self._out += b"."


class Peer:
    """A link with a layer, its events, and the other end of its socket."""

    def __init__(self, layer: Layer) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.settimeout(PATIENCE)
        self.events: list[Event] = []
        self._news = threading.Condition()
        self.link = Link(ours, ClientSession(), self._handle, Options(), layer)

    def _handle(self, batch: list[Event]) -> None:
        with self._news:
            self.events += batch
            self._news.notify_all()

    def wait_for(self, kind: type[Event]) -> Event:
        """The first event of a kind."""

        def found() -> Event | None:
            return next((event for event in self.events if isinstance(event, kind)), None)

        with self._news:
            assert self._news.wait_for(lambda: found() is not None, PATIENCE), self.events
        event = found()
        assert event is not None
        return event

    def start(self) -> None:
        self.link.session.connect(("1.2",), "/")
        self.link.start()


@contextlib.contextmanager
def peer_of(layer: Layer) -> Iterator[Peer]:
    peer = Peer(layer)
    try:
        with peer.sock:
            yield peer
    finally:
        peer.link.close()
        assert peer.link.join(PATIENCE)


def read_to_the_end(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_tls_layer_implements_the_protocol() -> None:
    # The type checker proves it; this keeps the line from being lost.
    layer: Layer = TlsLayer(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), None, server_side=True)
    assert not layer.ended


def test_bytes_pass_both_ways_with_the_output_of_the_layer() -> None:
    with peer_of(Shouting()) as peer:
        peer.start()
        peer.sock.sendall(CONNECTED.swapcase())
        peer.wait_for(Connected)
        peer.link.transmit(Frame("SEND", Headers({"destination": "/a"}), b"x"))
        peer.link.close()
        said = read_to_the_end(peer.sock)
    assert b"connect\nACCEPT-VERSION:1.2\n" in said
    assert b"!" in said
    assert b"send\n" in said
    assert said.endswith(b".")


def test_bytes_after_the_handshake_are_received_at_once() -> None:
    with peer_of(Shouting(left=CONNECTED)) as peer:
        peer.start()
        # Nothing was read from the socket.
        peer.wait_for(Connected)


def test_end_of_the_layer_ends_the_connection() -> None:
    with peer_of(Shouting()) as peer:
        peer.start()
        peer.sock.sendall(CONNECTED.swapcase() + b".")
        peer.wait_for(Closed)
        assert isinstance(peer.events[0], Connected)


def test_error_after_bytes_is_raised_after_them() -> None:
    layer = Shouting()
    with peer_of(layer) as peer:
        peer.start()
        layer.failure = ssl.SSLError("bad record")
        peer.sock.sendall(CONNECTED.swapcase() + b".")
        closed = peer.wait_for(Closed)  # although the peer has not closed the socket
    assert isinstance(peer.events[0], Connected)
    assert isinstance(closed, Closed)
    assert "bad record" in str(closed.error)


@pytest.mark.parametrize("left", [b"", b"ERROR\nmessage:no\n\n\0"])
def test_error_ends_the_connection_once(left: bytes) -> None:
    with peer_of(Shouting(left=left, failure=ssl.SSLError("bad record"))) as peer:
        peer.start()
        peer.sock.shutdown(socket.SHUT_WR)
        peer.wait_for(Closed)
        assert peer.link.join(PATIENCE)
        assert [type(event) for event in peer.events].count(Closed) == 1


# ------------------------------------------------------------------------------------- two layers


class Tagging:
    """A layer that marks what it sends, and takes the mark off what it receives."""

    def __init__(self, tag: bytes) -> None:
        self.ended = False
        self.failure: OSError | None = None
        self.is_websocket = False
        self.tag = tag
        self._out: list[bytes] = []

    def receive(self, data: bytes) -> bytes:
        self.ended = data.endswith(b".")
        return data.removeprefix(self.tag)

    def send(self, parts: list[bytes]) -> None:
        self._out.append(self.tag + b"".join(parts))

    def outgoing(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out

    def close(self) -> None:
        self._out.append(self.tag + b".")


def test_lower_layer_wraps_the_upper() -> None:
    stack = StackedLayer(Tagging(b"<"), Tagging(b"["))
    stack.send([b"a", b"b"])
    assert stack.outgoing() == b"<[ab"
    assert stack.outgoing() == b""
    assert stack.receive(b"<[cd") == b"cd"
    assert not stack.ended


def test_upper_layer_is_closed_before_the_lower() -> None:
    stack = StackedLayer(Tagging(b"<"), Tagging(b"["))
    stack.close()
    assert stack.outgoing() == b"<[.<."


def test_output_of_the_upper_layer_is_wrapped() -> None:
    upper = Tagging(b"[")
    stack = StackedLayer(Tagging(b"<"), upper)
    upper.send([b"pong"])
    assert stack.outgoing() == b"<[pong"


@pytest.mark.parametrize("which", ["lower", "upper"])
def test_end_of_one_layer_ends_both(which: str) -> None:
    stack = StackedLayer(Tagging(b"<"), Tagging(b"["))
    failure = OSError("why")
    getattr(stack, which).failure = failure
    stack.receive(b"<[x.")
    assert stack.ended
    assert stack.failure is failure
