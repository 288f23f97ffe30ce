"""The conformance suite, run with each dialect of the embedded broker and the habits of the broker that it imitates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from stomp.broker import Broker
from tests.conformance.carrying import Carrying
from tests.conformance.conftest import BEAT, USERS
from tests.conformance.connecting import Connecting
from tests.conformance.settling import Acknowledging, Errors, Receipts, Transactions
from tests.conformance.sharing import Sharing
from tests.conformance.venues import ACTIVEMQ, ARTEMIS, EMBEDDED, RABBITMQ, VERSIONS, Venue, spread

#: The dialect "strict" differs from the tolerant one in the extensions only.
HABITS = {
    "rabbitmq": RABBITMQ,
    "activemq": ACTIVEMQ,
    "artemis": ARTEMIS,
    "strict": replace(EMBEDDED, name="strict"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc, {name: (habits, VERSIONS) for name, habits in HABITS.items()})


@pytest.fixture(scope="session")
def venues() -> Iterator[dict[str, Venue]]:
    brokers = {name: Broker(users=USERS, heartbeat=(BEAT, BEAT), dialect=name).start() for name in HABITS}
    yield {
        name: Venue(habits, ("127.0.0.1", brokers[name].port), vhost="/", beat=BEAT)
        for name, habits in HABITS.items()
    }
    for broker in brokers.values():
        broker.stop()


@pytest.fixture
def venue(request: pytest.FixtureRequest, venues: dict[str, Venue]) -> Venue:
    return venues[request.param]


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
