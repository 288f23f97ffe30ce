"""TLS: its end is noticed, its queue is not lost, its secrets are never spoken in the clear."""

import contextlib
import os
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

import stomp
from stomp.adapter import ws
from stomp.core.errors import NotConnected
from stomp.exception import ConnectFailedException
from stomp.testing.relay import Relay
from stomp.testing.servers import ScriptedServer, read_frame, reset, say_nothing
from tests.listening import PATIENCE, stomp_threads, wait_until
from tests.peer_defects.scenes import BEAT, answer_receipts, connection, message, welcome


def secured(server, ca_file, **options):
    conn, recorder = connection(("127.0.0.1", server.port), **options)
    conn.set_ssl([("127.0.0.1", server.port)], ca_certs=ca_file)
    return conn, recorder


@pytest.mark.parametrize("ending", ["close_notify", "close", "reset"])
def test_the_end_of_a_tls_connection_is_noticed_and_costs_no_time(server_tls, ca_file, ending):
    """B03: the end of a TLS stream was taken for "no data": never noticed, and 100 % CPU for ever."""

    def script(sock):
        welcome(sock)
        read_frame(sock)
        if ending == "close_notify":
            with contextlib.suppress(OSError, ssl.SSLError):
                sock.unwrap()
        elif ending == "reset":
            reset(sock)

    with ScriptedServer(script, tls=server_tls) as server:
        conn, recorder = secured(server, ca_file)
        conn.connect(wait=True)
        used = time.process_time()
        conn.send("/queue/a", "good-bye")
        recorder.wait_for_method("on_receiver_loop_completed")
        assert recorder.methods.count("on_disconnected") == 1
        assert not conn.is_connected()
        wait_until(lambda: not stomp_threads())
        assert time.process_time() - used < 1.0


def test_a_callback_that_sends_a_lot_over_tls_does_not_block(server_tls, ca_file):
    """B04: a callback that sent more than 278 messages over TLS blocked for ever."""
    count = 3000
    got = []

    def script(sock):
        welcome(sock)
        sock.sendall(message(b"go"))
        buffer = b""
        while buffer.count(b"SEND\n") < count:
            buffer += sock.recv(65536)
        got.append(buffer.count(b"SEND\n"))
        say_nothing(sock)

    class Answer:
        def on_message(self, frame):
            for _ in range(count):
                conn.send("/queue/b", "x" * 100)

    with ScriptedServer(script, tls=server_tls) as server:
        conn, recorder = secured(server, ca_file)
        conn.set_listener("answer", Answer())
        conn.connect(wait=True)
        wait_until(lambda: got)
        recorder.wait_for_bodies(1)
        conn.transport.stop()


@pytest.mark.parametrize("end", ["disconnect", "stop"])
def test_what_was_sent_over_tls_before_the_end_arrives(server_tls, ca_file, end):
    """B05: over TLS, send() only queued, and disconnect() lost the queue."""
    bodies = []

    def script(sock):
        welcome(sock)
        while True:
            frame = read_frame(sock)
            if frame.startswith(b"SEND"):
                bodies.append(frame)
            elif frame.startswith(b"DISCONNECT"):
                receipt = frame.split(b"receipt:")[1].split(b"\n")[0]
                sock.sendall(b"RECEIPT\nreceipt-id:" + receipt + b"\n\n\0")
                return

    with ScriptedServer(script, tls=server_tls) as server:
        conn, _ = secured(server, ca_file)
        conn.connect(wait=True)
        for number in range(200):
            conn.send("/queue/a", str(number))
        conn.disconnect() if end == "disconnect" else conn.transport.stop()
        wait_until(lambda: len(bodies) == 200)


def test_a_tls_peer_that_falls_silent_is_noticed(server_tls, ca_file):
    """B60: the heart-beat timeout waited for the close_notify of the dead peer, so that no listener was ever called."""

    def script(sock):
        welcome(sock, heartbeat=f"{BEAT},{BEAT}")
        server.closing.wait(3 * PATIENCE)  # reads nothing more, answers no close_notify

    with ScriptedServer(script, tls=server_tls) as server:
        conn, recorder = secured(server, ca_file, heartbeats=(BEAT, BEAT))
        conn.connect(wait=True)
        recorder.wait_for_method("on_receiver_loop_completed")
        assert recorder.methods.count("on_heartbeat_timeout") == 1
        assert recorder.methods.count("on_disconnected") == 1
        assert not conn.is_connected()


def test_a_stalled_network_under_tls_is_noticed(server_tls, ca_file):
    """B60: and when it is the network that swallows everything."""

    def script(sock):
        welcome(sock, heartbeat=f"{BEAT},{BEAT}")
        say_nothing(sock)

    with ScriptedServer(script, tls=server_tls) as server, Relay(*server.address) as relay:
        conn, recorder = secured(relay, ca_file, heartbeats=(BEAT, BEAT))
        conn.connect(wait=True)
        relay.stall()
        recorder.wait_for_method("on_receiver_loop_completed")
        assert recorder.methods.count("on_heartbeat_timeout") == 1
        assert recorder.methods.count("on_disconnected") == 1


@pytest.mark.slow(reason="60 rounds, to meet the race")
def test_sending_and_receiving_over_tls_at_the_same_time(server_tls, ca_file):
    """B61: two threads used one TLS object at once: the first frame was lost, or the stream broke."""

    def script(sock):
        welcome(sock)
        sock.sendall(message(b"x" * 30000) * 3)
        answer_receipts(sock)

    with ScriptedServer(script, tls=server_tls) as server:
        conn, recorder = secured(server, ca_file)
        for cycle in range(1, 61):
            conn.connect(wait=True)
            conn.send("/queue/a", "x" * 30000, receipt="r")
            recorder.wait_for_bodies(3 * cycle)
            recorder.wait_for(
                lambda: recorder.methods.count("on_receipt") % 2 == 1
            )  # the other is the good-bye's
            conn.disconnect()
        assert recorder.methods.count("on_disconnected") == 60


def test_tls_for_the_local_host_name_is_never_sent_in_clear_text(monkeypatch):
    """B19: for the machine's own name, 127.0.0.1 was tried before it without TLS: the passcode went out in clear."""
    received = []

    def listen(sock):
        received.append(sock.recv(1))

    own = socket.gethostname()
    look_up = socket.getaddrinfo

    def here(host, *args, **options):
        return look_up("127.0.0.1" if host == own else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with ScriptedServer(listen) as server:
        conn, _ = connection((own, server.port), timeout=5)
        conn.set_ssl([(own, server.port)])
        with pytest.raises(ConnectFailedException):
            conn.connect("admin", "secret", wait=True)
        wait_until(lambda: received)
    assert set(received) == {b"\x16"}  # the first byte of a TLS handshake


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_a_validator_that_refuses_leaks_nothing(tls_broker, ca_file):
    """B62: each try that a cert_validator refused leaked two descriptors and a selector."""
    conn, _ = secured(tls_broker, ca_file)
    conn.set_ssl(
        [("127.0.0.1", tls_broker.port)],
        ca_certs=ca_file,
        cert_validator=lambda cert, host: (False, "not today"),
    )
    before = descriptors()
    for _ in range(20):
        with pytest.raises(ConnectFailedException, match="not today"):
            conn.connect(wait=True)
    wait_until(lambda: descriptors() <= before)
    wait_until(lambda: not stomp_threads())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_reconnecting_over_tls_leaks_nothing(tls_broker, ca_file):
    """B62: reconnecting over TLS leaked some descriptors, too."""
    conn, _ = secured(tls_broker, ca_file)
    before = descriptors()
    for _ in range(30):
        conn.connect(wait=True)
        conn.disconnect()
    wait_until(lambda: not stomp_threads())
    wait_until(lambda: descriptors() <= before)


def test_sending_over_tls_after_the_peer_closed_is_an_error(server_tls, ca_file):
    """B63: over TLS the first send() after the peer had closed returned normally, and was lost."""

    def script(sock):
        welcome(sock)
        read_frame(sock)

    with ScriptedServer(script, tls=server_tls) as server:
        conn, recorder = secured(server, ca_file)
        conn.connect(wait=True)
        conn.send("/queue/a", "the last one")
        recorder.wait_for_method("on_disconnected")
        for _ in range(3):
            with pytest.raises(NotConnected):
                conn.send("/queue/a", "too late")


def test_unusable_wss_options_are_reported(tmp_path):
    """B31: the client's key and certificate were silently ignored on wss."""
    conn = ws.WSStompConnection([("localhost", 1)], reconnect_attempts_max=1)
    conn.set_ssl(cert_file=str(tmp_path / "none.pem"), verify=False)
    with pytest.raises(stomp.exception.StompException, match=r"none\.pem"):
        conn.connect(wait=True)


def test_threads_may_send_over_tls_while_messages_arrive(server_tls, ca_file):
    """B61: and with several senders, nothing is lost or mixed."""
    got = []

    def script(sock):
        welcome(sock)
        buffer = b""
        while buffer.count(b"\0") < 400:
            data = sock.recv(65536)
            sock.sendall(message(b"echo"))
            buffer += data
        got.append(buffer)
        say_nothing(sock)

    def send(number):
        for count in range(100):
            conn.send("/queue/a", f"{number}-{count}-" + "x" * 1000)

    with ScriptedServer(script, tls=server_tls) as server:
        conn, _ = secured(server, ca_file)
        conn.connect(wait=True)
        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        wait_until(lambda: got)
        bodies = [frame.partition(b"\n\n")[2] for frame in got[0].split(b"\0")[:-1]]
        for number in range(4):
            mine = [body for body in bodies if body.startswith(b"%d-" % number)]
            assert mine == [b"%d-%d-" % (number, count) + b"x" * 1000 for count in range(100)]
        conn.transport.stop()
