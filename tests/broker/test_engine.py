"""The rules of the engine, without I/O: destinations, deliveries, acknowledgement, closed connections."""

from __future__ import annotations

import pytest

from stomp.broker.engine import Engine
from stomp.broker.store import RequestRefused
from stomp.core.frames import commands
from stomp.core.frames.versions import STOMP10, STOMP11, STOMP12, Version
from tests.broker.party import party, receipts

# ---------------------------------------------------------------------------------------------- queues, topics


@pytest.mark.parametrize("name", ["/queue/a", "plain", "/exchanges/x/y", "/temp"])
def test_a_queue_keeps_messages_until_there_is_a_consumer(engine: Engine, name: str) -> None:
    sender, reader = party(engine), party(engine)
    sender.send(name, "1", "2", "3")
    assert engine.depth(name) == 3
    reader.subscribe(name)
    assert reader.bodies() == ["1", "2", "3"]
    assert engine.depth(name) == 0


def test_each_message_of_a_queue_goes_to_one_consumer_in_turn(engine: Engine) -> None:
    sender, *readers = party(engine), party(engine), party(engine), party(engine)
    for reader in readers:
        reader.subscribe("/queue/a")
    sender.send("/queue/a", *"123456")
    assert [reader.bodies() for reader in readers] == [["1", "4"], ["2", "5"], ["3", "6"]]


def test_two_subscriptions_of_one_connection_share_a_queue(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "x")
    one.subscribe("/queue/a", "y")
    one.send("/queue/a", "1", "2")
    assert [(m.headers["subscription"], m.body) for m in one.messages()] == [("x", b"1"), ("y", b"2")]


def test_a_topic_gives_a_copy_to_each_current_subscriber(engine: Engine) -> None:
    sender, early, late = party(engine), party(engine), party(engine)
    sender.send("/topic/t", "nobody")
    early.subscribe("/topic/t")
    sender.send("/topic/t", "one")
    late.subscribe("/topic/t")
    sender.send("/topic/t", "two")
    assert early.bodies() == ["one", "two"]
    assert late.bodies() == ["two"]
    assert engine.capacity.messages == 0


def test_copies_of_a_topic_have_different_ids(engine: Engine) -> None:
    # In STOMP 1.0 an ACK has only the message-id.
    one = party(engine, STOMP10)
    one.subscribe("/topic/t", "x", ack="client")
    one.subscribe("/topic/t", "y", ack="client")
    one.send("/topic/t", "1")
    first, second = one.messages()
    assert first.headers["message-id"] != second.headers["message-id"]
    one.ack(second)
    assert engine.depth("/topic/t") == 1
    one.ack(first)
    assert engine.depth("/topic/t") == 0


def test_messages_of_an_ended_topic_subscription_are_dropped(engine: Engine) -> None:
    sender, reader = party(engine), party(engine)
    reader.subscribe("/topic/t", ack="client", prefetch_count=1)
    sender.send("/topic/t", "1", "2", "3")
    assert engine.depth("/topic/t") == 3
    reader.leave()
    assert engine.depth("/topic/t") == 0
    assert engine.capacity.messages == engine.capacity.bytes == 0
    assert engine.destinations() == {}


def test_empty_queues_are_removed(engine: Engine) -> None:
    reader = party(engine)
    reader.subscribe("/queue/a")
    assert engine.destinations() == {"/queue/a": 0}
    reader.unsubscribe()
    assert engine.destinations() == {}


def test_an_empty_destination_is_refused(engine: Engine) -> None:
    one = party(engine)
    with pytest.raises(RequestRefused, match="empty"):
        one.send("", "x")
    with pytest.raises(RequestRefused, match="empty"):
        one.subscribe("")


# ---------------------------------------------------------------------------------------------- MESSAGE frames


def test_message_has_its_headers(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "sub", ack="client")
    headers = {"content-type": "text/plain", "colour": "red", "receipt": "r", "transaction": None}
    one.send("/queue/a", "hé", **headers)
    receipt, message = one.frames()
    assert receipt.headers == {"receipt-id": "r"}
    assert message.body == "hé".encode()
    message_id, ack = message.headers.pop("message-id"), message.headers.pop("ack")
    assert message_id.startswith("test-")
    assert ack != message_id  # they differ, so that a client that confuses them is noticed
    assert message.headers == {
        "destination": "/queue/a",
        "subscription": "sub",
        "content-length": "3",
        "redelivered": "false",
        "content-type": "text/plain",
        "colour": "red",
    }


@pytest.mark.parametrize(
    "name", ["message-id", "subscription", "ack", "redelivered", "receipt-id", "content-length", "receipt"]
)
def test_sender_cannot_set_server_headers(engine: Engine, name: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "real")
    frame = commands.send("/queue/a", b"body")
    frame.headers[name] = "forged"
    engine.handle(one.client, frame)
    (message,) = one.messages()
    assert "forged" not in message.headers.values()
    assert message.headers["subscription"] == "real"
    assert message.headers["content-length"] == "4"
    assert message.headers["redelivered"] == "false"


@pytest.mark.parametrize(
    ("version", "ack", "has_ack"),
    [
        (STOMP12, "client", True),
        (STOMP12, "auto", False),
        (STOMP11, "client", False),
        (STOMP10, "client", False),
    ],
)
def test_ack_header_exists_in_1_2_without_auto(
    engine: Engine, version: Version, ack: str, has_ack: bool
) -> None:
    one = party(engine, version)
    one.subscribe("/queue/a", ack=ack)
    one.send("/queue/a", "x")
    (message,) = one.messages()
    assert ("ack" in message.headers) is has_ack


def test_subscription_of_1_0_needs_no_id(engine: Engine) -> None:
    one = party(engine, STOMP10)
    one.subscribe("/queue/a", None)
    one.send("/queue/a", "x")
    (message,) = one.messages()
    assert "subscription" not in message.headers
    one.unsubscribe(None, "/queue/a")
    one.send("/queue/a", "y")
    assert one.messages() == []


def test_the_message_id_stays_when_a_message_is_redelivered(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x")
    (first,) = one.messages()
    one.nack(first)
    (second,) = one.messages()
    assert first.headers["message-id"] == second.headers["message-id"]
    assert first.headers["ack"] != second.headers["ack"]
    assert second.headers["redelivered"] == "true"


# ---------------------------------------------------------------------------------------------- ACK and NACK


@pytest.mark.parametrize("version", [STOMP10, STOMP11, STOMP12])
def test_client_acknowledges_all_up_to_one(engine: Engine, version: Version) -> None:
    one = party(engine, version)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"1234")
    first, second, third, _ = one.messages()
    one.ack(third)
    assert engine.depth("/queue/a") == 1
    for settled in (first, second, third):
        with pytest.raises(RequestRefused):
            one.ack(settled)


def test_client_individual_acknowledges_one(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", *"123")
    first, second, third = one.messages()
    one.ack(second)
    assert engine.depth("/queue/a") == 2
    one.ack(third)
    one.ack(first)
    assert engine.depth("/queue/a") == 0


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_nack_requeues_a_message_before_newer_ones(engine: Engine, ack: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack=ack, prefetch_count=2)
    one.send("/queue/a", *"12345")
    first, second = one.messages()
    one.nack(first)
    one.ack(second)
    # "1" was returned, and comes before "3"; the window has room for both.
    assert one.bodies() == ["1", "3"]


def test_nack_is_cumulative_with_client(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"123")
    _, second, _ = one.messages()
    one.nack(second)
    again = one.messages()
    assert [m.body for m in again] == [b"1", b"2"]
    assert {m.headers["redelivered"] for m in again} == {"true"}


def test_rejected_message_goes_to_another_consumer_first(engine: Engine) -> None:
    sender, one, two, three = (party(engine) for _ in range(4))
    for reader in (one, two, three):
        reader.subscribe("/queue/a", ack="client-individual")
    sender.send("/queue/a", "poison")
    readers = [one, two, three]
    seen = []
    for _ in range(3):
        holder = next(reader for reader in readers if reader.client.outbox)
        seen.append(holder)
        (message,) = holder.messages()
        holder.nack(message)
    assert set(map(id, seen)) == set(map(id, readers))


def test_rejected_message_is_not_redelivered_in_the_same_turn(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    for reader in (one, two):
        reader.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "1", "2")  # one for each consumer, so that the first one is next
    (message,) = one.messages()
    one.nack(message)
    assert one.messages() == []
    assert two.bodies() == ["2", "1"]


def test_message_rejected_too_often_goes_to_the_dead_letter_queue(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "poison", colour="red")
    deliveries = 0
    while messages := one.messages():
        deliveries += 1
        one.nack(messages[0])
    assert deliveries == 3
    assert (engine.depth("/queue/a"), engine.depth("/queue/DLQ"), engine.dead_lettered) == (0, 1, 1)
    one.subscribe("/queue/DLQ", "dead")
    (dead,) = one.messages()
    assert dead.body == b"poison"
    assert dead.headers["destination"] == "/queue/DLQ"
    assert dead.headers["original-destination"] == "/queue/a"
    assert dead.headers["colour"] == "red"
    assert dead.headers["redelivered"] == "false"
    assert engine.capacity.messages == engine.capacity.bytes == 0


def test_requeue_false_goes_to_the_dead_letter_queue_at_once(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/topic/t", ack="client-individual")
    one.send("/topic/t", "poison")
    (message,) = one.messages()
    one.nack(message, requeue="false")
    assert (engine.depth("/topic/t"), engine.depth("/queue/DLQ")) == (0, 1)


def test_dead_letters_are_not_dead_lettered_again(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/DLQ", ack="client-individual")
    one.send("/queue/DLQ", "poison")
    deliveries = 0
    while messages := one.messages():
        deliveries += 1
        one.nack(messages[0])
    assert (deliveries, engine.discarded, engine.depth("/queue/DLQ")) == (3, 1, 0)
    assert engine.capacity.messages == engine.capacity.bytes == 0


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_ack_of_an_unknown_message_is_refused(engine: Engine, command: str) -> None:
    one = party(engine)
    frame = commands.ack(STOMP12, "nonsense", negative=command == "NACK")
    with pytest.raises(RequestRefused, match="no unacknowledged message with the id 'nonsense'"):
        engine.handle(one.client, frame)


def test_ack_of_a_message_of_another_client_is_refused(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    with pytest.raises(RequestRefused):
        two.ack(message)
    one.ack(message)


def test_an_ack_in_11_must_name_the_right_subscription(engine: Engine) -> None:
    one = party(engine, STOMP11)
    one.subscribe("/queue/a", "right", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    message.headers["subscription"] = "wrong"
    with pytest.raises(RequestRefused, match="not delivered to that subscription"):
        one.ack(message)
    assert engine.depth("/queue/a") == 1


# ---------------------------------------------------------------------------------------------- ends


def test_unacknowledged_messages_of_a_closed_connection_are_redelivered_in_order(engine: Engine) -> None:
    sender, one, two = party(engine), party(engine), party(engine)
    one.subscribe("/queue/a", ack="client-individual", prefetch_count=3)
    sender.send("/queue/a", *"12345")
    first, second, third = one.messages()
    one.ack(second)
    one.leave()
    assert engine.depth("/queue/a") == 4
    two.subscribe("/queue/a", ack="client")
    again = two.messages()
    assert [(m.body, m.headers["redelivered"]) for m in again] == [
        (b"1", "true"),
        (b"3", "true"),
        (b"4", "true"),
        (b"5", "false"),
    ]
    assert (first.headers["message-id"], third.headers["message-id"]) == tuple(
        m.headers["message-id"] for m in again[:2]
    )


def test_unacknowledged_messages_go_to_the_other_consumers(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a", ack="client")
    one.subscribe("/queue/a", "again", ack="client")
    two.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"123456")
    assert two.bodies() == ["3", "6"]
    one.leave()
    assert two.bodies() == ["1", "2", "4", "5"]
    assert one.messages() != []  # the messages that were in the outbox


def test_lost_connection_does_not_count_as_rejection(engine: Engine) -> None:
    sender = party(engine)
    sender.send("/queue/a", "x")
    for _ in range(10):
        reader = party(engine)
        reader.subscribe("/queue/a", ack="client")
        assert reader.bodies() == ["x"]
        reader.leave()
    assert (engine.depth("/queue/a"), engine.depth("/queue/DLQ")) == (1, 0)


def test_closing_twice_does_nothing(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    one.leave()
    one.leave()
    assert engine.depth("/queue/a") == 1


def test_unsubscribe_requeues_and_ignores_a_late_ack(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "1", "2")
    first, second = one.messages()
    one.unsubscribe()
    one.ack(first)
    one.nack(second)
    two.subscribe("/queue/a")
    assert two.bodies() == ["1", "2"]


def test_disconnect_ends_subscriptions_and_sends_a_receipt(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    engine.handle(one.client, commands.disconnect("bye"))
    assert receipts(one.frames()) == ["bye"]
    assert not one.client.open
    one.engine.resume(one.client)
    assert engine.depth("/queue/a") == 1
