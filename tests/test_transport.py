import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import stomp
from stomp.core.errors import NotConnected, UsageError
from stomp.exception import ConnectFailedException
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from stomp.transport import BaseTransport, Transport
from tests.listening import PATIENCE, RecentFrames, wait_until


def test_listeners_are_set_got_and_removed():
    transport = BaseTransport()
    listener = object()
    transport.set_listener("a", listener)
    assert transport.get_listener("a") is listener
    assert transport.listeners == {"a": listener}
    assert transport.get_listener("b") is None
    transport.remove_listener("a")
    with pytest.raises(KeyError):
        transport.remove_listener("a")
    with pytest.raises(AssertionError):
        transport.set_listener("a", None)


def test_attributes_exist_before_connecting():
    transport = Transport([("localhost", 1)])
    assert not transport.is_connected()
    assert transport.socket is None
    assert transport.heartbeat == (0, 0)
    assert transport.current_host_and_port is None
    transport.stop()
    transport.disconnect_socket()
    transport.join()
    with pytest.raises(NotConnected):
        transport.send(b"\n")
    with pytest.raises(NotConnected):
        stomp.Connection([("localhost", 1)]).send("/queue/a", "x")


def test_before_messages_may_be_changed_and_the_original_headers_stay(broker):
    class Change:
        def on_before_message(self, frame):
            frame.headers["added"] = "yes"
            frame.body = {"parsed": frame.body}

    recorder = RecentFrames()
    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", Change())
    conn.set_listener("recorder", recorder)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    conn.send("/queue/a", "x")
    recorder.wait_for_bodies(1)
    frame = dict(recorder.notes)["on_message"]
    assert frame.body == {"parsed": "x"}
    assert frame.headers["added"] == "yes"
    assert "added" not in frame.original_headers
    conn.disconnect()


def test_bodies_are_text_or_bytes_by_auto_decode(broker):
    for auto_decode, expected in ((True, "ä"), (False, "ä".encode())):
        recorder = RecentFrames()
        conn = stomp.Connection([(broker.host, broker.port)], auto_decode=auto_decode)
        conn.set_listener("", recorder)
        conn.connect(wait=True)
        conn.subscribe("/queue/a", id="1")
        conn.send("/queue/a", "ä")
        recorder.wait_for_bodies(1)
        assert recorder.bodies == [expected]
        conn.disconnect()


def test_a_listener_set_in_a_callback_gets_the_next_message(broker):
    late = RecentFrames()
    conn = stomp.Connection([(broker.host, broker.port)])

    class Early:
        def on_message(self, frame):
            conn.set_listener("late", late)

    conn.set_listener("early", Early())
    conn.connect(wait=True)
    for number in range(20):
        conn.send("/queue/a", str(number))
    conn.subscribe("/queue/a", id="1")
    late.wait_for_bodies(19)
    assert late.bodies == [str(number) for number in range(1, 20)]
    conn.disconnect()


def test_failing_listener_loses_no_message(broker, caplog):
    recorder = RecentFrames()

    class Broken:
        def on_message(self, frame):
            raise KeyError("missing key")

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", Broken())
    conn.set_listener("recorder", recorder)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    for number in range(5):
        conn.send("/queue/a", str(number))
    recorder.wait_for_bodies(5)
    assert conn.is_connected()
    assert caplog.text.count("listener '' (Broken): on_message failed") == 5
    conn.disconnect()


def test_on_send_may_change_headers_and_may_refuse(broker):
    recorder = RecentFrames()

    class Censor:
        def on_send(self, frame):
            if frame.cmd == "SEND":
                if frame.body == "secret":
                    raise ValueError("not this one")
                frame.headers["checked"] = "yes"

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", Censor())
    conn.set_listener("recorder", recorder)
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    with pytest.raises(ValueError, match="not this one"):
        conn.send("/queue/a", "secret")
    conn.send("/queue/a", "harmless")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == ["harmless"]
    assert dict(recorder.notes)["on_message"].headers["checked"] == "yes"
    conn.disconnect()


def test_error_frame_calls_on_error_and_keeps_the_connection():
    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.1")
        sock.sendall(b"ERROR\nmessage:no such thing\n\nwhy\0\n")
        sock.sendall(b"NEWS\n\n\0\n")
        sock.sendall(b"MESSAGE\nsubscription:1\nmessage-id:1\ndestination:/queue/a\n\nstill here\0\n")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn = stomp.Connection([server.address])
        recorder = RecentFrames()
        conn.set_listener("", recorder)
        conn.connect(wait=True)
        recorder.wait_for_bodies(1)
        assert [m for m in recorder.methods if m.startswith("on_err")] == ["on_error"]
        assert conn.is_connected()
        conn.transport.stop()


def test_send_raw_and_socket_access_work(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    recorder = RecentFrames()
    conn.set_listener("", recorder)
    conn.connect(wait=True)
    assert conn.transport.socket is not None
    assert conn.transport.socket.getpeername() == (broker.host, broker.port)
    conn.transport.send(b"SEND\ndestination:/queue/a\nreceipt:raw\n\nx\0")
    recorder.wait_for(lambda: ("on_receipt", "raw") in recorder.notes)
    conn.transport.disconnect_socket()
    recorder.wait_for_method("on_disconnected")
    assert conn.transport.socket is None


def test_stop_ends_a_series_of_attempts(free_port):
    conn = stomp.Connection(
        [("127.0.0.1", free_port)], reconnect_attempts_max=-1, reconnect_sleep_initial=3600
    )
    errors = []

    def run():
        try:
            conn.connect(wait=True)
        except ConnectFailedException as err:
            errors.append(err)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: conn.transport._connecting.locked())
    conn.transport.stop()
    thread.join(PATIENCE)
    assert "stopped" in str(errors[0])


def test_own_host_name_is_tried_by_loopback_but_not_with_tls(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "myself")
    pairs = [("elsewhere", 1), ("myself", 2), ("localhost", 3)]

    def hosts(**options):
        return [address.host for address in Transport(pairs, **options)._ordered()]

    assert hosts() == ["127.0.0.1", "myself", "localhost", "elsewhere"]
    assert hosts(try_loopback_connect=False) == ["myself", "localhost", "elsewhere"]
    assert hosts(prefer_localhost=False, try_loopback_connect=False) == ["elsewhere", "myself", "localhost"]
    transport = Transport(pairs)
    transport.set_ssl()
    assert "127.0.0.1" not in [address.host for address in transport._ordered()]


def test_tls_is_for_the_hosts_named_or_for_all():
    conn = stomp.Connection([("Broker.example", "61612"), ("other.example", 61612)])
    conn.set_ssl([("broker.EXAMPLE", 61612)], ca_certs="one.pem")
    assert conn.get_ssl(("broker.example", "61612"))["ca_certs"] == "one.pem"
    assert conn.get_ssl()["ca_certs"] == "one.pem"
    assert conn.get_ssl(("other.example", 61612)) is None
    conn.set_ssl(ca_certs="all.pem")
    assert conn.get_ssl(("other.example", 61612))["ca_certs"] == "all.pem"
    assert conn.get_ssl(("broker.example", 61612))["ca_certs"] == "one.pem"


def test_tls_for_no_host_of_ours_is_refused_and_never_silently_plain():
    conn = stomp.Connection([("broker.example", 61612)])
    with pytest.raises(UsageError, match="nothing would be encrypted"):
        conn.set_ssl([("broker.example", 61613)])


def test_missing_tls_file_is_reported_by_set_ssl(tls_broker, tmp_path):
    conn = stomp.Connection([("127.0.0.1", tls_broker.port)], reconnect_attempts_max=-1)
    conn.set_ssl(ca_certs=str(tmp_path / "missing.pem"))
    with pytest.raises(UsageError, match=r"missing\.pem"):
        conn.connect(wait=True)
    assert tls_broker.connections == []


def test_validator_and_context_are_used(tls_broker, ca_file, authority):
    import ssl

    seen = []

    def accept(cert, host):
        seen.append((cert, host))
        return True, ""

    conn = stomp.Connection([("127.0.0.1", tls_broker.port)], reconnect_attempts_max=1)
    conn.set_ssl(ca_certs=ca_file, cert_validator=accept)
    conn.connect(wait=True)
    conn.disconnect()
    ((cert, host),) = seen
    assert host == "127.0.0.1"
    assert "subjectAltName" in cert
    conn.set_ssl(ca_certs=ca_file, cert_validator=lambda cert, host: (False, "I do not like it"))
    with pytest.raises(ConnectFailedException, match="I do not like it"):
        conn.connect(wait=True)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    conn.set_ssl(ssl_context=context)
    conn.connect(wait=True)
    conn.disconnect()


def test_unverified_tls_is_logged(tls_broker, caplog):
    conn = stomp.Connection([("127.0.0.1", tls_broker.port)])
    conn.set_ssl(verify=False)
    conn.connect(wait=True)
    conn.disconnect()
    assert "not verified" in caplog.text


def test_invalid_keepalive_is_logged(broker, caplog):
    conn = stomp.Connection([(broker.host, broker.port)], keepalive="please")
    conn.connect(wait=True)
    conn.disconnect()
    assert "keepalive 'please' is invalid" in caplog.text


@pytest.mark.parametrize("verbose", [True, False])
def test_tracebacks_of_failed_attempts_are_logged_at_debug(free_port, caplog, monkeypatch, verbose):
    monkeypatch.setattr("stomp.log.verbose", verbose)
    conn = stomp.Connection([("127.0.0.1", free_port)], reconnect_attempts_max=1)
    with pytest.raises(ConnectFailedException):
        conn.connect(wait=True)
    assert f"could not connect to host 127.0.0.1, port {free_port}" in caplog.text
    assert ("Traceback" in caplog.text) is verbose


def test_missing_ssl_module_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "_ssl", None)
    with pytest.raises(UsageError, match="no ssl module"):
        stomp.Connection().set_ssl()


def test_override_threading_uses_the_last_setting(broker):
    started: list[str] = []

    def start(name):
        def run(callback):
            started.append(name)
            threading.Thread(target=callback, daemon=True).start()

        return run

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.override_threading(start("first"))
    conn.connect(wait=True)
    conn.disconnect()
    conn.transport.create_thread_fc = start("second")
    conn.connect(wait=True)
    conn.disconnect()
    assert started == ["first", "second"]


def test_on_connecting_may_connect(broker):
    class Eager:
        def on_connecting(self, host_and_port):
            conn.connect(wait=True)

    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", Eager())
    conn.connect(wait=True)
    assert len(broker.connections) == 1
    conn.disconnect()


def test_end_of_a_connection_does_not_affect_the_next():
    """A listener that is still handling the end of the first connection must not make the second login fail."""
    called, patient = threading.Event(), threading.Event()

    def send_a_message(sock):
        read_frame(sock)
        greet_back(sock)
        sock.sendall(b"MESSAGE\nsubscription:1\nmessage-id:1\ndestination:/queue/a\n\n\0")
        say_nothing(sock)

    def welcome_late(sock):
        read_frame(sock)
        assert patient.wait(PATIENCE)
        greet_back(sock)
        say_nothing(sock)

    class Slow(RecentFrames):
        def on_message(self, frame):
            super().on_message(frame)
            self.wait_for_method("on_connecting", 2)

        def on_disconnected(self):
            called.set()

    with ScriptedServer(send_a_message, welcome_late) as server:
        conn = stomp.Connection12([server.address])
        slow = Slow()
        conn.set_listener("slow", slow)
        conn.connect(wait=True)
        slow.wait_for_method("on_message")
        conn.transport.disconnect_socket()
        with ThreadPoolExecutor() as pool:
            login = pool.submit(conn.connect, wait=True)
            assert called.wait(PATIENCE)
            with pytest.raises(TimeoutError):
                login.result(0.1)
            patient.set()
            login.result(PATIENCE)
        assert conn.is_connected()
        conn.transport.stop()


def test_failed_login_is_raised_even_if_the_next_one_succeeded():
    def refuse(sock):
        read_frame(sock)

    def welcome(sock):
        read_frame(sock)
        greet_back(sock)
        say_nothing(sock)

    class Again(RecentFrames):
        def on_disconnected(self):
            super().on_disconnected()
            if self.methods.count("on_disconnected") == 1:
                conn.connect(wait=True)
                self.note("again")

    with ScriptedServer(refuse, welcome) as server:
        conn = stomp.Connection12([server.address])
        again = Again()
        conn.set_listener("again", again)
        link = conn.transport.start()
        conn.send_frame("CONNECT", {"accept-version": "1.2"})
        again.wait_for_method("again")
        with pytest.raises(ConnectFailedException, match="closed"):
            conn.transport._wait_connected(link)
        conn.transport.wait_for_connection()
        conn.transport.stop()


def test_successful_login_is_no_failure_if_the_connection_is_lost_at_once():
    """Whether the waiting thread notices the loss in time varies; on_disconnected reports it in any case."""

    def welcome_and_leave(sock):
        read_frame(sock)
        greet_back(sock)

    with ScriptedServer(welcome_and_leave) as server:
        conn = stomp.Connection12([server.address])
        recorder = RecentFrames()
        conn.set_listener("recorder", recorder)
        link = conn.transport.start()
        conn.send_frame("CONNECT", {"accept-version": "1.2"})
        recorder.wait_for_method("on_receiver_loop_completed")
        conn.transport._wait_connected(link)
        with pytest.raises(ConnectFailedException):
            conn.transport.wait_for_connection()
