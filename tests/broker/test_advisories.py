"""Advisory topics (ActiveMQ): connections and subscriptions are announced."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from stomp.core.frames.frame import Frame
from tests.broker.party import Party, party
from tests.broker.rawclient import RawClient

CONNECTION = "/topic/ActiveMQ.Advisory.Connection"
CONSUMER = "/topic/ActiveMQ.Advisory.Consumer."


@pytest.fixture(params=["activemq", "tolerant"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(name="test", dialect=dialect_by_name(request.param))


def watcher(engine: Engine, destination: str) -> Party:
    """A client with a subscription to this destination, which has read what there was before."""
    one = party(engine)
    one.subscribe(destination)
    one.frames()
    return one


def content(message: Frame) -> tuple[str, dict[str, Any]]:
    """The name and the fields of the body."""
    assert message.headers["type"] == "Advisory"
    assert message.headers["transformation"] == "jms-advisory-json"
    ((name, fields),) = json.loads(message.body).items()
    return name, fields


def test_connection_and_its_end_are_announced(engine: Engine) -> None:
    one = watcher(engine, CONNECTION)
    client = engine.open(one.version, "my-id", "alice")
    engine.close(client)
    added, removed = map(content, one.messages())
    assert added[0] == "ConnectionInfo"
    assert (added[1]["clientId"], added[1]["userName"], added[1]["password"]) == ("my-id", "alice", "")
    assert removed == (
        "RemoveInfo",
        {"objectId": {"@class": "ConnectionId", "value": added[1]["connectionId"]["value"]}},
    )


def test_subscription_and_its_end_are_announced(engine: Engine) -> None:
    one = watcher(engine, f"{CONSUMER}Queue.a.b")
    two, three = party(engine), party(engine)
    two.subscribe("/queue/a.b", selector="x = 1", **{"activemq.priority": "5", "activemq.exclusive": "true"})
    three.subscribe("/queue/a.b", **{"activemq.prefetchSize": "7"})
    three.subscribe("/queue/other", "2")
    two.unsubscribe()
    three.leave()
    messages = one.messages()
    assert [each.headers["consumerCount"] for each in messages] == ["1", "2", "1", "0"]
    assert {each.headers["destination"] for each in messages} == {f"{CONSUMER}Queue.a.b"}
    (_, first), (_, second), (name, removed), _ = map(content, messages)
    assert first["destination"] == {"@class": "ActiveMQQueue", "string": "a.b"}
    assert (first["selector"], first["priority"], first["exclusive"]) == ("x = 1", 5, True)
    assert second["prefetchSize"] == 7
    assert name == "RemoveInfo"
    assert removed["objectId"] == {"@class": "ConsumerId", **first["consumerId"]}


def test_new_subscription_gets_what_there_is(engine: Engine) -> None:
    two = party(engine)
    two.subscribe("/topic/a")
    two.subscribe("/queue/b", "2")
    one = party(engine)
    one.subscribe(f"{CONSUMER}>")
    assert [each.headers["destination"] for each in one.messages()] == [
        f"{CONSUMER}Topic.a",
        f"{CONSUMER}Queue.b",
    ]
    one.subscribe(CONNECTION, "2")
    infos = [content(each)[1] for each in one.messages()]
    assert len({each["connectionId"]["value"] for each in infos}) == 2


def test_parts_of_a_composite_subscription_are_announced(engine: Engine) -> None:
    one = watcher(engine, f"{CONSUMER}>")
    party(engine).subscribe("/queue/a,/topic/b,/temp-queue/c")
    assert [each.headers["destination"] for each in one.messages()] == [
        f"{CONSUMER}Queue.a",
        f"{CONSUMER}Topic.b",
    ]


def test_subscriptions_to_advisories_are_not_announced(engine: Engine) -> None:
    one = watcher(engine, f"{CONSUMER}>")
    two = watcher(engine, CONNECTION)
    two.leave()
    assert one.messages() == []


@pytest.mark.parametrize(("dialect", "count"), [("activemq", 1), ("tolerant", 0)])
def test_subscription_to_all_topics_gets_them_from_activemq_only(dialect: str, count: int) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one = watcher(engine, "/topic/>")
    party(engine).subscribe("/queue/a")
    assert len([each for each in one.messages() if "Consumer" in each.headers["destination"]]) == count


@pytest.mark.parametrize("dialect", ["rabbitmq", "artemis", "strict"])
def test_other_dialects_have_none(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one = party(engine)
    one.subscribe(CONNECTION)
    one.subscribe(f"{CONSUMER}Queue.a", "2")
    party(engine).subscribe("/queue/a")
    assert one.messages() == []


def test_other_kinds_of_advisories_are_reported(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "stomp.broker"):
        for number, name in enumerate(
            ["Connection", "Consumer.Queue.a", "Queue", "Queue", "SlowConsumer.Queue.a"]
        ):
            party(engine).subscribe(f"/topic/ActiveMQ.Advisory.{name}", str(number))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the destination '/topic/ActiveMQ.Advisory.Queue'",
        "the destination '/topic/ActiveMQ.Advisory.SlowConsumer.Queue.a'",
    ]


def test_full_broker_drops_advisories(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(Policy(max_messages=1), dialect=dialect_by_name("activemq"))
    one = watcher(engine, f"{CONSUMER}Queue.a")
    two = party(engine)
    two.send("/queue/b", "in the way")
    two.subscribe("/queue/a")
    assert "an advisory to" in caplog.text
    assert one.messages() == []
    engine.purge("/queue/b")
    two.unsubscribe()
    assert one.messages()[0].headers["consumerCount"] == "0"


def test_login_is_in_the_advisory() -> None:
    with Broker(dialect="activemq", users={"alice": "secret"}) as broker, RawClient(broker) as client:
        client.connect(login="alice", passcode="secret")
        client.send("SUBSCRIBE", id="1", destination=CONNECTION)
        name, fields = content(client.expect("MESSAGE"))
        assert (name, fields["userName"]) == ("ConnectionInfo", "alice")
        assert "secret" not in json.dumps(fields)
