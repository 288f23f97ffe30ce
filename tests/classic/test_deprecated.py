"""What programs touch of a transport that is not for them. It works, and each says what it stood for."""

import threading
from unittest import mock

import pytest

import stomp
from stomp.core.errors import ReceiptMissing
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from stomp.transport import BaseTransport, Transport
from stomp.utils import Frame
from tests.listening import PATIENCE, RecentFrames, wait_until

CLASSES = [stomp.Connection10, stomp.Connection11, stomp.Connection12, Transport]


# ------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("cls", CLASSES)
def test_tls_arguments_of_stomp_py_4_work(cls):
    def accept(cert, host):
        return True, ""

    with pytest.warns(DeprecationWarning, match="use set_ssl") as caught:
        made = cls(
            [("broker", 61612)],
            use_ssl=True,
            ssl_key_file="key",
            ssl_cert_file="cert",
            ssl_ca_certs="ca",
            ssl_cert_validator=accept,
            ssl_version=3,
        )
    assert {warning.filename for warning in caught} == {__file__}
    assert len(caught) == 6
    transport = made if isinstance(made, Transport) else made.transport
    params = transport._Transport__ssl_params[("broker", 61612)]
    assert params["key_file"] == "key"
    assert params["cert_file"] == "cert"
    assert params["ca_certs"] == "ca"
    assert params["cert_validator"] is accept
    assert params["ssl_version"] == 3


def test_certificate_files_without_use_ssl_do_not_enable_tls():
    with pytest.warns(DeprecationWarning, match="use set_ssl"):
        conn = stomp.Connection(ssl_ca_certs="ca", use_ssl=False)
    assert conn.get_ssl() is None


def test_obsolete_arguments_warn():
    with pytest.warns(DeprecationWarning, match="recv_bytes"):
        stomp.Connection12(recv_bytes=1024)
    with pytest.warns(DeprecationWarning, match="recv_byte"):
        stomp.Connection11(recv_byte=1024)
    with pytest.warns(DeprecationWarning, match="read size"):
        Transport(recv_bytes=1024)


@pytest.mark.parametrize("cls", CLASSES)
def test_unknown_argument_raises_type_error(cls):
    with pytest.raises(TypeError, match=r"unexpected argument 'colour'$"):
        cls(colour="red")


@pytest.mark.parametrize("cls", CLASSES[1:3])
def test_misspelled_argument_gets_a_suggestion(cls):
    with pytest.raises(TypeError, match=r"unexpected argument 'heartbeatz' \(did you mean 'heartbeat'\?\)"):
        cls(heartbeatz=(1000, 1000))


# ------------------------------------------------------------------------------------- receipts


def confirming(**options):
    with pytest.warns(DeprecationWarning, match="wait_on_receipt"):
        return stomp.Connection12(wait_on_receipt=True, **options)


def test_wait_on_receipt_waits_for_the_receipt(broker):
    conn = confirming(host_and_ports=[(broker.host, broker.port)])
    conn.set_listener("", recorder := RecentFrames())
    conn.connect(wait=True)
    for receipt in ("r1", "a:b\\c", 7):
        conn.send("/queue/a", "x", receipt=receipt)
        assert recorder.notes[-1] == ("on_receipt", str(receipt))
    conn.send("/queue/a", "x")
    assert list(conn.transport.listeners) == ["protocol-listener", ""]

    class Reply:
        def on_message(self, frame):
            conn.send("/queue/b", "y", receipt="in a callback")
            recorder.note("replied")

    conn.set_listener("reply", Reply())
    conn.subscribe("/queue/a", id="1")
    recorder.wait_for_method("replied")
    conn.disconnect(receipt="bye")


def test_wait_on_receipt_ends_with_the_connection():
    def script(sock):
        read_frame(sock)
        greet_back(sock)
        read_frame(sock)

    with ScriptedServer(script) as server:
        conn = confirming(host_and_ports=[server.address])
        with pytest.raises(stomp.exception.NotConnectedException):
            conn.send("/queue/a", "x", receipt="r1")
        conn.connect(wait=True)
        with pytest.raises(ReceiptMissing, match="the connection ended"):
            conn.send("/queue/a", "x", receipt="r1")


def test_set_receipt_marks_a_disconnect_receipt(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", recorder := RecentFrames())
    conn.connect(wait=True)
    conn.set_receipt("other", "SEND")
    conn.set_receipt("gone", "DISCONNECT")
    conn.set_receipt("gone", None)
    conn.set_receipt(5, "DISCONNECT")
    for receipt in ("other", "gone"):
        conn.send("/queue/a", "x", receipt=receipt)
        recorder.wait_for(lambda receipt=receipt: ("on_receipt", receipt) in recorder.notes)
    assert conn.is_connected()
    conn.send("/queue/a", "x", receipt=5)
    recorder.wait_for_method("on_disconnected")


# ------------------------------------------------------------------------------------- calling listeners


def test_notify_accepts_frames_and_headers_with_body():
    transport = BaseTransport()
    transport.set_listener("new", new := mock.Mock())

    class Old:
        def on_before_message(self, headers, body):
            return {**headers, "seen": "yes"}, body.upper()

    transport.set_listener("old", Old())
    assert transport.notify("before_message", {"a": "b"}, "x") == ({"a": "b", "seen": "yes"}, "X")
    frame = Frame("MESSAGE", {}, "x")
    assert transport.notify("message", frame) is None
    new.on_message.assert_called_once_with(frame)
    transport.current_host_and_port = ("h", 1)
    transport.notify("connecting")
    new.on_connecting.assert_called_once_with(("h", 1))
    transport.notify("receiver_loop_completed")
    new.on_receiver_loop_completed.assert_called_once_with(None)
    transport.notify("connected", Frame("CONNECTED"))
    assert transport.connected
    transport.notify("disconnected")
    new.on_disconnected.assert_called_once_with()
    assert not transport.connected


def test_process_frame_dispatches_a_frame(caplog):
    transport = BaseTransport()
    transport.set_listener("", listener := mock.Mock())
    for command in ("connected", "MESSAGE", "Receipt", "ERROR", "heartbeat", "NEWS"):
        transport.process_frame(Frame(command), b"")
    assert [call[0] for call in listener.method_calls] == [
        "on_connected",
        "on_before_message",
        "on_message",
        "on_receipt",
        "on_error",
        "on_heartbeat",
    ]
    assert "unknown frame NEWS" in caplog.text


# ------------------------------------------------------------------------------------- names of the inside


def test_old_attributes_exist_before_connecting():
    conn = stomp.Connection([["h1", "1"], ("h2", 2)], bind_host_port=("127.0.0.1", 0))
    transport = conn.transport
    assert transport._Transport__host_and_ports[0][0] == "h1"
    assert transport._Transport__ssl_params == {}
    assert transport.receiver_thread is transport.io_thread is None
    assert not transport.running
    assert not transport.disconnecting
    assert not transport.notified_on_disconnect
    assert transport.bind_host_port == ("127.0.0.1", 0)
    assert conn.heartbeat_thread is conn.received_heartbeat is None
    transport.shutdown_queue()
    conn.set_ssl([("h2", 2)], key_file="key")
    assert transport._Transport__ssl_params[("h2", 2)]["key_file"] == "key"
    assert ("h1", 1) not in transport._Transport__ssl_params


def test_old_attributes_exist_while_connected(broker):
    conn = stomp.Connection([(broker.host, broker.port)], heartbeats=(20_000, 30_000))
    transport = conn.transport
    conn.connect(wait=True)
    assert transport.running
    thread = transport.receiver_thread
    assert thread is transport.io_thread
    assert conn.heartbeats == (20_000, 30_000)
    assert isinstance(conn.received_heartbeat, float)
    assert isinstance(conn.heartbeat_thread, threading.Thread)
    conn.disconnect()
    thread.join(PATIENCE)
    assert transport.notified_on_disconnect
    assert not transport.running
    assert conn.heartbeat_thread is None


def test_connected_can_be_set(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    conn.transport.set_connected(True)
    assert conn.is_connected()
    conn.transport.connected = False
    assert not conn.is_connected()
    conn.transport.attempt_connection()
    conn.connect(wait=True)
    assert conn.transport.connected
    conn.disconnect()


def test_disconnecting_is_true_during_disconnect():
    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.1")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn = stomp.Connection([server.address])
        conn.connect(wait=True)
        leaving = threading.Thread(target=conn.disconnect)
        leaving.start()
        wait_until(lambda: conn.transport.disconnecting)
        conn.transport.disconnect_socket()
        leaving.join(PATIENCE)
        assert not leaving.is_alive()


def test_blocking_attribute_exists():
    """An attribute of 9.0, where reading over TLS was different."""
    conn = stomp.Connection([("broker", 61612)])
    assert conn.transport.blocking
    conn.set_ssl()
    assert not conn.transport.blocking
