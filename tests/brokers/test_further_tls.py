"""TLS, client certificates and secure WebSockets of the brokers of Maven Central and of RabbitMQ 4."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stomp
from stomp.core.errors import ConnectFailed
from tests.brokers.conftest import FURTHER, RealBroker, at, new_queue, require
from tests.faults.test_foreign_peers import Api, by_async_client, by_client, by_listener_api
from tests.listening import RecentFrames
from tests.pulling.faces import KINDS, face

MUTUAL = at(*(name for name in FURTHER if name != "rabbitmq4"))
WEB = at("artemis", "artemis-next", "activemq61", "rabbitmq4")
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _tls_port(broker: RealBroker) -> None:
    trouble = None
    try:
        socket.create_connection((broker.host, broker.tls_port or 0), timeout=5).close()
    except OSError as error:
        trouble = f"{broker.host}:{broker.tls_port}: {error}; an earlier scripts/brokers may have started it"
    require(broker.name, trouble)


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, broker: RealBroker) -> Iterator[Callable[..., Any]]:
    """Makes clients of both kinds that trust the certificate of the broker."""
    with face(request.param) as make_client:

        def one(url: str, **certificate: Any) -> Any:
            tls = stomp.TlsSettings(ca_certs=str(broker.ca_file), **certificate)
            login = {"login": broker.user, "passcode": broker.password, "vhost": broker.vhost}
            return make_client(url, tls=tls, attempts=1, timeout=PATIENCE, **login)

        yield one


@pytest.fixture
def queue(broker: RealBroker) -> str:
    return new_queue(broker)


def certificate_of(broker: RealBroker) -> dict[str, str]:
    return {"cert_file": str(broker.client_cert), "key_file": str(broker.client_key)}


def passes(client: Any, queue: str, body: bytes) -> None:
    """A message goes to the broker and comes back."""
    with client as connected, connected.subscribe(queue) as subscription:
        connected.send(queue, body, confirm=True)
        assert subscription.receive(timeout=PATIENCE).body == body


@at(*FURTHER)
def test_messages_pass_over_tls(broker: RealBroker, make: Callable[..., Any], queue: str) -> None:
    # More than one record of TLS.
    passes(make(f"stomp+ssl://localhost:{broker.tls_port}"), queue, b"x" * 300_000)


@MUTUAL
def test_messages_pass_with_a_client_certificate(
    broker: RealBroker, make: Callable[..., Any], queue: str
) -> None:
    passes(make(f"stomp+ssl://localhost:{broker.mtls_port}", **certificate_of(broker)), queue, b"body")


@WEB
def test_messages_pass_over_a_secure_websocket(
    broker: RealBroker, make: Callable[..., Any], queue: str
) -> None:
    assert broker.wss_url is not None
    passes(make(broker.wss_url), queue, "\N{EURO SIGN}".encode() * 20_000)


@at(*FURTHER)
def test_a_listener_receives_over_tls(broker: RealBroker, queue: str) -> None:
    conn = stomp.Connection12([("localhost", broker.tls_port)], vhost=broker.vhost)
    conn.set_ssl(ca_certs=str(broker.ca_file))
    recorder = RecentFrames()
    conn.set_listener("", recorder)
    conn.connect(broker.user, broker.password, wait=True)
    conn.subscribe(queue, id="1")
    conn.send(queue, "body")
    recorder.wait_for_method("on_message")
    assert recorder.bodies == ["body"]
    conn.disconnect()


@at(*FURTHER)
def test_an_unknown_certificate_is_refused(broker: RealBroker) -> None:
    with pytest.raises(ConnectFailed, match="certificate") as caught:
        stomp.Client(f"stomp+ssl://localhost:{broker.tls_port}", attempts=1).connect()
    assert caught.value.phase == "tls"


@MUTUAL
@pytest.mark.parametrize(
    "failure", [by_listener_api, by_client, by_async_client], ids=lambda api: api.__name__
)
def test_a_missing_client_certificate_is_named(broker: RealBroker, failure: Api) -> None:
    error = failure(broker.mtls_port or 0, "tls", ca_file=str(broker.ca_file), host="localhost")
    assert "client certificate" in error.hint
