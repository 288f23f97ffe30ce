import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from stomp.broker import Broker
from stomp.client.connect import ConnectHistory, TlsSettings, dial_any, open_stream
from stomp.client.options import Options
from stomp.core.engine.failover import Backoff
from stomp.core.engine.losses import STABLE_AFTER
from stomp.core.errors import ConnectFailed, UsageError
from stomp.core.frames.frame import Headers
from stomp.core.session.events import Closed, Reason
from stomp.core.session.ledger import Ledger
from stomp.net.address import Address
from stomp.net.layer import StackedLayer
from stomp.net.tls import TlsLayer
from stomp.net.websocket import WebSocketLayer
from stomp.testing.clock import FakeClock
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
def closed_address(free_port):
    return Address("127.0.0.1", free_port)


def test_the_first_address_that_answers_is_taken(closed_address):
    with ScriptedServer(say_nothing) as server:
        open_address = Address(*server.address)
        pauses = Pauses()
        address, stream = dial_any(
            [closed_address, open_address], Options(), no_tls, pauses, ConnectHistory()
        )
        with stream.sock:
            assert address == open_address
            assert stream.layer is None
            assert stream.sock.getpeername() == server.address
        assert pauses.seconds == [0.0, 0.0]


def test_rounds_are_counted_and_waits_grow(closed_address):
    options = Options(attempts=4, backoff=Backoff(initial=1, increase=1, jitter=0, maximum=3))
    pauses = Pauses()
    with pytest.raises(ConnectFailed, match="4 attempts at each of 2 addresses failed") as caught:
        dial_any([closed_address, closed_address], options, no_tls, pauses, ConnectHistory())
    assert pauses.seconds == [0, 0, 1, 0, 2, 0, 3, 0]
    assert len(caught.value.failures) == 8
    assert caught.value.phase == "tcp"
    assert caught.value.address == str(closed_address)


def test_name_is_resolved_for_each_attempt(monkeypatch, closed_address):
    asked = []

    def resolve(host, port, **rest):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with pytest.raises(ConnectFailed):
        dial_any(
            [Address("broker.example", closed_address.port)],
            Options(attempts=3),
            no_tls,
            Pauses(),
            ConnectHistory(),
        )
    assert asked == ["broker.example"] * 3


def test_shuffled_addresses_are_all_tried(monkeypatch, closed_address):
    tried = []

    def refuse(address, *rest):
        tried.append(address.port)
        raise ConnectFailed("no", address=str(address), phase="tcp")

    monkeypatch.setattr("stomp.client.connect.open_stream", refuse)
    addresses = [Address("a", port) for port in range(1, 6)]
    options = Options(attempts=1, shuffle=True, random=lambda: 0.0)
    with pytest.raises(ConnectFailed):
        dial_any(addresses, options, no_tls, Pauses(), ConnectHistory())
    assert sorted(tried) == [1, 2, 3, 4, 5]
    assert tried != [1, 2, 3, 4, 5]


def test_stopped_pauses_end_the_attempts(closed_address):
    pauses = Pauses(stop_after=2)
    with pytest.raises(ConnectFailed, match="stopped"):
        dial_any([closed_address], Options(attempts=-1), no_tls, pauses, ConnectHistory())
    assert len(pauses.seconds) == 3


def test_zero_attempts_and_no_addresses_fail_at_once(closed_address):
    with pytest.raises(ConnectFailed, match="0 attempts failed"):
        dial_any([closed_address], Options(attempts=0), no_tls, Pauses(), ConnectHistory())
    with pytest.raises(ConnectFailed, match="no address"):
        dial_any([], Options(), no_tls, Pauses(), ConnectHistory())


def test_failures_are_logged_with_the_text_of_stomp_py(closed_address, caplog):
    with pytest.raises(ConnectFailed):
        dial_any([closed_address], Options(attempts=1), no_tls, Pauses(), ConnectHistory())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"could not connect to host 127.0.0.1, port {closed_address.port}" in caplog.text


def test_invalid_settings_open_no_connection(tmp_path):
    settings = TlsSettings(ca_certs=str(tmp_path / "missing.pem"))
    with ScriptedServer(say_nothing) as server, pytest.raises(UsageError, match="missing"):
        open_stream(Address(*server.address), Options(), settings)


def test_cert_validator_can_refuse(server_tls, ca_file):
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


def test_repr_has_no_key_password():
    assert "s3cret" not in repr(TlsSettings(password="s3cret"))


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_tls_address_without_settings_is_never_sent_plain_text(transport, server_tls):
    with ScriptedServer(hang_up, tls=server_tls) as server:
        address = Address("localhost", server.port, transport)
        with pytest.raises(ConnectFailed, match="certificate") as caught:
            open_stream(address, Options(), None)
        assert caught.value.phase == "tls"


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_websocket_over_tls_has_both_layers(transport, server_tls, ca_file):
    with Broker(listen=f"{transport}://127.0.0.1:0/ws", ssl_context=server_tls) as broker:
        address = Address("localhost", broker.port, transport, "/ws")
        stream = open_stream(
            address, Options(), TlsSettings(ca_certs=ca_file) if transport == "wss" else None
        )
        with stream.sock:
            if transport == "ws":
                assert isinstance(stream.layer, WebSocketLayer)
            else:
                assert isinstance(stream.layer, StackedLayer)
                assert isinstance(stream.layer.lower, TlsLayer)
                assert isinstance(stream.layer.upper, WebSocketLayer)
            assert stream.sock.gettimeout() is None


def test_refused_websocket_leaves_no_socket_open():
    with Broker(listen="ws://127.0.0.1:0/ws") as broker:
        with pytest.raises(ConnectFailed, match="HTTP 404") as caught:
            open_stream(Address("localhost", broker.port, "ws", "/"), Options(), None)
        assert caught.value.phase == "websocket"


# ------------------------------------------------------------------------------------- connections in a row


class Ended:
    """A session that has ended."""

    def __init__(self, reason: Reason = Reason.EOF, *, has_acked: bool = False) -> None:
        self.closed = Closed(reason, None, ())
        self.has_acked = has_acked
        self.ledger = Ledger()


def waits_after(history: ConnectHistory, session: Any, clock: FakeClock, port: int) -> list[float]:
    """What a connect after the end of this connection waits for."""
    history.ended(session, clock())
    pauses = Pauses()
    options = Options(clock=clock, backoff=Backoff(initial=1.0, increase=1.0, jitter=0.0), random=lambda: 0.0)
    _, stream = dial_any([Address("127.0.0.1", port)], options, no_tls, pauses, history)
    stream.sock.close()
    return pauses.seconds


@pytest.fixture
def port() -> Iterator[int]:
    with ScriptedServer(hang_up) as server:
        yield server.port


def test_each_connection_that_was_lost_at_once_makes_the_next_connect_wait_longer(port: int) -> None:
    history, clock = ConnectHistory(), FakeClock()
    waits = []
    for _ in range(4):
        history.connected(clock())
        waits += waits_after(history, Ended(), clock, port)
    assert waits == [0.0, 1.0, 2.0, 4.0]


def test_program_that_has_waited_does_not_wait_again(port: int) -> None:
    history, clock = ConnectHistory(), FakeClock()
    for _ in range(3):
        waits_after(history, Ended(), clock, port)
    history.ended(Ended(), clock())  # type: ignore[arg-type]
    clock.advance(3.5)
    pauses = Pauses()
    options = Options(clock=clock, backoff=Backoff(initial=1.0, increase=1.0, jitter=0.0), random=lambda: 0.0)
    _, stream = dial_any([Address("127.0.0.1", port)], options, no_tls, pauses, history)
    stream.sock.close()
    assert pauses.seconds == [0.5]


@pytest.mark.parametrize("how", ["lived", "acknowledged", "confirmed", "received", "disconnected", "dropped"])
def test_after_any_other_connection_the_next_is_made_at_once(port: int, how: str) -> None:
    history, clock = ConnectHistory(), FakeClock()
    assert waits_after(history, Ended(), clock, port) == [0.0]
    assert waits_after(history, Ended(), clock, port) == [1.0]
    history.connected(clock())
    session = Ended(has_acked=how == "acknowledged")
    if how == "lived":
        clock.advance(STABLE_AFTER)
    elif how == "confirmed":
        history.confirmed = True
    elif how == "received":
        history.received = True
        session.ledger.record_frame("SUBSCRIBE", Headers(id="1", destination="/queue/a", ack="auto"))
    elif how == "disconnected":
        session.closed = Closed(Reason.CLEAN, None, ())
    elif how == "dropped":
        session.closed = Closed(Reason.ABORTED, None, ())
    assert waits_after(history, session, clock, port) == [0.0]


def test_a_message_that_waits_for_its_ack_does_not_reset_the_waits(port: int) -> None:
    history, clock = ConnectHistory(), FakeClock()
    waits = []
    for _ in range(3):
        session = Ended()
        session.ledger.record_frame("SUBSCRIBE", Headers(id="1", destination="/queue/a", ack="client"))
        history.connected(clock())
        history.received = True
        waits += waits_after(history, session, clock, port)
    assert waits == [0.0, 1.0, 2.0]


def test_failed_attempts_do_not_count_as_connections(port: int, free_port: int) -> None:
    history, clock = ConnectHistory(), FakeClock()
    waits_after(history, Ended(), clock, port)
    waits_after(history, Ended(), clock, port)
    with pytest.raises(ConnectFailed):
        dial_any([Address("127.0.0.1", free_port)], Options(), no_tls, Pauses(), history)
    assert waits_after(history, Ended(), clock, port) == [0.0]


def test_the_connect_after_a_short_connection_tries_the_next_address() -> None:
    with ScriptedServer(hang_up) as one, ScriptedServer(hang_up) as two:
        history, clock = ConnectHistory(), FakeClock()
        addresses = [Address("127.0.0.1", one.port), Address("127.0.0.1", two.port)]
        ports = []
        for reason in (Reason.EOF, Reason.EOF, Reason.REFUSED, Reason.EOF):
            address, stream = dial_any(addresses, Options(clock=clock), no_tls, Pauses(), history)
            stream.sock.close()
            ports.append(address.port)
            history.ended(Ended(reason), clock())  # type: ignore[arg-type]
    # After a refused login it begins with the first address.
    assert ports == [one.port, two.port, one.port, one.port]
