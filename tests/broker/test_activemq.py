"""The dialect "activemq": errors, dead letters and headers as ActiveMQ Classic's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.core.frames.frame import Frame
from stomp.testing import FakeClock
from tests.broker.party import party, receipts
from tests.broker.rawclient import RawClient


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def engine(clock: FakeClock) -> Engine:
    return Engine(name="test", clock=clock, dialect=dialect_by_name("activemq"))


@pytest.fixture
def client() -> Iterator[RawClient]:
    with Broker(dialect="activemq") as broker, RawClient(broker) as client:
        assert client.connect().headers["server"].startswith("ActiveMQ/")
        yield client


def test_error_has_a_receipt_id_and_the_connection_stays_open(client: RawClient) -> None:
    client.send("COMMIT", transaction="none", receipt="1")
    client.expect("ERROR", receipt_id="1")
    client.send("BEGIN", transaction="t")
    client.send("BEGIN", transaction="t", receipt="2")
    client.expect("ERROR", receipt_id="2")
    client.send("SUBSCRIBE", id="1", destination="/queue/a", selector="(", receipt="3")
    client.expect("ERROR", receipt_id="3")
    client.send("SUBSCRIBE", id="1", destination="/queue/a", receipt="4")
    client.expect("RECEIPT", receipt_id="4")


def test_message_has_timestamp_priority_and_expires(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a")
    one.send("/queue/a", "x")
    one.send("/queue/a", "y", priority="9", expires="200000")
    first, second = (each.headers for each in one.messages())
    assert (first["timestamp"], first["priority"], first["expires"]) == ("100000", "4", "0")
    assert (second["priority"], second["expires"]) == ("9", "200000")


@pytest.mark.parametrize(("persistent", "kept"), [("true", 1), ("false", 0)])
def test_refused_message_is_dead_lettered_if_it_is_persistent(
    engine: Engine, persistent: str, kept: int
) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x", persistent=persistent)
    one.nack(*one.messages())
    assert one.messages() == []
    assert engine.depth("/queue/ActiveMQ.DLQ") == kept
    assert engine.depth("/queue/a") == 0


def test_policy_of_the_user_names_the_dead_letter_queue() -> None:
    engine = Engine(Policy(dead_letter_queue="/queue/mine"), dialect=dialect_by_name("activemq"))
    assert engine.policy.dead_letter_queue == "/queue/mine"


def test_nack_in_a_transaction_is_refused(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    with pytest.raises(RequestRefused):
        one.nack(message, tx="t")
    one.ack(message, tx="t")
    one.do("COMMIT", "t")
    assert engine.depth("/queue/a") == 0


def test_receipt_of_a_send_in_a_transaction_is_sent_at_once(engine: Engine) -> None:
    one = party(engine)
    one.do("BEGIN", "t")
    one.send("/queue/a", "x", tx="t", receipt="sent")
    assert receipts(one.frames()) == ["sent"]


def test_expiration_has_no_effect(engine: Engine, clock: FakeClock) -> None:
    one = party(engine)
    one.send("/queue/a", "x", expiration="1")
    one.send("/queue/b", "x", expires="100001")
    clock.advance(1.0)
    assert (engine.depth("/queue/a"), engine.depth("/queue/b")) == (1, 0)


def test_wrong_login_is_refused_in_the_words_of_activemq() -> None:
    with Broker(dialect="activemq", users={"a": "b"}) as broker, RawClient(broker) as client:
        client.send("CONNECT", accept_version="1.2", host="any", login="admin", passcode="c")
        assert client.frame().headers["message"] == "User name [admin] or password is invalid."


def test_composite_destination_gets_a_copy_each(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/topic/c", id="c")
    one.send("/queue/a,/queue/b,/topic/c", "x")
    assert engine.destinations() == {"/queue/a": 1, "/queue/b": 1, "/topic/c": 0}
    (message,) = one.messages()
    assert message.headers["destination"] == "/topic/c"


def test_queues_of_a_virtual_topic_get_its_messages(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/Consumer.A.VirtualTopic.Orders")
    two.subscribe("/queue/Consumer.B.VirtualTopic.Orders")
    one.send("/topic/VirtualTopic.Orders", "1")
    (message,) = one.messages()
    assert message.headers["destination"] == "/queue/Consumer.A.VirtualTopic.Orders"
    assert two.bodies() == ["1"]
    two.leave()
    one.send("/topic/VirtualTopic.Orders", "2")
    one.send("/topic/VirtualTopic.Other", "3")
    assert engine.depth("/queue/Consumer.B.VirtualTopic.Orders") == 1
    assert one.bodies() == ["2"]


def test_messages_of_a_group_go_to_one_consumer(engine: Engine) -> None:
    one, two, sender = party(engine), party(engine), party(engine)
    for each in (one, two):
        each.subscribe("/queue/a", ack="client-individual")
    for number in range(10):
        sender.send("/queue/a", str(number), JMSXGroupID=f"g{number % 2}")
    first, second = one.messages(), two.messages()
    assert [each.body for each in first] == [b"0", b"2", b"4", b"6", b"8"]
    assert len(second) == 5
    one.leave()
    assert two.bodies() == ["0", "2", "4", "6", "8"]


def test_full_consumer_of_a_group_does_not_delay_other_groups(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    for each in (one, two):
        each.subscribe("/queue/a", ack="client-individual", **{"activemq.prefetchSize": "1"})
    for group in "aaab":
        one.send("/queue/a", group, JMSXGroupID=group)
    assert (one.bodies(), two.bodies()) == (["a"], ["b"])
    assert engine.depth("/queue/a") == 4


def test_exclusive_consumer_gets_all_messages(engine: Engine) -> None:
    one, two, three = party(engine), party(engine), party(engine)
    one.subscribe("/queue/a")
    for each in (two, three):
        each.subscribe("/queue/a", **{"activemq.exclusive": "true"})
    one.send("/queue/a", *"1234")
    assert (one.bodies(), two.bodies(), three.bodies()) == ([], ["1", "2", "3", "4"], [])
    two.leave()
    one.send("/queue/a", "5")
    assert three.bodies() == ["5"]
    three.leave()
    one.send("/queue/a", "6")
    assert one.bodies() == ["6"]


def test_consumer_of_a_higher_priority_gets_messages_first(engine: Engine) -> None:
    low, high = party(engine), party(engine)
    low.subscribe("/queue/a", ack="client")
    high.subscribe("/queue/a", ack="client", **{"activemq.priority": "10", "activemq.prefetchSize": "2"})
    low.send("/queue/a", *"1234")
    assert (high.bodies(), low.bodies()) == (["1", "2"], ["3", "4"])
    with pytest.raises(RequestRefused, match=r"activemq\.priority"):
        low.subscribe("/queue/b", id="2", **{"activemq.priority": "high"})


@pytest.mark.parametrize("name", ["activemq.noLocal", "no-local"])
def test_own_messages_are_not_delivered_with_no_local(engine: Engine, name: str) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/topic/a", **{name: "true"})
    one.send("/topic/a", "mine")
    two.send("/topic/a", "other")
    assert one.bodies() == ["other"]


# ---------------------------------------------------------------------------------------------- several queues


def places(messages: list[Frame]) -> list[tuple[str, str]]:
    return [(each.headers["destination"], each.body.decode()) for each in messages]


@pytest.mark.parametrize("dialect", ["activemq", "tolerant"])
def test_pattern_gets_the_messages_of_all_queues_that_match(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one = party(engine)
    one.send("/queue/a.b", "1")
    one.send("/queue/a.b.c", "2")
    one.subscribe("/queue/a.*")
    one.send("/queue/a.c", "3")
    one.send("/queue/a", "4")
    assert places(one.messages()) == [("/queue/a.b", "1"), ("/queue/a.c", "3")]
    assert engine.destinations() == {"/queue/a.b.c": 1, "/queue/a": 1}
    one.subscribe("/queue/a.>", "2")
    assert sorted(places(one.messages())) == [("/queue/a", "4"), ("/queue/a.b.c", "2")]
    one.unsubscribe("1")
    one.unsubscribe("2")
    one.send("/queue/a.b", "5")
    assert one.messages() == []
    assert engine.destinations() == {"/queue/a.b": 1}
    assert (engine.capacity.queues, engine.capacity.matches) == (1, 0)


def test_pattern_shares_a_queue_with_other_consumers(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a.*", ack="client-individual")
    two.subscribe("/queue/a.b", ack="client-individual")
    one.send("/queue/a.b", "1", "2", "3", "4")
    first, second = one.messages(), two.messages()
    assert (len(first), len(second)) == (2, 2)
    two.leave()
    assert [each.headers["redelivered"] for each in one.messages()] == ["true", "true"]
    one.leave()
    three = party(engine)
    three.subscribe("/queue/a.b")
    assert sorted(three.bodies()) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("destination", ["/queue/a.*", "/queue/a.b,/queue/a.c"])
def test_window_is_of_all_queues_of_a_subscription(engine: Engine, destination: str) -> None:
    one = party(engine)
    one.subscribe(destination, ack="client-individual", **{"activemq.prefetchSize": "2"})
    for body in "123":
        one.send("/queue/a.b", f"b{body}")
        one.send("/queue/a.c", f"c{body}")
    seen: list[str] = []
    for _ in range(5):
        messages = one.messages()
        seen += [each.body.decode() for each in messages]
        one.ack(messages[0])
    seen += one.bodies()
    assert sorted(seen) == ["b1", "b2", "b3", "c1", "c2", "c3"]
    one.leave()
    assert sum(engine.destinations().values()) == 1


def test_cumulative_ack_covers_all_queues_of_a_subscription(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a,/queue/b", ack="client")
    one.send("/queue/a", "1")
    one.send("/queue/b", "2")
    one.send("/queue/a", "3")
    messages = one.messages()
    one.ack(messages[1])
    one.leave()
    assert engine.destinations() == {"/queue/a": 1}
    assert engine.capacity.messages == 1


def test_transaction_covers_several_queues(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a.*", ack="client", **{"activemq.prefetchSize": "2"})
    one.send("/queue/a.b", "1")
    one.send("/queue/a.c", "2", "3")
    messages = one.messages()
    one.do("BEGIN", "t")
    one.ack(messages[1], tx="t")
    assert one.bodies() == ["3"]
    one.do("ABORT", "t")
    one.unsubscribe()
    assert engine.destinations() == {"/queue/a.b": 1, "/queue/a.c": 2}


def test_composite_subscription_has_queues_and_topics(engine: Engine) -> None:
    one = party(engine)
    one.send("/queue/a", "kept")
    one.subscribe("/queue/a,/topic/b,/queue/c.*", selector="x = 1 OR x IS NULL")
    one.send("/topic/b", "1", x="1")
    one.send("/topic/b", "no", x="2")
    one.send("/queue/c.d", "2", x="1")
    one.send("/queue/c.d", "no", x="2")
    assert places(one.messages()) == [("/queue/a", "kept"), ("/topic/b", "1"), ("/queue/c.d", "2")]
    assert engine.destinations() == {"/queue/a": 0, "/queue/c.d": 1, "/topic/b": 0}
    one.unsubscribe()
    assert engine.destinations() == {"/queue/c.d": 1}
    assert engine._queues.total_cost == one.client.cost == 0


def test_message_that_is_refused_again_and_again_leaves_the_queue_of_a_pattern() -> None:
    engine = Engine(Policy(dead_letter_after=2))
    one = party(engine)
    one.subscribe("/queue/a.*", ack="client-individual")
    one.send("/queue/a.b", "x")
    for _ in range(2):
        one.nack(*one.messages())
    assert engine.destinations() == {"/queue/DLQ": 1}


def test_browser_gets_copies_of_all_queues(engine: Engine) -> None:
    one = party(engine)
    one.send("/queue/a.b", "1")
    one.send("/queue/a.c", "2")
    one.send("/queue/d", "3")
    one.subscribe("/queue/a.*", "1", browser="true")
    one.subscribe("/queue/d,/queue/a.*", "2", browser="true")
    one.send("/queue/a.e", "later")
    messages = one.messages()
    assert sorted(places([each for each in messages if each.headers["subscription"] == "1"])) == [
        ("/queue/a.*", ""),
        ("/queue/a.b", "1"),
        ("/queue/a.c", "2"),
    ]
    assert len(messages) == 3 + 4
    assert sum(engine.destinations().values()) == 4


def test_pattern_counts_for_the_limits() -> None:
    engine = Engine(Policy(max_cost=90, max_bytes=20_000))
    one = party(engine)
    for number in range(3):
        one.send(f"/queue/a.{number}", "x")
    one.subscribe("/queue/a.*", ack="client")
    one.subscribe("/queue/b.*", "2", ack="client")
    with pytest.raises(RequestRefused, match="cost too much"):
        one.subscribe("/queue/c.*", "3")
    assert engine.capacity.matches == 3
    used = engine.capacity.total_bytes
    one.leave()
    assert engine.capacity.total_bytes == used - 3 * 200
    many = Engine(Policy(max_bytes=8000))
    two = party(many)
    two.send("/queue/a.1", "x")
    two.send("/queue/a.2", "x" * 2000)
    with pytest.raises(RequestRefused, match="full"):
        for number in range(10):
            two.subscribe("/queue/a.*", str(number), ack="client")


def test_refused_composite_subscription_leaves_nothing() -> None:
    engine = Engine(Policy(max_bytes=4500), dialect=dialect_by_name("activemq"))
    one = party(engine)
    with pytest.raises(RequestRefused, match="full"):
        one.subscribe("/topic/a,/queue/b,/queue/c,/queue/d")
    with pytest.raises(RequestRefused, match="own connection"):
        one.subscribe("/topic/a,/queue/b,/remote-temp-queue/9-x")
    assert engine.destinations() == {}
    with pytest.raises(RequestRefused, match="one destination"):
        one.subscribe("/topic/a,/topic/b", durable="true")
    with pytest.raises(RequestRefused, match="cannot be durable"):
        one.subscribe("/topic/a,/queue/b", **{"activemq.subscriptionName": "n"})
    assert engine.destinations() == {}


def test_arguments_and_wildcards_exclude_each_other() -> None:
    engine = Engine()
    with pytest.raises(RequestRefused, match="cannot declare queues"):
        party(engine).subscribe("/queue/a.*", **{"x-max-length": "1"})
    party(engine).subscribe("/queue/a.#", **{"x-max-length": "1"})  # no wildcard in a queue


def test_queue_without_messages_is_removed_under_a_pattern(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/>", ack="client-individual")
    for number in range(100):
        one.send(f"/queue/{number}", "x")
    assert engine.capacity.queues == engine.capacity.matches == 100
    for message in one.messages():
        one.ack(message)
    assert engine.capacity.queues == engine.capacity.matches == 0
    assert engine.destinations() == {}
    auto = party(engine)
    one.unsubscribe()
    auto.subscribe("/queue/>")
    auto.client.blocked = True
    for number in range(100):
        auto.send(f"/queue/{number}", "x")
    auto.client.blocked = False
    engine.resume(auto.client)
    assert len(auto.messages()) == 100
    assert engine.destinations() == {}


@pytest.mark.parametrize("dialect", ["rabbitmq", "artemis", "strict"])
def test_other_dialects_have_no_patterns_of_queues(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one = party(engine)
    one.subscribe("/queue/a.*")
    one.send("/queue/a.b", "other")
    one.send("/queue/a.*", "this")
    assert one.bodies() == ["this"]


@pytest.mark.parametrize("dialect", ["rabbitmq", "strict"])
def test_other_dialects_have_no_composite_destinations_and_virtual_topics(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one = party(engine)
    one.subscribe("/queue/Consumer.A.VirtualTopic.X")
    one.send("/topic/VirtualTopic.X", "x")
    assert one.messages() == []
    one.unsubscribe()
    assert engine.destinations() == {}
