"""`move`, `dump` and `replay` at every broker: the same number, bodies and headers; text stays text."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import stomp as stompkit
from tests.brokers.conftest import FURTHER, RealBroker, further, new_queue, new_topic
from tests.cli.oneshot import Stomp


@pytest.fixture(params=["rabbitmq", "activemq", *FURTHER])
def broker(request: pytest.FixtureRequest) -> RealBroker:
    if request.param in FURTHER:
        return further(request.param)
    made: RealBroker = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def stomp(broker: RealBroker, monkeypatch: pytest.MonkeyPatch) -> Stomp:
    url = f"stomp://{broker.user}:{broker.password}@{broker.host}:{broker.port}"
    return Stomp(url, monkeypatch, ["--vhost", broker.vhost])


@pytest.fixture
def queues(broker: RealBroker, stomp: Stomp) -> Iterator[list[str]]:
    """Two empty queues."""
    made = [new_queue(broker) for _ in range(2)]
    yield made
    for queue in made:
        stomp("listen", queue, "--timeout", "0.3")


def connected(broker: RealBroker) -> stompkit.Client:
    url = f"stomp://{broker.host}:{broker.port}"
    return stompkit.Client(url, vhost=broker.vhost, login=broker.user, passcode=broker.password)


def fill(broker: RealBroker, queue: str) -> None:
    """Four messages, with whatever their broker knows to be an identity or a delay."""
    with connected(broker) as client:
        for n, text in enumerate([True, False, True, False]):
            headers = {"kind": "x", "colour": "a: b", "number": str(n)}
            if client.broker.name in ("artemis", "hornetq"):
                headers[client.broker.deduplication] = uuid.uuid4().hex
            if client.broker.delay is not None:
                headers[client.broker.delay] = "10"
            body = f"body {n}".encode() if n else b"body 0 \xc3\xa4"
            client.send(queue, body, confirm=True, headers=headers, text=text, persistent=True, priority=6)


def contents(stomp: Stomp, queue: str) -> list[tuple[object, ...]]:
    """What is in a queue, which is empty then: the body, the headers of the user, whether it is text."""
    out = stomp.well("listen", queue, "--json", "--timeout", "1")
    found: list[tuple[object, ...]] = []
    for line in out.decode().splitlines():
        message = json.loads(line)
        headers = {
            name: value[0] if isinstance(value, list) else value for name, value in message["headers"].items()
        }
        own = tuple(headers.get(name) for name in ("kind", "colour", "number", "persistent", "priority"))
        found.append((message.get("body"), own, "content-length" not in headers))
    return sorted(found, key=str)


def test_messages_moved_twice_are_unchanged(stomp: Stomp, broker: RealBroker, queues: list[str]) -> None:
    here, there = queues
    fill(broker, here)
    before = contents(stomp, here)
    assert len(before) == 4
    fill(broker, here)
    assert stomp("move", here, there, "-n", "4", "--timeout", "5").status == 0
    assert stomp("move", there, here, "-n", "4", "--timeout", "5").status == 0
    assert contents(stomp, here) == before
    assert contents(stomp, there) == []


def test_a_dump_that_is_replayed_is_the_same(
    stomp: Stomp, broker: RealBroker, queues: list[str], tmp_path: Path
) -> None:
    here, there = queues
    fill(broker, here)
    file = str(tmp_path / "dump")
    stomp.well("dump", here, "-n", "4", "-o", file, "--timeout", "5")
    stomp.well("replay", file)
    again = contents(stomp, here)
    assert len(again) == 4
    stomp.well("replay", file, "--to", there)
    assert contents(stomp, there) == again


def test_a_replay_to_a_topic_reaches_its_subscribers(
    stomp: Stomp, broker: RealBroker, queues: list[str], tmp_path: Path
) -> None:
    fill(broker, queues[0])
    file = str(tmp_path / "dump")
    stomp.well("dump", queues[0], "-n", "4", "-o", file, "--timeout", "5")
    topic = new_topic(broker)
    with connected(broker) as client:
        subscription = client.subscribe(topic)
        stomp.well("replay", file, "--to", topic)
        came = [subscription.receive(timeout=10) for _ in range(4)]
    assert sorted(message.headers["number"] for message in came if message) == ["0", "1", "2", "3"]
