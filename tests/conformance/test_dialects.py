"""The conformance suite, run with each dialect of the embedded broker and the habits of the broker that it imitates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stomp.broker import Broker, Policy
from tests.conformance.carrying import Carrying
from tests.conformance.conftest import BEAT, USERS
from tests.conformance.connecting import Connecting
from tests.conformance.extending import Extending
from tests.conformance.settling import Acknowledging, Errors, Receipts, Transactions
from tests.conformance.sharing import Sharing
from tests.conformance.venues import ACTIVEMQ, ARTEMIS, RABBITMQ, STRICT, VERSIONS, Venue, spread

HABITS = {
    "rabbitmq": RABBITMQ,
    "activemq": ACTIVEMQ,
    "artemis": ARTEMIS,
    "strict": STRICT,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spread(metafunc, {name: (habits, VERSIONS) for name, habits in HABITS.items()})


@pytest.fixture(scope="session")
def venues() -> Iterator[dict[str, Venue]]:
    policy = Policy(max_retroactive=3)
    brokers = {
        name: Broker(users=USERS, heartbeat=(BEAT, BEAT), dialect=name, policy=policy).start()
        for name in HABITS
    }
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


class TestExtending(Extending):
    pass
