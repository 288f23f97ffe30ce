"""The commands, at real brokers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from stomp.testing.relay import Relay
from tests.brokers.conftest import RealBroker
from tests.cli.commands.test_bench import TestBench
from tests.cli.commands.test_doctor import TestDoctor
from tests.cli.commands.test_dump import TestDump
from tests.cli.commands.test_listen import SOON, TestListen, send
from tests.cli.commands.test_move import TestMove
from tests.cli.commands.test_ping import TestPing
from tests.cli.commands.test_replay import TestReplay
from tests.cli.commands.test_reply import TestReply
from tests.cli.commands.test_request import TestRequest
from tests.cli.commands.test_send import TestSend
from tests.cli.oneshot import Stomp

__all__ = [
    "TestBench",
    "TestDoctor",
    "TestDump",
    "TestListen",
    "TestMove",
    "TestPing",
    "TestReplay",
    "TestReply",
    "TestRequest",
    "TestSend",
]


@pytest.fixture
def stomp(rabbitmq: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Stomp:
    return stomp_at(rabbitmq, monkeypatch)


@pytest.fixture
def queue() -> str:
    return f"/queue/{uuid.uuid4().hex}"


@pytest.fixture
def relay(rabbitmq: RealBroker) -> Iterator[Relay]:
    with Relay(rabbitmq.host, rabbitmq.port) as running:
        yield running


def stomp_at(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Stomp:
    url = f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}"
    return Stomp(url, monkeypatch)


def test_durable_subscription_receives_messages_sent_meanwhile(stomp: Stomp, queue: str) -> None:
    topic = queue.replace("/queue/", "/topic/")
    durable = ("listen", topic, "--durable", queue[7:], "--raw")
    assert stomp(*durable, "--timeout", "0.2").status == 0
    send(stomp, topic, "kept")
    assert stomp.well(*durable, "-n", "1", *SOON) == b"kept"


def test_unsupported_option_is_reported(stomp: Stomp, queue: str) -> None:
    answer = stomp("listen", queue, "--selector", "a = 'b'")
    assert answer.status == 1
    assert "RabbitMQ has no selector" in answer.err
    assert answer.err.count("\n") == 1


def test_selector_filters_messages(activemq: RealBroker, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stomp = stomp_at(activemq, monkeypatch)
    stomp.well("send", queue, "left", "--header", "kind:a")
    stomp.well("send", queue, "right", "--header", "kind:b")
    assert stomp.well("listen", queue, "--selector", "kind = 'b'", "-n", "1", "--raw", *SOON) == b"right"
