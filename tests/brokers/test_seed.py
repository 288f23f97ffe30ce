"""The examples of the stomp.py 4.1.22 documentation, on real brokers."""

from __future__ import annotations

import pytest

from tests.brokers.conftest import FURTHER, RealBroker, at, empty_queue
from tests.seed_examples import SeedExamples, Site


@at("rabbitmq", "activemq", *FURTHER)
class TestRealBrokers(SeedExamples):
    @pytest.fixture
    def site(self, broker: RealBroker) -> Site:
        settings = {"destination": empty_queue()} if broker.name == "hornetq" else {}
        return Site(
            broker.host,
            broker.port,
            # RabbitMQ and Apollo refuse a host header that names no virtual host of theirs.
            vhost=broker.vhost if broker.name.startswith(("rabbitmq", "apollo")) else None,
            # ActiveMQ drops a message that is refused, or moves it to ActiveMQ.DLQ if it is persistent. Artemis and
            # HornetQ drop it.
            redelivers=broker.name.startswith(("rabbitmq", "apollo")),
            marks=broker.name != "apollo",
            **settings,
        )
