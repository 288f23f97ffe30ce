"""Fixtures and helpers for the tests of the broker."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme

from stomp.broker import Broker, Policy
from stomp.broker.engine import Engine
from tests.broker.rawclient import RawClient


@pytest.fixture
def engine() -> Engine:
    return Engine(Policy(max_messages=1000, dead_letter_after=3), name="test")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def client(broker: Broker) -> Iterator[RawClient]:
    with RawClient(broker) as client:
        client.connect()
        yield client
