"""A blocking handler does not stop heart-beats; a lost connection is detected in time, and reported once."""

import contextlib
import ssl
import threading

import pytest

import stomp
from stomp.broker import Broker
from stomp.core.errors import NotConnected
from stomp.core.frames.limits import Limits
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.listening import PATIENCE, RecentFrames, wait_until

#: The negotiated heart-beat interval in these tests, in milliseconds.
BEAT = 100


class Blocking(RecentFrames):
    """Blocks in on_message until `go_on` is set."""

    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()

    def on_message(self, frame):
        super().on_message(frame)
        assert self.go_on.wait(PATIENCE)


def test_blocking_handler_does_not_end_the_connection():
    # Neither side times out if the machine stops for a second: heart-beats are counted, their time is not checked.
    with Broker(heartbeat=(BEAT, BEAT), tolerance=1000) as broker:
        address = (broker.host, broker.port)
        conn = stomp.Connection([address], heartbeats=(BEAT, BEAT), heart_beat_receive_scale=1000)
        listener = Blocking()
        conn.set_listener("", listener)
        conn.connect(wait=True)
        assert conn.transport.heartbeat == (BEAT, BEAT)
        conn.subscribe("/queue/a", id="1")
        conn.send("/queue/a", "work")
        listener.wait_for_bodies(1)
        link = conn.transport._link
        assert link is not None
        session = link.session
        before = session.counters.heartbeats_sent
        wait_until(lambda: session.counters.heartbeats_sent >= before + 8)
        assert conn.is_connected()
        assert len(broker.connections) == 1
        listener.go_on.set()
        conn.send("/queue/a", "more")
        listener.wait_for_bodies(2)
        assert "on_disconnected" not in listener.methods
        conn.disconnect()


def test_a_server_that_goes_silent_is_noticed():
    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.1", heartbeat=f"{BEAT},{BEAT}")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn = stomp.Connection([server.address], heartbeats=(BEAT, BEAT))
        recorder = RecentFrames()
        conn.set_listener("", recorder)
        conn.connect(wait=True)
        recorder.wait_for_method("on_receiver_loop_completed")
        assert not conn.is_connected()
        ends = [m for m in recorder.methods if m not in ("on_send", "on_connecting", "on_connected")]
        assert ends == ["on_heartbeat_timeout", "on_disconnected", "on_receiver_loop_completed"]


def test_a_server_that_goes_silent_is_noticed_while_a_handler_blocks():
    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.1", heartbeat=f"{BEAT},0")
        sock.sendall(b"MESSAGE\nsubscription:1\nmessage-id:1\ndestination:/queue/a\n\nwork\0")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn = stomp.Connection([server.address], heartbeats=(0, BEAT))
        listener = Blocking()
        conn.set_listener("", listener)
        conn.connect(wait=True)
        wait_until(lambda: not conn.is_connected())
        assert "on_disconnected" not in listener.methods
        listener.go_on.set()
        listener.wait_for_method("on_disconnected")
        assert listener.methods.count("on_heartbeat_timeout") == 1


@pytest.mark.parametrize("ending", ["close_notify", "cut"])
def test_server_that_closes_a_tls_connection_is_noticed(server_tls, ca_file, ending):
    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.1")
        read_frame(sock)
        if ending == "close_notify":
            with contextlib.suppress(OSError, ssl.SSLError):
                sock.unwrap()

    with ScriptedServer(script, tls=server_tls) as server:
        conn = stomp.Connection([server.address])
        conn.set_ssl([server.address], ca_certs=ca_file)
        recorder = RecentFrames()
        conn.set_listener("", recorder)
        conn.connect(wait=True)
        conn.send("/queue/a", "good-bye")
        recorder.wait_for_method("on_receiver_loop_completed")
        assert recorder.methods.count("on_disconnected") == 1
        assert not conn.is_connected()
        with pytest.raises(NotConnected):
            conn.send("/queue/a", "too late")
        assert recorder.methods.count("on_disconnected") == 1


def test_a_broker_that_is_killed_is_noticed(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    recorder = RecentFrames()
    conn.set_listener("", recorder)
    conn.connect(wait=True)
    broker.stop()
    recorder.wait_for_method("on_disconnected")
    assert not conn.is_connected()
    with pytest.raises(NotConnected):
        conn.send("/queue/a", "too late")


def test_every_connection_agrees_on_heartbeats_anew():
    def script(answer):
        def run(sock):
            frames.append(read_frame(sock))
            greet_back(sock, version="1.1", heartbeat=answer)
            read_frame(sock)

        return run

    frames: list[bytes] = []
    with ScriptedServer(script("0,0"), script("5000,5000")) as server:
        conn = stomp.Connection([server.address], heartbeats=(3000, 4000))
        conn.connect(wait=True)
        assert conn.transport.heartbeat == (0, 0)
        conn.transport.stop()
        conn.connect(wait=True)
        assert conn.transport.heartbeat == (5000, 5000)
        conn.transport.stop()
    assert all(b"heart-beat:3000,4000\n" in frame for frame in frames)


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_failing_send_has_the_reason_of_the_loss(tls, server_tls, ca_file):
    """An ERROR may be unread when writing fails: it is read, and the error of the send contains its text."""
    limits = Limits(body=1000)
    with Broker(limits=limits, ssl_context=server_tls if tls else None) as broker:
        for _ in range(1 if tls else 10):
            conn = stomp.Connection([("127.0.0.1", broker.port)])
            if tls:
                conn.set_ssl(ca_certs=ca_file)
            recorder = RecentFrames()
            conn.set_listener("", recorder)
            conn.connect(wait=True)
            with pytest.raises(NotConnected, match="larger than 1000 bytes"):
                while True:  # until the broker closes
                    conn.send("/queue/a", bytes(1001))
            recorder.wait_for_method("on_receiver_loop_completed")
            assert recorder.methods.count("on_error") == 1
            assert recorder.methods.count("on_disconnected") == 1
