"""What comes in: frames and heart-beats cut and joined anyhow, headers as they were meant."""

import threading

import pytest

import stomp
from stomp.testing.servers import ScriptedServer, read_frame, say_nothing
from tests.listening import PATIENCE, RecentFrames
from tests.peer_defects.scenes import PATIENT, Beating, connection, message, timed, welcome


@pytest.mark.parametrize("eols", [1, 2, 3, 10])
def test_accumulated_heartbeats_before_a_frame_lose_no_frame(eols):
    """B01: two or more EOLs in the buffer before a frame, and the frame was silently dropped.

    The handler is busy with the first message while heart-beats and two more messages pile up.
    """
    piled_up = threading.Event()

    class Busy(RecentFrames):
        def on_message(self, frame):
            super().on_message(frame)
            assert piled_up.wait(PATIENCE)

    def script(sock):
        welcome(sock)
        sock.sendall(message(b"m1"))
        busy.wait_for_bodies(1)
        sock.sendall(b"\n" * eols + message(b"m2") + b"\n" * eols + message(b"m3"))
        piled_up.set()
        say_nothing(sock)

    busy = Busy()
    with ScriptedServer(script) as server:
        conn, _ = connection(server.address, listener=busy)
        conn.connect(wait=True)
        busy.wait_for_bodies(3)
        assert busy.bodies == ["m1", "m2", "m3"]
        conn.transport.stop()


def test_a_large_binary_body_is_read_in_linear_time():
    """B06: every read with a NUL in it searched the body from its beginning again; 32 MB took 18 s."""
    size = 32 * 1024 * 1024

    def script(sock):
        welcome(sock)
        sock.sendall(message(bytes(size), f"content-length:{size}"))
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, auto_decode=False)
        conn.connect(wait=True)
        assert timed(lambda: recorder.wait_for_bodies(1)) < 15
        assert recorder.bodies == [bytes(size)]
        conn.transport.stop()


@pytest.mark.parametrize("end", ["the broker closes", "stop", "disconnect_socket"])
def test_half_a_frame_does_not_survive_into_the_next_connection(end):
    """B13: what was left in the buffer swallowed CONNECTED of the next connection, and connect hung."""

    def cut(sock):
        welcome(sock)
        read_frame(sock)  # so that connect has returned
        sock.sendall(message(b"whole") + b"MESSAGE\nsubscription:1\ncontent-length:100\n\nhalf \0 a frame")
        if end != "the broker closes":
            say_nothing(sock)

    def whole(sock):
        welcome(sock)
        sock.sendall(message(b"after"))
        say_nothing(sock)

    with ScriptedServer(cut, whole) as server:
        conn, recorder = connection(server.address, timeout=5)
        conn.connect(wait=True)
        conn.send("/queue/a", "go")
        recorder.wait_for_bodies(1)
        if end != "the broker closes":
            getattr(conn.transport, end)()
        recorder.wait_for_method("on_disconnected")
        conn.connect(wait=True)
        recorder.wait_for_bodies(2)
        assert recorder.bodies == ["whole", "after"]
        conn.transport.stop()


def test_headers_of_1_0_are_as_they_were_sent():
    """B17: values of 1.0 were unescaped, so that a Windows path got a line break and lost a letter."""

    def script(sock):
        welcome(sock, version="1.0")
        sock.sendall(message(b"x", r"path:C:\new\code"))
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, stomp.Connection10)
        conn.connect(wait=True)
        recorder.wait_for_bodies(1)
        assert dict(recorder.notes)["on_message"].headers["path"] == r"C:\new\code"
        conn.transport.stop()


@pytest.mark.parametrize("cls", [stomp.Connection11, stomp.Connection12])
def test_connected_is_not_unescaped(cls):
    """B17: CONNECTED has no escapes, in no version."""

    def script(sock):
        version = read_frame(sock).split(b"accept-version:")[1].split(b"\n")[0]
        sock.sendall(b"CONNECTED\nversion:" + version + b"\nserver:C:\\new\\code\n\n\0")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, cls)
        conn.connect(wait=True)
        recorder.wait_for_method("on_connected")
        assert dict(recorder.notes)["on_connected"].headers["server"] == r"C:\new\code"
        conn.transport.stop()


@pytest.mark.parametrize(("cls", "version"), [(stomp.Connection11, "1.1"), (stomp.Connection12, "1.2")])
def test_cr_lf_is_a_heartbeat(cls, version):
    """B32: CR LF heart-beats were never recognised, and a healthy link timed out."""
    script = Beating(b"\r\n", 0.1, version)
    with ScriptedServer(script) as server:
        conn, recorder = connection(
            server.address, cls, heartbeats=(0, 100), heart_beat_receive_scale=PATIENT
        )
        conn.connect(wait=True)
        recorder.wait_for_method("on_heartbeat", 6)
        assert "on_heartbeat_timeout" not in recorder.methods
        assert conn.is_connected()
        conn.transport.stop()


def test_cr_lf_before_a_frame_is_no_part_of_it():
    """B32: with them before a frame, too."""

    def script(sock):
        welcome(sock, version="1.2")
        sock.sendall(b"\r\n\r\n" + message(b"m1") + b"\r\n\r\n\r\n" + message(b"m2"))
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, stomp.Connection12)
        conn.connect(wait=True)
        recorder.wait_for_bodies(2)
        assert recorder.bodies == ["m1", "m2"]
        conn.transport.stop()


def test_receipt_without_an_id_is_ignored():
    """B58: a RECEIPT without receipt-id was a KeyError that ended the receiver, with no word of why.

    It answers nothing; the connection stays open.
    """

    def script(sock):
        welcome(sock)
        sock.sendall(b"RECEIPT\n\n\0" + message(b"still here"))
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address)
        conn.connect(wait=True)
        recorder.wait_for_bodies(1)
        assert recorder.bodies == ["still here"]
        assert conn.is_connected()
        conn.transport.stop()
