"""Subscriptions with a selector."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stomp.broker.engine import Engine
from stomp.broker.selector import Selector
from stomp.broker.store import RequestRefused
from stomp.testing import FakeClock
from tests.broker.party import party


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


RED, BLUE = "color = 'red'", "color = 'blue'"


def test_queue_keeps_messages_that_a_selector_excludes(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/queue/a", selector=RED)
    for color in ("blue", "red", "green", "red"):
        alice.send("/queue/a", color, color=color)
    assert alice.bodies() == ["red", "red"]
    assert engine.depth("/queue/a") == 2
    bob = party(engine)
    bob.subscribe("/queue/a", selector=BLUE)
    assert bob.bodies() == ["blue"]
    carol = party(engine)
    carol.subscribe("/queue/a")
    assert carol.bodies() == ["green"]
    assert engine.depth("/queue/a") == 0


def test_topic_drops_messages_that_a_selector_excludes(engine: Engine) -> None:
    alice, bob = party(engine), party(engine)
    alice.subscribe("/topic/a", selector=RED)
    bob.subscribe("/topic/a")
    alice.send("/topic/a", "blue", color="blue")
    alice.send("/topic/a", "red", color="red")
    assert (alice.bodies(), bob.bodies()) == (["red"], ["blue", "red"])
    assert engine.capacity.messages == 0


def test_order_is_kept_when_messages_are_requeued(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/queue/a", ack="client-individual", selector=RED, prefetch_count=2)
    for number in range(8):
        color = "red" if number % 2 else "blue"
        alice.send("/queue/a", str(number), color=color)
    assert alice.bodies() == ["1", "3"]
    alice.leave()
    bob = party(engine)
    bob.subscribe("/queue/a")
    assert bob.bodies() == [str(number) for number in range(8)]


def test_matching_messages_further_behind_are_delivered(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/queue/a", ack="client", selector=RED, prefetch_count=1)
    for body, color in (("1", "red"), ("2", "blue"), ("3", "red"), ("4", "blue"), ("5", "red")):
        alice.send("/queue/a", body, color=color)
    for body in ("1", "3", "5"):
        (message,) = alice.messages()
        assert message.body.decode() == body
        alice.ack(message)
    assert alice.messages() == []
    assert engine.depth("/queue/a") == 2
    alice.unsubscribe()
    alice.subscribe("/queue/a")
    assert alice.bodies() == ["2", "4"]


def test_rejected_message_goes_to_another_matching_consumer(engine: Engine) -> None:
    alice, bob, carol = party(engine), party(engine), party(engine)
    alice.subscribe("/queue/a", ack="client-individual", selector=RED)
    bob.subscribe("/queue/a", ack="client-individual", selector=BLUE)
    alice.send("/queue/a", "x", color="red")
    (message,) = alice.messages()
    carol.subscribe("/queue/a", ack="client-individual")
    alice.nack(message)
    assert (alice.bodies(), bob.bodies(), carol.bodies()) == ([], [], ["x"])


@pytest.mark.parametrize("destination", ["/queue/a", "/topic/a"])
def test_invalid_selector_is_refused(engine: Engine, destination: str) -> None:
    alice = party(engine)
    with pytest.raises(RequestRefused, match="the selector cannot be read") as caught:
        alice.subscribe(destination, selector="color = ")
    assert "the end" in caught.value.detail
    assert engine.destinations() == {}


def test_empty_selector_matches_everything(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/queue/a", selector=" ")
    alice.send("/queue/a", "x")
    assert alice.bodies() == ["x"]


def test_unmatched_messages_are_not_tested_for_each_acknowledgement(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/queue/a", ack="client-individual", selector=RED, prefetch_count=1)
    (consumer,) = alice.client.consumers.values()
    wanted, looked = consumer.selector, list[Mapping[str, str]]()
    assert wanted is not None

    class Counted(Selector):
        def __call__(self, headers: Mapping[str, str]) -> bool:
            looked.append(headers)
            return super().__call__(headers)

    consumer.selector = Counted(wanted._expression, wanted.cost)
    alice.send("/queue/a", *map(str, range(100)), color="blue")
    alice.send("/queue/a", *map(str, range(10)), color="red")
    looked.clear()
    for number in range(10):
        (message,) = alice.messages()
        assert message.body.decode() == str(number)
        alice.ack(message)
    assert len(looked) < 50
    bob = party(engine)
    bob.subscribe("/queue/a")
    assert bob.bodies() == list(map(str, range(100)))


def test_unmatched_messages_expire(clock: FakeClock) -> None:
    engine = Engine(clock=clock)
    alice, bob = party(engine), party(engine)
    alice.subscribe("/queue/a", selector=RED)
    alice.send("/queue/a", "1", "3", color="blue", expiration="1000")
    alice.send("/queue/a", "2", color="blue")
    clock.now += 2
    assert engine.depth("/queue/a") == 1
    alice.send("/queue/a", "4", color="red")
    bob.subscribe("/queue/a")
    assert (alice.bodies(), bob.bodies()) == (["4"], ["2"])
    assert engine.destinations() == {"/queue/a": 0}
    assert engine.capacity.messages == 0


def test_unmatched_messages_end_with_their_temporary_queue(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/temp-queue/a", selector=RED)
    alice.send("/temp-queue/a", "x", color="blue")
    assert engine.capacity.messages == 1
    alice.leave()
    assert (engine.capacity.messages, engine.destinations()) == (0, {})
