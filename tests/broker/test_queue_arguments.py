"""Arguments of queues (RabbitMQ): time to live, length, priority, dead-letter exchange, expiry, names of queues."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.testing import FakeClock
from tests.broker.party import party
from tests.broker.rawclient import RawClient


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture(params=["rabbitmq", "tolerant"])
def engine(clock: FakeClock, request: pytest.FixtureRequest) -> Engine:
    return Engine(name="test", clock=clock, dialect=dialect_by_name(request.param))


@pytest.fixture
def rabbit(clock: FakeClock) -> Engine:
    return Engine(name="test", clock=clock, dialect=dialect_by_name("rabbitmq"))


def arguments(**named: object) -> dict[str, Any]:
    return {"x-" + name.replace("_", "-"): str(value) for name, value in named.items()}


def test_amq_queue_neither_declares_nor_compares(rabbit: Engine) -> None:
    """As RabbitMQ: the queue exists, and headers with arguments have no effect."""
    one, two = party(rabbit), party(rabbit)
    one.subscribe("/queue/a", **arguments(message_ttl=60000, expires=60000))
    one.unsubscribe()
    for number, headers in enumerate([{}, arguments(message_ttl=1), arguments(max_length=1)]):
        two.send("/amq/queue/a", "x", **headers)
        two.subscribe("/amq/queue/a", str(number), ack="client", **headers)
    assert rabbit.depth("/queue/a") == 3
    with pytest.raises(RequestRefused, match="precondition_failed"):
        party(rabbit).send("/queue/a", "x")
    one.send("/amq/queue/other", "lost", **arguments(message_ttl=1))
    assert rabbit.depth("/queue/other") == 0


def test_message_expires_with_the_queue_and_goes_to_the_exchange(engine: Engine, clock: FakeClock) -> None:
    one = party(engine)
    one.subscribe("/queue/dead")
    headers = arguments(message_ttl=300, dead_letter_exchange="", dead_letter_routing_key="dead")
    one.send("/queue/a", "x", mine="1", **headers)
    assert engine.deadline == 100.3
    clock.advance(0.3)
    engine.run_due()
    (message,) = one.messages()
    assert message.body == b"x"
    assert message.headers["destination"] == "/queue/dead"
    assert message.headers["mine"] == "1"
    assert message.headers["x-first-death-queue"] == message.headers["x-last-death-queue"] == "a"
    assert message.headers["x-first-death-reason"] == "expired"
    assert message.headers["x-first-death-exchange"] == ""


@pytest.mark.parametrize(
    ("exchange", "destination"),
    [
        ("amq.direct", "/exchange/amq.direct/a"),
        ("amq.topic", "/topic/a"),
        ("amq.fanout", "/exchange/amq.fanout"),
    ],
)
def test_refused_message_goes_to_the_exchange_with_its_own_key(
    engine: Engine, exchange: str, destination: str
) -> None:
    one = party(engine)
    one.subscribe(destination, id="dead")
    one.subscribe("/queue/a", ack="client", **arguments(dead_letter_exchange=exchange))
    one.send("/queue/a", "x")
    one.nack(*one.messages(), requeue="false")
    (message,) = one.messages()
    assert message.headers["subscription"] == "dead"
    assert message.headers["x-first-death-reason"] == "rejected"
    assert engine.capacity.messages == 0


def test_oldest_messages_beyond_the_length_leave_the_queue(engine: Engine) -> None:
    one = party(engine)
    headers = arguments(max_length=2, dead_letter_exchange="", dead_letter_routing_key="dead")
    one.send("/queue/a", *"12345", **headers)
    one.subscribe("/queue/a", id="a", **headers)
    one.subscribe("/queue/dead", id="dead")
    assert one.bodies() == ["4", "5", "1", "2", "3"]


def test_unacknowledged_messages_do_not_count_for_the_length(engine: Engine) -> None:
    one = party(engine)
    headers = arguments(max_length=1)
    one.subscribe("/queue/a", ack="client", prefetch_count=2, **headers)
    one.send("/queue/a", *"1234", **headers)
    assert one.bodies() == ["1", "2"]
    assert engine.depth("/queue/a") == 3


def test_messages_of_a_higher_priority_are_delivered_first(engine: Engine) -> None:
    one = party(engine)
    headers = arguments(max_priority=5)
    for body, priority in {"a": "0", "b": "9", "c": "5", "d": "1", "e": "none"}.items():
        one.send("/queue/a", body, priority=priority, **headers)
    one.send("/queue/a", "f", **headers)
    one.subscribe("/queue/a", ack="client", prefetch_count=1, **headers)
    bodies = []
    for _ in range(6):
        (message,) = one.messages()
        bodies.append(message.body.decode())
        one.ack(message)
    assert bodies == ["b", "c", "d", "a", "e", "f"]


def test_priority_without_the_argument_has_no_effect(engine: Engine) -> None:
    one = party(engine)
    one.send("/queue/a", "a", priority="0")
    one.send("/queue/a", "b", priority="9")
    one.subscribe("/queue/a")
    assert one.bodies() == ["a", "b"]


def test_unused_queue_is_removed_with_its_messages(engine: Engine, clock: FakeClock) -> None:
    one = party(engine)
    headers = arguments(expires=1000)
    one.subscribe("/queue/a", ack="client", **headers)
    one.send("/queue/a", "x", **headers)
    clock.advance(5.0)
    engine.run_due()
    assert engine.destinations() == {"/queue/a": 1}
    one.unsubscribe()
    one.leave()
    clock.advance(0.9)
    engine.run_due()
    assert engine.destinations() == {"/queue/a": 1}
    clock.advance(1.1)
    engine.run_due()
    assert engine.destinations() == {}
    assert engine.capacity.messages == engine.capacity.queues == 0


def test_queue_with_arguments_is_kept_without_messages(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", **arguments(max_length=1))
    one.unsubscribe()
    assert engine.destinations() == {"/queue/a": 0}


def test_other_arguments_are_refused_by_rabbitmq(rabbit: Engine) -> None:
    party(rabbit).send("/queue/a", "x", **arguments(max_length=1))
    for headers in ({}, arguments(max_length=2)):
        with pytest.raises(RequestRefused, match="precondition_failed") as caught:
            party(rabbit).send("/queue/a", "x", **headers)
        assert caught.value.fatal
    party(rabbit).subscribe("/queue/a", **arguments(max_length=1))


def test_connection_declares_a_queue_once(rabbit: Engine) -> None:
    one = party(rabbit)
    one.send("/queue/a", "x", **arguments(max_length=9))
    one.send("/queue/a", "y")
    assert rabbit.depth("/queue/a") == 2


def test_tolerant_broker_reports_other_arguments(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(clock=clock)
    party(engine).send("/queue/a", "x", **arguments(max_length=1))
    with caplog.at_level(logging.WARNING):
        party(engine).send("/queue/a", "y", **arguments(max_length=2))
        party(engine).send("/queue/a", "z")
    assert len(caplog.records) == 1
    assert engine.depth("/queue/a") == 1


def test_argument_that_is_no_number_is_refused(engine: Engine) -> None:
    with pytest.raises(RequestRefused, match="x-message-ttl"):
        party(engine).send("/queue/a", "x", **arguments(message_ttl="soon"))


def test_dead_letters_do_not_go_round_in_circles(engine: Engine, clock: FakeClock) -> None:
    headers = arguments(message_ttl=0, dead_letter_exchange="", dead_letter_routing_key="a")
    party(engine).send("/queue/a", "x", **headers)
    for _ in range(5):
        clock.advance(1.0)
        engine.run_due()
    assert engine.depth("/queue/a") == 0
    assert engine.capacity.messages == 0


def test_long_chain_of_dead_letter_queues_is_followed_in_turns(engine: Engine) -> None:
    one, count = party(engine), 2500
    for number in range(count):
        headers = arguments(max_length=1, dead_letter_exchange="", dead_letter_routing_key=f"q{number + 1}")
        one.send(f"/queue/q{number}", "x", **headers)
    one.send("/queue/q0", "y")
    # Each message has moved to the next queue, 1,000 of them at once, and the rest when other connections had a turn.
    assert engine.depth(f"/queue/q{count}") == 0
    for _ in range(2):
        assert engine.deadline == 100.0
        engine.run_due()
    assert engine.deadline is None
    assert engine.depth(f"/queue/q{count}") == 1
    assert sum(engine.destinations().values()) == engine.capacity.messages == count + 1


def test_dead_letter_that_does_not_fit_is_reported(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(Policy(max_messages=2), clock=clock)
    one = party(engine)
    one.subscribe("/topic/dead", ack="client", id="1")
    one.subscribe("/topic/dead", ack="client", id="2")
    one.send("/queue/b", "full")
    headers = arguments(message_ttl=10, dead_letter_exchange="amq.topic", dead_letter_routing_key="dead")
    one.send("/queue/a", "x", **headers)
    clock.advance(1.0)
    engine.run_due()
    assert "the broker is full" in caplog.text
    assert engine.capacity.messages == 1


def test_named_queue_of_a_topic_is_shared_and_ends_with_its_last_consumer(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/topic/a", **arguments(queue_name="named"))
    two.subscribe("/topic/a", **arguments(queue_name="named"))
    one.send("/topic/a", "1", "2")
    assert (one.bodies(), two.bodies()) == (["1"], ["2"])
    one.unsubscribe()
    one.send("/amq/queue/named", "direct")
    (message,) = two.messages()
    assert (message.body, message.headers["destination"]) == (b"direct", "/queue/named")
    two.unsubscribe()
    one.send("/topic/a", "lost")
    assert engine.destinations() == {}


def test_named_queue_is_kept_if_it_is_durable(engine: Engine) -> None:
    one = party(engine)
    headers = {"durable": "true", "auto-delete": "false", **arguments(queue_name="named")}
    one.subscribe("/topic/a", **headers)
    one.leave()
    two = party(engine)
    two.send("/topic/a", "kept")
    two.subscribe("/amq/queue/named")
    assert two.bodies() == ["kept"]


def test_queue_of_rabbitmq_must_exist_if_it_is_named_by_amq_queue(rabbit: Engine) -> None:
    one = party(rabbit)
    one.send("/amq/queue/none", "dropped")
    assert rabbit.destinations() == {}
    with pytest.raises(RequestRefused, match="not_found"):
        one.subscribe("/amq/queue/none")
    one.subscribe("/queue/a")
    one.unsubscribe()
    one.send("/amq/queue/a", "x")
    assert rabbit.depth("/queue/a") == 1


def test_broker_expires_messages_in_due_time() -> None:
    with Broker() as broker, RawClient(broker) as client:
        client.connect()
        client.send("SUBSCRIBE", id="1", destination="/queue/dead")
        client.send(
            "SEND",
            "x",
            destination="/queue/a",
            x_message_ttl="50",
            x_dead_letter_exchange="",
            x_dead_letter_routing_key="dead",
        )
        assert client.expect("MESSAGE").body == b"x"
        assert broker.depth("/queue/a") == 0
