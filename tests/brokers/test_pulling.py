"""The suite of both clients (tests/pulling), with RabbitMQ and ActiveMQ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stomp.client.connect import TlsSettings
from stomp.net.address import parse
from stomp.testing.relay import Relay
from tests.brokers.conftest import FURTHER, RealBroker, empty_queue, further
from tests.pulling.faces import KINDS, makers
from tests.pulling.places import EXPIRES, Place
from tests.pulling.suite import Living, Losing, Sending, Taking, Together, through

TRANSPORTS = (
    "rabbitmq-stomp",
    "rabbitmq-stomp+ssl",
    "rabbitmq-ws",
    "activemq-stomp",
    "activemq-stomp+ssl",
    # Skipped where they are not up.
    "artemis-stomp",
    "artemis-stomp+ssl",
    "artemis-ws",
    "artemis-next-stomp",
    "activemq6-stomp",
    "activemq61-stomp",
    "activemq61-ws",
    "apollo-stomp",
    "hornetq-stomp",
    "rabbitmq4-stomp",
)
#: Artemis, and HornetQ from which it descends.
ARTEMIS = ("artemis", "artemis-next", "hornetq")
#: HornetQ makes no queues on demand, also none for replies. It finds a connection that was reset after 10 to 30 s.
HORNETQ: dict[str, Any] = {
    "replies": False,
    "empty_queues": empty_queue,
    "topic_prefix": "jms.topic.",
    "return_time": 90.0,
    # UNSUBSCRIBE with the name, while it is active or later, leaves it.
    "deletes_durable": False,
}


def at(broker: RealBroker, scheme: str) -> Place:
    """One transport of a real broker."""
    port = {"stomp": broker.port, "stomp+ssl": broker.tls_port}.get(scheme)
    where = f"{broker.host}:{port}" if scheme != "ws" else str(broker.ws_url).partition("://")[2]
    if scheme == "stomp+ssl":
        where = f"localhost:{port}"
    settings: dict[str, Any] = {"vhost": broker.vhost}
    if scheme == "stomp+ssl":
        settings["tls"] = TlsSettings(ca_certs=str(broker.ca_file))
    return Place(
        f"{scheme}://{broker.user}:{broker.password}@{where}",
        broker.name.removesuffix("-next").rstrip("0123456789"),
        f"{scheme}://{broker.user}:wrong-passcode@{where}",
        settings=settings,
        queue_headers=EXPIRES if broker.name.startswith("rabbitmq") else {},
        redelivers=not broker.name.startswith("activemq"),
        prefetch=broker.name not in (*ARTEMIS, "apollo"),
        durable=broker.name != "apollo",
        acks_in_transactions=broker.name not in ARTEMIS,
        takes_all=(broker.name, scheme) != ("activemq61", "ws"),
        # Apollo compares with a clock that it sets every 100 ms.
        clock_lag=1.0 if broker.name == "apollo" else 0.0,
        # Apollo connects to a destination at the first SEND. In a transaction it does so for each SEND at once:
        # of 1,500 transactions to a new queue, 3 were delivered in another order, and of 1,500 to a known one none.
        orders_transactions=broker.name != "apollo",
        **(HORNETQ if broker.name == "hornetq" else {}),
    )


@pytest.fixture(params=TRANSPORTS)
def place(request: pytest.FixtureRequest) -> Place:
    name, _, scheme = request.param.rpartition("-")
    return at(further(name) if name in FURTHER else request.getfixturevalue(name), scheme)


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
