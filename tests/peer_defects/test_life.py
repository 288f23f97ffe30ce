"""The life of a connection: it comes, goes and comes again, once each, and nobody waits for ever."""

import logging
import socket
import threading

import pytest

import stomp
from stomp.adapter import ws
from stomp.exception import ConnectFailedException, NotConnectedException
from stomp.testing.servers import ScriptedServer, greet, read_frame, refuse, say_nothing
from tests.listening import PATIENCE, RecentFrames, stomp_threads, wait_until
from tests.peer_defects.scenes import answer_receipts, connection, message, timed, welcome


def usual(sock):
    """Script: a broker that lets everybody in and answers receipts."""
    welcome(sock)
    answer_receipts(sock)


@pytest.fixture
def friendly():
    with ScriptedServer(usual) as running:
        yield running


@pytest.mark.parametrize("limit", ["timeout of the connection", "timeout of the wait"])
def test_connect_to_a_silent_server_times_out(limit):
    """B08: connect(wait=True) hung with a mute server, and the timeout of wait_for_connection was none."""
    with ScriptedServer(say_nothing) as mute:
        conn, recorder = connection(mute.address, timeout=0.2 if limit.endswith("connection") else 30)

        def wait():
            with pytest.raises(ConnectFailedException):
                if limit.endswith("connection"):
                    conn.connect(wait=True)
                else:
                    conn.connect()
                    conn.transport.wait_for_connection(0.2)

        assert timed(wait) < PATIENCE
        assert not conn.is_connected()
        conn.transport.stop()
        recorder.wait_for_method("on_disconnected")


def test_with_statement_propagates_exceptions_in_any_state(free_port):
    """B09: `with` waited for ever when not connected, refused or lost, and the exception never surfaced."""

    def lose(sock):
        welcome(sock)
        read_frame(sock)

    def never():
        with pytest.raises(ZeroDivisionError), stomp.Connection([("127.0.0.1", free_port)]):
            raise ZeroDivisionError

    def failed():
        lonely = stomp.Connection([("127.0.0.1", free_port)], reconnect_attempts_max=1)
        with pytest.raises(ConnectFailedException), lonely as conn:
            conn.connect(wait=True)

    def lost():
        with ScriptedServer(lose) as server:
            conn, recorder = connection(server.address)
            with pytest.raises(ZeroDivisionError), conn:
                conn.connect(wait=True)
                conn.send("/queue/a", "x")
                recorder.wait_for_method("on_disconnected")
                raise ZeroDivisionError

    for case in (never, failed, lost):
        assert timed(case) < PATIENCE


def test_connecting_while_connected_reads_the_socket_once_and_logs_in_once():
    """B10, B46: connect() while connected made a second reader and sent a second CONNECT."""
    frames = []

    def script(sock):
        frames.append(welcome(sock))
        while True:
            frames.append(read_frame(sock))

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address)
        conn.connect(wait=True)
        first = conn.transport.receiver_thread
        for _ in range(3):
            conn.connect(wait=True)
        assert conn.transport.receiver_thread is first
        conn.send("/queue/a", "x")
        wait_until(lambda: len(frames) == 2)
        assert frames[1].startswith(b"SEND")
        assert recorder.methods.count("on_connected") == 1
        assert [thread.name for thread in stomp_threads()].count("stomp-receiver") == 1
        conn.transport.stop()


def test_connecting_again_after_a_refusal_uses_a_new_socket():
    """B46, B45: after a refused login, connect() used the refused socket; the error said nothing."""
    logins = []

    def no(sock):
        logins.append(sock.getpeername())
        refuse(sock, "Bad CONNECT", "wrong password")
        say_nothing(sock)  # as RabbitMQ does, which closes later

    def yes(sock):
        logins.append(sock.getpeername())
        usual(sock)

    with ScriptedServer(no, no, yes) as server:
        conn, recorder = connection(server.address)
        last = RecentFrames()
        conn.set_listener("zz", last)
        for _ in range(2):
            with pytest.raises(ConnectFailedException, match="wrong password") as caught:
                conn.connect("a", "b", wait=True)
            assert caught.value.frame is not None
        # Every listener has seen each refusal, and nothing is left open.
        assert recorder.methods.count("on_error") == last.methods.count("on_error") == 2
        wait_until(lambda: not stomp_threads())
        conn.connect("a", "c", wait=True)
        assert len(set(logins)) == 3
        conn.disconnect()


def test_reconnecting_in_on_disconnected_with_a_slow_handler_makes_one_reader():
    """B11: with a slow on_message, the sample of the documentation ended with two threads reading one socket."""
    count = 300
    go_on = threading.Event()

    def silent(sock):
        welcome(sock, heartbeat="100,0")
        sock.sendall(message(b"slow"))
        say_nothing(sock)

    def second(sock):
        welcome(sock)
        for number in range(count):
            sock.sendall(message(str(number).encode()))
        answer_receipts(sock)

    class Again(RecentFrames):
        readers: set[int]

        def on_message(self, frame):
            if frame.body == "slow":
                assert go_on.wait(PATIENCE)
            else:
                self.readers.add(threading.get_ident())
            super().on_message(frame)

        def on_disconnected(self):
            super().on_disconnected()
            if self.methods.count("on_disconnected") == 1:
                conn.connect(wait=True)

    again = Again()
    again.readers = set()
    with ScriptedServer(silent, second) as server:
        conn, _ = connection(server.address, listener=again, name="", heartbeats=(0, 100))
        conn.connect(wait=True)
        wait_until(lambda: not conn.is_connected())
        go_on.set()
        again.wait_for_bodies(1 + count)
        assert again.bodies == ["slow", *map(str, range(count))]
        assert len(again.readers) == 1
        assert again.methods.count("on_connected") == 2
        conn.disconnect()


def test_disconnect_waits_for_its_receipt_every_time():
    """B14: disconnect(receipt) waited on the first connection of an object only."""
    answered: list[bool] = []

    def script(sock):
        welcome(sock)
        read_frame(sock)
        server.closing.wait(0.1)  # the broker takes its time
        answered.append(True)
        sock.sendall(b"RECEIPT\nreceipt-id:bye\n\n\0")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address)
        for cycle in range(1, 6):
            conn.connect(wait=True)
            conn.disconnect(receipt="bye")
            assert len(answered) == cycle
            assert recorder.notes.count(("on_receipt", "bye")) == cycle
            assert recorder.methods.count("on_disconnected") == cycle


def test_twenty_connections_open_and_close_at_the_same_time(friendly):
    """B64: connect, disconnect(receipt), connect on one object broke by the third cycle."""
    broken = []

    def cycles():
        conn, recorder = connection(friendly.address)
        try:
            for cycle in range(1, 9):
                conn.connect(wait=True)
                conn.send("/queue/a", "x", receipt=f"r{cycle}")
                conn.disconnect(receipt=f"bye{cycle}")
                assert not conn.is_connected()
                assert ("on_receipt", f"r{cycle}") in recorder.notes
                assert recorder.methods.count("on_disconnected") == cycle
        except BaseException as err:
            broken.append(err)

    threads = [threading.Thread(target=cycles) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert broken == []
    wait_until(lambda: not stomp_threads())


@pytest.mark.parametrize("receipt", [123, "a:b", "a\\b", "a\nb"])
def test_disconnect_knows_its_receipt_in_any_form(receipt):
    """B20: an int never equalled its text, and "a:b" was compared in its escaped form: it hung."""
    with ScriptedServer(usual) as server:
        conn, recorder = connection(server.address)
        conn.connect(wait=True)
        assert timed(lambda: conn.disconnect(receipt=receipt)) < 8  # without an answer 10
        assert ("on_receipt", str(receipt)) in recorder.notes
        assert conn.transport.socket is None
        wait_until(lambda: not stomp_threads())


@pytest.mark.parametrize("callback", ["on_connected", "on_message", "on_receipt", "on_error"])
def test_disconnect_works_in_any_callback(callback):
    """B69: disconnect(receipt) from a callback waited for the thread that it was called on."""

    def script(sock):
        welcome(sock)
        sock.sendall(message(b"x") + b"RECEIPT\nreceipt-id:r\n\n\0" + b"ERROR\nmessage:no\n\n\0")
        answer_receipts(sock)

    done = threading.Event()

    class Leave:
        pass

    def leave(frame):
        if not done.is_set():
            conn.disconnect(receipt="bye")
            done.set()

    listener = Leave()
    setattr(listener, callback, leave)
    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address)
        conn.set_listener("leave", listener)
        conn.connect()
        recorder.wait_for_method("on_receiver_loop_completed")
        assert done.is_set()
        assert recorder.methods.count("on_disconnected") == 1
        assert not conn.is_connected()


def test_on_disconnected_follows_the_last_message(friendly):
    """B25: on_disconnected came before on_receipt, on_disconnecting never, and on_disconnected twice (4.1.22)."""
    conn, recorder = connection(friendly.address)
    conn.connect(wait=True)
    conn.disconnect(receipt="bye")
    assert [method for method in recorder.methods if method != "on_send"] == [
        "on_connecting",
        "on_connected",
        "on_disconnecting",
        "on_receipt",
        "on_disconnected",
        "on_receiver_loop_completed",
    ]


def test_disconnecting_before_connected_came_keeps_the_connection_down():
    """B26: disconnect() before CONNECTED was ignored, and the connection came up afterwards."""
    asked = threading.Event()

    def script(sock):
        read_frame(sock)
        assert asked.wait(PATIENCE)
        sock.sendall(b"CONNECTED\nversion:1.1\n\n\0")
        answer_receipts(sock)

    class Leaving(RecentFrames):
        def on_disconnecting(self):
            super().on_disconnecting()
            asked.set()

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, listener=Leaving())
        conn.connect()
        conn.disconnect()
        recorder.wait_for_method("on_receiver_loop_completed")
        assert not conn.is_connected()
        assert recorder.methods.count("on_disconnected") == 1


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
def test_attempts_are_counted_in_rounds(hosts):
    """B28: reconnect_attempts_max counted hosts, not rounds, and after the last failure it slept once more."""
    socks = [socket.socket() for _ in range(hosts)]
    try:
        for sock in socks:
            sock.bind(("127.0.0.1", 0))  # and nobody listens
        conn = stomp.Connection(
            [sock.getsockname() for sock in socks], reconnect_attempts_max=3, reconnect_sleep_initial=0.001
        )
        with pytest.raises(ConnectFailedException) as caught:
            conn.connect()
    finally:
        for sock in socks:
            sock.close()
    assert len(caught.value.failures) == 3 * hosts


def test_no_sleep_after_the_last_attempt(free_port):
    """B28: it slept once more before it failed."""
    conn = stomp.Connection([("127.0.0.1", free_port)], reconnect_attempts_max=1, reconnect_sleep_initial=60)

    def fail():
        with pytest.raises(ConnectFailedException):
            conn.connect()

    assert timed(fail) < PATIENCE


@pytest.mark.slow(reason="waits for the timeout of 2 s")
@pytest.mark.parametrize("cls", [stomp.Connection10, stomp.Connection11, stomp.Connection12])
def test_the_timeout_is_no_limit_for_being_idle(cls, broker):
    """B30: timeout= dropped idle connections after that time, too."""
    conn, recorder = connection((broker.host, broker.port), cls, timeout=2)
    conn.connect(wait=True)
    assert not end_was_recorded_within(recorder, 2.2)
    assert conn.is_connected()
    conn.send("/queue/a", "x", receipt="r")
    recorder.wait_for_method("on_receipt")
    conn.disconnect()


def end_was_recorded_within(recorder, seconds):
    try:
        recorder.wait_for(lambda: "on_disconnected" in recorder.methods, seconds)
    except AssertionError:
        return False
    return True


def test_a_receipt_is_not_waited_for_on_a_lost_connection():
    """B29: wait_on_receipt() never returned when the connection was lost."""

    def script(sock):
        welcome(sock)
        read_frame(sock)

    with ScriptedServer(script) as server:
        conn, _ = connection(server.address)
        waiting = stomp.WaitingListener("r")
        conn.set_listener("waiting", waiting)
        conn.connect(wait=True)
        conn.send("/queue/a", "x", receipt="r")

        def wait():
            with pytest.raises(stomp.exception.StompException, match="the connection ended"):
                waiting.wait_on_receipt()

        assert timed(wait) < PATIENCE


@pytest.mark.parametrize(
    "callback", ["on_connecting", "on_connected", "on_message", "on_receipt", "on_error"]
)
def test_an_exception_in_a_callback_is_logged_in_full_and_ends_nothing(callback, caplog):
    """B15: an exception in any callback closed the connection; the whole log of it was its text."""

    def script(sock):
        welcome(sock)
        sock.sendall(b"ERROR\nmessage:no\n\n\0" + message(b"one") + message(b"two"))
        answer_receipts(sock)

    class Broken:
        pass

    def fail(*args):
        raise KeyError("missing key")

    broken = Broken()
    setattr(broken, callback, fail)
    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address)
        conn.set_listener("the broken one", broken)
        with caplog.at_level(logging.WARNING):
            conn.connect(wait=True)
            conn.send("/queue/a", "x", receipt="r")
            recorder.wait_for_bodies(2)
            recorder.wait_for_method("on_receipt")
        assert conn.is_connected()
        conn.disconnect()
    record = next(record for record in caplog.records if "the broken one" in record.getMessage())
    assert callback in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


@pytest.mark.parametrize("port", [int, str])
def test_ipv6_form_of_the_documentation_connects(port):
    """B59: Connection([host, port]) of the documentation was a ValueError."""
    with ScriptedServer(usual, host="::1") as server:
        conn = stomp.Connection([server.host, port(server.port)])
        conn.connect(wait=True)
        conn.disconnect()


def test_sending_without_a_connection_is_one_error_only(free_port):
    """B41: before, during and after: NotConnectedException."""
    conn = stomp.Connection([("127.0.0.1", free_port)])
    for call in (
        lambda: conn.send("/queue/a", "x"),
        lambda: conn.subscribe("/queue/a", "1"),
        lambda: conn.transport.send(b"\n"),
    ):
        with pytest.raises(NotConnectedException):
            call()


def test_a_websocket_connection_has_the_options_of_the_others():
    """B31: set_ssl(verify=) was a TypeError; keepalive and bind_host_port were ignored."""
    conn = ws.WSStompConnection([("localhost", 1)], keepalive=True, bind_host_port=("127.0.0.1", 0))
    conn.set_ssl(verify=False)
    assert conn.get_ssl()["verify"] is False
    assert conn.transport.bind_host_port == ("127.0.0.1", 0)


@pytest.mark.parametrize("form", [("mac", 77), ("mac",), ("linux", 1), ("windows", 1), 7, True])
def test_no_form_of_keepalive_keeps_from_connecting(form, broker):
    """B47: ("mac", n) set nothing, and a tuple of another length was a ValueError out of connect()."""
    conn = stomp.Connection([(broker.host, broker.port)], keepalive=form)
    conn.connect(wait=True)
    sock = conn.transport.socket
    assert sock is not None
    assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is (form in (("mac", 77), True))
    if form == ("mac", 77) and hasattr(socket, "TCP_KEEPIDLE"):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
    conn.disconnect()


def test_version_attribute_stays_the_same_object():
    """B49: tuple_version() gave None and turned __version__ into a tuple."""
    before = stomp.__version__
    parts = stomp.tuple_version()
    assert isinstance(parts, tuple)
    assert stomp.__version__ is before
    assert isinstance(stomp.__version__, str)
    assert ".".join(map(str, parts)) == before


def test_heartbeats_may_be_a_list():
    """B67: heartbeats=[a, b] was a TypeError at connect."""
    with ScriptedServer(greet) as server:
        conn, _ = connection(server.address, stomp.Connection12, heartbeats=[1000, 2000])
        conn.connect(wait=True)
        conn.transport.stop()
