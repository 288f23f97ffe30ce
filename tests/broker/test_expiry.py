"""Messages with an expiry time."""

from __future__ import annotations

import gc

import pytest

from stomp.broker import Policy
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.testing import FakeClock
from tests.broker.party import Party, party


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.now = 1_700_000_000.0
    return clock


@pytest.fixture
def engine(clock: FakeClock) -> Engine:
    return Engine(Policy(max_messages=1000, dead_letter_after=3), name="test", clock=clock)


@pytest.fixture
def alice(engine: Engine) -> Party:
    return party(engine)


def test_expiration_is_milliseconds_to_live(engine: Engine, clock: FakeClock, alice: Party) -> None:
    alice.send("/queue/a", "short", expiration="500")
    alice.send("/queue/a", "long", expiration="5000")
    alice.send("/queue/a", "for ever")
    clock.now += 0.4
    assert engine.depth("/queue/a") == 3
    clock.now += 0.2
    assert engine.depth("/queue/a") == 2
    alice.subscribe("/queue/a")
    assert alice.bodies() == ["long", "for ever"]
    assert engine.expiry.dropped == 1
    assert (engine.capacity.messages, engine.capacity.bytes) == (0, 0)


def test_expires_is_a_moment_and_0_is_never(engine: Engine, clock: FakeClock, alice: Party) -> None:
    alice.send("/queue/a", "past", expires=str(round((clock.now - 1) * 1000)))
    alice.send("/queue/a", "future", expires=str(round((clock.now + 1) * 1000)))
    alice.send("/queue/a", "never", expires="0")
    assert engine.depth("/queue/a") == 2
    clock.now += 2
    assert engine.depth("/queue/a") == 1
    alice.subscribe("/queue/a")
    (message,) = alice.messages()
    assert message.body == b"never"
    assert message.headers["expires"] == "0"


def test_the_earlier_of_both_counts(engine: Engine, clock: FakeClock, alice: Party) -> None:
    later = str(round((clock.now + 10) * 1000))
    alice.send("/queue/a", "x", expiration="1000", expires=later)
    clock.now += 1
    assert engine.depth("/queue/a") == 0


def test_message_with_zero_ttl_is_delivered_at_once_or_never(engine: Engine, alice: Party) -> None:
    alice.send("/queue/a", "nobody listens", expiration="0")
    alice.subscribe("/queue/a")
    alice.send("/queue/a", "somebody listens", expiration="0")
    assert alice.bodies() == ["somebody listens"]


def test_expired_messages_do_not_change_the_order(engine: Engine, clock: FakeClock, alice: Party) -> None:
    for number in range(10):
        ttl = {} if number % 3 else {"expiration": str(100 + number)}
        alice.send("/queue/a", str(number), **ttl)
    clock.now += 1
    assert engine.depth("/queue/a") == 6
    alice.send("/queue/a", "last")
    alice.subscribe("/queue/a")
    assert alice.bodies() == ["1", "2", "4", "5", "7", "8", "last"]


def test_message_delivered_in_time_can_be_acknowledged(
    engine: Engine, clock: FakeClock, alice: Party
) -> None:
    alice.subscribe("/queue/a", ack="client")
    alice.send("/queue/a", "x", expiration="1000")
    (message,) = alice.messages()
    clock.now += 2
    assert engine.depth("/queue/a") == 1
    alice.ack(message)
    assert engine.depth("/queue/a") == 0
    assert engine.expiry.dropped == 0


@pytest.mark.parametrize("way", ["nack", "leave", "abort"])
def test_message_requeued_after_its_expiry_is_dropped(
    engine: Engine, clock: FakeClock, alice: Party, way: str
) -> None:
    bob = party(engine)
    alice.subscribe("/queue/a", ack="client-individual")
    bob.send("/queue/a", "x", expiration="1000")
    (message,) = alice.messages()
    if way == "abort":
        alice.do("BEGIN", "t")
        alice.ack(message, tx="t")
    clock.now += 2
    if way == "nack":
        alice.nack(message)
    else:
        alice.leave()
    assert engine.depth("/queue/a") == 0
    assert engine.expiry.dropped == 1
    assert engine.capacity.messages == 0


def test_requeued_message_expires_later(engine: Engine, clock: FakeClock, alice: Party) -> None:
    alice.subscribe("/queue/a", ack="client-individual", selector="a IS NULL")
    alice.send("/queue/a", "x", expiration="1000")
    assert len(alice.messages()) == 1
    alice.leave()
    assert engine.depth("/queue/a") == 1
    clock.now += 2
    assert engine.depth("/queue/a") == 0


def test_a_dead_letter_does_not_expire(engine: Engine, clock: FakeClock, alice: Party) -> None:
    alice.subscribe("/queue/a", ack="client-individual")
    alice.send("/queue/a", "x", expiration="1000")
    (message,) = alice.messages()
    alice.nack(message, requeue="false")
    clock.now += 2
    assert engine.depth("/queue/DLQ") == 1


def test_expiry_counts_from_send_in_a_transaction(engine: Engine, clock: FakeClock, alice: Party) -> None:
    alice.do("BEGIN", "t")
    alice.send("/queue/a", "x", tx="t", expiration="1000")
    clock.now += 2
    alice.do("COMMIT", "t")
    assert engine.depth("/queue/a") == 0
    assert engine.capacity.messages == 0


@pytest.mark.parametrize("headers", [{"expiration": "soon"}, {"expiration": "-1"}, {"expires": "1e9"}])
def test_invalid_expiry_is_refused(alice: Party, headers: dict[str, str]) -> None:
    with pytest.raises(RequestRefused, match="must be a number"):
        alice.send("/queue/a", "x", **headers)


def test_consumed_message_is_released_before_its_expiry(engine: Engine, alice: Party) -> None:
    alice.subscribe("/queue/a")
    for _ in range(5000):
        alice.send("/queue/a", "x", expiration="999999999999999999999999")
        alice.frames()
    gc.collect()
    assert len(engine.expiry._heap) < 1500
