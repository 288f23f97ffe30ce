"""The dialect "artemis": errors, acknowledgements and duplicate detection as ActiveMQ Artemis's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.core.frames.versions import STOMP10
from tests.broker.party import party, receipts
from tests.broker.rawclient import RawClient


@pytest.fixture
def engine() -> Engine:
    return Engine(name="test", dialect=dialect_by_name("artemis"))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(dialect="artemis") as broker:
        yield broker


def test_every_error_ends_the_connection(broker: Broker) -> None:
    for command, headers in {
        "COMMIT": {"transaction": "none"},
        "ACK": {"id": "none"},
        "UNSUBSCRIBE": {"id": "none"},
    }.items():
        with RawClient(broker) as client:
            client.connect()
            client.send(command, receipt="1", **headers)
            client.expect("ERROR", receipt_id="1")
            client.expect_end()


def test_error_for_subscribe_has_no_receipt_id(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.connect()
        client.send("SUBSCRIBE", id="1", destination="/queue/a", selector="(", receipt="1")
        assert "receipt-id" not in client.expect("ERROR").headers
        client.expect_end()


def test_error_leaves_a_connection_of_1_0_open(broker: Broker) -> None:
    with RawClient(broker, version="1.0") as client:
        connected = client.connect()
        assert set(connected.headers) == {"session"}
        client.send("COMMIT", transaction="none", receipt="1")
        assert "committing" in client.expect("ERROR", receipt_id="1").headers["message"]
        client.sync()


def test_refused_message_is_discarded(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x")
    one.nack(*one.messages())
    assert one.messages() == []
    assert engine.destinations() == {"/queue/a": 0}


def test_ack_in_a_transaction_takes_effect_at_once(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    assert message.headers["ack"] == message.headers["message-id"]
    one.do("BEGIN", "t")
    one.ack(message, tx="t")
    one.do("ABORT", "t")
    assert engine.depth("/queue/a") == 0


def test_late_ack_after_unsubscribe_is_an_error(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.unsubscribe()
    with pytest.raises(RequestRefused):
        one.ack(message)
    assert engine.depth("/queue/a") == 1


@pytest.mark.parametrize("dialect", ["artemis", "tolerant"])
def test_duplicate_is_dropped_and_confirmed(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one = party(engine)
    for number in range(3):
        one.send("/queue/a", "x", _AMQ_DUPL_ID="same", receipt=str(number))
    one.send("/queue/b", "x", _AMQ_DUPL_ID="same")
    one.send("/queue/a", "x", _AMQ_DUPL_ID="other")
    assert receipts(one.frames()) == ["0", "1", "2"]
    assert engine.destinations() == {"/queue/a": 2, "/queue/b": 1}
    one.subscribe("/queue/b")
    assert [each.headers["_AMQ_DUPL_ID"] for each in one.messages()] == ["same"]


def test_refused_message_is_no_duplicate_when_it_is_sent_again() -> None:
    engine = Engine(Policy(max_messages=1), dialect=dialect_by_name("artemis"))
    one = party(engine)
    one.send("/queue/a", "in the way")
    with pytest.raises(RequestRefused, match="full"):
        one.send("/queue/a", "x", _AMQ_DUPL_ID="1")
    engine.purge("/queue/a")
    one.send("/queue/a", "x", _AMQ_DUPL_ID="1")
    assert engine.depth("/queue/a") == 1


def test_message_of_an_aborted_transaction_is_no_duplicate_when_it_is_sent_again(engine: Engine) -> None:
    one = party(engine)
    for ending in ("ABORT", "COMMIT", "COMMIT"):
        one.do("BEGIN", "t")
        one.send("/queue/a", "x", "x", tx="t", _AMQ_DUPL_ID="1")
        one.do(ending, "t")
        assert engine.depth("/queue/a") == (0 if ending == "ABORT" else 1)
    engine.purge("/queue/a")
    assert engine.capacity.messages == engine.capacity.bytes == 0


@pytest.mark.parametrize("dialect", ["rabbitmq", "activemq"])
def test_duplicates_are_kept_by_other_brokers(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    for _ in range(2):
        party(engine).send("/queue/a", "x", _AMQ_DUPL_ID="same")
    assert engine.depth("/queue/a") == 2


def test_content_length_depends_on_the_version(engine: Engine) -> None:
    old, new = party(engine, STOMP10), party(engine)
    old.subscribe("/topic/a", id=None)
    new.subscribe("/topic/a")
    new.send("/topic/a", "")
    assert "content-length" not in new.messages()[0].headers
    assert "content-length" in old.messages()[0].headers


def test_messages_of_a_higher_priority_are_delivered_first(engine: Engine) -> None:
    one = party(engine)
    for priority in ("0", "9", "4"):
        one.send("/queue/a", priority, priority=priority)
    one.send("/queue/a", "none")
    one.subscribe("/queue/a")
    assert one.bodies() == ["9", "4", "none", "0"]


def test_message_has_the_headers_of_artemis(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/topic/a", id="1")
    one.subscribe("/queue/a", id="2")
    one.send("/topic/a", "x")
    one.send("/queue/a", "x")
    topic, queue = (each.headers for each in one.messages())
    assert (topic["destination-type"], queue["destination-type"]) == ("MULTICAST", "ANYCAST")
    assert (topic["priority"], topic["expires"], topic["persistent"]) == ("4", "0", "false")


@pytest.mark.parametrize("dialect", ["artemis", "tolerant"])
def test_queue_of_an_address_is_shared_and_kept(dialect: str) -> None:
    engine = Engine(dialect=dialect_by_name(dialect))
    one, two = party(engine), party(engine)
    one.subscribe("/topic/a::q")
    two.subscribe("/topic/a::q")
    one.send("/topic/a", "1", "2")
    assert (one.bodies(), two.bodies()) == (["1"], ["2"])
    two.leave()
    one.send("/topic/a::q", "direct")
    (message,) = one.messages()
    assert message.headers["destination"] == "/topic/a::q"
    one.unsubscribe()
    one.send("/topic/a", "kept")
    one.subscribe("/topic/a::q")
    (message,) = one.messages()
    assert (message.body, message.headers["destination"]) == (b"kept", "/topic/a")


def test_queue_of_an_anycast_address_is_a_queue(engine: Engine) -> None:
    one = party(engine)
    one.send("/queue/a::b", "x")
    one.subscribe("/queue/a::b")
    assert one.bodies() == ["x"]
    assert engine.destinations() == {"/queue/b": 0}


def test_message_is_dead_lettered_after_ten_deliveries(engine: Engine) -> None:
    party(engine).send("/queue/a", "x")
    for number in range(10):
        assert engine.depth("/queue/DLQ") == 0
        one = party(engine)
        one.subscribe("/queue/a", ack="client")
        (message,) = one.messages()
        assert message.headers["redelivered"] == ("true" if number else "false")
        one.leave()
    assert engine.destinations() == {"/queue/DLQ": 1}
    one = party(engine)
    one.subscribe("/queue/DLQ")
    (message,) = one.messages()
    assert message.headers["_AMQ_ORIG_ADDRESS"] == message.headers["_AMQ_ORIG_QUEUE"] == "a"
    assert engine.capacity.messages == 0
