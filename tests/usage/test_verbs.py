"""How programs call the verbs."""

import threading
import uuid

import pytest

import stomp
from stomp.listener import WaitingListener
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.listening import PATIENCE, RecentFrames


class Ears:
    """A script that lets a client in, and notes the frames."""

    def __init__(self, version="1.1"):
        self.version = version
        self.frames = []
        self.came = threading.Semaphore(0)

    def __call__(self, sock):
        while True:
            self.frames.append(read_frame(sock).decode("utf-8", "replace"))
            if len(self.frames) == 1:
                greet_back(sock, version=self.version)
            self.came.release()

    def frame(self, number):
        """A frame by its number; the one of the login is 0."""
        while len(self.frames) <= number:
            assert self.came.acquire(timeout=PATIENCE)
        return self.frames[number]


@pytest.mark.parametrize(
    ("arguments", "keywords", "lines"),
    [
        (("user", "secret"), {"wait": True}, ["STOMP", "login:user", "passcode:secret"]),
        ((), {"username": "user", "passcode": "secret", "wait": True}, ["login:user", "passcode:secret"]),
        ((), {"login": "user", "passcode": "secret", "wait": True}, ["login:user", "passcode:secret"]),
        ((), {"headers": {"client-id": "me"}, "wait": True}, ["client-id:me"]),
        ((), {"with_connect_command": True, "wait": True, "host": "mine"}, ["CONNECT", "host:mine"]),
    ],
)
def test_15_connecting_in_every_form(arguments, keywords, lines):
    with ScriptedServer(ears := Ears()) as server:
        conn = stomp.Connection([server.address])
        conn.connect(*arguments, **keywords)
        assert set(lines) <= set(ears.frame(0).splitlines())
        conn.transport.stop()


def test_16_connecting_again_after_disconnect(connect):
    conn, recorder = connect()
    for _ in range(3):
        conn.disconnect()
        conn.connect("user", "secret", wait=True)
    conn.disconnect()
    assert recorder.methods.count("on_connected") == recorder.methods.count("on_disconnected") == 4


def test_16_connecting_again_in_on_disconnected(connect, broker):
    """The recipe: log in and subscribe anew, from the callback itself."""
    conn, recorder = connect()

    class Again:
        def on_disconnected(self):
            conn.connect("user", "secret", wait=False)

        def on_connected(self, frame):
            conn.subscribe("/queue/again", id=1)

    conn.set_listener("again", Again())
    broker.disconnect_all()
    recorder.wait_for_method("on_connected", 2)
    conn.send("/queue/again", "hello")
    recorder.wait_for_bodies(1)
    conn.remove_listener("again")
    conn.disconnect()


def test_16_connecting_again_after_heartbeats_were_lost(address):
    def silent(sock):
        read_frame(sock)
        greet_back(sock, heartbeat="50,0")
        say_nothing(sock)

    with ScriptedServer(silent) as server:
        conn = stomp.Connection12([server.address, address], heartbeats=(0, 50))
        conn.set_listener("", recorder := RecentFrames())
        lost = []

        class Again:
            def on_heartbeat_timeout(self):
                lost.append(conn.transport.current_host_and_port)

            def on_disconnected(self):
                if len(lost) == 1:
                    conn.transport._Transport__host_and_ports.reverse()
                    conn.connect()

        conn.set_listener("again", Again())
        conn.connect(wait=True)
        recorder.wait_for_method("on_connected", 2)
        assert lost == [server.address]
        conn.remove_listener("again")
        conn.disconnect()


def test_17_disconnecting_with_a_uuid_and_waiting_for_the_end(connect):
    conn, recorder = connect()
    over = threading.Event()
    recorder.on_disconnected = over.set
    conn.set_listener("recorder", recorder)
    receipt = uuid.uuid4()
    conn.disconnect(receipt=receipt)
    assert over.wait(PATIENCE)
    assert ("on_receipt", str(receipt)) in recorder.notes


def test_18_headers_of_every_kind():
    given = {"persistent": "true", "none": None}
    with ScriptedServer(ears := Ears()) as server:
        conn = stomp.Connection([server.address])
        conn.connect(wait=True)
        conn.send(
            "/queue/a", "body", "text/plain", given, receipt="r", transaction="t", id=7, ack=True, ttl=3000
        )
        conn.send(destination="/queue/a", body=b"\xff\x00")
        lines = set(ears.frame(1).splitlines())
        conn.transport.stop()
    assert {"persistent:true", "receipt:r", "transaction:t", "id:7", "ttl:3000", "content-length:4"} <= lines
    assert "content-type:text/plain" in lines
    assert any(line.lower() == "ack:true" for line in lines)
    assert not any(line.startswith("none") for line in lines)
    assert given == {"persistent": "true", "none": None}


@pytest.mark.parametrize("body", ["text", b"bytes", "\u00fcber", ""])
def test_18_bodies_of_every_kind(connect, body):
    conn, recorder = connect()
    conn.subscribe("/queue/a", id="1")
    conn.send("/queue/a", body, content_type="text/plain")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == [body if isinstance(body, str) else body.decode()]


@pytest.mark.parametrize("id", [1, "1"])
def test_19_subscribing_with_a_number_or_text(connect, broker, id):
    conn, recorder = connect()
    conn.subscribe(destination="/queue/a", id=id, ack="client", headers={"selector": "a = 1"}, receipt="s")
    recorder.wait_for_method("on_receipt")
    conn.unsubscribe(id, receipt="u")
    recorder.wait_for_method("on_receipt", 2)
    conn.send("/queue/a", "nobody gets it", receipt="q")
    recorder.wait_for_method("on_receipt", 3)
    assert broker.depth("/queue/a") == 1


def test_19_subscribing_in_1_0_without_an_id(connect, broker):
    conn, recorder = connect(stomp.Connection10)
    conn.subscribe("/queue/a")
    conn.send("/queue/a", "hello")
    recorder.wait_for_bodies(1)
    conn.unsubscribe(destination="/queue/a", receipt="u")
    recorder.wait_for_method("on_receipt")


@pytest.mark.parametrize("cls", [stomp.Connection11, stomp.Connection12])
def test_20_acknowledging(connect, broker, cls):
    conn, recorder = connect(cls)

    class Worker:
        def on_message(self, frame):
            if cls is stomp.Connection11:
                conn.ack(frame.headers["message-id"], frame.headers["subscription"], receipt="acked")
            else:
                conn.ack(frame.headers["ack"], receipt="acked")

    conn.set_listener("worker", Worker())
    conn.subscribe("/queue/a", id=1, ack="client-individual")
    conn.send("/queue/a", "work")
    recorder.wait_for(lambda: ("on_receipt", "acked") in recorder.notes)
    conn.disconnect()
    assert broker.depth("/queue/a") == 0


def test_20_refusing_without_requeueing():
    with ScriptedServer(ears := Ears()) as server:
        conn = stomp.Connection([server.address])
        conn.connect(wait=True)
        conn.nack("m-1", 7, requeue=False)
        lines = ears.frame(1).splitlines()
        conn.transport.stop()
    assert lines[0] == "NACK"
    assert {"message-id:m-1", "subscription:7"} <= set(lines)
    assert any(line.lower() == "requeue:false" for line in lines)


def test_21_transactions(connect, broker):
    conn, recorder = connect()
    kept, dropped = conn.begin(), conn.begin("mine")
    assert dropped == "mine"
    conn.send("/queue/a", "kept", transaction=kept)
    conn.send("/queue/a", "dropped", transaction=dropped)
    conn.abort(dropped)
    conn.commit(kept, receipt="done")
    recorder.wait_for_method("on_receipt")
    assert broker.depth("/queue/a") == 1


def test_21_a_transaction_begun_by_headers():
    """The id is given in a dict, by those who take `begin` for a verb with headers only."""
    with ScriptedServer(ears := Ears()) as server:
        conn = stomp.Connection([server.address])
        conn.connect(wait=True)
        conn.begin(headers={"transaction": "unused"}, transaction="t-1")
        conn.begin({"transaction": "t-2"})
        assert "transaction:t-1" in ears.frame(1).splitlines()
        assert ears.frame(2).startswith("BEGIN\n")
        conn.transport.stop()


def test_22_frames_by_hand_and_receipts_that_are_waited_for(connect, broker):
    conn, _ = connect(stomp.Connection12)
    waiting = WaitingListener("by-hand")
    conn.set_listener("waiting", waiting)
    conn.send_frame("SEND", {"destination": "/queue/a", "receipt": "by-hand"}, "body")
    waiting.wait_on_receipt(PATIENCE)
    assert broker.depth("/queue/a") == 1


def test_22_a_receipt_that_ends_the_connection(connect):
    conn, recorder = connect()
    conn.set_receipt("bye", "DISCONNECT")
    conn.send("/queue/a", "last", receipt="bye")
    recorder.wait_for_method("on_disconnected")


def test_22_setting_the_version():
    with ScriptedServer(ears := Ears()) as server:
        conn = stomp.Connection([server.address])
        conn.version = "1.0,1.1"
        conn.connect(wait=True)
        assert "accept-version:1.0,1.1" in ears.frame(0).splitlines()
        conn.transport.stop()


def test_22_with(address):
    with stomp.Connection([address]) as conn:
        conn.connect(wait=True)
        conn.send("/queue/a", "hello")
    assert not conn.is_connected()
