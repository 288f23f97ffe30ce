"""Peers that do not speak STOMP, or use another transport: the errors of all APIs name the protocol and the remedy.

The servers here send the responses of real servers, see tests/core/frames/test_foreign_protocols.py.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trustme

import stomp
from stomp.core.errors import AuthenticationFailed, ConnectFailed, StompError
from stomp.testing.servers import ScriptedServer, hang_up, read_frame, say_nothing
from tests.core.frames.test_foreign_protocols import ALERTS, ANSWER, HTTP, RECORDED
from tests.listening import RecentFrames

#: Connect timeout in seconds: the error for these peers must come without waiting for a timeout.
PATIENCE = 20.0
Api = Callable[..., StompError]


def by_listener_api(port: int, transport: str = "tcp", *, ca_file: str = "", **more: str) -> StompError:
    """The error of `stomp.Connection` or `stomp.WSConnection`."""
    pairs = [(more.pop("host", "127.0.0.1"), port)]
    conn: Any
    if transport in ("ws", "wss"):
        conn = stomp.WSConnection(pairs, reconnect_attempts_max=1, timeout=PATIENCE, ws_path="/ws", vhost="/")
    else:
        conn = stomp.Connection12(
            pairs, reconnect_attempts_max=1, timeout=PATIENCE, vhost=more.get("vhost", "/")
        )
    if transport in ("tls", "wss"):
        conn.set_ssl(ca_certs=ca_file or None)
    with pytest.raises(ConnectFailed) as caught:
        conn.connect(more.get("login", "me"), more.get("passcode", "secret"), wait=True)
    return caught.value


def _settings(port: int, transport: str, ca_file: str, more: dict[str, str]) -> dict[str, Any]:
    scheme = {"tcp": "stomp", "tls": "stomp+ssl"}.get(transport, transport)
    query = f"?ca_certs={ca_file}" if ca_file else ""
    host = more.pop("host", "127.0.0.1")
    login = {"login": "me", "passcode": "secret"} | more
    return {
        "url": f"{scheme}://{host}:{port}{'/ws' if transport.startswith('ws') else ''}{query}",
        "attempts": 1,
        "connect_timeout": PATIENCE,
        **login,
    }


def by_client(port: int, transport: str = "tcp", *, ca_file: str = "", **more: str) -> StompError:
    """The error of `stomp.Client`."""
    client = stomp.Client(**_settings(port, transport, ca_file, more))
    with pytest.raises((ConnectFailed, AuthenticationFailed)) as caught:
        client.connect()
    return caught.value


def by_async_client(port: int, transport: str = "tcp", *, ca_file: str = "", **more: str) -> StompError:
    """The error of `stomp.AsyncClient`."""

    async def connect() -> StompError:
        client = stomp.AsyncClient(**_settings(port, transport, ca_file, more))
        with pytest.raises((ConnectFailed, AuthenticationFailed)) as caught:
            await client.connect()
        return caught.value

    return asyncio.run(connect())


@pytest.fixture(params=[by_listener_api, by_client, by_async_client], ids=lambda api: api.__name__)
def failure(request: pytest.FixtureRequest) -> Api:
    api: Api = request.param
    return api


def answer(sock: socket.socket, first: bytes) -> None:
    """Script: wait for the first data of the client, send this response, and wait for more data."""
    sock.recv(64 * 1024)
    sock.sendall(first)
    say_nothing(sock)


def announce(sock: socket.socket, first: bytes) -> None:
    """Script: send this immediately, and wait for the client."""
    sock.sendall(first)
    say_nothing(sock)


# ------------------------------------------------------------------------------------- other protocols


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("script", [answer, announce])
def test_a_foreign_protocol_is_named_while_its_peer_waits_for_us(
    failure: Api, name: str, script: Callable[..., None]
) -> None:
    with ScriptedServer(partial(script, first=RECORDED[name])) as server:
        error = failure(server.port)
    assert f"failed: this is {name}, not STOMP" in str(error)
    assert "STOMP is usually on port 61613" in error.hint


@pytest.mark.parametrize("name", RECORDED)
def test_foreign_protocol_is_named_instead_of_tls(failure: Api, name: str) -> None:
    with ScriptedServer(partial(answer, first=RECORDED[name])) as server:
        error = failure(server.port, "tls")
    assert f"failed: this is {name}, not STOMP" in str(error)


def test_http_is_named_with_the_websocket_to_use(failure: Api) -> None:
    with ScriptedServer(partial(answer, first=HTTP)) as server:
        plain, secure, websocket = (
            failure(server.port),
            failure(server.port, "tls"),
            failure(server.port, "wss"),
        )
    assert "this is HTTP, not STOMP" in str(plain)
    assert "use ws://" in plain.hint
    assert "this is HTTP without TLS" in str(secure)
    assert "use ws://" in secure.hint
    assert websocket.hint == "use ws://"


@pytest.mark.parametrize("alert", ALERTS)
def test_a_port_that_expects_tls_is_named(failure: Api, alert: bytes) -> None:
    with ScriptedServer(partial(answer, first=alert)) as server:
        error, websocket = failure(server.port), failure(server.port, "ws")
    assert "the port expects TLS" in str(error)
    assert error.hint.startswith("use stomp+ssl://, set_ssl()")
    assert websocket.hint == "use wss://"


def test_a_port_with_plain_stomp_is_named(failure: Api) -> None:
    with ScriptedServer(partial(answer, first=ANSWER)) as server:
        error, websocket = failure(server.port, "tls"), failure(server.port, "ws")
    assert "the port speaks STOMP without TLS" in str(error)
    assert error.hint.startswith("use stomp://")
    assert "the port speaks STOMP without WebSocket" in str(websocket)
    assert websocket.hint == "use stomp://"


def test_peer_that_closes_gets_a_hint(failure: Api) -> None:
    with ScriptedServer(hang_up) as server:
        error = failure(server.port)
    assert (
        error.hint
        == "check that this is the STOMP port, whether it requires TLS, and that the broker behind it is running"
    )


def test_bytes_of_no_known_protocol_are_shown_in_one_short_line(failure: Api) -> None:
    with ScriptedServer(partial(answer, first=b"\x1b[31m" + b"\x07" * 100_000)) as server:
        error = failure(server.port)
    assert "this is not STOMP: it began with b'\\x1b[31m\\x07" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_foreign_protocol_is_logged_without_a_waiting_connect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = RecentFrames()
    with ScriptedServer(partial(answer, first=RECORDED["Redis"])) as server:
        conn = stomp.Connection12([("127.0.0.1", server.port)])
        conn.set_listener("", recorder)
        conn.connect("me", "secret", wait=False)
        recorder.wait_for_method("on_disconnected")
    assert any("this is Redis, not STOMP (check the host" in line for line in caplog.messages)


# ------------------------------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda one: one.name
)
def test_a_broker_that_asks_for_a_client_certificate_is_named(
    failure: Api, authority: trustme.CA, ca_file: str, version: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version

    def demand(sock: socket.socket) -> None:
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(into, out, server_side=True)
        try:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(out.read())
                    into.write(sock.recv(64 * 1024))
        except ssl.SSLError:
            sock.sendall(out.read())  # the alert
        say_nothing(sock)

    with ScriptedServer(demand) as server:
        error = failure(server.port, "tls", ca_file=ca_file)
    assert "give a client certificate: cert_file and key_file" in error.hint


# ------------------------------------------------------------------------------------- what was asked for


def refuse_with(sock: socket.socket, error: bytes) -> None:
    read_frame(sock)
    sock.sendall(error)
    say_nothing(sock)


def test_a_refused_host_is_named_with_the_argument_to_change(failure: Api) -> None:
    rabbitmq = b"ERROR\nmessage:Bad CONNECT\n\nVirtual host 'nope' access denied\0"
    apollo = b"ERROR\nmessage:Invalid virtual host\\c /\n\n\0"
    with ScriptedServer(partial(refuse_with, error=rabbitmq)) as server:
        error = failure(server.port, vhost="nope")
    assert error.hint == "the host header was 'nope'; set the virtual host: RabbitMQ's default one is '/'"
    with ScriptedServer(partial(refuse_with, error=apollo)) as server:
        error = failure(server.port, vhost="/")
    assert error.hint == "the host header was '/'; set the virtual host to one that the broker has: vhost="
    assert "Invalid virtual host: /" in str(error)


@pytest.mark.parametrize("error", [b"", b"ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'me'\0"])
@pytest.mark.parametrize("who", [{"passcode": "a\\b"}, {"login": "a\\b"}])
def test_a_backslash_in_a_refused_login_is_named_without_the_password(
    failure: Api, error: bytes, who: dict[str, str]
) -> None:
    def refuse(sock: socket.socket) -> None:
        read_frame(sock)
        sock.sendall(error)

    with ScriptedServer(refuse) as server:
        refused = failure(server.port, **who)
        other = failure(server.port, passcode="a:b")
    assert "read a backslash in login and passcode as an escape" in refused.hint
    assert "a\\b" not in str(refused)
    assert "backslash" not in other.hint


def test_a_broker_of_other_versions_is_named() -> None:
    def refuse(sock: socket.socket) -> None:
        read_frame(sock)
        sock.sendall(b"ERROR\nversion:1.0,1.1\nmessage:version not supported\n\n\0")

    with ScriptedServer(refuse) as server:
        client = stomp.Client(f"stomp://127.0.0.1:{server.port}?versions=1.2", attempts=1)
        with pytest.raises(ConnectFailed) as caught:
            client.connect()
        listener = by_listener_api(server.port)
    for error in (caught.value, listener):
        assert error.hint == "offered was 1.2, and the broker speaks 1.0,1.1: offer one of these"


def test_a_broker_of_1_0_is_refused_by_clients_that_did_not_offer_that() -> None:
    def old(sock: socket.socket) -> None:
        read_frame(sock)
        sock.sendall(b"CONNECTED\nsession:wow\n\n\0")
        sock.recv(100)  # DISCONNECT

    with ScriptedServer(old) as server:
        url = f"stomp://127.0.0.1:{server.port}"
        client = stomp.Client(f"{url}?versions=1.1,1.2", attempts=1)
        with pytest.raises(ConnectFailed, match=r"the broker speaks STOMP 1\.0, offered was 1\.1,1\.2"):
            client.connect()
        with stomp.Client(url, attempts=1) as ready:
            assert ready.version == "1.0"


# ------------------------------------------------------------------------------------- the command


def test_the_command_says_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from stomp.cli.app import main

    with ScriptedServer(partial(answer, first=RECORDED["Redis"])) as server:
        for arguments in (["send", "/queue/a", "x"], ["listen", "/queue/a"], ["-L", "/queue/a"]):
            status = main([*arguments, "-H", "127.0.0.1", "-P", str(server.port)])
            out, err = capsys.readouterr()
            assert (status, out, err.count("\n")) == (3, "", 1)
            assert "this is Redis, not STOMP" in err
            assert "STOMP is usually on port 61613" in err


@pytest.mark.parametrize(
    ("first", "arguments", "status", "words"),
    [
        (ALERTS[0], [], 3, "the port expects TLS (use stomp+ssl:// or --ssl)"),
        (
            ANSWER,
            ["--ssl"],
            3,
            "the port speaks STOMP without TLS (use stomp://, without --ssl)",
        ),
        (
            b"ERROR\nmessage:Invalid virtual host\\c /\n\n\0",
            ["--vhost", "/"],
            2,
            "the broker has: --vhost NAME",
        ),
        (
            b"ERROR\nmessage:no virtual host nope\n\n\0",
            ["--vhost", "nope"],
            2,
            "the host header was 'nope'; set the virtual host with --vhost /",
        ),
        (
            b"ERROR\nmessage:Bad CONNECT\n\nAccess refused\0",
            ["-U", "me", "-W", "a\\b"],
            4,
            "write two for each",
        ),
        (b"CONNECTED\nsession:wow\n\n\0", ["-S", "1.2"], 3, "offer 1.0, too: leave out --protocol"),
    ],
)
def test_the_command_names_its_own_options(
    capsys: pytest.CaptureFixture[str], first: bytes, arguments: list[str], status: int, words: str
) -> None:
    from stomp.cli.app import main

    with ScriptedServer(partial(answer, first=first)) as server:
        ended = main(["send", "/queue/a", "x", "-H", "127.0.0.1", "-P", str(server.port), *arguments])
    out, err = capsys.readouterr()
    assert (ended, out, err.count("\n")) == (status, "", 1)
    assert words in err


def test_the_link_of_a_client_without_heart_beats_gets_a_hint_after_a_long_silence() -> None:
    from stomp.core.session.client import ClientSession

    for beats, quiet, hinted in (("0,0", 60.0, True), ("0,0", 5.0, False), ("1000,1000", 60.0, False)):
        session = ClientSession()
        wanted = (1000, 1000) if beats != "0,0" else (0, 0)
        session.connect(["1.2"], "/", heartbeat=wanted)
        session.data_to_send(0.0)
        session.receive_data(f"CONNECTED\nversion:1.2\nheart-beat:{beats}\n\n\0".encode(), 0.0)
        session.receive_eof(now=quiet)
        assert session.closed is not None
        assert session.closed.error is not None
        assert ("request heart-beats" in session.closed.error.hint) is hinted
