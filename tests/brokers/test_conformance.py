"""The conformance suite, at the doors of real brokers."""

from __future__ import annotations

import pytest

from tests.brokers.conftest import RealBroker
from tests.conformance.carrying import Carrying
from tests.conformance.connecting import Connecting
from tests.conformance.settling import Acknowledging, Errors, Receipts, Transactions
from tests.conformance.sharing import Sharing
from tests.conformance.venues import ACTIVEMQ, RABBITMQ, STOMPSERVER, VERSIONS, Venue, spread

#: Every version in plain text; what TLS adds is the same for all of them.
DOORS = {
    "rabbitmq_tcp": (RABBITMQ, VERSIONS),
    "rabbitmq_tls": (RABBITMQ, ("1.2",)),
    "activemq_tcp": (ACTIVEMQ, VERSIONS),
    "activemq_tls": (ACTIVEMQ, ("1.2",)),
    "activemq_mutual": (ACTIVEMQ, ("1.2",)),
    "stompserver_tcp": (STOMPSERVER, ("1.0",)),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc, DOORS)


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Venue:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Venue)
    return found


@pytest.fixture(scope="session")
def rabbitmq_tcp(rabbitmq: RealBroker) -> Venue:
    return Venue(RABBITMQ, rabbitmq.address, vhost=rabbitmq.vhost)


@pytest.fixture(scope="session")
def rabbitmq_tls(rabbitmq: RealBroker) -> Venue:
    assert rabbitmq.tls_port is not None
    address = (rabbitmq.host, rabbitmq.tls_port)
    return Venue(RABBITMQ, address, vhost=rabbitmq.vhost, tls={"ca_certs": str(rabbitmq.ca_file)})


@pytest.fixture(scope="session")
def activemq_tcp(activemq: RealBroker) -> Venue:
    return Venue(ACTIVEMQ, activemq.address)


@pytest.fixture(scope="session")
def activemq_tls(activemq: RealBroker) -> Venue:
    assert activemq.tls_port is not None
    return Venue(ACTIVEMQ, (activemq.host, activemq.tls_port), tls={"ca_certs": str(activemq.ca_file)})


@pytest.fixture(scope="session")
def activemq_mutual(activemq: RealBroker) -> Venue:
    assert activemq.mtls_port is not None
    tls = {
        "ca_certs": str(activemq.ca_file),
        "cert_file": str(activemq.client_cert),
        "key_file": str(activemq.client_key),
    }
    return Venue(ACTIVEMQ, (activemq.host, activemq.mtls_port), tls=tls)


@pytest.fixture(scope="session")
def stompserver_tcp(stompserver: RealBroker) -> Venue:
    return Venue(STOMPSERVER, stompserver.address, user=stompserver.user, password=stompserver.password)


class TestConnecting(Connecting):
    pass


class TestCarrying(Carrying):
    pass


class TestReceipts(Receipts):
    pass


class TestAcknowledging(Acknowledging):
    pass


class TestTransactions(Transactions):
    pass


class TestErrors(Errors):
    pass


class TestSharing(Sharing):
    pass
