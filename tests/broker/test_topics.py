"""Wildcards and durable subscriptions."""

from __future__ import annotations

import pytest

from stomp.broker import Policy
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.broker.wildcards import MAX_WORDS
from stomp.core.frames.versions import STOMP12
from tests.broker.party import Party, party


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/topic/a.*", ["a.b", "a.*"], ["a", "a.b.c", "b.a", "ab"]),
        ("/topic/*.b", ["a.b", ".b"], ["b", "a.a.b"]),
        ("/topic/*", ["a", ""], ["a.b"]),
        ("/topic/a.*.c", ["a.b.c", "a..c"], ["a.c", "a.b.b.c"]),
        ("/topic/a.#", ["a", "a.b", "a.b.c"], ["ab", "b"]),
        ("/topic/a.>", ["a", "a.b", "a.b.c"], ["ab", "b"]),
        ("/topic/#", ["a", "a.b.c"], []),
        ("/topic/>", ["a", "a.b.c"], []),
        ("/topic/#.c", ["c", "a.c", "a.b.c"], ["a.c.b"]),
        ("/topic/a.#.c", ["a.c", "a.b.c", "a.b.b.c", "a.c.c"], ["a", "a.b"]),
        ("/topic/#.b.#", ["b", "a.b", "b.c", "a.b.c"], ["a.c"]),
        ("/topic/a.>.c", ["a.>.c"], ["a.b.c"]),
        ("/topic/a*", ["a*"], ["ab"]),
        ("/topic/x/a.*", ["x/a.b"], ["a.b", "x/a", "y/a.b"]),
    ],
)
def test_wildcards_match_topics(engine: Engine, pattern: str, yes: list[str], no: list[str]) -> None:
    alice, bob = party(engine), party(engine)
    alice.subscribe(pattern)
    for name in [*yes, *no]:
        bob.send(f"/topic/{name}", name)
    messages = alice.messages()
    assert [message.body.decode() for message in messages] == yes
    assert [message.headers["destination"] for message in messages] == [f"/topic/{name}" for name in yes]
    alice.leave()
    assert engine.destinations() == {}


def test_each_subscription_gets_its_copy(engine: Engine) -> None:
    alice = party(engine)
    for number, name in enumerate(["a.b", "a.*", "#", "a.b"]):
        alice.subscribe(f"/topic/{name}", str(number))
    alice.send("/topic/a.b", "x")
    assert sorted(message.headers["subscription"] for message in alice.messages()) == list("0123")
    alice.unsubscribe("1")
    alice.send("/topic/a.b", "x")
    assert len(alice.messages()) == 3


def test_many_wildcards_take_no_time_and_too_many_are_refused(engine: Engine) -> None:
    alice = party(engine)
    alice.subscribe("/topic/" + ".".join(["#", "a"] * (MAX_WORDS // 2 - 1)))
    alice.send("/topic/" + ".".join(["a"] * (MAX_WORDS - 1) + ["b"]), "x")
    assert alice.messages() == []
    with pytest.raises(RequestRefused, match="words"):
        alice.send("/topic/" + ".".join(["a"] * (MAX_WORDS + 1)), "x")
    with pytest.raises(RequestRefused, match="words"):
        alice.subscribe("/topic/" + ".".join(["#"] * (MAX_WORDS + 1)), "2")


# ------------------------------------------------------------------------------------- durable subscriptions

RABBIT = {"durable": "true", "auto_delete": "false"}
CLASSIC = {"activemq.subscriptionName": "news"}

both = pytest.mark.parametrize("way", [RABBIT, CLASSIC], ids=["rabbitmq", "activemq"])


def enter(engine: Engine, client_id: str | None = "me") -> Party:
    found = party(engine)
    found.leave()
    found.client = engine.open(STOMP12, client_id)
    return found


@both
def test_durable_subscription_keeps_messages_sent_meanwhile(engine: Engine, way: dict[str, str]) -> None:
    bob = party(engine)
    alice = enter(engine)
    alice.subscribe("/topic/a", "news", ack="client-individual", **way)
    bob.send("/topic/a", "1", "2")
    first, _ = alice.messages()
    alice.ack(first)
    alice.leave()
    bob.send("/topic/a", "3")
    assert engine.depth("/topic/a") == 2
    alice = enter(engine)
    alice.subscribe("/topic/a", "news", **way)
    two, three = alice.messages()
    assert (two.body, two.headers["redelivered"]) == (b"2", "true")
    assert (three.body, three.headers["redelivered"]) == (b"3", "false")
    assert engine.depth("/topic/a") == 0


@both
def test_durable_subscription_with_wildcards_and_selector_works(engine: Engine, way: dict[str, str]) -> None:
    bob, alice = party(engine), enter(engine)
    durable_key = {**way, "selector": "color = 'red'"}
    alice.subscribe("/topic/a.*", "news", **durable_key)
    alice.leave()
    bob.send("/topic/a.b", "red", color="red")
    bob.send("/topic/a.b", "blue", color="blue")
    assert engine.depth("/topic/a.*") == 1
    alice = enter(engine)
    alice.subscribe("/topic/a.*", "news", **durable_key)
    assert alice.bodies() == ["red"]


def test_durable_subscription_of_rabbitmq_is_deleted(engine: Engine) -> None:
    alice = enter(engine)
    alice.subscribe("/topic/a", "news", **RABBIT)
    alice.unsubscribe("news")
    assert "/topic/a" in engine.destinations()
    alice.subscribe("/topic/a", "news", **RABBIT)
    alice.unsubscribe("news", durable="true", auto_delete="false")
    assert engine.destinations() == {}


def test_durable_subscription_of_activemq_is_deleted(engine: Engine) -> None:
    alice = enter(engine)
    alice.subscribe("/topic/a", "1", **CLASSIC)
    with pytest.raises(RequestRefused, match="in use"):
        alice.unsubscribe("other", **CLASSIC)
    alice.unsubscribe("1")
    alice.send("/topic/a", "x")
    alice.unsubscribe("1", **CLASSIC)
    assert engine.destinations() == {}
    assert engine.capacity.messages == 0
    alice.subscribe("/topic/a", "1", **CLASSIC)
    alice.unsubscribe("1", **CLASSIC)
    assert engine.destinations() == {}
    with pytest.raises(RequestRefused, match="no such subscription"):
        alice.unsubscribe("1", **CLASSIC)


def test_durable_subscription_of_activemq_belongs_to_one_connection(engine: Engine) -> None:
    alice, bob = enter(engine), enter(engine)
    alice.subscribe("/topic/a", "1", **CLASSIC)
    with pytest.raises(RequestRefused, match="in use"):
        bob.subscribe("/topic/a", "1", **CLASSIC)
    other = enter(engine, "you")
    other.subscribe("/topic/a", "1", **CLASSIC)
    other.send("/topic/a", "x")
    assert (alice.bodies(), other.bodies()) == (["x"], ["x"])


def test_durable_subscription_of_rabbitmq_is_shared(engine: Engine) -> None:
    alice, bob = enter(engine), enter(engine)
    for each in (alice, bob):
        each.subscribe("/topic/a", "news", **RABBIT)
    alice.send("/topic/a", "1", "2")
    assert sorted(alice.bodies() + bob.bodies()) == ["1", "2"]
    alice.unsubscribe("news", durable="true")
    bob.send("/topic/a", "3")
    assert bob.bodies() == ["3"]


def test_durable_name_needs_a_client_id(engine: Engine) -> None:
    with pytest.raises(RequestRefused, match="client-id"):
        enter(engine, None).subscribe("/topic/a", "1", **CLASSIC)


def test_auto_delete_is_not_durable(engine: Engine) -> None:
    alice = enter(engine)
    alice.subscribe("/topic/a", "news", durable="true", auto_delete="true")
    alice.leave()
    assert engine.destinations() == {}


@pytest.mark.parametrize("change", [("/topic/b", {}), ("/topic/a", {"selector": "x = '1'"})])
def test_changed_topic_or_selector_starts_a_new_durable_subscription(
    engine: Engine, change: tuple[str, dict[str, str]]
) -> None:
    alice = enter(engine)
    alice.subscribe("/topic/a", "1", **CLASSIC)
    alice.leave()
    bob = party(engine)
    bob.send("/topic/a", "old")
    alice = enter(engine)
    topic, headers = change
    alice.subscribe(topic, "1", **CLASSIC, **headers)
    assert engine.destinations() == {topic: 0}
    assert engine.capacity.messages == 0
    bob.send(topic, "new", x="1")
    assert alice.bodies() == ["new"]


def test_changed_selector_of_a_shared_subscription_is_refused(engine: Engine) -> None:
    enter(engine).subscribe("/topic/a", "news", **RABBIT)
    with pytest.raises(RequestRefused, match="another selector"):
        enter(engine).subscribe("/topic/a", "news", selector="x = '1'", **RABBIT)


def test_durable_subscriptions_are_limited() -> None:
    engine = Engine(Policy(max_durable=2))
    alice = enter(engine)
    for number in range(2):
        alice.subscribe("/topic/a", str(number), **RABBIT)
    with pytest.raises(RequestRefused, match="2 durable"):
        alice.subscribe("/topic/a", "3", **RABBIT)
