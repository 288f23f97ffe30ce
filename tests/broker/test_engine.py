"""The broker's rules, without network or clock: frames go in, and what is in the outboxes is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stomp.broker.engine import Engine
from stomp.broker.parties import Client
from stomp.broker.store import Backlog, Policy, Refusal, Stored
from stomp.core import commands
from stomp.core.dialect import STOMP10, STOMP11, STOMP12, Dialect
from stomp.core.frame import Frame


class Party:
    """A client of the engine, with the verbs that tests need."""

    def __init__(self, engine: Engine, dialect: Dialect = STOMP12) -> None:
        self.engine = engine
        self.dialect = dialect
        self.client: Client = engine.open(dialect)

    def subscribe(self, destination: str, id: str | None = "1", ack: str = "auto", **headers: Any) -> None:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        frame = commands.subscribe(self.dialect, destination, id, ack=ack, headers=extra)
        self.engine.handle(self.client, frame)

    def unsubscribe(self, id: str | None = "1", destination: str | None = None) -> None:
        self.engine.handle(self.client, commands.unsubscribe(self.dialect, id, destination=destination))

    def send(self, destination: str, *bodies: str, tx: str | None = None, **headers: Any) -> None:
        for body in bodies:
            frame = commands.send(destination, body.encode(), transaction=tx, headers=headers)
            self.engine.handle(self.client, frame)

    def ack(self, message: Frame, *, negative: bool = False, tx: str | None = None, **headers: Any) -> None:
        name = message.headers["ack" if self.dialect is STOMP12 else "message-id"]
        frame = commands.ack(
            self.dialect,
            name,
            message.headers.get("subscription"),
            negative=negative,
            transaction=tx,
            headers=headers,
        )
        self.engine.handle(self.client, frame)

    def nack(self, message: Frame, *, tx: str | None = None, **headers: Any) -> None:
        self.ack(message, negative=True, tx=tx, **headers)

    def do(self, command: str, tx: str, receipt: str | None = None) -> None:
        self.engine.handle(self.client, commands.transaction(command, tx, receipt=receipt))

    def leave(self) -> None:
        self.engine.close(self.client)

    def frames(self) -> list[Frame]:
        return self.client.take()

    def messages(self) -> list[Frame]:
        return [frame for frame in self.frames() if frame.command == "MESSAGE"]

    def bodies(self) -> list[str]:
        return [frame.body.decode() for frame in self.messages()]


@pytest.fixture
def engine() -> Engine:
    return Engine(Policy(max_messages=1000, dead_letter_after=3), name="test")


def party(engine: Engine, dialect: Dialect = STOMP12) -> Party:
    return Party(engine, dialect)


def receipts(frames: list[Frame]) -> list[str]:
    return [frame.headers["receipt-id"] for frame in frames if frame.command == "RECEIPT"]


# ---------------------------------------------------------------------------------------------- queues, topics


@pytest.mark.parametrize("name", ["/queue/a", "plain", "/exchange/x/y", "/temp"])
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


def test_copies_of_a_topic_have_ids_of_their_own(engine: Engine) -> None:
    # In STOMP 1.0 an ACK names nothing but the message-id.
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


def test_what_a_topic_subscriber_leaves_is_gone(engine: Engine) -> None:
    sender, reader = party(engine), party(engine)
    reader.subscribe("/topic/t", ack="client", prefetch_count=1)
    sender.send("/topic/t", "1", "2", "3")
    assert engine.depth("/topic/t") == 3
    reader.leave()
    assert engine.depth("/topic/t") == 0
    assert engine.capacity.messages == engine.capacity.bytes == 0
    assert engine.destinations() == {}


def test_empty_queues_are_forgotten(engine: Engine) -> None:
    reader = party(engine)
    reader.subscribe("/queue/a")
    assert engine.destinations() == {"/queue/a": 0}
    reader.unsubscribe()
    assert engine.destinations() == {}


def test_an_empty_destination_is_refused(engine: Engine) -> None:
    one = party(engine)
    with pytest.raises(Refusal, match="empty"):
        one.send("", "x")
    with pytest.raises(Refusal, match="empty"):
        one.subscribe("")


# ---------------------------------------------------------------------------------------------- MESSAGE frames


def test_headers_of_a_message(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "sub", ack="client")
    headers = {"content-type": "text/plain", "colour": "red", "receipt": "r", "transaction": None}
    one.send("/queue/a", "hé", **headers)
    message, receipt = one.frames()
    assert receipt.headers == {"receipt-id": "r"}
    assert message.body == "hé".encode()
    message_id, ack = message.headers.pop("message-id"), message.headers.pop("ack")
    assert message_id.startswith("test-")
    assert ack != message_id  # so that a client that mixes them up is found out
    assert message.headers == {
        "destination": "/queue/a",
        "subscription": "sub",
        "content-length": "3",
        "content-type": "text/plain",
        "colour": "red",
    }


@pytest.mark.parametrize(
    "name", ["message-id", "subscription", "ack", "redelivered", "receipt-id", "content-length", "receipt"]
)
def test_a_sender_cannot_set_what_the_server_says(engine: Engine, name: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "real")
    frame = commands.send("/queue/a", b"body")
    frame.headers[name] = "forged"
    engine.handle(one.client, frame)
    (message,) = one.messages()
    assert "forged" not in message.headers.values()
    assert message.headers["subscription"] == "real"
    assert message.headers["content-length"] == "4"
    assert "redelivered" not in message.headers


@pytest.mark.parametrize(
    ("dialect", "ack", "has_ack"),
    [
        (STOMP12, "client", True),
        (STOMP12, "auto", False),
        (STOMP11, "client", False),
        (STOMP10, "client", False),
    ],
)
def test_the_ack_header_is_for_12_and_not_for_auto(
    engine: Engine, dialect: Dialect, ack: str, has_ack: bool
) -> None:
    one = party(engine, dialect)
    one.subscribe("/queue/a", ack=ack)
    one.send("/queue/a", "x")
    (message,) = one.messages()
    assert ("ack" in message.headers) is has_ack


def test_stomp_10_without_an_id(engine: Engine) -> None:
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


@pytest.mark.parametrize("dialect", [STOMP10, STOMP11, STOMP12])
def test_client_acknowledges_all_up_to_one(engine: Engine, dialect: Dialect) -> None:
    one = party(engine, dialect)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"1234")
    first, second, third, _ = one.messages()
    one.ack(third)
    assert engine.depth("/queue/a") == 1
    for settled in (first, second, third):
        with pytest.raises(Refusal):
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
def test_nack_brings_a_message_back_before_newer_ones(engine: Engine, ack: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack=ack, prefetch_count=2)
    one.send("/queue/a", *"12345")
    first, second = one.messages()
    one.nack(first)
    one.ack(second)
    # "1" came back, and with room for two it is in front of "3".
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


def test_a_refused_message_goes_to_another_consumer_first(engine: Engine) -> None:
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


def test_a_refused_message_does_not_come_back_in_its_turn(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    for reader in (one, two):
        reader.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "1", "2")  # one for each, so that the first consumer is next
    (message,) = one.messages()
    one.nack(message)
    assert one.messages() == []
    assert two.bodies() == ["2", "1"]


def test_a_message_refused_too_often_goes_to_the_dead_letters(engine: Engine) -> None:
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
    assert "redelivered" not in dead.headers
    assert engine.capacity.messages == engine.capacity.bytes == 0


def test_requeue_false_goes_to_the_dead_letters_at_once(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/topic/t", ack="client-individual")
    one.send("/topic/t", "poison")
    (message,) = one.messages()
    one.nack(message, requeue="false")
    assert (engine.depth("/topic/t"), engine.depth("/queue/DLQ")) == (0, 1)


def test_dead_letters_do_not_circle(engine: Engine) -> None:
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
def test_what_does_not_await_an_ack_is_refused(engine: Engine, command: str) -> None:
    one = party(engine)
    frame = commands.ack(STOMP12, "nonsense", negative=command == "NACK")
    with pytest.raises(Refusal, match=f"'nonsense' awaits {command}"):
        engine.handle(one.client, frame)


def test_an_ack_of_somebody_elses_message_is_refused(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    with pytest.raises(Refusal):
        two.ack(message)
    one.ack(message)


def test_an_ack_in_11_must_name_the_right_subscription(engine: Engine) -> None:
    one = party(engine, STOMP11)
    one.subscribe("/queue/a", "right", ack="client")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    message.headers["subscription"] = "wrong"
    with pytest.raises(Refusal, match="not delivered to that subscription"):
        one.ack(message)
    assert engine.depth("/queue/a") == 1


# ---------------------------------------------------------------------------------------------- ends


def test_what_a_closed_connection_did_not_acknowledge_is_redelivered_in_order(engine: Engine) -> None:
    sender, one, two = party(engine), party(engine), party(engine)
    one.subscribe("/queue/a", ack="client-individual", prefetch_count=3)
    sender.send("/queue/a", *"12345")
    first, second, third = one.messages()
    one.ack(second)
    one.leave()
    assert engine.depth("/queue/a") == 4
    two.subscribe("/queue/a", ack="client")
    again = two.messages()
    assert [(m.body, m.headers.get("redelivered")) for m in again] == [
        (b"1", "true"),
        (b"3", "true"),
        (b"4", "true"),
        (b"5", None),
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
    assert one.messages() != []  # what had been on its way


def test_a_lost_connection_is_no_refusal(engine: Engine) -> None:
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


def test_unsubscribe_gives_back_and_forgives_a_late_ack(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "1", "2")
    first, second = one.messages()
    one.unsubscribe()
    one.ack(first)
    one.nack(second)
    two.subscribe("/queue/a")
    assert two.bodies() == ["1", "2"]


def test_disconnect_ends_subscriptions_and_answers(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", "x")
    engine.handle(one.client, commands.disconnect("bye"))
    assert receipts(one.frames()) == ["bye"]
    assert not one.client.open
    one.engine.resume(one.client)
    assert engine.depth("/queue/a") == 1


# ---------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("header", ["prefetch_count", "activemq.prefetchSize"])
def test_a_window_bounds_what_is_not_acknowledged(engine: Engine, header: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "1", "client-individual", **{header: 2})
    one.send("/queue/a", *"12345")
    first, second = one.messages()
    one.ack(first)
    assert one.bodies() == ["3"]
    one.ack(second)
    assert one.bodies() == ["4"]


def test_there_is_a_window_by_default() -> None:
    engine = Engine(Policy(window=3))
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"12345")
    assert one.bodies() == ["1", "2", "3"]


@pytest.mark.parametrize(("asked", "got"), [("0", 4), ("3", 3), ("4", 4), ("5", 4), ("9" * 40, 4)])
def test_a_window_has_a_largest_size(asked: str, got: int) -> None:
    engine = Engine(Policy(window=2, max_window=4))
    one = party(engine)
    one.subscribe("/queue/a", ack="client", prefetch_count=asked)
    one.send("/queue/a", *"123456")
    assert len(one.messages()) == got


@pytest.mark.parametrize("asked", ["", "-1", "many", "1.5", "²"])
def test_a_window_must_be_a_number(engine: Engine, asked: str) -> None:
    with pytest.raises(Refusal, match="prefetch-count"):
        party(engine).subscribe("/queue/a", prefetch_count=asked)


def test_a_full_consumer_leaves_messages_to_the_others(engine: Engine) -> None:
    slow, fast = party(engine), party(engine)
    slow.subscribe("/queue/a", ack="client", prefetch_count=1)
    fast.subscribe("/queue/a")
    fast.send("/queue/a", *"123456")
    assert slow.bodies() == ["1"]
    assert fast.bodies() == ["2", "3", "4", "5", "6"]


def test_the_window_has_no_effect_on_auto(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", prefetch_count=1)
    one.send("/queue/a", *"123")
    assert one.bodies() == ["1", "2", "3"]


def test_one_client_gets_a_chunk_at_a_time() -> None:
    engine = Engine(Policy(chunk=2000))
    one, other = party(engine), party(engine)
    other.send("/queue/a", *("x" * 1000 for _ in range(10)))
    one.subscribe("/queue/a")
    got = 0
    while messages := one.messages():
        assert len(messages) == 2  # each counts a little more than its 1000 bytes
        got += len(messages)
        assert one.client.blocked
        engine.resume(one.client)
    assert got == 10
    assert not one.client.blocked


def test_no_subscription_starves_while_another_has_a_backlog() -> None:
    engine = Engine(Policy(chunk=1))
    one = party(engine)
    one.subscribe("/queue/a", "a")
    one.client.blocked = True
    one.subscribe("/queue/b", "b")
    one.send("/queue/a", *"aaaaa")
    one.send("/queue/b", *"bbbbb")
    seen = []
    for _ in range(10):
        engine.resume(one.client)
        seen += one.bodies()
    assert "".join(seen) == "abababab" + "ab"


def test_a_blocked_client_gets_nothing_and_others_do(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a")
    two.subscribe("/queue/a")
    one.client.blocked = True
    one.send("/queue/a", "1", "2")
    assert one.messages() == []
    assert two.bodies() == ["1", "2"]


def test_dirty_names_each_client_once(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a")
    two.send("/queue/a", "1", "2", "3")
    assert engine.take_dirty() == [one.client]
    assert engine.take_dirty() == []
    two.send("/queue/a", "4")
    assert engine.take_dirty() == [one.client]


# ---------------------------------------------------------------------------------------------- transactions


def test_sends_take_effect_at_commit_and_their_receipts_come_at_once(engine: Engine) -> None:
    one, reader = party(engine), party(engine)
    reader.subscribe("/queue/a")
    one.do("BEGIN", "t", "begun")
    one.send("/queue/a", "1", tx="t", receipt="sent")
    assert receipts(one.frames()) == ["begun", "sent"]
    assert reader.messages() == []
    one.send("/queue/a", "outside")
    one.send("/queue/a", "2", tx="t")
    one.do("COMMIT", "t", "done")
    assert receipts(one.frames()) == ["done"]
    messages = reader.messages()
    assert [m.body for m in messages] == [b"outside", b"1", b"2"]
    assert all("transaction" not in m.headers for m in messages)
    assert engine.capacity.messages == 0


def test_sends_are_discarded_at_abort(engine: Engine) -> None:
    one, reader = party(engine), party(engine)
    reader.subscribe("/queue/a")
    one.do("BEGIN", "t")
    one.send("/queue/a", "1", tx="t")
    one.do("ABORT", "t")
    assert reader.messages() == []
    assert engine.capacity.messages == engine.capacity.bytes == 0
    with pytest.raises(Refusal, match="no transaction 't'"):
        one.do("COMMIT", "t")


def test_a_transaction_is_discarded_with_its_connection(engine: Engine) -> None:
    one, reader = party(engine), party(engine)
    reader.subscribe("/queue/a")
    one.subscribe("/queue/b", ack="client")
    one.send("/queue/b", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.send("/queue/a", "1", tx="t")
    one.ack(message, tx="t")
    one.leave()
    assert reader.messages() == []
    assert engine.destinations() == {"/queue/a": 0, "/queue/b": 1}
    assert engine.capacity.messages == 1


def test_an_ack_takes_effect_at_commit(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.ack(message, tx="t")
    assert engine.depth("/queue/a") == 1
    one.do("COMMIT", "t")
    assert engine.depth("/queue/a") == 0


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_an_aborted_ack_can_be_given_again(engine: Engine, ack: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack=ack)
    one.send("/queue/a", *"123")
    first, second, third = one.messages()
    one.do("BEGIN", "t")
    one.ack(second, tx="t")
    with pytest.raises(Refusal):
        one.ack(second)
    one.do("ABORT", "t")
    assert one.messages() == []  # nothing is redelivered
    one.ack(second)
    assert engine.depth("/queue/a") == (1 if ack == "client" else 2)
    one.ack(third)
    if ack == "client-individual":
        one.ack(first)
    assert engine.depth("/queue/a") == 0


def test_aborted_acks_stay_in_the_order_of_delivery(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"123")
    first, second, third = one.messages()
    one.do("BEGIN", "t")
    one.ack(first, tx="t")
    one.do("ABORT", "t")
    one.ack(second)  # covers the first one again
    assert engine.depth("/queue/a") == 1
    one.ack(third)


def test_a_nack_takes_effect_at_commit(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client-individual")
    one.send("/queue/a", "x")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.nack(message, tx="t")
    assert one.messages() == []
    one.do("COMMIT", "t")
    (again,) = one.messages()
    assert again.headers["redelivered"] == "true"


def test_an_ack_in_a_transaction_makes_room_in_the_window(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", ack="client", prefetch_count=1)
    one.send("/queue/a", "1", "2")
    (message,) = one.messages()
    one.do("BEGIN", "t")
    one.ack(message, tx="t")
    assert one.bodies() == ["2"]


@pytest.mark.parametrize("destination", ["/queue/a", "/topic/t"])
@pytest.mark.parametrize("end", ["COMMIT", "ABORT"])
def test_unsubscribe_in_the_middle_of_a_transaction(engine: Engine, destination: str, end: str) -> None:
    one = party(engine)
    one.subscribe(destination, ack="client-individual")
    one.send(destination, "acked", "refused")
    acked, refused = one.messages()
    one.do("BEGIN", "t")
    one.ack(acked, tx="t")
    one.nack(refused, tx="t")
    one.unsubscribe()
    one.do(end, "t")
    left = {"COMMIT": 1, "ABORT": 2}[end] if destination == "/queue/a" else 0
    assert engine.depth(destination) == left
    assert engine.capacity.messages == left
    assert (engine.capacity.bytes > 0) is (left > 0)


@pytest.mark.parametrize("command", ["COMMIT", "ABORT"])
def test_an_unknown_transaction_is_refused(engine: Engine, command: str) -> None:
    with pytest.raises(Refusal, match="no transaction"):
        party(engine).do(command, "t")


# ---------------------------------------------------------------------------------------------- temporary queues


def test_a_reply_comes_back_through_a_temporary_queue(engine: Engine) -> None:
    asking, answering, stranger = party(engine), party(engine), party(engine)
    asking.subscribe("/temp-queue/reply")
    stranger.subscribe("/temp-queue/reply")
    answering.subscribe("/queue/service")
    asking.send("/queue/service", "question", **{"reply-to": "/temp-queue/reply"})
    (question,) = answering.messages()
    assert question.headers["reply-to"].startswith("/remote-temp-queue/")
    answering.send(question.headers["reply-to"], "answer")
    assert asking.bodies() == ["answer"]
    assert stranger.messages() == []


@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_only_its_owner_may_subscribe_to_a_temporary_destination(engine: Engine, kind: str) -> None:
    owner, stranger = party(engine), party(engine)
    owner.subscribe(f"/temp-{kind}/mine")
    name = f"/remote-temp-{kind}/{owner.client.number}-mine"
    with pytest.raises(Refusal, match="its own connection"):
        stranger.subscribe(name)
    stranger.send(name, "x")
    assert owner.bodies() == ["x"]


def test_a_temporary_queue_goes_with_its_owner(engine: Engine) -> None:
    owner, other = party(engine), party(engine)
    name = f"/remote-temp-queue/{owner.client.number}-mine"
    owner.send("/temp-queue/mine", "kept")
    assert engine.depth(name) == 1
    owner.leave()
    other.send(name, "too late")
    assert engine.destinations() == {}
    assert engine.capacity.messages == 0


@pytest.mark.parametrize("name", ["/remote-temp-queue/", "/remote-temp-queue/x", "/remote-temp-queue/99-x"])
def test_temporary_queues_of_nobody_swallow(engine: Engine, name: str) -> None:
    one = party(engine)
    one.send(name, "x")
    assert engine.capacity.messages == 0
    with pytest.raises(Refusal):
        one.subscribe(name)


# ---------------------------------------------------------------------------------------------- bounds


def test_a_full_broker_refuses_and_takes_again_when_there_is_room() -> None:
    engine = Engine(Policy(max_messages=3))
    one = party(engine)
    one.send("/queue/a", "1", "2")
    one.send("/queue/b", "3")
    with pytest.raises(Refusal, match="the broker is full") as caught:
        one.send("/queue/a", "4")
    assert "3 messages" in caught.value.detail
    reader = party(engine)
    reader.subscribe("/queue/b")
    one.send("/queue/a", "5")
    assert engine.destinations() == {"/queue/a": 3, "/queue/b": 0}


def test_bytes_are_counted_too() -> None:
    engine = Engine(Policy(max_bytes=10_000))
    one = party(engine)
    one.send("/queue/a", "x" * 5000)
    with pytest.raises(Refusal, match="the broker is full") as caught:
        one.send("/queue/a", "x" * 5000)
    assert "10000 bytes" in caught.value.detail


def test_messages_not_acknowledged_and_copies_of_a_topic_count() -> None:
    engine = Engine(Policy(max_messages=3))
    one, two = party(engine), party(engine)
    one.subscribe("/topic/t", ack="client")
    two.subscribe("/topic/t", ack="client")
    one.send("/topic/t", "1")
    with pytest.raises(Refusal, match="full"):
        one.send("/topic/t", "2")
    assert len(one.messages()) == len(two.messages()) == 1  # nobody got a copy of the second


def test_what_waits_in_a_transaction_counts() -> None:
    engine = Engine(Policy(max_messages=2))
    one = party(engine)
    one.do("BEGIN", "t")
    one.send("/queue/a", "1", "2", tx="t")
    with pytest.raises(Refusal, match="full"):
        one.send("/queue/a", "3", tx="t")
    one.do("COMMIT", "t")
    assert engine.depth("/queue/a") == 2


def test_a_commit_that_does_not_fit_has_no_effect() -> None:
    engine = Engine(Policy(max_messages=3))
    one, two = party(engine), party(engine)
    for reader in (one, two):
        reader.subscribe("/topic/t", ack="client")
    one.do("BEGIN", "t")
    one.send("/topic/t", "1", "2", tx="t")  # four copies
    with pytest.raises(Refusal, match="full"):
        one.do("COMMIT", "t")
    assert one.messages() == two.messages() == []
    assert engine.capacity.messages == engine.capacity.bytes == 0


def test_a_connection_has_so_many_subscriptions_and_transactions() -> None:
    engine = Engine(Policy(max_subscriptions=1, max_transactions=1))
    one = party(engine)
    one.subscribe("/queue/a")
    with pytest.raises(Refusal, match="1 subscriptions at most"):
        one.subscribe("/queue/b", "2")
    one.do("BEGIN", "t")
    with pytest.raises(Refusal, match="1 open transactions at most"):
        one.do("BEGIN", "u")


@pytest.mark.parametrize("name", ["max_messages", "window", "dead_letter_after", "chunk"])
def test_a_policy_must_make_sense(name: str) -> None:
    with pytest.raises(ValueError, match=f"Policy.{name} must be at least 1"):
        Policy(**{name: 0})  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- properties


@given(st.lists(st.one_of(st.just("add"), st.just("take"), st.integers(0, 20)), max_size=60))
def test_a_backlog_hands_out_in_order_whatever_comes_back(steps: list[str | int]) -> None:
    backlog, taken, number = Backlog(), [], 0
    waiting: set[int] = set()
    for step in steps:
        if step == "add":
            number += 1
            backlog.add(Stored(number, "/queue/a", {}, b"", 1))
            waiting.add(number)
        elif step == "take" and backlog:
            assert backlog.first().number == min(waiting)
            message = backlog.take()
            waiting.remove(message.number)
            taken.append(message)
        elif isinstance(step, int) and taken:
            message = taken.pop(step % len(taken))
            backlog.put_back(message)
            waiting.add(message.number)
        assert len(backlog) == len(waiting)


_STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        st.sampled_from(
            ["send", "send", "subscribe", "unsubscribe", "ack", "nack", "begin", "commit", "abort"]
        ),
        st.sampled_from(["auto", "client", "client-individual"]),
        st.integers(0, 5),  # which delivery
        st.booleans(),  # in the transaction?
    ),
    max_size=60,
)


class Books:
    """What must have become of each message, kept beside the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.parties = [Party(engine) for _ in range(3)]
        self.held: list[list[Frame]] = [[] for _ in self.parties]
        self.sent: set[bytes] = set()
        self.gone: set[bytes] = set()  # acknowledged, or delivered without asking for it
        self.pending: list[tuple[set[bytes], set[bytes]]] = [(set(), set()) for _ in self.parties]

    def step(self, who: int, verb: str, ack: str, which: int, inside: bool, body: bytes) -> None:
        one = self.parties[who]
        open_ = bool(one.client.transactions)
        tx = "t" if inside and open_ else None
        if verb == "send":
            one.send("/queue/a", body.decode(), tx=tx)
            (self.pending[who][0] if tx else self.sent).add(body)
        elif verb == "subscribe" and not one.client.consumers:
            one.subscribe("/queue/a", ack=ack)
        elif verb == "unsubscribe" and one.client.consumers:
            one.unsubscribe()
        elif verb in ("ack", "nack") and self.held[who]:
            self.settle(who, self.held[who][which % len(self.held[who])], verb == "nack", tx)
        elif verb == "begin" and not open_:
            one.do("BEGIN", "t")
        elif verb in ("commit", "abort") and open_:
            one.do(verb.upper(), "t")
            sent, gone = self.pending[who]
            self.pending[who] = (set(), set())
            if verb == "commit":
                self.sent |= sent
                self.gone |= gone
        self.collect()

    def settle(self, who: int, message: Frame, negative: bool, tx: str | None) -> None:
        one = self.parties[who]
        before = dict(one.client.awaiting)
        if message.headers["ack"] not in before:
            return
        # The consumer's own list says what an ACK covers; the test of ACK modes says that it is right.
        delivery = before[message.headers["ack"]]
        unacked = list(delivery.consumer.unacked)
        if delivery.consumer.ack == "client":
            covered = set(unacked[: unacked.index(delivery.key) + 1])
        else:
            covered = {delivery.key}
        one.ack(message, negative=negative, tx=tx)
        if not negative:
            (self.pending[who][1] if tx else self.gone).update(before[key].message.body for key in covered)

    def collect(self) -> None:
        for one, holding in zip(self.parties, self.held, strict=True):
            for message in one.messages():
                if "ack" in message.headers:
                    holding.append(message)
                else:
                    assert message.body not in self.gone
                    self.gone.add(message.body)

    def balance(self) -> None:
        engine = self.engine
        in_transactions = sum(len(sent) for sent, _ in self.pending)
        assert engine.capacity.messages == sum(engine.destinations().values()) + in_transactions
        assert (engine.capacity.bytes > 0) is (engine.capacity.messages > 0)
        assert sum(engine.destinations().values()) == len(self.sent - self.gone)
        for one in self.parties:
            for consumer in one.client.consumers.values():
                numbers = [delivery.number for delivery in consumer.unacked.values()]
                assert numbers == sorted(numbers)
                assert set(consumer.unacked) <= set(one.client.awaiting)


@settings(max_examples=300, deadline=None)
@given(_STEPS)
def test_no_message_is_lost_or_made_twice(steps: list[tuple[int, str, str, int, bool]]) -> None:
    engine = Engine(Policy(dead_letter_after=2, window=3))
    books = Books(engine)
    for count, (who, verb, ack, which, inside) in enumerate(steps):
        books.step(who, verb, ack, which, inside, str(count).encode())
        books.balance()
    for one in books.parties:
        one.leave()
        books.pending = [(set(), set()) for _ in books.parties]
        books.collect()
    last = Party(engine)
    last.subscribe("/queue/a", "a", ack="client", prefetch_count=0)
    last.subscribe("/queue/DLQ", "dlq", ack="client", prefetch_count=0)
    bodies = [message.body for message in last.messages()]
    assert len(bodies) == len(set(bodies)) == engine.capacity.messages
    assert set(bodies) == books.sent - books.gone
