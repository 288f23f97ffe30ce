"""What programs touch of a connection although it is not theirs, or look at from outside."""

import logging
import threading
import time
from typing import Any
from unittest import mock

import stomp
import stomp.transport
from stomp.testing.servers import ScriptedServer, greet
from tests.listening import RecentFrames, wait_until


def test_04_private_host_list_is_readable(connect, address):
    """A pool of connections logs the broker of each."""
    conn, _ = connect()
    assert conn.transport._Transport__host_and_ports[0][0] == address[0]
    assert conn.transport._Transport__host_and_ports == [address]


def test_05_private_tls_settings_are_readable():
    pair = ("broker.example", 61612)
    conn = stomp.Connection([pair])
    conn.set_ssl(for_hosts=[pair], key_file="key.pem", cert_file="cert.pem")
    assert conn.transport._Transport__ssl_params[pair]["key_file"] == "key.pem"
    assert conn.transport._Transport__ssl_params[pair]["cert_file"] == "cert.pem"


def test_06_time_of_the_last_heartbeat_is_readable(connect):
    conn, _ = connect(heartbeats=(60000, 60000))
    assert conn.heartbeats == (60000, 60000)
    assert 0 <= time.monotonic() - conn.received_heartbeat < 60


def test_07_connected_address_is_readable(connect, address):
    conn, recorder = connect(vhost="/")
    assert conn.transport.current_host_and_port == address
    assert conn.transport.socket.getpeername() == address
    assert conn.transport.vhost == "/"
    assert conn.transport.connection_error is False
    conn.transport.disconnect_socket()
    recorder.wait_for_method("on_disconnected")
    assert not conn.is_connected()


def test_07_the_path_of_a_websocket_may_be_read():
    conn: Any = stomp.WSConnection([("broker.example", 15674)], vhost="/", ws_path="/ws")
    assert conn.transport.ws_path == "/ws"


def test_08_receiving_thread_of_an_executor_may_start_late(address):
    """What starts it returns no thread but a promise, and the pool may be busy."""
    from concurrent.futures import ThreadPoolExecutor

    free = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(free.wait)
        conn = stomp.Connection([address])
        conn.transport.override_threading(pool.submit)
        conn.set_listener("", recorder := RecentFrames())
        conn.connect()
        assert not conn.is_connected()
        free.set()
        recorder.wait_for_method("on_connected")
        conn.disconnect()
        assert recorder.methods[-2:] == ["on_disconnected", "on_receiver_loop_completed"]


def test_09_start_and_stop_are_accepted(address):
    """Programs written for the oldest releases start before they connect, and stop after they disconnect."""
    conn = stomp.Connection([address])
    conn.start()
    assert not conn.is_connected()
    conn.connect(wait=True)
    conn.stop()
    assert conn.is_connected()
    conn.disconnect()
    conn.stop()


def test_09_transport_may_be_started_by_the_program(address):
    conn = stomp.Connection12([address])
    conn.transport.start()
    conn.send_frame("CONNECT", {"accept-version": "1.2", "host": "localhost"})
    conn.transport.wait_for_connection()
    assert conn.is_connected()
    conn.disconnect()


def test_10_receiving_thread_can_be_joined(connect):
    conn, _ = connect()
    older, newer = conn.transport.receiver_thread, conn.transport.io_thread
    assert older is newer
    conn.disconnect()
    older.join(10)
    assert not older.is_alive()


def test_11_connect_without_wait_can_be_polled(address):
    conn = stomp.Connection([address])
    conn.connect("user", "secret", wait=False)
    wait_until(conn.is_connected)
    conn.transport.wait_for_connection(10)
    conn.disconnect()
    assert not conn.is_connected()


def test_12_names_of_the_transport_module_can_be_patched():
    import ssl

    with mock.patch("stomp.transport.ssl") as patched:
        assert stomp.transport.ssl is patched
    assert stomp.transport.ssl is ssl
    with mock.patch("stomp.transport.DEFAULT_SSL_VERSION", "mine"):
        assert stomp.transport.DEFAULT_SSL_VERSION == "mine"
    assert stomp.transport.DEFAULT_SSL_VERSION is not None


def test_12_private_print_of_the_printing_listener_exists(connect):
    """A program sends the lines to a log of its own."""
    lines: list[str] = []
    listener: Any = stomp.PrintingListener()
    listener._PrintingListener__print = lines.append
    conn, _ = connect()
    conn.set_listener("printing", listener)
    conn.disconnect()
    assert lines[0].startswith("on_send DISCONNECT")
    assert lines[-1] == "on_disconnected"


def test_13_level_of_the_logger_is_used(connect, caplog):
    logger = logging.getLogger("stomp.py")
    conn, _ = connect()
    with caplog.at_level(logging.CRITICAL, "stomp.py"):
        conn.connect()
        assert not caplog.records
    with caplog.at_level(logging.DEBUG, "stomp.py"):
        conn.connect()
        assert {record.name for record in caplog.records} == {logger.name}


def test_13_stomp_logging_module_exists(monkeypatch):
    import stomp.logging  # type: ignore[import-not-found]

    assert stomp.logging is stomp.log
    monkeypatch.setattr(stomp.logging, "verbose", True)
    assert stomp.log.verbose
    assert getattr(stomp.logging, "__logger") is logging.getLogger("stomp.py")


def test_14_version_compares_in_every_form():
    version = stomp.__version__
    assert isinstance(version, str)
    assert version >= (5, 0, 0)
    assert version > (8, 2)
    assert not version[0] < "5"
    assert not version[0] < 5
    assert "{}.{}.{}".format(*stomp.tuple_version()) == version
    assert f"stomp {version}" == "stomp " + version


def test_07_connection_error_is_recorded():
    with ScriptedServer(greet) as server:
        conn = stomp.Connection12([server.address])
        conn.connect(wait=True)
        assert conn.transport.connection_error is False
        conn.transport.stop()
