"""The suite of both clients, run with the embedded broker over all its transports."""

from __future__ import annotations

import pytest

from stomp.broker import Broker
from tests.pulling.conftest import at_embedded
from tests.pulling.faces import KINDS_AND_LOOPS
from tests.pulling.places import Place
from tests.pulling.suite import Living, Losing, Sending, Taking, Together

TRANSPORTS = ("stomp", "stomp+ssl", "ws", "wss", "unix")


@pytest.fixture(params=TRANSPORTS)
def place(request: pytest.FixtureRequest, embedded: Broker, ca_file: str) -> Place:
    return at_embedded(embedded, request.param, ca_file)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client" in metafunc.fixturenames:
        metafunc.parametrize("client", KINDS_AND_LOOPS, indirect=True)


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
