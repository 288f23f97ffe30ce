"""stomp.adapter.multicast, on this machine"""

import logging
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stomp
from stomp.adapter import multicast
from stomp.adapter.multicast import MulticastConnection
from stomp.core.errors import ConnectFailed, FrameError, NotConnected, UsageError
from tests.listening import PATIENCE, RecentFrames, stomp_threads, wait_until
from tests.multicasting import group_of_our_own

QUEUE = "/queue/a"


@pytest.fixture(autouse=True)
def port(monkeypatch):
    with group_of_our_own(monkeypatch) as number:
        yield number


@pytest.fixture
def join():
    """Makes connections, and ends them."""
    made = []

    def make(*destinations):
        conn = MulticastConnection()
        recorder = RecentFrames()
        conn.set_listener("recorder", recorder)
        conn.connect()
        made.append(conn)
        for number, destination in enumerate(destinations):
            conn.subscribe(destination, id=number)
        return conn, recorder

    yield make
    for conn in made:
        conn.disconnect()
    wait_until(lambda: not stomp_threads())


def test_multicast_names_exist():
    assert stomp.adapter.multicast.MulticastConnection is MulticastConnection
    assert issubclass(MulticastConnection, stomp.connect.BaseConnection)
    assert issubclass(MulticastConnection, stomp.protocol.Protocol12)
    conn = MulticastConnection()
    assert isinstance(conn.transport, stomp.transport.Transport)
    assert conn.get_listener("mcast-listener") is conn
    assert not conn.is_connected()


def test_all_subscribers_and_the_sender_get_a_message(join):
    one, member = join(QUEUE)
    _, second_member = join("/queue/b", QUEUE)
    _, other_member = join("/queue/b")
    one.send(QUEUE, "hellø")
    one.send("/queue/b", b"\xff\0")
    for recorder in (member, second_member, other_member):
        recorder.wait_for_bodies(1)
    second_member.wait_for_bodies(2)
    assert member.bodies == ["hellø".encode()]
    assert second_member.bodies == ["hellø".encode(), b"\xff\0"]
    assert other_member.bodies == [b"\xff\0"]
    assert "on_connecting" not in member.methods or member.methods[0] == "on_connecting"
    frame = next(detail for method, detail in second_member.notes if method == "on_message")
    assert frame.cmd == "MESSAGE"
    assert (frame.headers["destination"], frame.headers["subscription"]) == (QUEUE, "1")
    assert frame.headers["message-id"]


def test_messages_up_to_the_datagram_size_arrive(join):
    conn, recorder = join(QUEUE)
    bodies = [os.urandom(size) for size in (10, 2000, 20, 65_000, 30)]
    for body in bodies:
        conn.send(QUEUE, body)
    recorder.wait_for_bodies(5)
    assert recorder.bodies == bodies


def test_too_large_message_is_an_error_without_side_effects(join):
    conn, recorder = join(QUEUE)
    transaction = conn.begin()
    for options in ({}, {"transaction": transaction}):
        with pytest.raises(UsageError, match="does not fit into a datagram"):
            conn.send(QUEUE, "x" * 65_500, **options)
    conn.commit(transaction)
    conn.send(QUEUE, "small")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == [b"small"]


def test_largest_message_arrives(join):
    conn, recorder = join(QUEUE)
    conn.send(QUEUE, "x" * (65_507 - len("SEND\ndestination:/queue/a\ncontent-length:65450\n\n\0")))
    recorder.wait_for_bodies(1)


def test_headers_are_escaped_and_unescaped(join):
    conn, recorder = join("/queue/with:colon")
    headers = {"plain": "a", "special": "a:b\\c\nd\re", "none": None, "number": 5}
    before = dict(headers)
    conn.send("/queue/with:colon", "x", headers=headers)
    recorder.wait_for_bodies(1)
    frame = next(detail for method, detail in recorder.notes if method == "on_message")
    assert frame.headers["special"] == "a:b\\c\nd\re"
    assert frame.headers["number"] == "5"
    assert "none" not in frame.headers
    assert headers == before


def test_invalid_header_is_refused(join):
    conn, _ = join()
    with pytest.raises(FrameError):
        conn.send(QUEUE, "x", headers={"nul": "\0"})


# ------------------------------------------------------------------------------------- receipts


def test_receipt_arrives_once_at_the_sender_only(join):
    asker, received = join()
    _, one = join(QUEUE)
    _, other = join(QUEUE)
    asker.send(QUEUE, "x", receipt="r:1")
    received.wait_for_method("on_receipt")
    asker.send(QUEUE, "y", receipt="r2")
    received.wait_for_method("on_receipt", 2)
    for recorder in (one, other):
        recorder.wait_for_bodies(2)
    assert [detail for method, detail in received.notes if method == "on_receipt"] == ["r:1", "r2"]
    assert "on_receipt" not in one.methods + other.methods


def test_undelivered_message_gets_no_receipt(join):
    conn, recorder = join(QUEUE)
    conn.send("/queue/nobody", "x", receipt="1")
    conn.send(QUEUE, "x", receipt="2")
    recorder.wait_for_method("on_receipt")
    assert [detail for method, detail in recorder.notes if method == "on_receipt"] == ["2"]


def test_local_commands_get_a_receipt(join):
    conn, recorder = join()
    conn.subscribe(QUEUE, id=7, receipt="1")
    conn.begin("t", receipt="2")
    conn.abort("t", receipt="3")
    conn.ack("5", receipt="4")
    conn.unsubscribe(7, receipt="5")
    conn.disconnect(receipt="6")
    receipts = [detail for method, detail in recorder.notes if method == "on_receipt"]
    assert receipts == ["1", "2", "3", "4", "5", "6"]


def test_missing_receipts_are_forgotten(join, monkeypatch):
    monkeypatch.setattr(multicast, "_MAX_AWAITED", 3)
    conn, _ = join()
    for number in range(10):
        conn.send(QUEUE, "x", receipt=number)
    assert len(conn.transport._awaited) == 3


# ------------------------------------------------------------------------------------- transactions


def test_committed_transaction_is_sent(join):
    conn, recorder = join(QUEUE)
    transaction = conn.begin()
    conn.send(QUEUE, "2", transaction=transaction)
    conn.send(QUEUE, "3", transaction=transaction, receipt="r")
    conn.send(QUEUE, "1")
    recorder.wait_for_bodies(1)
    conn.commit(transaction)
    recorder.wait_for_bodies(3)
    recorder.wait_for_method("on_receipt")
    assert recorder.bodies == [b"1", b"2", b"3"]


def test_aborted_transaction_is_not_sent(join):
    conn, recorder = join(QUEUE)
    conn.begin(5)
    conn.send(QUEUE, "never", transaction=5)
    conn.abort(5)
    conn.send(QUEUE, "after")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == [b"after"]


def test_unknown_and_duplicate_transactions_are_errors(join):
    conn, _ = join()
    conn.begin("t")
    with pytest.raises(UsageError, match="has already begun"):
        conn.begin("t")
    for call in (
        lambda: conn.commit("nothing"),
        lambda: conn.abort("nothing"),
        lambda: conn.send(QUEUE, "x", transaction="nothing"),
    ):
        with pytest.raises(UsageError, match="no transaction 'nothing'"):
            call()
    conn.commit("t")
    with pytest.raises(UsageError, match="no transaction"):
        conn.commit("t")


def test_disconnect_drops_transactions(join):
    conn, _ = join()
    conn.begin("t")
    conn.disconnect()
    conn.connect()
    with pytest.raises(UsageError):
        conn.commit("t")


# ------------------------------------------------------------------------------------- subscriptions


def test_no_message_arrives_after_unsubscribe(join):
    conn, recorder = join(QUEUE, "/queue/b")
    conn.unsubscribe(0)
    conn.send(QUEUE, "x")
    conn.send("/queue/b", "y")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == [b"y"]
    with pytest.raises(UsageError, match="no subscription 0"):
        conn.unsubscribe(0)


# ------------------------------------------------------------------------------------- the end


def test_disconnect_ends_the_thread_and_calls_on_disconnected_once(join):
    conn, recorder = join(QUEUE)
    assert conn.transport.receiver_thread in threading.enumerate()
    assert conn.transport.running
    thread = conn.transport.receiver_thread
    sock = conn.transport.socket
    conn.disconnect()
    conn.disconnect()
    assert recorder.methods == ["on_connecting", "on_disconnected", "on_receiver_loop_completed"]
    assert recorder.notes[0][1] == (multicast.MCAST_GRP, multicast.MCAST_PORT)
    assert sock.fileno() == -1
    assert conn.transport.socket is None
    assert not conn.transport.running
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_group_can_be_joined_again(join):
    conn, recorder = join(QUEUE)
    conn.disconnect()
    conn.connect()
    conn.connect()
    conn.send(QUEUE, "x")
    recorder.wait_for_bodies(1)
    assert recorder.methods.count("on_connecting") == 2


def test_disconnect_works_in_a_callback(join):
    conn, recorder = join(QUEUE)

    class Leaver(RecentFrames):
        def on_message(self, frame):
            conn.disconnect()

    conn.set_listener("leaver", Leaver())
    conn.send(QUEUE, "x")
    recorder.wait_for_method("on_receiver_loop_completed")
    assert recorder.methods.count("on_disconnected") == 1


def test_send_outside_of_the_group_is_an_error(join):
    with pytest.raises(NotConnected, match="not in the multicast group"):
        MulticastConnection().send(QUEUE, "x")
    conn, _ = join()
    conn.disconnect()
    with pytest.raises(NotConnected):
        conn.send(QUEUE, "x")


def test_socket_failure_ends_the_connection(join, caplog):
    class Failing:
        """A socket that can be waited for, and not read."""

        def __init__(self, sock):
            self._sock = sock

        def __getattr__(self, name):
            return getattr(self._sock, name)

        def recv(self, size):
            raise OSError("the network is gone")

    conn = MulticastConnection()
    recorder = RecentFrames()
    conn.set_listener("recorder", recorder)
    # Whoever starts the thread late has time to break the socket.
    late: list[Any] = []
    conn.override_threading(late.append)
    conn.connect()
    member = conn._group._membership
    assert member is not None
    member.sock = Failing(member.sock)  # type: ignore[assignment]
    thread = threading.Thread(target=late[0])
    thread.start()
    conn.send("/queue/nobody", "x")
    thread.join(PATIENCE)
    assert recorder.methods[-2:] == ["on_disconnected", "on_receiver_loop_completed"]
    assert "the network is gone" in caplog.text
    with pytest.raises(NotConnected):
        conn.send(QUEUE, "x")
    conn.disconnect()


def test_failing_join_is_an_error(monkeypatch):
    monkeypatch.setattr(multicast, "MCAST_GRP", "127.0.0.1")
    with pytest.raises(ConnectFailed, match=r"cannot join the multicast group 127\.0\.0\.1"):
        MulticastConnection().connect()


# ------------------------------------------------------------------------------------- strangers


@pytest.mark.parametrize(
    "datagram", [b"\xff\xfe\0", b"SEND\ndestination:/queue/a\n\ncut", b"", b"\n", b"SEND\n\nx\0", b"\0" * 9]
)
def test_invalid_datagram_is_ignored(join, datagram):
    conn, recorder = join(QUEUE)
    conn.transport.send(datagram)
    conn.send(QUEUE, "x")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == [b"x"]


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda head, body: b"SEND\ndestination:/queue/a\n" + head + b"\n\n" + body + b"\0",
        st.binary(max_size=50),
        st.binary(max_size=50),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_datagram_keeps_the_connection(datagram):
    transport = multicast.MulticastTransport()
    transport.subscriptions["1"] = QUEUE
    transport._receive(datagram)


def test_invalid_datagram_is_logged_without_its_body(join, caplog):
    conn, recorder = join(QUEUE)
    conn.transport.send(b"SEND\ndestination:/queue/a\n\nswordfish")
    conn.send(QUEUE, "x")
    recorder.wait_for_bodies(1)
    assert "ignored" in caplog.text
    assert "swordfish" not in caplog.text


def test_failing_listener_does_not_affect_others(join, caplog):
    conn, recorder = join(QUEUE)

    class Bad:
        def on_message(self, frame):
            raise ValueError("bad")

    conn.set_listener("a", Bad())
    conn.send(QUEUE, "1")
    conn.send(QUEUE, "2")
    recorder.wait_for_bodies(2)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_foreign_error_and_unknown_frames_are_dispatched(join):
    conn, recorder = join(QUEUE)
    conn.send_frame("ERROR", {"message": "no"}, "")
    conn.send_frame("HELLO", {}, "")
    conn.send(QUEUE, "x")
    recorder.wait_for_bodies(1)
    assert "on_error" in recorder.methods


# ------------------------------------------------------------------------------------- processes

ECHO = """
import sys, threading
from stomp.adapter import multicast

multicast.MCAST_PORT = int(sys.argv[1])
done = threading.Event()

class Echo:
    def on_message(self, frame):
        if frame.body == b"end":
            done.set()
        else:
            conn.send("/queue/echo", sys.argv[2].encode() + b":" + frame.body)

conn = multicast.MulticastConnection()
conn.set_listener("", Echo())
conn.connect()
conn.subscribe("/queue/ask", id=1)
print("ready", flush=True)
done.wait(30)
conn.disconnect()
print("left", flush=True)
"""


def test_several_processes_share_a_group(join, port):
    conn, recorder = join("/queue/echo")
    others = [
        subprocess.Popen(
            [sys.executable, "-c", ECHO, str(port), name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    try:
        for other in others:
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
        conn.send("/queue/ask", "x" * 2000)
        recorder.wait_for_bodies(2)
        assert sorted(recorder.bodies) == [b"one:" + b"x" * 2000, b"two:" + b"x" * 2000]
        conn.send("/queue/ask", "end")
        for other in others:
            assert other.communicate(timeout=PATIENCE)[0] == "left\n"
            assert other.returncode == 0
    finally:
        for other in others:
            other.kill()
            other.communicate()
