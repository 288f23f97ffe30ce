"""The doors of the embedded broker."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from stomp.broker import Broker
from tests.conformance.venues import EMBEDDED, Venue

USERS = {"admin": "password"}
BEAT = 250


@pytest.fixture(scope="session")
def embedded_tcp() -> Iterator[Venue]:
    with Broker(users=USERS, heartbeat=(BEAT, BEAT)) as broker:
        yield Venue(EMBEDDED, (broker.host, broker.port), beat=BEAT)


@pytest.fixture(scope="session")
def embedded_tls(server_tls: ssl.SSLContext, ca_file: str) -> Iterator[Venue]:
    with Broker(users=USERS, heartbeat=(BEAT, BEAT), ssl_context=server_tls) as broker:
        yield Venue(EMBEDDED, ("127.0.0.1", broker.port), tls={"ca_certs": ca_file}, beat=BEAT)


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Venue:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Venue)
    return found
