"""Limits of the engine: windows, chunks, capacity, subscriptions and transactions; and temporary destinations."""

from __future__ import annotations

import pytest

from stomp.broker.engine import Engine
from stomp.broker.store import Policy, RequestRefused
from stomp.core.frames import commands
from stomp.core.frames.decoder import Decoder
from stomp.core.frames.frame import Frame
from stomp.core.frames.versions import STOMP12
from tests.broker.party import party

# ---------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("header", ["prefetch_count", "activemq.prefetchSize"])
def test_prefetch_limits_unacknowledged_messages(engine: Engine, header: str) -> None:
    one = party(engine)
    one.subscribe("/queue/a", "1", "client-individual", **{header: 2})
    one.send("/queue/a", *"12345")
    first, second = one.messages()
    one.ack(first)
    assert one.bodies() == ["3"]
    one.ack(second)
    assert one.bodies() == ["4"]


def test_prefetch_has_a_default() -> None:
    engine = Engine(Policy(window=3))
    one = party(engine)
    one.subscribe("/queue/a", ack="client")
    one.send("/queue/a", *"12345")
    assert one.bodies() == ["1", "2", "3"]


@pytest.mark.parametrize(("asked", "got"), [("0", 4), ("3", 3), ("4", 4), ("5", 4), ("9" * 40, 4)])
def test_prefetch_has_a_maximum(asked: str, got: int) -> None:
    engine = Engine(Policy(window=2, max_window=4))
    one = party(engine)
    one.subscribe("/queue/a", ack="client", prefetch_count=asked)
    one.send("/queue/a", *"123456")
    assert len(one.messages()) == got


@pytest.mark.parametrize("asked", ["", "-1", "many", "1.5", "²"])
def test_prefetch_must_be_a_number(engine: Engine, asked: str) -> None:
    with pytest.raises(RequestRefused, match="prefetch-count"):
        party(engine).subscribe("/queue/a", prefetch_count=asked)


def test_a_full_consumer_leaves_messages_to_the_others(engine: Engine) -> None:
    slow, fast = party(engine), party(engine)
    slow.subscribe("/queue/a", ack="client", prefetch_count=1)
    fast.subscribe("/queue/a")
    fast.send("/queue/a", *"123456")
    assert slow.bodies() == ["1"]
    assert fast.bodies() == ["2", "3", "4", "5", "6"]


def test_prefetch_has_no_effect_with_auto(engine: Engine) -> None:
    one = party(engine)
    one.subscribe("/queue/a", prefetch_count=1)
    one.send("/queue/a", *"123")
    assert one.bodies() == ["1", "2", "3"]


def test_one_client_gets_a_batch_at_a_time() -> None:
    engine = Engine(Policy(chunk=2000))
    one, other = party(engine), party(engine)
    other.send("/queue/a", *("x" * 1000 for _ in range(10)))
    one.subscribe("/queue/a")
    got = 0
    while messages := one.messages():
        assert len(messages) == 2  # each message counts for a little more than its 1000 bytes
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


def test_clients_with_output_are_listed_once(engine: Engine) -> None:
    one, two = party(engine), party(engine)
    one.subscribe("/queue/a")
    two.send("/queue/a", "1", "2", "3")
    assert engine.take_clients_with_output() == [one.client]
    assert engine.take_clients_with_output() == []
    two.send("/queue/a", "4")
    assert engine.take_clients_with_output() == [one.client]


# ---------------------------------------------------------------------------------------------- temporary queues


def test_reply_arrives_through_a_temporary_queue(engine: Engine) -> None:
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
    owner.subscribe(f"/temp-{kind}/own")
    name = f"/remote-temp-{kind}/{owner.client.number}-own"
    with pytest.raises(RequestRefused, match="its own connection"):
        stranger.subscribe(name)
    stranger.send(name, "x")
    assert owner.bodies() == ["x"]


def test_temporary_queue_ends_with_its_owner(engine: Engine) -> None:
    owner, other = party(engine), party(engine)
    name = f"/remote-temp-queue/{owner.client.number}-own"
    owner.send("/temp-queue/own", "kept")
    assert engine.depth(name) == 1
    owner.leave()
    other.send(name, "too late")
    assert engine.destinations() == {}
    assert engine.capacity.messages == 0


@pytest.mark.parametrize("name", ["/remote-temp-queue/", "/remote-temp-queue/x", "/remote-temp-queue/99-x"])
def test_temporary_queues_without_owner_discard_messages(engine: Engine, name: str) -> None:
    one = party(engine)
    one.send(name, "x")
    assert engine.capacity.messages == 0
    with pytest.raises(RequestRefused):
        one.subscribe(name)


# ---------------------------------------------------------------------------------------------- bounds


def test_full_broker_refuses_until_messages_are_consumed() -> None:
    engine = Engine(Policy(max_messages=3))
    one = party(engine)
    one.send("/queue/a", "1", "2")
    one.send("/queue/b", "3")
    with pytest.raises(RequestRefused, match="the broker is full") as caught:
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
    with pytest.raises(RequestRefused, match="the broker is full") as caught:
        one.send("/queue/a", "x" * 5000)
    assert "10000 bytes" in caught.value.detail


@pytest.mark.parametrize("destination", ["/queue/a", "/topic/a"])
@pytest.mark.parametrize("headers", [0, 1, 10])
def test_a_message_takes_no_more_memory_than_it_counts_for(destination: str, headers: int) -> None:
    """So that a subscriber that reads nothing costs its limit, and no more."""
    tracemalloc = pytest.importorskip("tracemalloc")
    count = 2000
    lines = "".join(f"name-{number}:value-{number}\n" for number in range(headers))
    frame = f"SEND\ndestination:{destination}\n{lines}content-length:100\n\n".encode() + b"x" * 100 + b"\0"
    engine = Engine()
    sender, stalled = party(engine), party(engine)
    stalled.subscribe(destination, ack="client", prefetch_count=1)
    decoder = Decoder(version=STOMP12)
    tracemalloc.start()
    try:
        for _ in range(count):
            decoder.feed(frame)
            (received,) = decoder.frames()
            assert isinstance(received, Frame)
            engine.handle(sender.client, received)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert engine.capacity.messages == count
    assert size < engine.capacity.bytes


def test_messages_not_acknowledged_and_copies_of_a_topic_count() -> None:
    engine = Engine(Policy(max_messages=3))
    one, two = party(engine), party(engine)
    one.subscribe("/topic/t", ack="client")
    two.subscribe("/topic/t", ack="client")
    one.send("/topic/t", "1")
    with pytest.raises(RequestRefused, match="full"):
        one.send("/topic/t", "2")
    assert len(one.messages()) == len(two.messages()) == 1  # no subscription got a copy of the second message


def test_messages_of_an_open_transaction_count() -> None:
    engine = Engine(Policy(max_messages=2))
    one = party(engine)
    one.do("BEGIN", "t")
    one.send("/queue/a", "1", "2", tx="t")
    with pytest.raises(RequestRefused, match="full"):
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
    with pytest.raises(RequestRefused, match="full"):
        one.do("COMMIT", "t")
    assert one.messages() == two.messages() == []
    assert engine.capacity.messages == engine.capacity.bytes == 0


def test_subscriptions_and_transactions_of_a_connection_are_limited() -> None:
    engine = Engine(Policy(max_subscriptions=1, max_transactions=1))
    one = party(engine)
    one.subscribe("/queue/a")
    with pytest.raises(RequestRefused, match="1 subscriptions at most"):
        one.subscribe("/queue/b", "2")
    one.do("BEGIN", "t")
    with pytest.raises(RequestRefused, match="1 open transactions at most"):
        one.do("BEGIN", "u")


@pytest.mark.parametrize("name", ["max_messages", "window", "dead_letter_after", "chunk"])
def test_invalid_policy_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"Policy.{name} must be at least 1"):
        Policy(**{name: 0})  # type: ignore[arg-type]


def test_late_acks_are_ignored_for_a_limited_number_of_deliveries(engine: Engine) -> None:
    one = party(engine)
    for number in range(10_001):
        one.client.expect_late_ack(str(number))
    engine.handle(one.client, commands.ack(STOMP12, "1"))
    with pytest.raises(RequestRefused):
        engine.handle(one.client, commands.ack(STOMP12, "0"))
