"""The server's end of a WebSocket, against the client's: both in memory."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stomp.core.errors import UsageError
from stomp.net.address import Address
from stomp.net.websocket import WebSocketLayer, WebSocketSettings
from stomp.net.websocket_server import WebSocketServerLayer

FRAME = b"SEND\ndestination:/queue/a\n\nhello\0"


def pair(
    *, path: str = "", asked: str = "/ws", limit: int = 1000, **settings: object
) -> tuple[WebSocketLayer, WebSocketServerLayer]:
    """Both ends, with the handshake done."""
    client = WebSocketLayer(
        Address("broker.example.com", 15674, "ws", asked),
        WebSocketSettings(**settings),  # type: ignore[arg-type]
    )
    server = WebSocketServerLayer(path, limit)
    assert server.receive(client.outgoing()) == b""
    assert client.handshake(server.outgoing())
    assert server.ready
    return client, server


@pytest.mark.parametrize("binary", [False, True])
def test_frames_use_the_message_type_of_the_client(binary: bool) -> None:
    client, server = pair(binary=binary)
    client.send([FRAME])
    assert server.receive(client.outgoing()) == FRAME
    server.send([b"MESSAGE\n\n", b"body", b"\0", b"\n"])
    said = server.outgoing()
    assert said[0] & 0x0F == (2 if binary else 1)  # the opcode (RFC 6455, section 5.2)
    assert client.receive(said) == b"MESSAGE\n\nbody\0\n"


def test_non_utf8_frames_are_binary() -> None:
    client, server = pair()
    server.send([b"MESSAGE\n\n\xff\0"])
    said = server.outgoing()
    assert said[0] & 0x0F == 2
    assert client.receive(said) == b"MESSAGE\n\n\xff\0"


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (("v12.stomp", "v11.stomp", "v10.stomp"), "v12.stomp"),
        (("v10.stomp", "v11.stomp"), "v11.stomp"),
        (("v10.stomp",), "v10.stomp"),
        (("mqtt",), None),
        ((), None),
    ],
)
def test_subprotocol_is_chosen(offered: tuple[str, ...], agreed: str | None) -> None:
    client, server = pair(subprotocols=offered)
    assert client.subprotocol == server.subprotocol == agreed


def test_another_path_is_refused() -> None:
    server = WebSocketServerLayer("/ws")
    client = WebSocketLayer(Address("broker.example.com", 15674, "ws", "/stomp"))
    server.receive(client.outgoing())
    assert server.ended
    assert not server.ready
    with pytest.raises(ConnectionError, match="404"):
        client.handshake(server.outgoing())


@pytest.mark.parametrize("path", ["", "/ws"])
def test_path_is_free_or_fixed(path: str) -> None:
    pair(path=path)


@pytest.mark.parametrize(
    "request_",
    [b"CONNECT\naccept-version:1.2\n\n\0", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000, b"\x16\3\1" * 9999],
)
def test_invalid_request_closes_the_connection(request_: bytes) -> None:
    server = WebSocketServerLayer()
    assert server.receive(request_) == b""
    assert server.ended
    assert server.failure is not None


def test_plain_http_request_gets_an_explanation() -> None:
    server = WebSocketServerLayer()
    server.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert server.ended
    assert server.outgoing().startswith(b"HTTP/1.1 426 ")


def test_too_large_message_closes_by_its_header() -> None:
    client, server = pair(limit=1000)
    client.send([b"x" * 3000 + b"\0"])
    assert server.receive(client.outgoing()[:100]) == b""
    assert server.ended
    assert server.failure is not None
    assert b"\x03\xf1" in server.outgoing()  # 1009: too big


def test_data_after_the_close_frame_of_the_client_is_dropped() -> None:
    client, server = pair()
    client.close()
    server.receive(client.outgoing())
    assert server.ended
    assert server.failure is None
    server.outgoing()
    server.send([FRAME])
    assert server.outgoing() == b""


def test_close_sends_a_close_frame() -> None:
    client, server = pair()
    server.close()
    server.close()
    client.receive(server.outgoing())
    assert client.ended
    assert client.failure is None


def test_nothing_is_sent_before_the_handshake() -> None:
    server = WebSocketServerLayer()
    server.send([FRAME])
    server.close()
    assert server.outgoing() == b""


def test_missing_package_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.server", None)
    with pytest.raises(UsageError, match=r"stompkit\[ws\]"):
        WebSocketServerLayer()


@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_any_input_raises_nothing(pieces: list[bytes], after_handshake: bool) -> None:
    server = pair()[1] if after_handshake else WebSocketServerLayer()
    for piece in pieces:
        assert isinstance(server.receive(piece), bytes)
        server.outgoing()
    server.send([FRAME])
    server.close()
    server.outgoing()


@given(st.data())
def test_any_split_gives_the_same_bytes(data: st.DataObject) -> None:
    client, server = pair(limit=10_000)
    client.send([FRAME, b"\n", FRAME * 3])
    said = client.outgoing()
    received = b""
    while said:
        size = data.draw(st.integers(1, len(said)))
        received += server.receive(said[:size])
        said = said[size:]
    assert received == FRAME + b"\n" + FRAME * 3
    assert not server.ended
