import logging
import socket

import pytest

from stomp.broker import Broker
from stomp.client.dialing import TlsSettings, dial_any, open_stream
from stomp.client.options import Options
from stomp.core.errors import ConnectFailed, UsageError
from stomp.core.failover import Backoff
from stomp.net.address import Address
from stomp.net.layer import Stack
from stomp.net.tls import TlsLayer
from stomp.net.websocket import WebSocketLayer
from stomp.testing.servers import ScriptedServer, hang_up, say_nothing


class Pauses:
    """Stands in for waiting: notes the seconds, and says stop after so many."""

    def __init__(self, stop_after=1000):
        self.seconds = []
        self.stop_after = stop_after

    def __call__(self, seconds):
        self.seconds.append(seconds)
        return len(self.seconds) > self.stop_after


def no_tls(address):
    return None


@pytest.fixture
def nobody(free_port):
    return Address("127.0.0.1", free_port)


def test_the_first_address_that_answers_is_taken(nobody):
    with ScriptedServer(say_nothing) as server:
        somebody = Address(*server.address)
        pauses = Pauses()
        address, stream = dial_any([nobody, somebody], Options(), no_tls, pauses)
        with stream.sock:
            assert address == somebody
            assert stream.layer is None
            assert stream.sock.getpeername() == server.address
        assert pauses.seconds == [0.0, 0.0]


def test_rounds_are_counted_and_waits_grow(nobody):
    options = Options(attempts=4, backoff=Backoff(initial=1, increase=1, jitter=0, maximum=3))
    pauses = Pauses()
    with pytest.raises(ConnectFailed, match="4 attempts at each of 2 addresses failed") as caught:
        dial_any([nobody, nobody], options, no_tls, pauses)
    assert pauses.seconds == [0, 0, 1, 0, 2, 0, 3, 0]
    assert len(caught.value.failures) == 8
    assert caught.value.phase == "tcp"
    assert caught.value.address == str(nobody)


def test_the_name_is_resolved_anew_for_each_attempt(monkeypatch, nobody):
    asked = []

    def resolve(host, port, **rest):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with pytest.raises(ConnectFailed):
        dial_any([Address("broker.example", nobody.port)], Options(attempts=3), no_tls, Pauses())
    assert asked == ["broker.example"] * 3


def test_shuffled_addresses_are_all_tried(monkeypatch, nobody):
    tried = []

    def refuse(address, *rest):
        tried.append(address.port)
        raise ConnectFailed("no", address=str(address), phase="tcp")

    monkeypatch.setattr("stomp.client.dialing.open_stream", refuse)
    addresses = [Address("a", port) for port in range(1, 6)]
    options = Options(attempts=1, shuffle=True, dice=lambda: 0.0)
    with pytest.raises(ConnectFailed):
        dial_any(addresses, options, no_tls, Pauses())
    assert sorted(tried) == [1, 2, 3, 4, 5]
    assert tried != [1, 2, 3, 4, 5]


def test_who_does_not_want_it_any_more_stops_it(nobody):
    pauses = Pauses(stop_after=2)
    with pytest.raises(ConnectFailed, match="stopped"):
        dial_any([nobody], Options(attempts=-1), no_tls, pauses)
    assert len(pauses.seconds) == 3


def test_no_attempts_and_no_addresses(nobody):
    with pytest.raises(ConnectFailed, match="0 attempts failed"):
        dial_any([nobody], Options(attempts=0), no_tls, Pauses())
    with pytest.raises(ConnectFailed, match="no address"):
        dial_any([], Options(), no_tls, Pauses())


def test_failures_are_logged_in_the_words_that_users_know(nobody, caplog):
    with pytest.raises(ConnectFailed):
        dial_any([nobody], Options(attempts=1), no_tls, Pauses())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"could not connect to host 127.0.0.1, port {nobody.port}" in caplog.text


def test_settings_that_cannot_work_reach_no_broker(tmp_path):
    settings = TlsSettings(ca_certs=str(tmp_path / "missing.pem"))
    with ScriptedServer(say_nothing) as server, pytest.raises(UsageError, match="missing"):
        open_stream(Address(*server.address), Options(), settings)


def test_a_validator_decides(server_tls, ca_file):
    def never(cert, host):
        return False, f"not {host}"

    with ScriptedServer(say_nothing, tls=server_tls) as server:
        with pytest.raises(ConnectFailed, match=r"not 127\.0\.0\.1") as caught:
            open_stream(Address(*server.address), Options(), TlsSettings(ca_certs=ca_file, validator=never))
        assert caught.value.phase == "tls"


def test_a_validator_that_fails_leaves_no_socket_open(server_tls, ca_file):
    def broken(cert, host):
        raise KeyError("a defect")

    with ScriptedServer(say_nothing, tls=server_tls) as server, pytest.raises(KeyError):
        open_stream(Address(*server.address), Options(), TlsSettings(ca_certs=ca_file, validator=broken))
    # An open socket would be a ResourceWarning, which is an error here.


def test_the_password_of_a_key_is_in_no_repr():
    assert "s3cret" not in repr(TlsSettings(password="s3cret"))


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_an_address_that_is_tls_is_never_spoken_to_in_clear_text(transport, server_tls):
    with ScriptedServer(hang_up, tls=server_tls) as server:
        address = Address("localhost", server.port, transport)
        with pytest.raises(ConnectFailed, match="certificate") as caught:
            open_stream(address, Options(), None)
        assert caught.value.phase == "tls"


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_what_is_on_a_socket_of_a_websocket(transport, server_tls, ca_file):
    with Broker(doors=f"{transport}://127.0.0.1:0/ws", ssl_context=server_tls) as broker:
        address = Address("localhost", broker.port, transport, "/ws")
        stream = open_stream(
            address, Options(), TlsSettings(ca_certs=ca_file) if transport == "wss" else None
        )
        with stream.sock:
            if transport == "ws":
                assert isinstance(stream.layer, WebSocketLayer)
            else:
                assert isinstance(stream.layer, Stack)
                assert isinstance(stream.layer.lower, TlsLayer)
                assert isinstance(stream.layer.upper, WebSocketLayer)
            assert stream.sock.gettimeout() is None


def test_a_websocket_that_is_refused_leaves_nothing_open():
    with Broker(doors="ws://127.0.0.1:0/ws") as broker:
        with pytest.raises(ConnectFailed, match="HTTP 404") as caught:
            open_stream(Address("localhost", broker.port, "ws", "/"), Options(), None)
        assert caught.value.phase == "websocket"
