"""One broker with several listening addresses: TCP, TLS, WebSockets with and without TLS, a Unix socket."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stomp
from stomp.broker import LIMITS, Broker
from stomp.client.connect import Stream, TlsSettings, open_stream
from stomp.client.options import Options
from stomp.core.errors import ConnectFailed, UsageError
from stomp.net.address import Address, parse
from stomp.net.websocket import WebSocketSettings
from tests.broker.rawclient import PATIENCE, eventually
from tests.listening import RecentFrames, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets")

TRANSPORTS = ("tcp", "tls", "ws", "wss", "unix")


@pytest.fixture
def listening_broker(tmp_path: Path, server_tls: ssl.SSLContext) -> Iterator[Broker]:
    """A broker with one listening address of each kind."""
    urls = [
        "stomp://127.0.0.1:0",
        "stomp+ssl://127.0.0.1:0",
        "ws://127.0.0.1:0/ws",
        "wss://127.0.0.1:0/ws",
        f"unix://{tmp_path}/broker.sock",
    ]
    with Broker(listen=urls, ssl_context=server_tls) as broker:
        yield broker


class Party:
    """A client that writes and reads bytes on one listening address."""

    def __init__(self, broker: Broker, transport: str, tls: ssl.SSLContext, *, binary: bool = False) -> None:
        address = parse(broker.urls[TRANSPORTS.index(transport)]).addresses[0]
        assert address.transport == transport
        options = Options(connect_timeout=PATIENCE, websocket=WebSocketSettings(binary=binary))
        self.stream: Stream = open_stream(
            address, options, TlsSettings(context=tls) if transport in ("tls", "wss") else None
        )
        self.stream.sock.settimeout(PATIENCE)
        self.seen = b""

    def write(self, data: bytes) -> None:
        if self.stream.layer is not None:
            self.stream.layer.send([data])
            data = self.stream.layer.outgoing()
        self.stream.sock.sendall(data)

    def read_until(self, words: bytes) -> bytes:
        while words not in self.seen:
            data = self.stream.sock.recv(65536)
            assert data or self.stream.layer is not None, self.seen
            if self.stream.layer is not None:
                data = self.stream.layer.receive(data)
                assert not self.stream.layer.ended or data, self.seen
            self.seen += data
        return self.seen

    def connect(self) -> None:
        self.write(b"CONNECT\naccept-version:1.2\nhost:/\n\n\0")
        self.read_until(b"CONNECTED")


@pytest.mark.parametrize("receiver", TRANSPORTS)
@pytest.mark.parametrize("sender", TRANSPORTS)
def test_message_between_all_pairs_of_endpoints(
    listening_broker: Broker, client_tls: ssl.SSLContext, sender: str, receiver: str
) -> None:
    giving, taking = (
        Party(listening_broker, sender, client_tls),
        Party(listening_broker, receiver, client_tls),
    )
    with giving.stream.sock, taking.stream.sock:
        for party in (giving, taking):
            party.connect()
        taking.write(b"SUBSCRIBE\nid:1\ndestination:/queue/a\nreceipt:r\n\n\0")
        taking.read_until(b"receipt-id:r")
        giving.write(b"SEND\ndestination:/queue/a\n\n" + "grüße".encode() + b"\0")
        taking.read_until("\n\ngrüße\0".encode())


@pytest.mark.parametrize("binary", [False, True])
def test_large_bodies_pass_over_websockets(
    listening_broker: Broker, client_tls: ssl.SSLContext, binary: bool
) -> None:
    party = Party(listening_broker, "ws", client_tls, binary=binary)
    body = bytes(range(256)) * 8000
    with party.stream.sock:
        party.connect()
        party.write(b"SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0")
        party.write(b"SEND\ndestination:/queue/a\ncontent-length:%d\n\n%b\0" % (len(body), body))
        party.read_until(body + b"\0")


def test_listener_api_works_over_websockets(listening_broker: Broker) -> None:
    address = parse(listening_broker.urls[2]).addresses[0]
    recorder = RecentFrames()
    conn = stomp.WSConnection([address.pair], ws_path="/ws")
    conn.set_listener("", recorder)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", "1")
    conn.send("/queue/a", "hello")
    wait_until(lambda: recorder.bodies == ["hello"])
    conn.disconnect()
    eventually(lambda: not listening_broker.connections)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_error_is_read_before_the_end(
    listening_broker: Broker, client_tls: ssl.SSLContext, transport: str
) -> None:
    party = Party(listening_broker, transport, client_tls)
    with party.stream.sock:
        party.connect()
        party.write(b"SEND\n\n\0")
        party.read_until(b"SEND needs the header destination")
        layer = party.stream.layer
        while data := party.stream.sock.recv(65536):
            if layer is not None:
                layer.receive(data)
        if transport in ("ws", "wss"):
            assert layer is not None
            assert layer.ended
            assert layer.failure is None
    eventually(lambda: not listening_broker.connections)


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_stopping_broker_sends_a_close_frame(
    listening_broker: Broker, client_tls: ssl.SSLContext, transport: str
) -> None:
    party = Party(listening_broker, transport, client_tls)
    with party.stream.sock:
        party.connect()
        assert listening_broker.disconnect_all(abort=False) == 1
        with pytest.raises(OSError, match="1001"):
            party.read_until(b"never")


def test_websocket_at_another_path_is_refused(listening_broker: Broker) -> None:
    where = parse(listening_broker.urls[2]).addresses[0]
    with pytest.raises(ConnectFailed, match="404"):
        open_stream(Address(where.host, where.port, "ws", "/other"), Options(), None)
    eventually(lambda: not listening_broker.connections)


def test_what_is_no_websocket_is_closed(listening_broker: Broker) -> None:
    with socket.create_connection(
        parse(listening_broker.urls[2]).addresses[0].pair, timeout=PATIENCE
    ) as sock:
        sock.sendall(b"CONNECT\naccept-version:1.2\nhost:/\n\n\0")
        assert sock.recv(1000) == b""


def test_a_silent_websocket_is_closed() -> None:
    with (
        Broker(listen="ws://127.0.0.1:0", connect_timeout=0.05) as broker,
        socket.create_connection((broker.host, broker.port), timeout=PATIENCE) as sock,
    ):
        assert sock.recv(1000) == b""


def test_too_large_message_ends_its_websocket_only(client_tls: ssl.SSLContext) -> None:
    with Broker(listen=["stomp://127.0.0.1:0", "stomp://127.0.0.1:0", "ws://127.0.0.1:0"]) as broker:
        large = Party(broker, "ws", client_tls)
        other = Party(broker, "ws", client_tls)
        with large.stream.sock, other.stream.sock:
            large.connect()
            other.connect()
            # The header of a binary message of 1 GB (RFC 6455, section 5.2), and a small part of its data.
            large.stream.sock.sendall(b"\x82\xff" + (10**9).to_bytes(8) + b"mask" + b"x" * 100)
            with pytest.raises(OSError, match="1009"):
                large.read_until(b"never")
            other.write(b"SEND\ndestination:/queue/a\nreceipt:r\n\n\0")
            other.read_until(b"receipt-id:r")
        assert LIMITS.frame < 10**9


def test_socket_file_is_removed_with_the_broker(tmp_path: Path) -> None:
    path = tmp_path / "broker.sock"
    for _ in range(2):
        with Broker(listen=f"unix://{path}") as broker:
            assert broker.url == f"unix://{path}"
            assert path.is_socket()
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                eventually(lambda: broker.connections)
                assert broker.connections[0].peer == "a Unix socket"
        assert not path.exists()


def test_failure_to_listen_on_one_endpoint_listens_on_none(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "broker.sock"
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{broker.port}: .*in use"):
        Broker(listen=[f"unix://{path}", broker.url]).start()
    assert not path.exists()


def test_too_long_socket_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot listen on unix:.*too long"):
        Broker(listen=f"unix://{tmp_path}/{'x' * 200}").start()


@pytest.mark.parametrize("port", [-1, 65536])
def test_invalid_port_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match="0 to 65535"):
        Broker(port=port)


def test_tls_needs_a_certificate() -> None:
    with pytest.raises(UsageError, match="ssl_context"):
        Broker(listen=["wss://127.0.0.1:0"])
    with pytest.raises(UsageError, match="no address to listen on"):
        Broker(listen=[])


def test_urls_use_a_loopback_address() -> None:
    with Broker("") as broker:
        assert broker.url == f"stomp://127.0.0.1:{broker.port}"


def test_websockets_without_the_package_are_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.server", None)
    with pytest.raises(UsageError, match=r"stompkit\[ws\]"):
        Broker(listen="ws://127.0.0.1:0").start()
