"""Scheduled messages (ActiveMQ): delay, period, repetitions, cron entries."""

from __future__ import annotations

from datetime import datetime

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from stomp.broker.schedule import Cron
from stomp.broker.store import RequestRefused
from stomp.testing import FakeClock
from tests.broker.party import Party, party
from tests.broker.rawclient import RawClient


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture(params=["activemq", "tolerant"])
def engine(clock: FakeClock, request: pytest.FixtureRequest) -> Engine:
    return Engine(name="test", clock=clock, dialect=dialect_by_name(request.param))


@pytest.fixture
def consumer(engine: Engine) -> Party:
    one = party(engine)
    one.subscribe("/queue/a")
    return one


def times(engine: Engine, clock: FakeClock, consumer: Party, end: float) -> list[float]:
    """The times at which messages are delivered, in seconds from now."""
    began, found = clock.now, []
    while engine.deadline is not None and engine.deadline <= began + end:
        clock.now = engine.deadline
        engine.run_due()
        found += [round(clock.now - began, 3)] * len(consumer.messages())
    return found


def test_delay_is_obeyed(engine: Engine, clock: FakeClock, consumer: Party) -> None:
    consumer.send("/queue/a", "x", AMQ_SCHEDULED_DELAY="1500", mine="1")
    assert engine.capacity.messages == 1
    clock.advance(1.499)
    engine.run_due()
    assert consumer.messages() == []
    clock.advance(0.002)
    engine.run_due()
    (message,) = consumer.messages()
    assert message.headers["mine"] == "1"
    assert message.headers["scheduledJobId"]
    assert "AMQ_SCHEDULED_DELAY" not in message.headers
    assert engine.capacity.messages == engine.capacity.bytes == 0


def test_message_is_repeated(engine: Engine, clock: FakeClock, consumer: Party) -> None:
    plan = {"AMQ_SCHEDULED_DELAY": "500", "AMQ_SCHEDULED_PERIOD": "1000", "AMQ_SCHEDULED_REPEAT": "2"}
    consumer.send("/queue/a", "x", **plan)
    assert times(engine, clock, consumer, 100.0) == [0.5, 1.5, 2.5]
    assert engine.deadline is None
    assert engine.capacity.messages == 0


def test_cron_entry_is_repeated_for_ever(engine: Engine, clock: FakeClock, consumer: Party) -> None:
    consumer.send("/queue/a", "x", AMQ_SCHEDULED_CRON="* * * * *")
    assert times(engine, clock, consumer, 200.0) == [20.0, 80.0, 140.0, 200.0]
    assert engine.capacity.messages == 1


def test_delay_of_zero_is_no_delay(consumer: Party) -> None:
    consumer.send("/queue/a", "x", AMQ_SCHEDULED_DELAY="0")
    assert consumer.bodies() == ["x"]


def test_scheduled_message_of_a_transaction_is_delayed_from_the_commit(
    engine: Engine, clock: FakeClock, consumer: Party
) -> None:
    consumer.do("BEGIN", "t")
    consumer.send("/queue/a", "x", tx="t", AMQ_SCHEDULED_DELAY="1000")
    clock.advance(5.0)
    consumer.do("COMMIT", "t")
    assert times(engine, clock, consumer, 10.0) == [1.0]
    assert engine.capacity.messages == 0


@pytest.mark.parametrize("name", ["DELAY", "PERIOD", "REPEAT", "CRON"])
def test_invalid_value_is_refused(engine: Engine, consumer: Party, name: str) -> None:
    with pytest.raises(RequestRefused, match=f"AMQ_SCHEDULED_{name}"):
        consumer.send("/queue/a", "x", **{f"AMQ_SCHEDULED_{name}": "soon"})
    assert engine.capacity.messages == 0


def test_scheduled_messages_count_for_the_limit(clock: FakeClock) -> None:
    engine = Engine(Policy(max_messages=2), clock=clock)
    one = party(engine)
    one.send("/queue/a", "1", "2", AMQ_SCHEDULED_DELAY="1000")
    with pytest.raises(RequestRefused, match="full"):
        one.send("/queue/a", "3", AMQ_SCHEDULED_DELAY="1000")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("* * * * *", "2026-03-14 15:10"),
        ("*/15 * * * *", "2026-03-14 15:15"),
        ("0 8-18/2 * * 1-5", "2026-03-16 08:00"),
        ("30 9 1,15 * *", "2026-03-15 09:30"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 0 13 * 5", "2026-03-20 00:00"),
        ("5 15 * * 0", "2026-03-15 15:05"),
        ("5 15 * * 7", "2026-03-15 15:05"),
    ],
)
def test_cron_entry_is_due(entry: str, expected: str) -> None:
    now = datetime(2026, 3, 14, 15, 9, 26)  # a Saturday
    assert datetime.fromtimestamp(Cron(entry).next(now.timestamp())) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "entry", ["* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "0 0 31 2 *"]
)
def test_invalid_cron_entry_is_refused(entry: str) -> None:
    with pytest.raises(RequestRefused):
        Cron(entry)


def test_broker_delivers_in_due_time() -> None:
    with Broker(dialect="activemq") as broker, RawClient(broker) as client:
        client.connect()
        client.send("SUBSCRIBE", id="1", destination="/queue/a")
        client.send("SEND", "later", destination="/queue/a", AMQ_SCHEDULED_DELAY="100")
        client.send("SEND", "now", destination="/queue/a")
        assert [client.expect("MESSAGE").body for _ in range(2)] == [b"now", b"later"]
