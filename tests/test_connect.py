"""Connecting: success, and the errors of failures, which contain the address, the phase and the reason."""

import threading
import uuid
from collections.abc import Callable

import pytest

import stomp
from stomp.broker import Broker
from stomp.core.errors import AddressError, AuthenticationFailed
from stomp.exception import ConnectFailedException, NotConnectedException
from stomp.testing.servers import (
    ScriptedServer,
    greet_back,
    hang_up,
    read_frame,
    refuse,
    reset,
    say_nothing,
)
from tests.listening import PATIENCE, RecentFrames, stomp_threads, wait_until

CLASSES = [stomp.Connection10, stomp.Connection11, stomp.Connection12]


def connect(address, cls=stomp.Connection, **options):
    recorder = RecentFrames()
    conn = cls([address], **options)
    conn.set_listener("recorder", recorder)
    return conn, recorder


@pytest.mark.parametrize("cls", CLASSES)
def test_quick_start_program_works(broker, cls):
    conn, recorder = connect((broker.host, broker.port), cls)
    conn.connect("admin", "password", wait=True)
    assert conn.is_connected()
    conn.subscribe("/queue/test", id="1", ack="auto")
    conn.send("/queue/test", "hallo ☃", receipt="r1")
    recorder.wait_for_bodies(1)
    recorder.wait_for_method("on_receipt")
    assert recorder.bodies == ["hallo ☃"]
    conn.disconnect()
    assert not conn.is_connected()
    assert [m for m in recorder.methods if m not in ("on_send", "on_before_message", "on_message")] == [
        "on_connecting",
        "on_connected",
        "on_receipt",
        "on_disconnecting",
        "on_receipt",
        "on_disconnected",
        "on_receiver_loop_completed",
    ]
    with pytest.raises(NotConnectedException):
        conn.send("/queue/test", "too late")


def test_start_and_stop_are_harmless(broker):
    conn, _ = connect((broker.host, broker.port))
    conn.start()
    conn.connect(wait=True)
    conn.stop()
    assert conn.is_connected()
    conn.disconnect()


def test_the_version_asked_for_is_the_version_spoken(broker):
    for cls in CLASSES:
        conn, recorder = connect((broker.host, broker.port), cls)
        conn.connect(wait=True)
        frame = dict(recorder.notes)["on_connected"]
        assert frame.headers.get("version", "1.0") == conn.version
        conn.disconnect()


def test_failover_goes_on_to_the_next_address(broker, free_port):
    conn = stomp.Connection([("127.0.0.1", free_port), (broker.host, broker.port)])
    conn.connect(wait=True)
    assert conn.transport.current_host_and_port == (broker.host, broker.port)
    conn.disconnect()


def test_pair_and_port_as_text_are_accepted(broker):
    conn = stomp.Connection([broker.host, str(broker.port)])
    conn.connect(wait=True)
    conn.disconnect()


@pytest.mark.parametrize(
    ("host_and_ports", "words"),
    [
        ([(None, None)], "the host of address 1 is None"),
        ([("localhost", None)], "the port of 'localhost' is None, not a number from 1 to 65535"),
        ([("localhost", 0)], "the port of 'localhost' is 0, not a number from 1 to 65535"),
        ([("localhost", "web")], "the port of 'localhost' is not a number from 1 to 65535"),
        ([("", 61613)], "address 1 does not begin with a host name"),
        ([("localhost",)], "address 1 is not a pair of host and port"),
        ([5], "address 1 is not a pair of host and port"),
        ("localhost:61613", "a str is not a list of addresses"),
        (5, "a int is not a list of addresses"),
    ],
)
@pytest.mark.parametrize("cls", [*CLASSES, stomp.WSConnection])
def test_an_impossible_address_is_refused_by_connect_and_not_by_the_constructor(cls, host_and_ports, words):
    conn = cls(host_and_ports)
    conn.set_ssl(ca_certs="ca.pem")
    conn.set_ssl([("localhost", 61613)], ca_certs="ca.pem")
    assert conn.get_ssl()["ca_certs"] == "ca.pem"
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect(wait=True)
    assert str(caught.value).startswith(words)
    assert "(host, port)" in caught.value.hint
    assert isinstance(caught.value.__cause__, AddressError)
    assert not conn.is_connected()


def test_invalid_address_among_others_is_skipped_with_a_warning(broker, caplog):
    conn = stomp.Connection([(None, None), (broker.host, broker.port)])
    conn.connect(wait=True)
    assert conn.transport.current_host_and_port == (broker.host, broker.port)
    conn.disconnect()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the host of address 1 is None: it is not used"
    ]


def test_closed_port_raises_connect_failed(free_port):
    conn, recorder = connect(("127.0.0.1", free_port), reconnect_attempts_max=2, reconnect_sleep_initial=0.01)
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect(wait=True)
    error = caught.value
    assert error.address == f"127.0.0.1:{free_port}"
    assert error.phase == "tcp"
    assert "refused" in str(error)
    assert "that the broker is running" in error.hint
    assert len(error.failures) == 2
    assert recorder.notes == []


def test_silent_server_times_out():
    with ScriptedServer(say_nothing) as server:
        conn, recorder = connect(server.address, timeout=0.2)
        with pytest.raises(ConnectFailedException, match="did not answer CONNECT in time") as caught:
            conn.connect(wait=True)
        assert caught.value.phase == "stomp"
        assert caught.value.address == f"127.0.0.1:{server.port}"
        recorder.wait_for_method("on_disconnected")


def test_refused_login_raises_authentication_failed():
    def script(sock):
        refuse(sock, "Bad CONNECT", "Access refused for user 'admin'")
        say_nothing(sock)  # as RabbitMQ: it closes 10 s later

    with ScriptedServer(script) as server:
        conn, recorder = connect(server.address)
        with pytest.raises(ConnectFailedException) as caught:
            conn.connect("admin", "wrong", wait=True)
        error = caught.value
        assert error.phase == "stomp"
        assert error.frame is not None
        assert error.frame.headers["message"] == "Bad CONNECT"
        assert "Access refused for user 'admin'" in str(error)
        assert isinstance(error.__cause__, AuthenticationFailed)
        assert "on_error" in recorder.methods
        recorder.wait_for_method("on_disconnected")
        assert recorder.methods.index("on_error") < recorder.methods.index("on_disconnected")


def test_refused_virtual_host_has_a_hint():
    def script(sock):
        refuse(sock, "Bad CONNECT", "Virtual host '127.0.0.1' access denied")

    with ScriptedServer(script) as server:
        conn, _ = connect(server.address, stomp.Connection12)
        with pytest.raises(ConnectFailedException, match="set the virtual host"):
            conn.connect(wait=True)


def test_server_that_closes_before_connected_raises_connect_failed():
    def script(sock):
        read_frame(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connect(server.address)
        with pytest.raises(ConnectFailedException, match="closed the connection"):
            conn.connect(wait=True)
        recorder.wait_for_method("on_disconnected")


@pytest.mark.parametrize("ending", [hang_up, reset])
@pytest.mark.parametrize("wait", [True, False])
def test_server_that_closes_before_connect_raises_connect_failed(ending, wait):
    """The failure is the same, whether CONNECT can still be written or not."""
    with ScriptedServer(ending) as server:
        for _ in range(50):
            conn, recorder = connect(server.address)
            error = None
            try:
                conn.connect(wait=wait)
            except ConnectFailedException as err:
                error = err
            assert error is not None or not wait
            if error is not None and error.phase == "tcp":
                continue  # closed before the socket was ready, so no connection was reported
            assert error is None or (error.phase, error.address) == ("stomp", f"127.0.0.1:{server.port}")
            recorder.wait_for_method("on_receiver_loop_completed")


def test_server_of_another_protocol_raises_connect_failed():
    with ScriptedServer(lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        conn, _ = connect(server.address)
        with pytest.raises(ConnectFailedException, match="this is HTTP, not STOMP"):
            conn.connect(wait=True)


def test_untrusted_certificate_raises_connect_failed(tls_broker):
    conn, _ = connect((tls_broker.host, tls_broker.port), reconnect_attempts_max=1)
    conn.set_ssl()
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect(wait=True)
    assert caught.value.phase == "tls"
    assert "certificate" in str(caught.value)


def test_tls_to_a_plain_port_raises_connect_failed(broker):
    conn, _ = connect((broker.host, broker.port), reconnect_attempts_max=1, timeout=5)
    conn.set_ssl()
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect(wait=True)
    assert caught.value.phase == "tls"


def test_without_wait_it_can_be_polled_and_frames_follow_connected():
    connected = threading.Event()
    frames = []

    def script(sock):
        read_frame(sock)
        assert connected.wait(PATIENCE)
        greet_back(sock, version="1.1")
        frames.append(read_frame(sock))

    with ScriptedServer(script) as server:
        conn, recorder = connect(server.address)
        conn.connect()
        assert not conn.is_connected()
        conn.subscribe("/queue/a", id="1")
        connected.set()
        recorder.wait_for_method("on_connected")
        wait_until(lambda: frames)
        assert frames[0].startswith(b"SUBSCRIBE\n")


def test_connect_while_connected_makes_no_second_connection(broker):
    conn, recorder = connect((broker.host, broker.port))
    conn.connect(wait=True)
    conn.connect(wait=True)
    assert len(broker.connections) == 1
    assert recorder.methods.count("on_connected") == 1
    conn.disconnect()


def test_many_threads_may_call_connect_at_once(broker):
    """A program that reconnects in a callback and in its main loop gets one connection."""
    conn, recorder = connect((broker.host, broker.port))
    errors: list[BaseException] = []
    for _ in range(20):
        ready = threading.Barrier(6)

        def run(ready=ready):
            try:
                ready.wait(PATIENCE)
                conn.connect("a", "b", wait=True)
            except BaseException as err:
                errors.append(err)

        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert errors == []
        assert len(broker.connections) == 1
        conn.disconnect()
    assert recorder.methods.count("on_connected") == 20
    assert recorder.methods.count("on_disconnected") == 20


def test_connection_object_can_be_reused(broker):
    conn, recorder = connect((broker.host, broker.port))
    for cycle in range(1, 21):
        conn.connect("a", "b", wait=True)
        conn.subscribe("/queue/a", id="1")
        conn.send("/queue/a", str(cycle))
        recorder.wait_for_bodies(cycle)
        conn.disconnect(receipt=f"bye-{cycle}")
        assert not conn.is_connected()
    assert recorder.bodies == [str(n) for n in range(1, 21)]
    assert recorder.methods.count("on_disconnected") == 20
    wait_until(lambda: not stomp_threads())


def test_disconnect_over_tls_never_fails(tls_broker, ca_file):
    """Sending DISCONNECT races with the answer to it, and with the end of the TLS session."""
    conn, recorder = connect(("127.0.0.1", tls_broker.port))
    conn.set_ssl(ca_certs=ca_file)
    for _ in range(100):
        conn.connect(wait=True)
        conn.disconnect()
    assert recorder.methods.count("on_disconnected") == 100


def test_reconnect_in_on_disconnected_works(broker):
    conn, recorder = connect((broker.host, broker.port))

    class Reconnect:
        def on_disconnected(self):
            if recorder.methods.count("on_connected") < 6:
                conn.connect("a", "b", wait=True)
                conn.subscribe("/queue/a", id="1")
                recorder.note("again")

    conn.set_listener("", Reconnect())
    conn.connect("a", "b", wait=True)
    for time in range(1, 6):
        broker.disconnect_all()
        recorder.wait_for_method("again", time)
        assert conn.is_connected()
        assert len(broker.connections) == 1
    conn.send("/queue/a", "still here")
    recorder.wait_for_bodies(1)
    conn.disconnect()
    recorder.wait_for_method("on_disconnected", 6)
    wait_until(lambda: not stomp_threads())


@pytest.mark.parametrize("receipt", [123, uuid.uuid4(), "a:b", None])
def test_disconnect_accepts_any_receipt(broker, receipt):
    conn, recorder = connect((broker.host, broker.port))
    conn.connect(wait=True)
    conn.disconnect(receipt=receipt)
    assert recorder.methods[-1] == "on_receiver_loop_completed"
    assert not conn.is_connected()


def test_disconnect_without_a_connection_does_nothing(broker):
    conn, recorder = connect((broker.host, broker.port))
    conn.disconnect()
    assert recorder.notes == []


def test_disconnect_in_a_callback_works(broker):
    conn, recorder = connect((broker.host, broker.port))

    class Leave:
        def on_message(self, frame):
            conn.disconnect(receipt="bye")

    conn.set_listener("leave", Leave())
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    conn.send("/queue/a", "go")
    recorder.wait_for_method("on_disconnected")
    wait_until(lambda: not stomp_threads())


def test_disconnect_before_connected_takes_the_connection_down():
    frames = []

    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.1")
        frames.append(read_frame(sock))
        receipt = frames[0].split(b"receipt:")[1].split(b"\n")[0]
        sock.sendall(b"RECEIPT\nreceipt-id:" + receipt + b"\n\n\0")

    with ScriptedServer(script) as server:
        conn, recorder = connect(server.address)
        conn.connect()
        conn.disconnect()
        recorder.wait_for_method("on_disconnected")
        assert frames[0].startswith(b"DISCONNECT\n")


def test_with_statement_disconnects_and_propagates_exceptions(broker):
    with pytest.raises(ZeroDivisionError), stomp.Connection([(broker.host, broker.port)]) as conn:
        conn.connect(wait=True)
        raise ZeroDivisionError
    assert not conn.is_connected()
    with stomp.Connection([(broker.host, broker.port)]):
        pass


def test_override_threading_may_start_the_thread_late(broker):
    conn, recorder = connect((broker.host, broker.port))
    waiting: list[Callable[[], None]] = []
    conn.transport.override_threading(waiting.append)
    conn.connect()
    assert not conn.is_connected()
    thread = threading.Thread(target=waiting[0])
    thread.start()
    recorder.wait_for_method("on_connected")
    conn.disconnect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_users_are_checked():
    with Broker(users={"admin": "password"}) as broker:
        conn, _ = connect((broker.host, broker.port))
        with pytest.raises(ConnectFailedException):
            conn.connect("admin", "wrong", wait=True)
        conn.connect("admin", "password", wait=True)
        conn.disconnect()


def test_an_answer_without_the_empty_line_is_not_waited_for():
    """A server that omits the empty line has sent all of its frame."""

    def refuse(sock):
        read_frame(sock)
        sock.sendall(b"ERROR\nmessage: connection failed\0")
        say_nothing(sock)

    with ScriptedServer(refuse) as server:
        conn = stomp.Connection12([server.address])
        with pytest.raises(
            ConnectFailedException, match="the broker refused the connection: connection failed"
        ):
            conn.connect(wait=True)
