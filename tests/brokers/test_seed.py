"""The examples of the stomp.py 4.1.22 documentation, on real brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.seed_examples import SeedExamples, Site

if TYPE_CHECKING:
    from tests.brokers.conftest import RealBroker


class TestRealBrokers(SeedExamples):
    @pytest.fixture
    def site(self, real_broker: RealBroker) -> Site:
        rabbitmq = real_broker.name == "rabbitmq"
        return Site(
            real_broker.host,
            real_broker.port,
            # RabbitMQ refuses a host header that names no virtual host of its own.
            vhost=real_broker.vhost if rabbitmq else None,
            # ActiveMQ drops a message that is refused, or moves it to ActiveMQ.DLQ if it is persistent.
            redelivers=rabbitmq,
        )
