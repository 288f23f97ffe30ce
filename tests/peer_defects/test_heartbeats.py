"""Heart-beats: a healthy link is never taken for dead, a dead one always is."""

import threading

import pytest

import stomp
from stomp.core.errors import StompError
from stomp.testing.servers import ScriptedServer, say_nothing
from tests.listening import PATIENCE, RecentFrames, wait_until
from tests.peer_defects.scenes import BEAT, PATIENT, Beating, connection, welcome


@pytest.mark.parametrize("pattern", [b"\n\n", b"\n\n\n"])
def test_heartbeats_read_two_at_a_time_count(pattern):
    """B02: two heart-beats in one read were not counted, nor any later one: a false timeout."""
    script = Beating(pattern, BEAT / 1000)
    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, heartbeats=(0, BEAT), heart_beat_receive_scale=PATIENT)
        conn.connect(wait=True)
        wait_until(lambda: script.sent >= 8)
        recorder.wait_for_method("on_heartbeat", 8 * len(pattern))
        assert "on_heartbeat_timeout" not in recorder.methods
        assert conn.is_connected()
        conn.transport.stop()


def test_silence_is_noticed_while_a_send_is_stuck():
    """B22: heart-beats waited for the lock of the sender, so with a peer that does not read there was no timeout."""
    connected = threading.Event()

    def script(sock):
        welcome(sock, heartbeat=f"{BEAT},{BEAT}")
        connected.set()
        server.closing.wait(PATIENCE)  # reads nothing, says nothing

    errors: list[StompError] = []

    def send_until_it_fails():
        try:
            while True:
                conn.send("/queue/a", bytes(1_000_000))
        except StompError as err:
            errors.append(err)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, heartbeats=(BEAT, BEAT))
        conn.connect(wait=True)
        sender = threading.Thread(target=send_until_it_fails)
        sender.start()
        recorder.wait_for_method("on_disconnected", 1)
        sender.join(PATIENCE)
        assert not sender.is_alive()
        assert recorder.methods.count("on_heartbeat_timeout") == 1
        assert not conn.is_connected()
        assert len(errors) == 1


def test_listener_without_on_heartbeat_timeout_is_accepted():
    """B23: a duck-typed listener without on_heartbeat_timeout ended the heart-beat thread for good."""

    class Duck:
        def __init__(self):
            self.ended = 0

        def on_disconnected(self):
            self.ended += 1

    def silent(sock):
        welcome(sock, heartbeat=f"{BEAT},{BEAT}")
        say_nothing(sock)

    with ScriptedServer(silent) as server:
        duck = Duck()
        conn, recorder = connection(server.address, heartbeats=(BEAT, BEAT))
        conn.set_listener("a duck", duck)
        for cycle in (1, 2):
            conn.connect(wait=True)
            recorder.wait_for_method("on_receiver_loop_completed", cycle)
            assert recorder.methods.count("on_heartbeat_timeout") == cycle
            assert duck.ended == cycle


@pytest.mark.parametrize("name", ["", "zlistener"])
def test_connection_made_in_on_disconnected_sends_heartbeats(name):
    """B12: reconnecting in on_disconnected left the second connection without heart-beats, by the listener's name."""

    class Beats:
        """Counts what the client sends on the second connection."""

        def __init__(self):
            self.count = 0

        def first(self, sock):
            welcome(sock, heartbeat=f"0,{BEAT}")

        def second(self, sock):
            welcome(sock, heartbeat=f"0,{BEAT}")
            while data := sock.recv(65536):
                self.count += data.count(b"\n")

    class Again(RecentFrames):
        def on_disconnected(self):
            super().on_disconnected()
            if self.methods.count("on_disconnected") == 1:
                conn.connect(wait=True)

    beats = Beats()
    with ScriptedServer(beats.first, beats.second) as server:
        conn, _ = connection(server.address, listener=Again(), name=name, heartbeats=(BEAT, 0))
        conn.connect(wait=True)
        wait_until(lambda: beats.count >= 5)
        assert conn.is_connected()
        conn.transport.stop()


@pytest.mark.parametrize("answer", ["a,b", "1", "1,2,3", "-1,5"])
def test_malformed_heartbeat_header_of_the_broker_is_reported(answer):
    """B67: a malformed heart-beat header of the server made connect hang, or killed the connection without a word."""

    def script(sock):
        welcome(sock, heartbeat=answer)
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, heartbeats=(1000, 1000))
        with pytest.raises(stomp.exception.ConnectFailedException, match="heart-beat"):
            conn.connect(wait=True)
        recorder.wait_for_method("on_disconnected")
        conn, recorder = connection(server.address)
        conn.connect(wait=True)  # it did not ask for heart-beats, and needs no answer about them
        conn.transport.stop()


def test_listeners_may_change_during_on_heartbeat_timeout():
    """S3: on_heartbeat_timeout was called while iterating the live dictionary of listeners."""

    class Changing:
        def on_heartbeat_timeout(self):
            conn.set_listener("new", RecentFrames())
            conn.set_listener("newer", RecentFrames())
            conn.remove_listener("old")

    def silent(sock):
        welcome(sock, heartbeat=f"{BEAT},0")
        say_nothing(sock)

    with ScriptedServer(silent) as server:
        conn, recorder = connection(server.address, heartbeats=(0, BEAT))
        conn.set_listener("a", Changing())
        conn.set_listener("old", RecentFrames())
        conn.connect(wait=True)
        recorder.wait_for_method("on_receiver_loop_completed")
        assert recorder.methods.count("on_heartbeat_timeout") == 1
        assert conn.get_listener("new") is not None
