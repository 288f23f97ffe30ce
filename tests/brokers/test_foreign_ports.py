"""Wrong ports and wrong settings at real brokers: each API names what it found there, and what to do."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from tests.brokers.conftest import RealBroker, address_of, further
from tests.faults.test_foreign_peers import Api, by_async_client, by_client, by_listener_api


@pytest.fixture(params=[by_listener_api, by_client, by_async_client], ids=lambda api: api.__name__)
def failure(request: pytest.FixtureRequest) -> Api:
    api: Api = request.param
    return api


def foreign_port(variable: str, default_port: int) -> int:
    """A port that brokers have since scripts/brokers opens it: what was started before has not."""
    host, port = address_of(variable, default_port)
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        pytest.skip(f"{host}:{port}: {error}; start the broker again")
    return port


def test_openwire_is_named(failure: Api, activemq: RealBroker) -> None:
    port = foreign_port("BROKERS_ACTIVEMQ_OPENWIRE", 62616)
    named = "this is ActiveMQ's OpenWire, not STOMP"
    # ActiveMQ closes the connection when it reads what is no OpenWire, at times before it has sent its greeting.
    for transport in ("tcp", "tls"):
        assert any(named in str(failure(port, transport)) for _ in range(50))


def test_amqp_is_named(failure: Api, rabbitmq: RealBroker) -> None:
    port = foreign_port("BROKERS_RABBITMQ_AMQP", 61672)
    for transport in ("tcp", "tls"):
        assert "this is AMQP 0-9-1, not STOMP" in str(failure(port, transport))


def test_a_websocket_port_is_named(failure: Api, rabbitmq: RealBroker) -> None:
    port = urlsplit(rabbitmq.ws_url or "").port or 0
    for transport in ("tcp", "tls", "wss"):
        error = failure(port, transport)
        assert "this is HTTP" in str(error)
        assert "use ws://" in error.hint


def test_a_tls_port_is_named(failure: Api, real_broker: RealBroker) -> None:
    error = failure(real_broker.tls_port or 0)
    assert "the port expects TLS" in str(error)
    assert "use stomp+ssl://" in error.hint


def test_a_demanded_client_certificate_is_named(failure: Api, activemq: RealBroker) -> None:
    error = failure(activemq.mtls_port or 0, "tls", ca_file=str(activemq.ca_file), host="localhost")
    assert "client certificate" in error.hint


def test_a_refused_host_is_named(failure: Api, rabbitmq: RealBroker) -> None:
    error = failure(rabbitmq.port, login="guest", passcode="guest", vhost="nope")
    assert "Virtual host 'nope' access denied" in str(error)
    assert error.hint == "the host header was 'nope'; set the virtual host: RabbitMQ's default one is '/'"


def test_a_host_that_apollo_refuses_is_named(failure: Api) -> None:
    error = failure(further("apollo").port, login="admin", passcode="password", vhost="/")
    assert "Invalid virtual host: /" in str(error)
    assert error.hint.startswith("the host header was '/'; set the virtual host")


@pytest.mark.parametrize("passcode", ["a\\b", "a\\\\b"])
def test_a_backslash_in_a_passcode_is_named(failure: Api, rabbitmq: RealBroker, passcode: str) -> None:
    error = failure(rabbitmq.port, login="guest", passcode=passcode, vhost="/")
    assert "read a backslash in login and passcode as an escape" in error.hint
