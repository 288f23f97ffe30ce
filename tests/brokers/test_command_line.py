"""The commands, at real brokers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stomp.testing.relay import Relay
from tests.brokers.conftest import FURTHER, RealBroker, at, new_queue
from tests.brokers.test_conformance import FURTHER_HABITS
from tests.cli.commands.test_bench import TestBench
from tests.cli.commands.test_doctor import TestDoctor
from tests.cli.commands.test_dump import TestDump
from tests.cli.commands.test_listen import SOON, TestListen, bodies, send
from tests.cli.commands.test_move import TestMove
from tests.cli.commands.test_ping import TestPing
from tests.cli.commands.test_replay import TestReplay
from tests.cli.commands.test_reply import TestReply
from tests.cli.commands.test_request import TestRequest
from tests.cli.commands.test_send import TestSend
from tests.cli.oneshot import Stomp
from tests.conformance.venues import ACTIVEMQ, RABBITMQ, Habits, left_out

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


#: What each broker does differently. Spring's are in test_spring.
BROKERS = {habits.name: habits for habits in (RABBITMQ, ACTIVEMQ, *FURTHER_HABITS.values())}
ACTIVEMQS = ("activemq", "activemq6", "activemq61")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with each broker, unless `at` names brokers."""
    named = any("broker" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "broker" in metafunc.fixturenames and not named:
        cases = [
            pytest.param(name, marks=left_out(metafunc.function, habits)) for name, habits in BROKERS.items()
        ]
        metafunc.parametrize("broker", cases, indirect=True)


@pytest.fixture
def habits(broker: RealBroker) -> Habits:
    return BROKERS[broker.name]


@pytest.fixture
def stomp(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stomp]:
    # Another one than "/" is in the URL: some tests also make a client from it.
    vhost = "" if broker.vhost == "/" else f"/{broker.vhost}"
    url = f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}{vhost}"
    with Stomp(url, monkeypatch) as made:
        yield made


@pytest.fixture
def queue(broker: RealBroker) -> str:
    return new_queue(broker)


@pytest.fixture
def target(broker: RealBroker) -> str:
    return new_queue(broker)


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


@at(*ACTIVEMQS)
def test_message_rejected_by_the_program_is_in_the_dead_letter_queue(stomp: Stomp, queue: str) -> None:
    stomp.well("send", queue, "failed", "--persistent", "--header", f"origin:{queue}")
    answer = stomp("listen", queue, "-n", "1", "--exec", "exit 3", *SOON)
    assert (answer.status, answer.out) == (0, b"")
    assert answer.err.endswith(": exit status 3; rejected\n")
    assert bodies(stomp, queue) == []
    dead = ("listen", "/queue/ActiveMQ.DLQ", "--selector", f"origin = '{queue}'", "--raw")
    assert stomp.well(*dead, "-n", "1", *SOON) == b"failed"
    assert stomp.well(*dead, "--timeout", "0.5") == b""


@at("hornetq")
def test_request_without_temporary_queues_is_refused(stomp: Stomp, queue: str) -> None:
    answer = stomp("request", queue, "hello")
    assert (answer.status, answer.out) == (1, b"")
    assert "HornetQ has no temporary queues: its queues must exist" in answer.err
    assert "stomp send --header reply-to:QUEUE" in answer.err
    assert bodies(stomp, queue) == []


@at("hornetq")
def test_reply_goes_to_the_queue_that_the_request_names(stomp: Stomp, queue: str, target: str) -> None:
    stomp.well("send", queue, "hello", "--header", f"reply-to:{target}")
    stomp.well("reply", queue, "-n", "1", "--exec", "tr a-z A-Z", *SOON)
    assert bodies(stomp, target) == [b"HELLO"]
    assert bodies(stomp, queue) == []
