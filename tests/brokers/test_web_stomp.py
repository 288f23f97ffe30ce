"""RabbitMQ's Web-STOMP, a real WebSocket endpoint, with and without TLS."""

from __future__ import annotations

import socket
import uuid
from urllib.parse import urlsplit

import pytest

import stomp
from stomp.exception import ConnectFailedException
from tests.brokers.conftest import RealBroker, require
from tests.listening import RecentFrames


class WebStomp:
    """The endpoint, and connections to it."""

    def __init__(self, broker: RealBroker, url: str | None) -> None:
        assert url is not None
        parts = urlsplit(url)
        self.broker = broker
        self.pair = parts.hostname, parts.port
        self.path = parts.path
        self.tls = {"ca_certs": str(broker.ca_file)} if parts.scheme == "wss" else None

    def make(self, **options):
        options = {"ws_path": self.path, "vhost": self.broker.vhost, "reconnect_attempts_max": 1, **options}
        conn = stomp.WSConnection([self.pair], **options)
        if self.tls is not None:
            conn.set_ssl([self.pair], **self.tls)
        return conn

    def open(self, **options):
        conn = self.make(**options)
        recorder = RecentFrames()
        conn.set_listener("recorder", recorder)
        conn.connect(self.broker.user, self.broker.password, wait=True)
        return conn, recorder


@pytest.fixture
def secure_web(rabbitmq):
    web = WebStomp(rabbitmq, rabbitmq.wss_url)
    try:
        socket.create_connection(web.pair, timeout=5).close()
    except OSError as error:
        require("rabbitmq", f"{rabbitmq.wss_url}: {error}")
    return web


@pytest.fixture(params=["ws", "wss"])
def web(request, rabbitmq):
    return (
        request.getfixturevalue("secure_web")
        if request.param == "wss"
        else WebStomp(rabbitmq, rabbitmq.ws_url)
    )


@pytest.fixture
def queue():
    """A name of its own; the queue goes with its consumer."""
    return f"/queue/web-{uuid.uuid4()}"


def subscribe(conn, queue, **headers):
    conn.subscribe(queue, id=1, headers={"auto-delete": "true", "durable": "false"}, **headers)


@pytest.mark.parametrize("binary_mode", [False, True])
def test_message_is_sent_and_received(web, queue, binary_mode):
    conn, recorder = web.open(binary_mode=binary_mode)
    assert conn.transport.subprotocol == "v12.stomp"
    subscribe(conn, queue)
    for number in range(100):
        conn.send(queue, f"größe {number}")
    recorder.wait_for_bodies(100)
    assert recorder.bodies == [f"größe {number}" for number in range(100)]
    conn.disconnect()
    assert "on_error" not in recorder.methods


@pytest.mark.parametrize("binary_mode", [False, True])
@pytest.mark.parametrize("size", [256, 300_000, 2_000_000])
def test_non_utf8_bodies_arrive(web, queue, binary_mode, size):
    body = bytes(range(256)) * (size // 256)
    conn, recorder = web.open(binary_mode=binary_mode, auto_decode=False)
    subscribe(conn, queue)
    conn.send(queue, body)
    conn.send(queue, b"still here")
    recorder.wait_for_bodies(2)
    assert recorder.bodies == [body, b"still here"]
    conn.disconnect()


def test_receipts_and_transactions_work(web, queue):
    conn, recorder = web.open()
    subscribe(conn, queue, ack="client-individual", receipt="subscribed")
    recorder.wait_for_method("on_receipt")
    transaction = conn.begin()
    conn.send(queue, "1", transaction=transaction)
    conn.commit(transaction, receipt="committed")
    recorder.wait_for_bodies(1)
    recorder.wait_for_method("on_receipt", 2)
    frame = next(detail for method, detail in recorder.notes if method == "on_message")
    conn.ack(frame.headers["ack"], receipt="acknowledged")
    recorder.wait_for_method("on_receipt", 3)
    conn.disconnect()


def test_heartbeats_are_exchanged(web):
    conn, recorder = web.open(heartbeats=(1000, 1000))
    assert conn.transport.heartbeat == (1000, 1000)
    recorder.wait_for_method("on_heartbeat", 3)
    assert conn.is_connected()
    conn.disconnect()
    assert "on_heartbeat_timeout" not in recorder.methods


def test_disconnect_is_answered_by_closing_and_that_is_clean(web):
    conn, recorder = web.open()
    conn.disconnect(receipt="bye")
    recorder.wait_for_method("on_receiver_loop_completed")
    assert recorder.methods.count("on_disconnected") == 1
    assert "on_error" not in recorder.methods
    assert not conn.transport.connection_error


def test_wrong_password_is_refused(web):
    conn = web.make()
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect(web.broker.user, "wrong", wait=True)
    assert caught.value.phase == "stomp"
    assert caught.value.frame is not None


def test_wrong_path_is_an_error(web):
    with pytest.raises(ConnectFailedException, match="HTTP 404") as caught:
        web.open(ws_path="/elsewhere")
    assert caught.value.phase == "websocket"
    assert caught.value.hint


def test_the_tcp_port_is_no_websocket(web, rabbitmq):
    conn = stomp.WSConnection([rabbitmq.address], ws_path=web.path, reconnect_attempts_max=1, timeout=1)
    with pytest.raises(ConnectFailedException) as caught:
        conn.connect(wait=True)
    assert caught.value.phase == "websocket"
    assert caught.value.hint


def refused(web, **tls):
    web.tls = tls
    with pytest.raises(ConnectFailedException) as caught:
        web.open()
    return caught.value


def test_untrusted_certificate_is_refused(secure_web):
    for tls in ({}, {"ca_certs": str(secure_web.broker.client_cert)}):
        error = refused(secure_web, **tls)
        assert error.phase == "tls"
        assert "certificate" in str(error)


def test_verification_can_be_turned_off(secure_web, queue):
    secure_web.tls = {"verify": False}
    conn, recorder = secure_web.open()
    subscribe(conn, queue)
    conn.send(queue, "unverified")
    recorder.wait_for_bodies(1)
    conn.disconnect()


def test_cert_validator_can_refuse(secure_web):
    asked = []

    def validator(certificate, host):
        asked.append((certificate["subject"], host))
        return False, "not this one"

    error = refused(secure_web, ca_certs=str(secure_web.broker.ca_file), cert_validator=validator)
    assert "not this one" in str(error)
    assert asked[0][1] == secure_web.pair[0]


def test_plain_text_to_the_tls_port_fails(secure_web):
    secure_web.tls = None
    with pytest.raises(ConnectFailedException) as caught:
        secure_web.open(timeout=5)
    assert caught.value.phase == "websocket"


def test_tls_to_the_plain_port_fails(rabbitmq):
    web = WebStomp(rabbitmq, rabbitmq.ws_url)
    assert refused(web, ca_certs=str(rabbitmq.ca_file)).phase == "tls"
