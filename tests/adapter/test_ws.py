"""stomp.adapter.ws, through a WebSocket endpoint to the embedded broker"""

import gc
import logging
import os
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest
from websockets.frames import Opcode

import stomp
from stomp.adapter import ws
from stomp.broker import Broker
from stomp.core.errors import UsageError
from stomp.exception import ConnectFailedException, NotConnectedException
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.listening import PATIENCE, RecentFrames, stomp_threads, wait_until
from tests.websocket_endpoint import WebSocketEndpoint

QUEUE = "/queue/a"


@pytest.fixture
def endpoint(broker):
    return WebSocketEndpoint((broker.host, broker.port))


@pytest.fixture
def server(endpoint):
    with ScriptedServer(endpoint) as running:
        yield running


def connected(server, *, wait=True, **options):
    """A connection that is subscribed to its own queue, and its recorder."""
    conn = ws.WSStompConnection([server.address], **options)
    recorder = RecentFrames()
    conn.set_listener("recorder", recorder)
    return conn, recorder


def subscribed(server, **options):
    conn, recorder = connected(server, **options)
    conn.connect("admin", "password", wait=True)
    conn.subscribe(QUEUE, id=1)
    return conn, recorder


def test_websocket_names_exist():
    assert ws.WSConnection is ws.WSStompConnection
    assert issubclass(ws.WSStompConnection, stomp.StompConnection12)
    assert issubclass(ws.WSTransport, stomp.transport.BaseTransport)
    assert isinstance(ws.WSStompConnection().transport, ws.WSTransport)


# ------------------------------------------------------------------------------------- frames


def test_message_is_sent_and_received(server, endpoint):
    conn, recorder = subscribed(server)
    conn.send(QUEUE, "hellø", receipt="r1")
    recorder.wait_for_bodies(1)
    recorder.wait_for_method("on_receipt")
    assert recorder.bodies == ["hellø"]
    assert conn.is_connected()
    conn.disconnect(receipt="bye")
    assert recorder.methods[-3:] == ["on_receipt", "on_disconnected", "on_receiver_loop_completed"]
    assert not conn.is_connected()
    assert endpoint.requests[0].path == "/"
    with pytest.raises(NotConnectedException):
        conn.send(QUEUE, "x")


def test_negotiated_subprotocol_is_available(server):
    conn, _ = connected(server)
    assert conn.transport.subprotocol is None
    conn.connect(wait=True)
    assert conn.transport.subprotocol == "v12.stomp"
    conn.disconnect()


@pytest.mark.parametrize("binary_mode", [False, True])
def test_each_frame_is_one_message(server, endpoint, binary_mode):
    conn, recorder = subscribed(server, binary_mode=binary_mode)
    for number in range(200):
        conn.send(QUEUE, str(number))
    recorder.wait_for_bodies(200)
    conn.disconnect()
    commands = [data.partition(b"\n")[0] for _, data in endpoint.messages]
    assert commands == [b"STOMP", b"SUBSCRIBE", *[b"SEND"] * 200, b"DISCONNECT"]
    assert {opcode for opcode, _ in endpoint.messages} == {Opcode.BINARY if binary_mode else Opcode.TEXT}
    assert recorder.bodies == [str(number) for number in range(200)]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("fragment", [None, 7])
def test_bodies_that_are_not_utf8_arrive(broker, binary, fragment):
    body = bytes(range(256)) + b"\xff\0"
    with ScriptedServer(
        WebSocketEndpoint((broker.host, broker.port), binary=binary, fragment=fragment)
    ) as server:
        conn, recorder = subscribed(server, auto_decode=False)
        conn.send(QUEUE, body)
        recorder.wait_for_bodies(1)
        assert recorder.bodies == [body]
        conn.send(QUEUE, "still here")
        recorder.wait_for_bodies(2)
        conn.disconnect()


def test_non_utf8_bodies_keep_the_connection_with_auto_decode(server):
    conn, recorder = subscribed(server)
    conn.send(QUEUE, b"\xff")
    conn.send(QUEUE, "still here")
    recorder.wait_for_bodies(2)
    assert recorder.bodies[1] == "still here"
    conn.disconnect()


def test_large_bodies_arrive(server):
    body = os.urandom(3_000_000)
    conn, recorder = subscribed(server, auto_decode=False)
    conn.send(QUEUE, body)
    conn.send(QUEUE, b"x" * 1_000_000 + b"\0")
    recorder.wait_for_bodies(2)
    assert recorder.bodies[0] == body
    assert recorder.bodies[1].endswith(b"x\0")
    conn.disconnect()


def test_heartbeats_are_lone_newlines_both_ways():
    with Broker(heartbeat=(50, 50), tolerance=1000) as broker:
        endpoint = WebSocketEndpoint((broker.host, broker.port))
        with ScriptedServer(endpoint) as server:
            conn, recorder = connected(server, heartbeats=(50, 50), heart_beat_receive_scale=1000)
            conn.connect(wait=True)
            assert conn.transport.heartbeat == (50, 50)
            recorder.wait_for_method("on_heartbeat", 2)
            wait_until(lambda: [data for _, data in endpoint.messages].count(b"\n") >= 2)
            conn.disconnect()
    assert "on_heartbeat_timeout" not in recorder.methods


def test_an_idle_connection_is_not_dropped_by_the_timeout(server):
    conn, _ = connected(server, timeout=5)
    conn.connect(wait=True)
    assert conn.transport.socket.gettimeout() is None
    conn.disconnect()


def test_raw_bytes_are_sent_unchanged(server, endpoint):
    conn, _ = connected(server)
    conn.connect(wait=True)
    conn.transport.send(b"\n")
    wait_until(lambda: (Opcode.TEXT, b"\n") in endpoint.messages)
    conn.disconnect()


def test_keepalive_and_the_address_to_connect_from_are_used(server):
    conn, _ = connected(server, keepalive=True, bind_host_port=("127.0.0.2", 0))
    conn.connect(wait=True)
    assert conn.transport.socket.getsockname()[0] == "127.0.0.2"
    assert conn.transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    conn.disconnect()


# ------------------------------------------------------------------------------------- the handshake


def test_path_and_headers_are_sent(broker):
    endpoint = WebSocketEndpoint((broker.host, broker.port), path="/ws?x=1", authorization="Bearer swordfish")
    with ScriptedServer(endpoint) as server:
        for header in ({"Authorization": "Bearer swordfish"}, ["Authorization: Bearer swordfish"]):
            conn, _ = connected(server, ws_path="/ws?x=1", header=header)
            conn.connect(wait=True)
            conn.disconnect()


@pytest.mark.parametrize(
    ("options", "why"),
    [({"ws_path": "/elsewhere"}, "HTTP 404 Not Found"), ({"ws_path": "/ws"}, "HTTP 401 Unauthorized")],
)
def test_refusal_has_its_reason(broker, options, why, caplog):
    endpoint = WebSocketEndpoint((broker.host, broker.port), path="/ws", authorization="Bearer swordfish")
    with ScriptedServer(endpoint) as server:
        conn, recorder = connected(server, reconnect_attempts_max=1, **options)
        with pytest.raises(ConnectFailedException, match=why) as caught:
            conn.connect(wait=True)
    assert caught.value.phase == "websocket"
    assert caught.value.hint
    assert recorder.methods == []
    assert why in caplog.text


def test_port_without_websocket_is_an_error(broker):
    conn = ws.WSStompConnection([(broker.host, broker.port)], reconnect_attempts_max=1, timeout=PATIENCE)
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect()
    assert caught.value.phase == "websocket"
    assert caught.value.hint == "use stomp://"


def test_the_next_address_is_tried(server, free_port):
    conn = ws.WSStompConnection([("127.0.0.1", free_port), server.address])
    conn.connect(wait=True)
    assert conn.transport.current_host_and_port == server.address
    conn.disconnect()


def test_invalid_headers_are_refused_by_the_constructor():
    with pytest.raises(UsageError):
        ws.WSConnection(header={"X": "a\r\nY: b"})


def test_missing_package_error_names_the_extra(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.client", None)
    with pytest.raises(UsageError, match=r"stompkit\[ws\]"):
        ws.WSStompConnection([server.address]).connect()


def test_no_secret_is_logged(broker, caplog):
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(WebSocketEndpoint((broker.host, broker.port))) as server:
        conn, _ = connected(server, header={"Authorization": "swordfish"})
        conn.connect("admin", "swordfish", wait=True)
        conn.disconnect()
    ours = [record for record in caplog.records if record.name != "websockets.server"]
    assert "swordfish" not in "".join(record.getMessage() for record in ours)


def test_ipv6_address_connects(broker):
    endpoint = WebSocketEndpoint((broker.host, broker.port))
    with ScriptedServer(endpoint, host="::1") as server:
        conn, _ = connected(server)
        conn.connect(wait=True)
        conn.disconnect()
    assert endpoint.requests[0].headers["Host"] == f"[::1]:{server.port}"


# ------------------------------------------------------------------------------------- the end


def test_disconnect_answered_by_a_close_is_clean(broker):
    with ScriptedServer(WebSocketEndpoint((broker.host, broker.port), curt=True)) as server:
        conn, recorder = connected(server)
        conn.connect(wait=True)
        conn.disconnect(receipt="r")
        recorder.wait_for_method("on_receiver_loop_completed")
    assert recorder.methods.count("on_disconnected") == 1
    assert "on_error" not in recorder.methods
    assert not conn.transport.connection_error


@pytest.mark.parametrize("end", ["disconnect", "disconnect_socket", "stop"])
def test_close_frame_is_sent_to_the_broker(server, endpoint, end):
    conn, recorder = connected(server)
    conn.connect(wait=True)
    conn.disconnect() if end == "disconnect" else getattr(conn.transport, end)()
    recorder.wait_for_method("on_disconnected")
    wait_until(lambda: endpoint.farewells == 1)


def test_close_reason_of_the_broker_is_logged(broker, server, caplog):
    caplog.set_level(logging.INFO)
    conn, recorder = connected(server)
    conn.connect(wait=True)
    broker.disconnect_all()
    recorder.wait_for_method("on_receiver_loop_completed")
    assert recorder.methods.count("on_disconnected") == 1
    assert "code 1001: the broker is gone" in caplog.text
    assert not conn.is_connected()


def test_server_that_vanishes_ends_the_connection(server):
    conn, recorder = connected(server)
    conn.connect(wait=True)
    server._end_all()
    recorder.wait_for_method("on_disconnected")
    assert recorder.methods.count("on_disconnected") == 1


def test_error_frame_calls_on_error(server):
    conn, recorder = connected(server)
    conn.connect(wait=True)
    conn.send_frame("NONSENSE")
    recorder.wait_for_method("on_error")
    recorder.wait_for_method("on_disconnected")


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.slow(reason="50 reconnects with a wait each")
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_reconnecting_leaks_nothing(broker, endpoint, server_tls, ca_file, secure):
    cycles = 50
    done = threading.Event()

    class Again(RecentFrames):
        def on_disconnected(self):
            super().on_disconnected()
            if self.methods.count("on_disconnected") < cycles:
                conn.connect("admin", "password", wait=False)
            else:
                done.set()

        def on_connected(self, frame):
            super().on_connected(frame)
            broker.disconnect_all()

    with ScriptedServer(endpoint, tls=server_tls if secure else None) as server:
        # Connections that are lost at once are followed by a wait, which is short here.
        conn = ws.WSStompConnection(
            [("localhost", server.port)], reconnect_sleep_initial=0.001, reconnect_sleep_max=0.01
        )
        if secure:
            conn.set_ssl(ca_certs=ca_file)
        again = Again()
        conn.set_listener("again", again)
        before = descriptors()
        conn.connect("admin", "password")
        assert done.wait(10 * PATIENCE), again.methods.count("on_disconnected")
        wait_until(lambda: not stomp_threads())
        wait_until(lambda: broker.connections == [])
        wait_until(lambda: descriptors() <= before)
    assert again.methods.count("on_connected") == again.methods.count("on_disconnected") == cycles


def test_silent_broker_ends_the_connection():
    def promise_and_say_nothing(sock):
        read_frame(sock)
        greet_back(sock, heartbeat="50,50")
        say_nothing(sock)

    with (
        ScriptedServer(promise_and_say_nothing) as mute,
        ScriptedServer(WebSocketEndpoint(mute.address)) as server,
    ):
        conn, recorder = connected(server, heartbeats=(50, 50))
        conn.connect(wait=True)
        recorder.wait_for_method("on_receiver_loop_completed")
        assert recorder.methods.count("on_heartbeat_timeout") == 1
        assert recorder.methods.count("on_disconnected") == 1
        assert not conn.is_connected()


def test_many_threads_can_send(server):
    conn, recorder = subscribed(server)
    large = "x" * 50_000

    def send_all(number):
        for count in range(100):
            conn.send(QUEUE, f"{number} {count} {large if count % 10 == 0 else ''}")

    threads = [threading.Thread(target=send_all, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    recorder.wait_for_bodies(400)
    conn.disconnect()
    for number in range(4):
        mine = [body.split(" ") for body in recorder.bodies if body.startswith(f"{number} ")]
        assert [int(count) for _, count, _ in mine] == list(range(100))
        assert all(rest in ("", large) for _, _, rest in mine)


# ------------------------------------------------------------------------------------- TLS


@pytest.fixture
def tls_server(endpoint, server_tls):
    with ScriptedServer(endpoint, tls=server_tls) as running:
        yield running


def secured(server, **options):
    conn = ws.WSStompConnection([("localhost", server.port)], reconnect_attempts_max=1)
    conn.set_ssl([("localhost", server.port)], **options)
    return conn


def test_wss_connects(tls_server, ca_file, endpoint):
    conn = secured(tls_server, ca_certs=ca_file)
    recorder = RecentFrames()
    conn.set_listener("", recorder)
    conn.connect(wait=True)
    conn.subscribe(QUEUE, id=1)
    conn.send(QUEUE, "x" * 1_000_000)
    recorder.wait_for_bodies(1)
    assert len(recorder.bodies[0]) == 1_000_000
    assert conn.transport.subprotocol == "v12.stomp"
    conn.disconnect()
    wait_until(lambda: endpoint.farewells == 1)
    assert endpoint.requests[0].headers["Host"] == f"localhost:{tls_server.port}"


def test_wss_connects_over_ipv6(endpoint, authority, ca_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("::1").configure_cert(context)
    with ScriptedServer(endpoint, tls=context, host="::1") as server:
        conn = ws.WSStompConnection([server.address])
        conn.set_ssl(ca_certs=ca_file)
        conn.connect(wait=True)
        conn.disconnect()


def test_untrusted_certificate_is_refused_by_default(tls_server):
    with pytest.raises(ConnectFailedException) as caught:
        secured(tls_server).connect(wait=True)
    assert caught.value.phase == "tls"
    conn = secured(tls_server, verify=False)
    conn.connect(wait=True)
    conn.disconnect()


def test_cert_validator_is_called(tls_server, ca_file):
    seen = []

    def refuse(certificate, hostname):
        seen.append((bool(certificate), hostname))
        return False, "not today"

    with pytest.raises(ConnectFailedException, match="not today"):
        secured(tls_server, ca_certs=ca_file, cert_validator=refuse).connect(wait=True)
    assert seen == [(True, "localhost")]


def test_client_certificate_is_sent(endpoint, authority, ca_file, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    client = tmp_path / "client.pem"
    authority.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(str(client))
    with ScriptedServer(endpoint, tls=context) as server:
        with pytest.raises(ConnectFailedException):
            secured(server, ca_certs=ca_file).connect(wait=True)
        conn = secured(server, ca_certs=ca_file, cert_file=str(client))
        conn.connect(wait=True)
        conn.disconnect()


def test_set_ssl_for_another_host_is_an_error():
    with pytest.raises(UsageError, match="nothing would be encrypted"):
        ws.WSStompConnection([("localhost", 15673)]).set_ssl([("localhost", 15674)])


def test_get_ssl_returns_the_settings(tls_server, ca_file):
    conn = secured(tls_server, ca_certs=ca_file)
    assert conn.get_ssl(("localhost", tls_server.port))["ca_certs"] == ca_file
    assert ws.WSConnection().get_ssl() is None
