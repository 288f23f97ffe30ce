"""Text from the network must not forge log lines or control a terminal, in logs, errors, tracebacks and reprs.

Each place where text of a peer becomes part of such a text is tested here with hostile text.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import traceback
from functools import partial
from typing import Any

import pytest

import stomp
from stomp.adapter import multicast
from stomp.broker import Broker
from stomp.client.connect import TlsSettings
from stomp.core.diagnostics import escaped, one_line
from stomp.core.errors import BrokerError, ConnectFailed, StompError
from stomp.core.frames.frame import Frame, Headers
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.awaiting import run
from tests.listening import PATIENCE, RecentFrames, wait_until
from tests.multicasting import group_of_our_own

#: Characters that no line may contain: C0, DEL, C1, line and paragraph separators, bidi controls, surrogates.
CONTROLS = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: A forged line, terminal sequences for title and colours, C1, DEL, a separator, a right-to-left override.
EVIL = "forged\r 2026-01-01 CRITICAL root: forged\t\x1b[31m\x1b]0;title\x07\x9b2J\x7f\u2028\u202eevil\u2069\u200f"
#: The same for a header, where a newline has to be escaped.
EVIL_HEADER = EVIL.replace("\r", "\\r") + "\\n"
#: A body may contain all of this, at any length.
EVIL_BODY = EVIL + "\n" + "x" * 100_000
#: Maximum length of a line, without the text that the tests add.
LONGEST = 5000


def lines_of(text: str) -> list[str]:
    """The lines of a text; each of them must be clean. A traceback has several."""
    return text.split("\n")


class Seen:
    """All text that a program, a log or a terminal may show: the texts that tests `add`, and the log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._texts: list[str] = []

    def add(self, *things: object) -> None:
        """Record the str and the repr of objects; of an exception also its fields and its traceback with causes."""
        for thing in things:
            # Each is one line: a newline in it is a fault.
            self._texts += [str(thing), repr(thing)]
            if isinstance(thing, BaseException):
                self._texts += [str(arg) for arg in thing.args]
                self._texts += lines_of("".join(traceback.format_exception(thing)))
                self._texts += getattr(thing, "recent", ())
                failures = getattr(thing, "failures", ())
                self.add(*(failure for failure in failures if failure is not thing))

    def texts(self) -> list[str]:
        """All recorded texts, and the log. A log message must be one line; only tracebacks have several."""
        logged = [record.getMessage() for record in self._caplog.records if record.name.startswith("stomp")]
        traces = [line for record in self._caplog.records for line in lines_of(record.exc_text or "")]
        return [*self._texts, *logged, *traces]

    def check(self, mark: str = "forged") -> None:
        """Check that no text is unescaped or too long, and that `mark` occurs, which proves that text was recorded."""
        texts = self.texts()
        raw = [text[:300] for text in texts if CONTROLS.search(text)]
        assert raw == []
        assert [len(text) for text in texts if len(text) > LONGEST] == []
        assert any(mark in text for text in texts), texts


@pytest.fixture
def seen(caplog):
    caplog.set_level(logging.DEBUG)
    return Seen(caplog)


# ------------------------------------------------------------------------------------- the one function


@pytest.mark.parametrize(
    "code", [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2067, 0xD800, 0xDCFF]
)
def test_a_control_character_is_shown_as_an_escape(code):
    assert re.fullmatch(r"a\\(x[0-9a-f]{2}|u[0-9a-f]{4}|[nrt])b", escaped(f"a{chr(code)}b"))


def test_text_of_any_language_stays_as_it_is():
    text = "naïve 漢字 עברית हिन्दी 👩‍🚀 \\n"
    assert escaped(text) == text


def test_a_long_text_is_cut_and_what_is_left_is_no_longer_than_the_limit():
    assert one_line("x" * 501) == "x" * 497 + "..."
    assert one_line("x" * 500) == "x" * 500
    assert len(one_line("\x1b" * 500)) == 500


def test_any_error_of_ours_is_one_line():
    error = BrokerError(EVIL + "\n", hint=EVIL, frame=Frame("ERROR", Headers(message=EVIL)))
    assert not CONTROLS.search(str(error) + repr(error) + error.message + error.hint)
    assert error.frame is not None
    assert error.frame.headers["message"] == EVIL


# ------------------------------------------------------------------------------------- ERROR frames, three APIs


def error_frame(**headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    return f"ERROR\n{lines}\n{EVIL_BODY}\0".encode()


def answer(sock: socket.socket, data: bytes) -> None:
    """Script: answer CONNECT with these bytes, and close."""
    read_frame(sock)
    sock.sendall(data)


def after_connected(sock: socket.socket, data: bytes, *, stay: bool = False) -> None:
    """Script: send these bytes in response to the first frame after CONNECTED; then close, or stay connected."""
    read_frame(sock)
    greet_back(sock)
    read_frame(sock)
    sock.sendall(data)
    if stay:
        say_nothing(sock)


def echo_receipts(sock: socket.socket) -> None:
    """Script: answer each frame that requests a receipt with an ERROR."""
    read_frame(sock)
    greet_back(sock)
    while True:
        frame = read_frame(sock).decode()
        receipt = re.search(r"\nreceipt:(.*)\n", frame)
        if receipt:
            sock.sendall(error_frame(message=EVIL_HEADER, receipt_id=receipt[1]))


#: Responses of the broker instead of CONNECTED.
ANSWERS = {
    "error": error_frame(message=EVIL_HEADER),
    "error without words": error_frame(),
    "error about the login": error_frame(message="login " + EVIL_HEADER),
    "error about the virtual host": error_frame(message="vhost " + EVIL_HEADER),
    "a version": f"CONNECTED\nversion:forged{EVIL}\n\n\0".replace("\r", "").encode(),
    "heart-beats": f"CONNECTED\nversion:1.2\nheart-beat:forged{EVIL}\n\n\0".replace("\r", "").encode(),
    "another protocol": f"forged{EVIL}\r\n".encode(),
    "a message": f"MESSAGE\nforged:{EVIL_HEADER}\n\n{EVIL_BODY}\0".encode(),
    "a content-length": f"CONNECTED\ncontent-length:forged{EVIL}\n\n\0".replace("\r", "").encode(),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_answer_to_connect_is_escaped_by_the_listener_api(seen, what):
    with ScriptedServer(partial(answer, data=ANSWERS[what])) as server:
        conn = stomp.Connection12([server.address], reconnect_attempts_max=1, heartbeats=(1000, 1000))
        conn.set_listener("print", stomp.PrintingListener(print_to_log=True))
        conn.set_listener("stats", stomp.StatsListener())
        with pytest.raises(ConnectFailed) as caught:
            conn.connect(wait=True)
    seen.add(caught.value)
    seen.check("forged" if what != "a message" else "MESSAGE")


@pytest.mark.parametrize("what", ANSWERS)
def test_answer_to_connect_is_escaped_by_client(seen, what):
    with ScriptedServer(partial(answer, data=ANSWERS[what])) as server:
        client = stomp.Client(server.url, attempts=1, heartbeat=(1000, 1000), versions=["1.2"])
        with pytest.raises(StompError) as caught:
            client.connect()
        seen.add(caught.value, client, client.error, *client.recent_frames())
    seen.check("forged" if what != "a message" else "MESSAGE")


@pytest.mark.parametrize("what", ANSWERS)
def test_answer_to_connect_is_escaped_by_async_client(seen, what):
    async def test(url: str) -> None:
        client = stomp.AsyncClient(url, attempts=1, heartbeat=(1000, 1000), versions=["1.2"])
        with pytest.raises(StompError) as caught:
            await client.connect()
        seen.add(caught.value, client, client.error, *client.recent_frames())

    with ScriptedServer(partial(answer, data=ANSWERS[what])) as server:
        run(test(server.url))
    seen.check("forged" if what != "a message" else "MESSAGE")


def test_error_before_connected_is_unescaped_for_display():
    frame = rb"ERROR" + b"\nmessage:no user at host\\c61613, path C\\c\\\\x\n\n\0"
    with ScriptedServer(partial(answer, data=frame)) as server:
        with pytest.raises(ConnectFailed, match=r"no user at host:61613, path C:\\x"):
            stomp.Connection12([server.address], reconnect_attempts_max=1).connect(wait=True)
        with pytest.raises(ConnectFailed, match=r"no user at host:61613, path C:\\x") as caught:
            stomp.Client(server.url, attempts=1).connect()
    assert caught.value.frame is not None
    assert caught.value.frame.headers["message"] == r"no user at host\c61613, path C\c\\x"


#: Data that the broker sends after CONNECTED.
LATER = {
    "error": error_frame(message=EVIL_HEADER),
    "error for a subscription": error_frame(message=EVIL_HEADER, subscription="7"),
    "another protocol": f"forged{EVIL}\r\n".encode(),
    "unknown command": f"FORGED\nforged:{EVIL_HEADER}\n\n{EVIL_BODY}\0".encode(),
    "a receipt": f"RECEIPT\nreceipt-id:forged{EVIL_HEADER}\n\n{EVIL_BODY}\0".encode(),
    "a content-length": f"MESSAGE\ncontent-length:forged{EVIL}\n\n\0".replace("\r", "").encode(),
    "a head that is not UTF-8": f"MESSAGE\nforged{EVIL_HEADER}:".encode()
    + b"\xff\xfe"
    + b"\n\n\0"
    + b"forged\n\n\0",
    "a line without a colon": f"MESSAGE\nforged{EVIL_HEADER}\n\n\0forged\n\n\0".encode(),
    "an undefined escape": f"MESSAGE\na:\\forged{EVIL_HEADER}\n\n\0forged\n\n\0".encode(),
    "a message": f"MESSAGE\nsubscription:7\nmessage-id:forged{EVIL_HEADER}\n\n{EVIL_BODY}\0".encode(),
}


@pytest.mark.parametrize("what", LATER)
def test_later_frames_are_escaped_by_the_listener_api(seen, what):
    recorder = RecentFrames()
    with ScriptedServer(partial(after_connected, data=LATER[what])) as server:
        conn = stomp.Connection12([server.address])
        conn.set_listener("print", stomp.PrintingListener(print_to_log=True))
        conn.set_listener("stats", stomp.StatsListener())
        conn.set_listener("recorder", recorder)
        conn.connect(wait=True)
        conn.send("/queue/a", "go")
        recorder.wait_for_method("on_disconnected")
        with pytest.raises(StompError) as caught:
            conn.send("/queue/a", "x")
    seen.add(caught.value, conn, *map(repr, recorder.notes))
    for _, detail in recorder.notes:
        if isinstance(detail, stomp.utils.Frame):
            seen.add(repr(detail))
    seen.check("FORGED" if what == "unknown command" else "forged")


@pytest.mark.parametrize("what", LATER)
def test_later_frames_are_escaped_by_client(seen, what):
    with ScriptedServer(partial(after_connected, data=LATER[what])) as server:
        client = stomp.Client(server.url, reconnect=False).connect()
        client.on_state(seen.add)
        client.send("/queue/a", "go")
        wait_until(lambda: client.state.over)
        with pytest.raises(StompError) as caught:
            client.send("/queue/a", "x")
    seen.add(caught.value, client, client.error, *client.recent_frames())
    seen.check("FORGED" if what == "unknown command" else "forged")


@pytest.mark.parametrize("what", LATER)
def test_later_frames_are_escaped_by_async_client(seen, what):
    async def test(url: str) -> None:
        client = stomp.AsyncClient(url, reconnect=False)
        await client.connect()
        await client.send("/queue/a", "go")
        async with asyncio.timeout(PATIENCE):
            while not client.state.over:
                await asyncio.sleep(0.001)
        with pytest.raises(StompError) as caught:
            await client.send("/queue/a", "x")
        seen.add(caught.value, client, client.error, *client.recent_frames())

    with ScriptedServer(partial(after_connected, data=LATER[what])) as server:
        run(test(server.url))
    seen.check("FORGED" if what == "unknown command" else "forged")


def test_the_refusal_of_a_frame_is_escaped(seen):
    with ScriptedServer(echo_receipts) as server:
        client = stomp.Client(server.url, reconnect=False, timeout=5.0).connect()
        for verb in (
            partial(client.send, "/queue/a", "x", confirm=True),
            partial(client.subscribe, "/queue/a"),
        ):
            with pytest.raises(StompError) as caught:
                verb()
            seen.add(caught.value)
        client.close()
        seen.add(client, client.error, *client.recent_frames())
    seen.check()


def failing(*_: object) -> None:
    raise ZeroDivisionError


def test_a_message_whose_listener_failed_is_escaped_in_the_log(seen):
    head = (
        f"MESSAGE\nsubscription:1\nmessage-id:{EVIL_HEADER}{'x' * 100_000}\ndestination:/q/{EVIL_HEADER}\n\n"
    )
    recorder = RecentFrames()
    recorder.on_message = failing  # type: ignore[method-assign]
    with ScriptedServer(partial(after_connected, data=f"{head}x\0".encode())) as server:
        conn = stomp.Connection12([server.address])
        conn.set_listener("recorder", recorder)
        conn.connect(wait=True)
        conn.subscribe("/queue/a", id="1")
        recorder.wait_for_method("on_disconnected")
    seen.check("failed for message 'forged")


def test_a_message_whose_handler_failed_is_escaped_in_the_log(seen):
    head = (
        f"MESSAGE\nsubscription:1\nmessage-id:{EVIL_HEADER}{'x' * 100_000}\ndestination:/q/{EVIL_HEADER}\n\n"
    )
    with ScriptedServer(partial(after_connected, data=f"{head}x\0".encode(), stay=True)) as server:
        client = stomp.Client(server.url, reconnect=False).connect()
        client.consume("/queue/a", failing, id="1", confirm=False, ack="auto")
        wait_until(lambda: any("failed for message 'forged" in text for text in seen.texts()))
        client.close(0.0)
    seen.check("failed for message 'forged")


def test_a_message_is_escaped_in_its_repr(seen):
    head = f"MESSAGE\nsubscription:sub\nmessage-id:{EVIL_HEADER}\ndestination:/q/{EVIL_HEADER}\n\n"
    message = f"{head}x\0".encode()
    with ScriptedServer(partial(after_connected, data=message, stay=True)) as server:
        client = stomp.Client(server.url, reconnect=False).connect()
        subscription = client.subscribe("/queue/a", id="sub", confirm=False)
        received = subscription.receive(5.0)
        assert received is not None
        assert received.id == EVIL + "\n"
        seen.add(received, subscription, received.headers)
    seen.check()


def test_a_repr_of_a_frame_is_escaped_and_has_no_body(seen):
    seen.add(repr(Frame("ERROR\x1bforged", Headers({EVIL: EVIL}), EVIL_BODY.encode())))
    seen.check()


# ------------------------------------------------------------------------------------- below STOMP


def http(sock: socket.socket, reply: bytes) -> None:
    """Script: read an HTTP request, and send this response."""
    while not sock.recv(65536).endswith(b"\r\n\r\n"):
        pass
    sock.sendall(reply)


#: Without line ends, because these end the header.
EVIL_HTTP = EVIL.replace("\r", "")
HANDSHAKES = {
    "a status": f"HTTP/1.1 403 forged{EVIL_HTTP}\r\n\r\n".encode(),
    "a long status": f"HTTP/1.1 403 forged{EVIL_HTTP}{'x' * 3000}\r\n\r\n".encode(),
    "an upgrade": f"HTTP/1.1 101 ok\r\nUpgrade: forged{EVIL_HTTP}\r\nConnection: Upgrade\r\n\r\n".encode(),
    "an accept": f"HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: forged{EVIL_HTTP}\r\n\r\n".encode(),
    "no HTTP": f"forged{EVIL}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("what", HANDSHAKES)
def test_the_answer_to_a_websocket_handshake_is_escaped(seen, what):
    pytest.importorskip("websockets")
    with ScriptedServer(partial(http, reply=HANDSHAKES[what])) as server:
        conn = stomp.WSConnection([server.address], reconnect_attempts_max=1)
        with pytest.raises(ConnectFailed) as caught:
            conn.connect(wait=True)
        seen.add(caught.value)
        with pytest.raises(ConnectFailed) as again:
            stomp.Client(f"ws://127.0.0.1:{server.port}/ws", attempts=1).connect()
        seen.add(again.value)
    seen.check("WebSocket")


@pytest.mark.parametrize("reply", ["a status", "a long status", "no HTTP"])
def test_the_answer_of_a_proxy_is_escaped(seen, reply):
    with ScriptedServer(partial(http, reply=HANDSHAKES[reply])) as server:
        proxy = f"http://127.0.0.1:{server.port}"
        with pytest.raises(ConnectFailed) as caught:
            stomp.Client("stomp://broker.example:61613", proxy=proxy, attempts=1).connect()
        seen.add(caught.value)
    seen.check("proxy")


def test_the_reason_of_a_close_frame_is_escaped(seen):
    pytest.importorskip("websockets")
    from tests.websocket_endpoint import WebSocketEndpoint

    with Broker() as broker:
        endpoint = WebSocketEndpoint((broker.host, broker.port), path="/ws")
        endpoint.said_last = (1008, "forged" + EVIL)
        with ScriptedServer(endpoint) as server:
            client = stomp.Client(f"ws://127.0.0.1:{server.port}/ws", reconnect=False).connect()
            broker.stop()
            wait_until(lambda: client.state.over)
            seen.add(client.error, client, *client.recent_frames())
    seen.check("forged")


def test_error_of_a_cert_validator_is_escaped(seen, server_tls, ca_file):
    with ScriptedServer(say_nothing, tls=server_tls) as server:
        conn = stomp.Connection([server.address], reconnect_attempts_max=1)
        conn.set_ssl(
            [server.address], ca_certs=ca_file, cert_validator=lambda *_: (False, "forged" + EVIL + "\n")
        )
        with pytest.raises(ConnectFailed) as caught:
            conn.connect(wait=True)
        seen.add(caught.value)
        tls = TlsSettings(ca_certs=ca_file, validator=lambda *_: (False, "forged" + EVIL + "\n"))
        with pytest.raises(ConnectFailed) as again:
            stomp.Client(server.url, tls=tls, attempts=1).connect()
        seen.add(again.value)
    seen.check()


def test_error_of_the_resolver_is_escaped(seen, monkeypatch):
    def lie(*_: object, **__: object) -> Any:
        raise OSError("forged" + EVIL + "\n")

    monkeypatch.setattr(socket, "getaddrinfo", lie)
    with pytest.raises(ConnectFailed) as caught:
        stomp.Connection([("broker.example", 61613)], reconnect_attempts_max=1).connect(wait=True)
    seen.add(str(caught.value), repr(caught.value))
    seen.check()


# ------------------------------------------------------------------------------------- the other side


@pytest.mark.parametrize(
    "data",
    [
        f"CONNECT\naccept-version:1.2\nhost:/\nlogin:forged{EVIL}\npasscode:x\n\n\0".replace(
            "\r", ""
        ).encode(),
        f"forged{EVIL}\n\n\0".encode(),
    ],
)
def test_the_log_of_the_embedded_broker_is_escaped(seen, data):
    with (
        Broker(users={"admin": "secret"}) as broker,
        socket.create_connection((broker.host, broker.port)) as sock,
    ):
        sock.settimeout(PATIENCE)
        sock.sendall(data)
        while sock.recv(65536):
            pass
    seen.check()


def test_frames_of_a_client_are_escaped_in_the_log_of_the_embedded_broker(seen):
    with Broker() as broker, socket.create_connection((broker.host, broker.port)) as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(b"CONNECT\naccept-version:1.2\nhost:/\n\n\0")
        sock.sendall(f"ACK\nid:forged{EVIL_HEADER}\n\n\0".encode())
        while sock.recv(65536):
            pass
    seen.check()


def test_a_datagram_is_escaped_in_the_log(seen, monkeypatch):
    with group_of_our_own(monkeypatch):
        conn = multicast.MulticastConnection()
        conn.connect()
        try:
            transport: Any = conn.transport
            transport._receive(f"forged{EVIL}\n\n\0".encode())
        finally:
            conn.disconnect()
    seen.check()
