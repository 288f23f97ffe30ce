"""The examples of docs/brokers, each page with its broker."""

from __future__ import annotations

import uuid

import pytest

from tests.brokers.conftest import RealBroker, at
from tests.documents import ROOT, run_page


@at("rabbitmq", "rabbitmq4", "activemq", "activemq6", "activemq61", "artemis", "artemis-next")
def test_the_examples_of_a_broker_run(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    page = broker.name.removesuffix("-next").rstrip("0123456789")
    replaced = {
        "stomp://admin:password@localhost:61613": f"stomp://admin:password@{broker.host}:{broker.port}",
        # Other tests may use this name.
        '"/queue/orders"': f'"/queue/{uuid.uuid4().hex}"',
    }
    run_page(ROOT / "docs" / "brokers" / f"{page}.md", replaced, monkeypatch)
