"""Retroactive subscriptions (ActiveMQ): they get the last messages of a topic."""

from __future__ import annotations

import logging

import pytest

from stomp.broker import Policy
from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from tests.broker.party import party

RETROACTIVE = {"activemq.retroactive": "true"}


@pytest.fixture(params=["activemq", "tolerant"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(Policy(max_retroactive=3), dialect=dialect_by_name(request.param))


def test_last_messages_are_delivered_in_order_before_new_ones(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.send("/topic/a", *"12345")
    two.subscribe("/topic/a")
    one.subscribe("/topic/a", **RETROACTIVE)
    one.send("/topic/a", "6")
    messages = one.messages()
    assert [each.body for each in messages] == [b"3", b"4", b"5", b"6"]
    assert {each.headers["redelivered"] for each in messages} == {"false"}
    assert two.bodies() == ["6"]


def test_selectors_wildcards_and_durable_subscriptions(engine: Engine) -> None:
    one = party(engine)
    for number in "12":
        one.send("/topic/a.b", f"b{number}", k=number)
        one.send("/topic/a.c", f"c{number}", k=number)
    one.subscribe("/topic/a.*", "1", selector="k > 1", **RETROACTIVE)
    assert sorted(one.bodies()) == ["b2", "c2"]
    one.client.client_id = "me"
    one.subscribe("/topic/a.b", "2", **{**RETROACTIVE, "activemq.subscriptionName": "n"})
    assert one.bodies() == ["b1", "b2"]
    one.unsubscribe("2")
    one.subscribe("/topic/a.b", "2", **{**RETROACTIVE, "activemq.subscriptionName": "n"})
    assert one.bodies() == []  # it has had them


def test_own_messages_are_not_delivered_with_no_local(engine: Engine) -> None:
    one = party(engine)
    one.send("/topic/a", "mine")
    party(engine).send("/topic/a", "other")
    one.subscribe("/topic/a", **{**RETROACTIVE, "activemq.noLocal": "true"})
    assert one.bodies() == ["other"]


def test_kept_messages_have_a_limit() -> None:
    engine = Engine(Policy(max_retroactive=100, max_bytes=40_000), dialect=dialect_by_name("activemq"))
    one = party(engine)
    for number in range(50):
        one.send(f"/topic/{number % 5}", "x" * 100)
        assert engine.capacity.bytes <= 10_000
    one.subscribe("/topic/>", **RETROACTIVE)
    assert len(one.messages()) > 3
    assert engine.capacity.messages == 0


def test_without_the_policy_it_is_reported_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(dialect=dialect_by_name("activemq"))
    one = party(engine)
    one.send("/topic/a", "x")
    with caplog.at_level(logging.WARNING, "stomp.broker"):
        one.subscribe("/topic/a", **RETROACTIVE)
    assert one.messages() == []
    assert "'activemq.retroactive' of SUBSCRIBE has no effect" in caplog.text
    assert engine.capacity.bytes == 0
    with pytest.raises(ValueError, match="max_retroactive must be at least 0"):
        Policy(max_retroactive=-1)
