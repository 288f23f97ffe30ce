"""The suite of both clients (tests/pulling), at the doors of RabbitMQ and ActiveMQ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stomp.client.dialing import TlsSettings
from stomp.net.address import parse
from stomp.testing.relay import Relay
from tests.brokers.conftest import RealBroker
from tests.pulling.faces import KINDS, makers
from tests.pulling.places import EXPIRES, Place
from tests.pulling.suite import Living, Losing, Sending, Taking, Together, through

DOORS = ("rabbitmq-stomp", "rabbitmq-stomp+ssl", "rabbitmq-ws", "activemq-stomp", "activemq-stomp+ssl")


def at(broker: RealBroker, door: str) -> Place:
    """One door of a real broker."""
    port = {"stomp": broker.port, "stomp+ssl": broker.tls_port}.get(door)
    where = f"{broker.host}:{port}" if door != "ws" else str(broker.ws_url).partition("://")[2]
    if door == "stomp+ssl":
        where = f"localhost:{port}"
    return Place(
        f"{door}://{broker.user}:{broker.password}@{where}",
        broker.name,
        f"{door}://{broker.user}:wrong-passcode@{where}",
        settings={"tls": TlsSettings(ca_certs=str(broker.ca_file))} if door == "stomp+ssl" else {},
        queue_headers=EXPIRES if broker.name == "rabbitmq" else {},
        redelivers=broker.name != "activemq",
    )


@pytest.fixture(params=DOORS)
def place(request: pytest.FixtureRequest) -> Place:
    name, _, door = request.param.partition("-")
    return at(request.getfixturevalue(name), door)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client" in metafunc.fixturenames:
        metafunc.parametrize("client", KINDS, indirect=True)


@pytest.fixture
def client(request: pytest.FixtureRequest, place: Place) -> Iterator[Any]:
    with makers(request.param, place) as make:
        yield make


@pytest.fixture
def relayed(place: Place) -> Iterator[tuple[Relay, str]]:
    [address] = parse(place.url).addresses
    with Relay(address.host, address.port) as relay:
        yield relay, through(relay, place)


class TestLiving(Living):
    pass


class TestSending(Sending):
    pass


class TestTaking(Taking):
    pass


class TestTogether(Together):
    pass


class TestLosing(Losing):
    pass
