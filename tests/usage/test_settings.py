"""How programs make their connections."""

import socket

import pytest

import stomp
from stomp.broker import Broker
from stomp.connect import ConnectionListener, StompConnection11
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.listening import RecentFrames


def test_01_ports_may_be_text_and_pairs_a_keyword(address):
    """Host and port come from a file of settings, as text."""
    host, port = address
    for conn in (stomp.Connection([(host, str(port))]), stomp.Connection(host_and_ports=[(host, port)])):
        conn.connect(wait=True)
        assert conn.version == "1.1"
        assert conn.transport.current_host_and_port == (host, port)
        conn.disconnect()


def test_02_all_keywords_are_accepted(address):
    conn = stomp.Connection12(
        host_and_ports=[address],
        heartbeats=(5000, 5000),
        keepalive=True,
        vhost="/",
        timeout=10,
        reconnect_sleep_initial=1,
        reconnect_sleep_increase=0.5,
        reconnect_sleep_jitter=0.1,
        reconnect_sleep_max=60,
        reconnect_attempts_max=1e4,
        auto_decode=False,
        auto_content_length=False,
        heart_beat_receive_scale=2,
        bind_host_port=("127.0.0.1", 0),
        encoding="utf-8",
        try_loopback_connect=False,
    )
    conn.set_listener("", recorder := RecentFrames())
    conn.connect(wait=True)
    assert conn.transport.socket is not None
    assert conn.transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    conn.subscribe("/queue/a", 1)
    conn.send("/queue/a", "gr\u00fcn")
    recorder.wait_for_bodies(1)
    assert recorder.bodies == ["gr\u00fcn".encode()]
    conn.disconnect()


@pytest.mark.parametrize("attempts", [-1, 1, 3, 999, 1e4])
def test_02_reconnect_attempts_accept_any_number(address, attempts):
    conn = stomp.Connection([address], reconnect_attempts_max=attempts)
    conn.connect(wait=True)
    conn.disconnect()


def test_02_zero_attempts_fail_at_once(free_port):
    conn = stomp.Connection([("127.0.0.1", free_port)], reconnect_attempts_max=0)
    with pytest.raises(stomp.exception.ConnectFailedException):
        conn.connect(wait=True)


@pytest.mark.parametrize(
    ("cls", "version"),
    [(stomp.StompConnection10, "1.0"), (stomp.Connection11, "1.1"), (stomp.StompConnection12, "1.2")],
)
def test_03_class_sets_the_version(connect, cls, version):
    """Programs branch on the type, since the arguments of `ack` differ."""
    conn, recorder = connect(cls)
    assert conn.version == version
    assert type(conn) is cls
    assert (type(conn) is stomp.StompConnection10) == (version == "1.0")
    (connected,) = [frame for method, frame in recorder.notes if method == "on_connected"]
    assert connected.headers.get("version", "1.0") == version


def test_03_names_of_the_connect_module_exist(connect):
    class Mine(StompConnection11, ConnectionListener):  # type: ignore[misc]
        pass

    conn, _ = connect(Mine)
    assert isinstance(conn, stomp.Connection)


def test_25_tls_applies_to_all_hosts_by_default(tls_broker, ca_file):
    conn = stomp.Connection([("localhost", tls_broker.port)])
    conn.set_ssl(ca_certs=ca_file)
    conn.connect(wait=True)
    assert conn.is_connected()
    conn.disconnect()


def test_25_tls_settings_by_name_and_address_are_accepted(tls_broker, ca_file):
    """First for the names of the brokers, then for what the names resolve to."""
    names, addresses = [("localhost", tls_broker.port)], [("127.0.0.1", tls_broker.port)]
    conn = stomp.Connection(host_and_ports=names + addresses)
    conn.set_ssl(for_hosts=names, ca_certs=ca_file)
    conn.set_ssl(for_hosts=addresses, ca_certs=ca_file)
    assert conn.get_ssl(names[0])["ca_certs"] == conn.get_ssl(addresses[0])["ca_certs"] == ca_file
    conn.connect(wait=True)
    conn.disconnect()


def test_25_cert_validator_is_called(tls_broker, ca_file):
    asked = []

    def validate(cert, host):
        asked.append(host)
        return len(asked) > 1, "not this one"

    conn = stomp.Connection([("localhost", tls_broker.port)], reconnect_attempts_max=1)
    conn.set_ssl([("localhost", tls_broker.port)], ca_certs=ca_file, cert_validator=validate)
    with pytest.raises(stomp.exception.ConnectFailedException):
        conn.connect(wait=True)
    conn.connect(wait=True)
    assert asked == ["localhost", "localhost"]
    conn.disconnect()


def test_01_list_of_brokers_connects_to_the_one_that_answers(address, free_port):
    conn = stomp.Connection([("127.0.0.1", free_port), address])
    conn.connect(wait=True)
    assert conn.transport.current_host_and_port == address
    conn.disconnect()


def test_02_credentials_are_sent():
    with Broker(users={"user": "secret"}) as broker:
        conn = stomp.Connection([(broker.host, broker.port)])
        with pytest.raises(stomp.exception.ConnectFailedException):
            conn.connect("user", "wrong", wait=True)
        conn.connect("user", "secret", wait=True)
        conn.disconnect()


def test_02_virtual_host_is_sent():
    received = []

    def listen(sock):
        received.append(read_frame(sock))
        greet_back(sock)
        say_nothing(sock)

    with ScriptedServer(listen) as server:
        conn = stomp.Connection12([server.address], vhost="my-vhost")
        conn.connect(wait=True)
        assert b"host:my-vhost\n" in received[0]
        conn.transport.stop()
