"""Web pages that may connect to the WebSockets of the broker."""

from __future__ import annotations

import socket

import pytest

from stomp.broker import Broker
from stomp.broker.origin import OriginPolicy
from stomp.core.errors import UsageError

_HERE = socket.gethostname()


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "evil.example:1"),
        (None, None),
        ("http://localhost", "127.0.0.1:15674"),
        ("http://LOCALHOST:3000", "127.0.0.1:15674"),
        ("https://127.0.0.1:8443", "localhost:15674"),
        ("http://[::1]:3000", "localhost:15674"),
        ("http://192.0.2.7:3000", "192.0.2.7:15674"),
        (f"http://{_HERE}:3000", f"{_HERE}:15674"),
        ("http://broker.test", "broker.test:15674"),
        ("https://app.example", "127.0.0.1:15674"),
        ("HTTPS://app.example", "127.0.0.1:15674"),
    ],
)
def test_origin_is_accepted(origin: str | None, host: str | None) -> None:
    assert OriginPolicy(["https://app.example"], hosts=["broker.test"]).accepts(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "127.0.0.1:15674"),
        ("http://evil.example:15674", "evil.example:15674"),  # DNS rebinding
        ("http://localhost.evil.example", "localhost:15674"),
        ("http://localhost@evil.example", "localhost:15674"),
        ("http://127.0.0.1.evil.example", "127.0.0.1:15674"),
        ("http://192.0.2.8", "192.0.2.7:15674"),
        ("http://app.example", "127.0.0.1:15674"),
        ("https://app.example:444", "127.0.0.1:15674"),
        ("null", "127.0.0.1:15674"),
        ("", "127.0.0.1:15674"),
        ("http://[", "127.0.0.1:15674"),
        ("http://192.0.2.7", None),
    ],
)
def test_origin_is_refused(origin: str, host: str | None) -> None:
    assert not OriginPolicy(["https://app.example"], hosts=["broker.test"]).accepts(origin, host)


def test_asterisk_accepts_every_origin() -> None:
    assert OriginPolicy(["*"]).accepts("http://evil.example", "127.0.0.1")


def test_null_is_accepted_if_listed() -> None:
    assert OriginPolicy(["null"]).accepts("null", "127.0.0.1")


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/path", ""])
def test_origin_to_allow_must_be_an_origin(origin: str) -> None:
    with pytest.raises(UsageError, match="origin"):
        Broker(allow_origins=[origin])


def _handshake(broker: Broker, *lines: str) -> str:
    with socket.create_connection((broker.host, broker.port), timeout=10) as sock:
        request = [
            "GET / HTTP/1.1",
            f"Host: 127.0.0.1:{broker.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *lines,
            "",
            "",
        ]
        sock.sendall("\r\n".join(request).encode())
        return sock.recv(65536).decode()


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:3000"])
def test_handshake_of_a_foreign_page_gets_403(origin: str) -> None:
    pytest.importorskip("websockets")
    with Broker(listen=["ws://127.0.0.1:0"]) as broker:
        answer = _handshake(broker, f"Origin: {origin}")
    status = answer.split()[1]
    assert status == ("403" if "evil" in origin else "101")
    if status == "403":
        assert "--allow-origin" in answer


def test_handshake_with_two_origins_gets_403() -> None:
    pytest.importorskip("websockets")
    with Broker(listen=["ws://127.0.0.1:0"]) as broker:
        answer = _handshake(broker, "Origin: http://localhost", "Origin: http://evil.example")
    assert answer.split()[1] == "403"


def test_allowed_origin_connects() -> None:
    pytest.importorskip("websockets")
    with Broker(listen=["ws://127.0.0.1:0"], allow_origins=["http://app.example"]) as broker:
        assert _handshake(broker, "Origin: http://app.example").split()[1] == "101"
