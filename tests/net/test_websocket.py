"""stomp.net.websocket, in memory: the other side is the server of the same sans-I/O library."""

import logging
import socket
import sys
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from stomp.core.errors import ConnectFailed, UsageError
from stomp.core.frames.limits import Limits
from stomp.net.address import Address, parse
from stomp.net.dial import Deadline, open_socket
from stomp.net.layer import Layer
from stomp.net.websocket import (
    FRAGMENT,
    SUBPROTOCOLS,
    WebSocketError,
    WebSocketLayer,
    WebSocketSettings,
    header_pairs,
    open_websocket,
)
from stomp.testing.servers import ScriptedServer, hang_up, say_nothing

PATIENCE = 10.0
SHORT = 0.5
HERE = Address("localhost", 15674, "ws", "/ws")


class Server:
    """The other side, in memory: its request, and the frames that it has received."""

    def __init__(self, subprotocols: Any = SUBPROTOCOLS) -> None:
        self.protocol = ServerProtocol(subprotocols=subprotocols, max_size=None)
        self.request: Request | None = None
        self.received: list[Frame] = []

    def receive_from(self, data: bytes) -> None:
        if data:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.request = event
            elif isinstance(event, Frame):
                self.received.append(event)

    def say(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
        """The bytes of a frame, whether the rules allow it or not."""
        return Frame(opcode, data, fin).serialize(mask=False)


def request_of(address: Address, settings: WebSocketSettings | None = None) -> Request:
    server = Server(None if settings and not settings.subprotocols else SUBPROTOCOLS)
    server.receive_from(WebSocketLayer(address, settings).outgoing())
    assert server.request is not None
    return server.request


def opened(
    settings: WebSocketSettings | None = None, limits: Limits | None = None, server: Server | None = None
) -> tuple[WebSocketLayer, Server]:
    """A client and a server whose handshake is done."""
    server = server or Server()
    layer = WebSocketLayer(HERE, settings, limits)
    server.receive_from(layer.outgoing())
    assert server.request is not None
    server.protocol.send_response(server.protocol.accept(server.request))
    assert layer.handshake(server.say())
    assert layer.receive(b"") == b""
    return layer, server


def sent(layer: WebSocketLayer, server: Server) -> list[tuple[Opcode, bytes]]:
    server.receive_from(layer.outgoing())
    received, server.received = server.received, []
    return [(frame.opcode, bytes(frame.data)) for frame in received]


def test_websocket_layer_implements_the_protocol() -> None:
    layer: Layer = WebSocketLayer(HERE)
    assert not layer.ended


# ------------------------------------------------------------------------------------- the request


def test_request_has_host_path_and_subprotocols() -> None:
    request = request_of(HERE)
    assert request.path == "/ws"
    assert request.headers["Host"] == "localhost:15674"
    assert request.headers["Sec-WebSocket-Protocol"] == "v12.stomp, v11.stomp, v10.stomp"
    assert "Origin" not in request.headers
    assert "Sec-WebSocket-Extensions" not in request.headers


@pytest.mark.parametrize(
    ("host", "port", "transport", "expected_host"),
    [
        ("::1", 15674, "ws", "[::1]:15674"),
        ("fe80::1%eth0", 15674, "ws", "[fe80::1]:15674"),
        ("broker", 80, "ws", "broker"),
        ("broker", 443, "wss", "broker"),
        ("broker", 443, "ws", "broker:443"),
    ],
)
def test_host_header_is_written_as_in_a_url(host: str, port: int, transport: str, expected_host: str) -> None:
    assert request_of(Address(host, port, transport)).headers["Host"] == expected_host


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/"),
        ("ws", "/ws"),
        ("/ws/", "/ws/"),
        ("/ws?token=a%20b&x=1", "/ws?token=a%20b&x=1"),
        ("/ws HTTP/1.1\r\nX-Evil: 1\r\n", "/ws%20HTTP/1.1%0D%0AX-Evil:%201%0D%0A"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
    ],
)
def test_path_cannot_break_the_request(path: str, asked: str) -> None:
    assert request_of(Address("localhost", 1, "ws", path)).path == asked


def test_url_sets_host_and_path() -> None:
    address = parse("wss://broker.example.com/stomp/ws").addresses[0]
    request = request_of(address)
    assert (request.path, request.headers["Host"]) == ("/stomp/ws", "broker.example.com:15673")


def test_headers_are_added_and_may_replace_defaults() -> None:
    headers = header_pairs(["Authorization: Bearer a:b", "host: other", "X-Two: 1", "X-Two: 2", "Cookie:"])
    request = request_of(HERE, WebSocketSettings(headers=headers, origin="https://example.com"))
    assert request.headers["Authorization"] == "Bearer a:b"
    assert request.headers.get_all("Host") == ["other"]
    assert request.headers.get_all("X-Two") == ["1", "2"]
    assert request.headers["Cookie"] == ""
    assert request.headers["Origin"] == "https://example.com"


def test_origin_and_subprotocols_may_be_headers() -> None:
    headers = header_pairs({"Origin": "https://a.example", "Sec-WebSocket-Protocol": "v10.stomp,v11.stomp"})
    request = request_of(HERE, WebSocketSettings(headers=headers, origin="https://b.example"))
    assert request.headers.get_all("Origin") == ["https://a.example"]
    assert request.headers.get_all("Sec-WebSocket-Protocol") == ["v10.stomp, v11.stomp"]


def test_subprotocols_are_optional() -> None:
    request = request_of(HERE, WebSocketSettings(subprotocols=()))
    assert "Sec-WebSocket-Protocol" not in request.headers


@pytest.mark.parametrize("line", ["X: a\r\nY: b", "X Y: a", ": a", "", "X: \0", "Größe: 1"])
def test_invalid_headers_are_refused(line: str) -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        header_pairs([line])


def test_invalid_header_error_has_no_value() -> None:
    with pytest.raises(UsageError) as caught:
        header_pairs({"Authorization": "swordfish\n"[::-1] + "\nx"})
    assert "swordfish" not in str(caught.value)
    assert "swordfish" not in repr(WebSocketSettings(headers=(("Authorization", "swordfish"),)))


@pytest.mark.parametrize("name", ["Upgrade", "connection", "Sec-WebSocket-Key"])
def test_handshake_headers_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="set by the handshake"):
        header_pairs({name: "x"})


def test_no_extra_headers_by_default() -> None:
    assert header_pairs(None) == header_pairs({}) == header_pairs([]) == ()


def test_missing_package_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.client", None)
    with pytest.raises(UsageError) as caught:
        WebSocketLayer(HERE)
    assert caught.value.hint == 'pip install "stompkit[ws]"'


# ------------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize("chosen", [*SUBPROTOCOLS, None])
def test_chosen_subprotocol_is_available(chosen: str | None) -> None:
    layer, _ = opened(server=Server([chosen] if chosen else None))
    assert layer.subprotocol == chosen


def answer(layer: WebSocketLayer, text: bytes, *, ended: bool = False) -> WebSocketError:
    layer.outgoing()
    with pytest.raises(WebSocketError) as caught:
        layer.handshake(text)
        if ended:
            layer.handshake(b"")
    return caught.value


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("404 Not Found", "/ws"),
        ("401 Unauthorized", "Authorization"),
        ("403 Forbidden", "Origin"),
        ("302 Found", "redirects"),
        ("503 Service Unavailable", ""),
        ("200 OK", ""),
    ],
)
def test_refusal_has_status_and_reason(status: str, hint: str) -> None:
    error = answer(WebSocketLayer(HERE), f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode())
    assert str(error) == f"HTTP {status}"
    assert error.code == int(status[:3])
    assert hint in error.hint


def test_refusal_with_unterminated_body_is_read() -> None:
    error = answer(WebSocketLayer(HERE), b"HTTP/1.1 404 Not Found\r\n\r\nno", ended=True)
    assert error.code == 404


@pytest.mark.parametrize(
    "text", [b"CONNECTED\nversion:1.2\n\n\0" * 9 + b"\n", b"\x15\x03\x03\0\2\2\n\r\n" * 9]
)
def test_port_without_websocket_is_explained(text: bytes) -> None:
    error = answer(WebSocketLayer(HERE), text)
    assert str(error) == "the answer is not HTTP"
    assert "may not support WebSockets" in error.hint


def test_server_that_closes_is_explained() -> None:
    layer = WebSocketLayer(HERE)
    with pytest.raises(WebSocketError, match="closed the connection"):
        layer.handshake(b"")


@pytest.mark.parametrize(
    "headers",
    [
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
    ],
)
def test_invalid_answer_is_an_error(headers: str) -> None:
    error = answer(WebSocketLayer(HERE), f"HTTP/1.1 101 Switching\r\n{headers}\r\n".encode())
    assert "header" in str(error)
    assert error.code == 0


def test_frames_with_the_answer_are_received() -> None:
    server = Server()
    layer = WebSocketLayer(HERE)
    server.receive_from(layer.outgoing())
    assert server.request is not None
    server.protocol.send_response(server.protocol.accept(server.request))
    server.protocol.send_text(b"ERROR\n\n\0")
    assert layer.handshake(server.say())
    assert layer.receive(b"") == b"ERROR\n\n\0"


# ------------------------------------------------------------------------------------- sending


def test_each_frame_is_a_message_and_so_is_a_heartbeat() -> None:
    layer, server = opened()
    large = b"x" * 40_000 + b"\0"
    layer.send([b"SEND\n\na\0", b"\n", b"SEND\nhead\n\n", large, b"\0", b"SEND\n\nb\0"])
    assert sent(layer, server) == [
        (Opcode.TEXT, b"SEND\n\na\0"),
        (Opcode.TEXT, b"\n"),
        (Opcode.TEXT, b"SEND\nhead\n\n" + large + b"\0"),
        (Opcode.TEXT, b"SEND\n\nb\0"),
    ]


def test_partial_frames_are_sent_unchanged() -> None:
    layer, server = opened()
    layer.send([b"SEND\n"])
    layer.send([b"\nabc", b"def"])
    layer.send([b"\0\n"])
    layer.send([])
    assert b"".join(data for _, data in sent(layer, server)) == b"SEND\n\nabcdef\0\n"


def test_non_utf8_frames_are_binary_and_others_text() -> None:
    layer, server = opened()
    layer.send(["SEND\n\nü\0".encode(), b"SEND\n\n\xff\0"])
    assert [opcode for opcode, _ in sent(layer, server)] == [Opcode.TEXT, Opcode.BINARY]


def test_in_binary_mode_everything_is_binary() -> None:
    layer, server = opened(WebSocketSettings(binary=True))
    layer.send([b"SEND\n\na\0", b"\n"])
    assert [opcode for opcode, _ in sent(layer, server)] == [Opcode.BINARY] * 2


def test_after_the_end_nothing_is_sent() -> None:
    layer, _ = opened()
    layer.close()
    layer.send([])
    with pytest.raises(OSError, match="closed"):
        layer.send([b"\n"])


# ------------------------------------------------------------------------------------- receiving


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_received_message_is_bytes(opcode: Opcode) -> None:
    layer, server = opened()
    assert layer.receive(server.frame(opcode, b"\xff\xfe\0")) == b"\xff\xfe\0"
    assert not layer.ended


def test_fragments_are_passed_on_as_they_arrive() -> None:
    layer, server = opened()
    assert layer.receive(server.frame(Opcode.TEXT, b"MES", fin=False)) == b"MES"
    assert layer.receive(server.frame(Opcode.PING, b"?")) == b""
    assert layer.receive(server.frame(Opcode.CONT, b"SAGE\n\n\0")) == b"SAGE\n\n\0"
    assert sent(layer, server) == [(Opcode.PONG, b"?")]


def test_several_messages_in_one_read_are_received() -> None:
    layer, server = opened()
    wire = server.frame(Opcode.TEXT, b"A\n\n\0") + server.frame(Opcode.TEXT, b"\n")
    assert layer.receive(wire) == b"A\n\n\0\n"


@given(
    messages=st.lists(st.binary(max_size=70_000), max_size=4),
    cuts=st.lists(st.integers(1, 5000), max_size=20),
)
@settings(deadline=None, max_examples=60)
def test_stream_may_be_split_anywhere(messages: list[bytes], cuts: list[int]) -> None:
    server = Server()
    layer = WebSocketLayer(HERE)
    server.receive_from(layer.outgoing())
    assert server.request is not None
    server.protocol.send_response(server.protocol.accept(server.request))
    for number, message in enumerate(messages):
        half = len(message) // 2
        server.protocol.send_text(message[:half], fin=False)
        server.protocol.send_ping(b"%d" % number)
        server.protocol.send_continuation(message[half:], fin=True)
    server.protocol.send_close(1000)
    wire, got, done = server.say(), b"", False
    for cut in [*cuts, len(wire)]:
        piece, wire = wire[:cut], wire[cut:]
        if piece and not done:
            done = layer.handshake(piece)
            piece = b""
        if done:
            got += layer.receive(piece)
    assert got == b"".join(messages)
    assert layer.ended
    assert [opcode for opcode, _ in sent(layer, server)] == [Opcode.PONG] * len(messages) + [Opcode.CLOSE]


@given(garbage=st.binary(max_size=300))
@settings(deadline=None)
def test_invalid_data_is_an_os_error(garbage: bytes) -> None:
    for start in (WebSocketLayer(HERE), opened()[0]):
        try:
            if start._protocol.state.name == "CONNECTING":
                start.handshake(garbage or b"\0")
            else:
                start.receive(garbage)
                start.receive(b"")
        except OSError:
            pass


def test_too_large_message_is_refused_by_its_header() -> None:
    layer, server = opened(limits=Limits(frame=10_000))
    head = server.frame(Opcode.TEXT, b"x" * 20_000)[:4]
    with pytest.raises(WebSocketError, match="too large") as caught:
        layer.receive(head)
    assert caught.value.code == 1009
    assert layer.ended
    [(opcode, data)] = sent(layer, server)
    assert opcode is Opcode.CLOSE
    assert Close.parse(data).code == 1009


def test_frame_of_the_maximum_size_passes() -> None:
    layer, server = opened(limits=Limits(frame=10_000))
    assert len(layer.receive(server.frame(Opcode.TEXT, b"x" * 10_000 + b"\n"))) == 10_001


def test_protocol_error_is_raised_after_earlier_data() -> None:
    layer, server = opened()
    wire = server.frame(Opcode.TEXT, b"ERROR\n\n\0") + server.frame(Opcode.CONT, b"x")
    assert layer.receive(wire) == b"ERROR\n\n\0"
    assert layer.ended
    with pytest.raises(WebSocketError, match="broke the WebSocket protocol"):
        layer.receive(b"")


# ------------------------------------------------------------------------------------- good-bye


@pytest.mark.parametrize("code", [1000, None])
def test_close_frame_of_the_server_is_answered(code: int | None) -> None:
    layer, server = opened()
    server.protocol.send_close(code)
    assert layer.receive(server.say()) == b""
    assert layer.ended
    assert layer.failure is None
    assert [opcode for opcode, _ in sent(layer, server)] == [Opcode.CLOSE]
    layer.close()
    assert layer.outgoing() == b""


@pytest.mark.parametrize(("code", "reason"), [(1001, ""), (1011, "out of memory"), (1000, "STOMP died")])
def test_close_reason_is_in_the_error(code: int, reason: str) -> None:
    layer, server = opened()
    server.protocol.send_text(b"\n")
    server.protocol.send_close(code, reason)
    assert layer.receive(server.say()) == b"\n"
    assert layer.ended
    assert isinstance(layer.failure, WebSocketError)
    assert layer.failure.code == code
    assert str(layer.failure).endswith(reason or str(code))


def test_close_sends_a_close_frame() -> None:
    layer, server = opened()
    layer.close()
    layer.close()
    [(opcode, data)] = sent(layer, server)
    assert (opcode, Close.parse(data)) == (Opcode.CLOSE, Close(1000, ""))
    # The answer.
    assert layer.receive(server.say()) == b""
    assert layer.ended
    assert layer.failure is None


def test_websocket_layer_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG the library would write headers and frames, passwords included."""
    caplog.set_level(logging.DEBUG)
    settings = WebSocketSettings(headers=(("Authorization", "swordfish"),))
    layer, _ = opened(settings)
    layer.send([b"CONNECT\npasscode:swordfish\n\n\0"])
    layer.close()
    assert [record for record in caplog.records if record.name != "websockets.server"] == []


# ------------------------------------------------------------------------------------- over a socket


def failure(server: ScriptedServer, seconds: float = PATIENCE) -> ConnectFailed:
    address = Address("127.0.0.1", server.port, "ws", "/ws")
    with (
        open_socket(address, Deadline(PATIENCE)) as sock,
        pytest.raises(ConnectFailed) as caught,
    ):
        open_websocket(sock, WebSocketLayer(address), None, address, Deadline(seconds))
    error = caught.value
    assert error.phase == "websocket"
    assert error.address == str(address)
    assert error.message.startswith(f"WebSocket with {address} failed: ")
    assert error.failures == (error.__cause__,)
    return error


def send_all(sock: socket.socket, text: bytes) -> None:
    """Script: say something, and go on until the client goes."""
    sock.sendall(text)
    say_nothing(sock)


def test_refusal_has_the_phase_websocket() -> None:
    response = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with ScriptedServer(partial(send_all, text=response)) as server:
        error = failure(server)
    assert error.message.endswith("failed: HTTP 404 Not Found")
    assert "ws_path" in error.hint
    assert isinstance(error.failures[0], WebSocketError)
    assert error.failures[0].code == 404


def test_server_that_closes_during_the_handshake_is_explained() -> None:
    with ScriptedServer(hang_up) as server:
        error = failure(server)
    assert "closed the connection" in error.message


def test_stalled_handshake_times_out() -> None:
    with ScriptedServer(say_nothing) as server:
        error = failure(server, SHORT)
    assert error.message.endswith("failed: timed out")
    assert "may not support WebSockets" in error.hint


@pytest.mark.parametrize(
    "body", [b"x" * 300_000, "\N{EURO SIGN}".encode() * 50_000, b"\xff" * FRAGMENT, b"x"]
)
def test_frames_are_not_larger_than_artemis_reads(body: bytes) -> None:
    layer, server = opened()
    frame = b"SEND\ndestination:/queue/a\n\n" + body + b"\0"
    layer.send([frame])
    layer.send([b"\n"])
    received = sent(layer, server)
    assert received.pop() == (Opcode.TEXT, b"\n")
    assert b"".join(data for _, data in received) == frame
    assert all(len(data) <= FRAGMENT for _, data in received)
    kind = Opcode.BINARY if body.startswith(b"\xff") else Opcode.TEXT
    assert [opcode for opcode, _ in received] == [kind] + [Opcode.CONT] * (len(received) - 1)
    assert len(received) == -(-len(frame) // FRAGMENT)


def test_message_of_one_fragment_is_one_frame() -> None:
    layer, server = opened()
    frame = b"SEND\n\n".ljust(FRAGMENT - 1, b"x") + b"\0"
    layer.send([frame])
    assert sent(layer, server) == [(Opcode.TEXT, frame)]


def test_fragmented_message_is_joined() -> None:
    # As Artemis sends what is longer than 64 KiB.
    layer, server = opened()
    first = server.frame(Opcode.BINARY, b"MESSAGE\nx:", fin=False)
    rest = server.frame(Opcode.CONT, b"1\n\nbo", fin=False) + server.frame(Opcode.CONT, b"dy\0")
    assert layer.receive(first) + layer.receive(rest) == b"MESSAGE\nx:1\n\nbody\0"
