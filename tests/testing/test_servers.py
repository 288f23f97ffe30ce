"""stomp.testing.servers"""

import contextlib
import socket
import ssl
import threading
from functools import partial

import pytest
import trustme

import stomp
from stomp.core.errors import Unsupported
from stomp.testing.servers import (
    ScriptedServer,
    artemis_like,
    greet,
    greet_back,
    hang_up,
    read_frame,
    refuse,
    reset,
)

CONNECT = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0"
PATIENCE = 10.0

AUTHORITY = trustme.CA()
ACCEPTING = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.issue_cert("localhost").configure_cert(ACCEPTING)
TRUSTING = ssl.create_default_context()
# A TLS stream that just ends is one that was cut; here that is what the scripts do.
TRUSTING.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
AUTHORITY.configure_trust(TRUSTING)


def client_of(server: ScriptedServer) -> socket.socket:
    return socket.create_connection(server.address, PATIENCE)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_read_frame_reads_exactly_one_frame() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"\n\r\n" + CONNECT + b"\nmore")
        assert read_frame(theirs) == CONNECT
        assert theirs.recv(100) == b"\nmore"


def test_end_of_stream_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"CONN")
        ours.close()
        with pytest.raises(ConnectionResetError):
            read_frame(theirs)


def test_greet_sends_connected_and_nothing_more() -> None:
    with ScriptedServer(greet) as server, client_of(server) as client:
        client.sendall(CONNECT)
        assert read_frame(client).startswith(b"CONNECTED\nversion:1.2\n")
        client.sendall(b"SEND\ndestination:/a\nreceipt:1\n\n\0")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""


def test_data_before_the_close_arrives() -> None:
    with ScriptedServer(partial(refuse, body="x" * 100_000)) as server, client_of(server) as client:
        client.sendall(CONNECT + b"\0" * 100_000)
        assert read_all(client).endswith(b"x\0")


def test_hang_up_ends_the_stream() -> None:
    with ScriptedServer(hang_up) as server, client_of(server) as client:
        assert read_all(client) == b""


def test_reset_resets_the_connection() -> None:
    with (
        ScriptedServer(reset) as server,
        pytest.raises(ConnectionResetError),  # by connecting, too: a reset may be fast
        client_of(server) as client,
    ):
        client.recv(1)


def test_each_client_gets_its_script_and_further_ones_the_last() -> None:
    with ScriptedServer(refuse, greet) as server:
        answers = []
        for _ in range(3):
            with client_of(server) as client:
                client.sendall(CONNECT)
                answers.append(read_frame(client).partition(b"\n")[0])
    assert answers == [b"ERROR", b"CONNECTED", b"CONNECTED"]


def test_server_works_over_ipv6() -> None:
    with ScriptedServer(hang_up, host="::1") as server, client_of(server) as client:
        assert client.getpeername()[:2] == ("::1", server.port)


def test_server_works_over_tls() -> None:
    with (
        ScriptedServer(greet, tls=ACCEPTING) as server,
        client_of(server) as plain,
        TRUSTING.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(CONNECT)
        assert read_frame(client).startswith(b"CONNECTED\n")


def test_exit_ends_scripts_that_wait_for_the_client() -> None:
    with ScriptedServer(greet) as server:
        client = client_of(server)
        client.sendall(CONNECT)
        assert read_frame(client)
    with client:
        assert read_all(client) == b""


def test_exit_ends_scripts_that_wait_to_write() -> None:
    stuffed = threading.Event()

    def flood(sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.send(b"x" * 65536)
        sock.setblocking(True)
        stuffed.set()
        sock.sendall(b"x" * 65536)

    with ScriptedServer(flood) as server:
        client = client_of(server)
        assert stuffed.wait(PATIENCE)
    client.close()
    assert [type(error) for error in server.errors] == [BrokenPipeError]


def test_exit_ends_a_handshake() -> None:
    with ScriptedServer(hang_up, tls=ACCEPTING) as server:
        mute = client_of(server)
        # When the second client is served, the first was taken in, too.
        with client_of(server) as plain, TRUSTING.wrap_socket(plain, server_hostname="localhost") as client:
            assert read_all(client) == b""
    mute.close()
    assert [isinstance(error, OSError) for error in server.errors] == [True]


def test_leaving_event_ends_other_waits() -> None:
    def deaf(sock: socket.socket) -> None:
        greet_back(sock)
        server.closing.wait()

    with ScriptedServer(deaf) as server, client_of(server) as client:
        assert read_frame(client).startswith(b"CONNECTED")


def test_failed_assertion_in_a_script_is_raised() -> None:
    def expect(sock: socket.socket) -> None:
        assert read_frame(sock) == b"SEND"

    def provoke() -> None:
        with ScriptedServer(expect) as server, client_of(server) as client:
            client.sendall(CONNECT)
            read_all(client)

    with pytest.raises(AssertionError, match="SEND"):
        provoke()


def test_failed_assertion_in_a_script_does_not_hide_that_of_the_test() -> None:
    def expect(sock: socket.socket) -> None:
        raise ValueError

    server = ScriptedServer(expect)

    def provoke() -> None:
        with server, client_of(server) as client:
            read_all(client)
            raise KeyError

    with pytest.raises(KeyError):
        provoke()
    assert [type(error) for error in server.errors] == [ValueError]


def test_endless_script_is_reported() -> None:
    begun, stubborn = threading.Event(), threading.Event()

    def sulk(sock: socket.socket) -> None:
        begun.set()
        stubborn.wait(PATIENCE)

    with (
        pytest.raises(RuntimeError, match="does not end"),
        ScriptedServer(sulk, timeout=0.1) as server,
        client_of(server),
    ):
        assert begun.wait(PATIENCE)
    stubborn.set()
    for thread in server._threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_no_thread_or_socket_is_left() -> None:
    before = threading.active_count()
    for _ in range(5):
        with ScriptedServer(greet) as server, client_of(server) as client:
            client.sendall(CONNECT)
            read_frame(client)
    assert threading.active_count() <= before


def test_missing_script_is_refused() -> None:
    with pytest.raises(ValueError, match="script"):
        ScriptedServer()


def test_imitation_is_recognised_as_its_broker() -> None:
    artemis = artemis_like()
    with ScriptedServer(artemis) as server, stomp.Client(server.url, client_id="me", timeout=10) as client:
        assert client.broker.name == "artemis"
        client.subscribe("/topic/a", durable="news", selector="a = 'b'")
        client.send("/queue/a", b"x", confirm=True, ttl=5)
        with pytest.raises(Unsupported, match="Artemis has no prefetch"):
            client.subscribe("/queue/a", ack="client", prefetch=10)
    connect, subscribe, send, disconnect = artemis.frames
    assert b"\nclient-id:me\n" in connect
    assert b"\ndurable-subscription-name:news\n" in subscribe
    assert b"\nselector:a = 'b'\n" in subscribe
    assert b"\nexpires:" in send
    assert disconnect.startswith(b"DISCONNECT\n")
