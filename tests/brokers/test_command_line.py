"""The commands, at real brokers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from stomp.testing.relay import Relay
from tests.brokers.conftest import FURTHER, RealBroker, at, empty_queue
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with both versions of RabbitMQ, unless `at` names brokers."""
    named = any("broker" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "broker" in metafunc.fixturenames and not named:
        metafunc.parametrize("broker", ["rabbitmq", "rabbitmq4"], indirect=True)


@pytest.fixture
def stomp(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Stomp:
    url = f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}"
    return Stomp(url, monkeypatch, ["--vhost", broker.vhost])


@pytest.fixture
def queue(broker: RealBroker) -> str:
    return empty_queue() if broker.name == "hornetq" else f"/queue/{uuid.uuid4().hex}"


@pytest.fixture
def relay(broker: RealBroker) -> Iterator[Relay]:
    with Relay(broker.host, broker.port) as running:
        yield running


@at("rabbitmq", "rabbitmq4")
def test_durable_subscription_receives_messages_sent_meanwhile(stomp: Stomp, queue: str) -> None:
    topic = queue.replace("/queue/", "/topic/")
    durable = ("listen", topic, "--durable", queue[7:], "--raw")
    assert stomp(*durable, "--timeout", "0.2").status == 0
    send(stomp, topic, "kept")
    assert stomp.well(*durable, "-n", "1", *SOON) == b"kept"


@at("rabbitmq", "rabbitmq4")
def test_unsupported_option_is_reported(stomp: Stomp, queue: str) -> None:
    answer = stomp("listen", queue, "--selector", "a = 'b'")
    assert answer.status == 1
    assert "RabbitMQ has no selector" in answer.err
    assert answer.err.count("\n") == 1


@at("activemq", *(name for name in FURTHER if name != "rabbitmq4"))
def test_selector_filters_messages(stomp: Stomp, queue: str) -> None:
    stomp.well("send", queue, "left", "--header", "kind:a")
    stomp.well("send", queue, "right", "--header", "kind:b")
    assert stomp.well("listen", queue, "--selector", "kind = 'b'", "-n", "1", "--raw", *SOON) == b"right"
