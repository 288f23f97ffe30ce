"""The dialect "rabbitmq": destinations, errors, receipts and queues as RabbitMQ's."""

from __future__ import annotations

import logging
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
    return Engine(Policy(chunk=10**7), name="test", clock=clock, dialect=dialect_by_name("rabbitmq"))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(dialect="rabbitmq", users={"guest": "guest"}) as broker:
        yield broker


@pytest.fixture
def client(broker: Broker) -> Iterator[RawClient]:
    with RawClient(broker) as client:
        client.connect(login="guest", passcode="guest")
        yield client


def error(client: RawClient) -> Frame:
    """The next frame, which must be an ERROR without receipt-id, after which the connection is usable."""
    frame = client.expect("ERROR")
    assert "receipt-id" not in frame.headers
    client.sync()
    return frame


def test_unknown_destination_is_an_error_and_the_connection_stays_open(client: RawClient) -> None:
    client.send("SEND", "x", destination="/nonsense/x", receipt="1")
    assert error(client).headers["message"] == "Unknown destination"


@pytest.mark.parametrize("destination", ["/queue/a/b", "/topic/a/b", "/queue/"])
def test_name_with_a_slash_is_an_error(client: RawClient, destination: str) -> None:
    client.send("SUBSCRIBE", id="1", destination=destination)
    assert error(client).headers["message"] == "Invalid destination"
    client.send("SUBSCRIBE", id="1", destination="/queue/a", receipt="1")
    client.expect("RECEIPT", receipt_id="1")


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_unknown_exchange_ends_the_connection(client: RawClient, command: str) -> None:
    client.send(command, id="1", destination="/exchange/none/key")
    assert client.expect("ERROR").headers["message"] == "not_found"
    client.expect_end()


def test_frames_that_break_rules_leave_the_connection_open(client: RawClient) -> None:
    client.send("NONSENSE", receipt="1")
    assert "NONSENSE" in error(client).headers["message"]
    client.send("SEND", "x")
    assert "destination" in error(client).headers["message"]
    client.send("COMMIT", transaction="none")
    assert "transaction" in error(client).headers["message"]
    client.send("UNSUBSCRIBE", id="none")
    assert "subscription" in error(client).headers["message"]
    client.send("ACK", id="none")
    error(client)


def test_duplicate_subscription_ends_the_connection(client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a")
    client.send("SUBSCRIBE", id="1", destination="/queue/b")
    client.expect("ERROR")
    client.expect_end()


@pytest.mark.parametrize(("host", "accepted"), [("/", True), ("other", False), (None, True)])
def test_virtual_host_is_checked(broker: Broker, host: str | None, accepted: bool) -> None:
    with RawClient(broker) as client:
        named = {} if host is None else {"host": host}
        client.send("CONNECT", accept_version="1.1", login="guest", passcode="guest", **named)
        frame = client.frame()
        assert (frame.command == "CONNECTED") == accepted
        if not accepted:
            assert frame.body == b"Virtual host 'other' access denied"


def test_server_is_named_as_in_rabbitmq(broker: Broker) -> None:
    with RawClient(broker) as client:
        connected = client.connect(login="guest", passcode="guest", heart_beat="10,10")
    assert connected.headers["server"].startswith("RabbitMQ/")
    assert connected.headers["heart-beat"] == "1000,1000"


def test_receipt_of_a_send_in_a_transaction_follows_that_of_the_commit(engine: Engine) -> None:
    one = party(engine)
    one.do("BEGIN", "t")
    one.send("/queue/a", "x", tx="t", receipt="sent")
    assert receipts(one.frames()) == []
    one.do("COMMIT", "t", receipt="done")
    assert receipts(one.frames()) == ["done", "sent"]


def test_abort_sends_no_receipt_of_a_send(engine: Engine) -> None:
    one = party(engine)
    one.do("BEGIN", "t")
    one.send("/queue/a", "x", tx="t", receipt="sent")
    one.do("ABORT", "t", receipt="done")
    assert receipts(one.frames()) == ["done"]


def test_ack_in_a_transaction_is_confirmed_at_once(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.ack(message, tx="t", receipt="acked")
    assert receipts(one.frames()) == ["acked"]


def test_ack_equals_message_id_and_differs_for_each_delivery(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client", id="7")
    one.send("/queue/a", "x")
    (first,) = one.messages()
    assert first.headers["ack"] == first.headers["message-id"]
    assert first.headers["message-id"].startswith("T_7@@session-")
    one.nack(first)
    (again,) = one.messages()
    assert again.headers["ack"] not in ("", first.headers["ack"])


def test_refused_message_comes_back_without_limit(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    for _ in range(20):
        one.nack(*one.messages())
    one.nack(*one.messages(), requeue="false")
    assert one.messages() == []
    assert engine.destinations() == {"/queue/a": 0}


def test_unacknowledged_messages_stay_with_the_connection_after_unsubscribe(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.unsubscribe()
    two.subscribe("/queue/a")
    assert two.messages() == []
    with pytest.raises(RequestRefused):
        one.ack(message)
    assert engine.depth("/queue/a") == 1
    one.leave()
    assert two.bodies() == ["x"]
    assert engine.capacity.messages == 0


def test_all_messages_are_delivered_without_prefetch_count(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *map(str, range(1500)))
    assert len(one.messages()) == 1500


def test_content_length_is_left_out_of_an_empty_message(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a")
    one.send("/queue/a", "", "x")
    assert ["content-length" in each.headers for each in one.messages()] == [False, True]


def test_unsupported_headers_are_reported_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    one = party(engine)
    with caplog.at_level(logging.WARNING):
        for id in "12":
            one.subscribe("/queue/a", id=id, selector="a = 1", **{"activemq.prefetchSize": "1"})
        one.send("/queue/a", "x", AMQ_SCHEDULED_DELAY="1", expires="1")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 4
    for name in ("selector", "activemq.prefetchSize", "AMQ_SCHEDULED_DELAY", "expires"):
        assert sum(name in text for text in texts) == 1
    assert one.bodies() == ["x"]


def test_prefetch_count_limits_the_unacknowledged_messages(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client", prefetch_count="2")
    one.send("/queue/a", *"123")
    assert one.bodies() == ["1", "2"]
