"""What an operator does with queues: move, remove and retry messages, pause a queue, stall a subscription."""

from __future__ import annotations

import pytest

from stomp.broker import Broker, Policy, administration
from stomp.broker.engine import Engine
from stomp.broker.model import Client
from stomp.broker.store import RequestRefused
from stomp.core.frames import commands
from stomp.core.frames.versions import STOMP12
from tests.broker.rawclient import RawClient


def put(engine: Engine, destination: str, *bodies: str, **headers: str) -> None:
    for body in bodies:
        engine.put(destination, body.encode(), headers)


def bodies(engine: Engine, destination: str) -> list[str]:
    return [message.body.decode() for queue in engine.queues(destination) for message in queue.messages()]


def numbers(engine: Engine, destination: str) -> list[int]:
    return [message.number for queue in engine.queues(destination) for message in queue.messages()]


def subscribed(engine: Engine, destination: str, **headers: str) -> Client:
    client = engine.open(STOMP12)
    frame = commands.subscribe(STOMP12, destination, "1")
    frame.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    engine.handle(client, frame)
    return client


def test_some_messages_are_removed(engine: Engine) -> None:
    put(engine, "/queue/a", "1", "2", "3")
    _, second, _ = numbers(engine, "/queue/a")
    assert administration.remove(engine, "/queue/a", [second, 999]) == 1
    assert bodies(engine, "/queue/a") == ["1", "3"]
    assert engine.capacity.messages == 2


def test_queue_without_messages_is_gone_after_the_last_one_was_removed(engine: Engine) -> None:
    put(engine, "/queue/a", "1")
    assert administration.remove(engine, "/queue/a", numbers(engine, "/queue/a")) == 1
    assert engine.destinations() == {}
    assert (engine.capacity.messages, engine.capacity.bytes, engine.capacity.queues) == (0, 0, 0)


def test_delivered_message_is_not_removed(engine: Engine) -> None:
    subscribed(engine, "/queue/a", ack="client", prefetch_count="1")
    put(engine, "/queue/a", "1", "2")
    assert administration.remove(engine, "/queue/a", numbers(engine, "/queue/a")) == 1
    assert bodies(engine, "/queue/a") == ["1"]


def test_messages_are_moved_in_order(engine: Engine) -> None:
    put(engine, "/queue/a", "1", "2", "3", color="red")
    assert administration.move(engine, "/queue/a", "/queue/b") == 3
    assert bodies(engine, "/queue/b") == ["1", "2", "3"]
    assert {each.headers["color"] for each in engine.queues("/queue/b")[0].messages()} == {"red"}
    assert engine.destinations() == {"/queue/b": 3}


def test_moved_message_is_delivered_to_a_consumer(engine: Engine) -> None:
    client = subscribed(engine, "/queue/b")
    put(engine, "/queue/a", "1", "2")
    first, _ = numbers(engine, "/queue/a")
    assert administration.move(engine, "/queue/a", "/queue/b", [first]) == 1
    assert [frame.body for frame in client.take()] == [b"1"]
    assert bodies(engine, "/queue/a") == ["2"]


def test_move_to_the_same_destination_is_refused(engine: Engine) -> None:
    put(engine, "/queue/a", "1")
    with pytest.raises(RequestRefused, match="already"):
        administration.move(engine, "/queue/a", "/amq/queue/a")


def test_dead_letters_are_sent_to_their_destination_again(engine: Engine) -> None:
    client = subscribed(engine, "/queue/a", ack="client")
    put(engine, "/queue/a", "1", colour="red")
    (frame,) = client.take()
    nack = commands.ack(STOMP12, frame.headers["ack"], negative=True, headers={"requeue": "false"})
    engine.handle(client, nack)
    dead = engine.policy.dead_letter_queue
    put(engine, dead, "not a dead letter")
    assert administration.move(engine, dead, None) == 1
    (again,) = client.take()
    assert (again.body, again.headers["colour"]) == (b"1", "red")
    assert "original-destination" not in again.headers
    assert bodies(engine, dead) == ["not a dead letter"]


def test_number_of_moved_messages_is_limited(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration, "MAX_MOVED", 2)
    put(engine, "/queue/a", "1", "2", "3")
    assert administration.move(engine, "/queue/a", "/queue/b") == 2
    assert bodies(engine, "/queue/a") == ["3"]


def test_paused_queue_keeps_its_messages(engine: Engine) -> None:
    client = subscribed(engine, "/queue/a")
    administration.pause(engine, "/queue/a", paused=True)
    put(engine, "/queue/a", "1", "2")
    later = subscribed(engine, "/queue/a")
    assert client.take() == later.take() == []
    administration.pause(engine, "/queue/a", paused=False)
    assert [len(client.take()), len(later.take())] == [1, 1]


def test_paused_topic_keeps_its_messages(engine: Engine) -> None:
    client = subscribed(engine, "/topic/a")
    administration.pause(engine, "/topic/a", paused=True)
    put(engine, "/topic/a", "1")
    assert client.take() == []
    administration.pause(engine, "/topic/a", paused=False)
    assert len(client.take()) == 1


def test_paused_queue_keeps_its_messages_from_a_subscription_with_a_selector(engine: Engine) -> None:
    client = subscribed(engine, "/queue/a", selector="color = 'red'")
    administration.pause(engine, "/queue/a", paused=True)
    put(engine, "/queue/a", "1", color="red")
    assert client.take() == []
    administration.pause(engine, "/queue/a", paused=False)
    assert len(client.take()) == 1


def test_stalled_subscription_gets_nothing(engine: Engine) -> None:
    client, other = subscribed(engine, "/queue/a"), subscribed(engine, "/queue/a")
    (consumer,) = client.consumers.values()
    administration.stall(engine, consumer, stalled=True)
    put(engine, "/queue/a", "1", "2")
    assert (len(client.take()), len(other.take())) == (0, 2)
    administration.stall(engine, consumer, stalled=False)
    put(engine, "/queue/a", "3", "4")
    assert (len(client.take()), len(other.take())) == (1, 1)


@pytest.mark.parametrize("end", ["UNSUBSCRIBE", "DISCONNECT", "ERROR"])
def test_ended_subscription_is_not_stalled_any_more(end: str) -> None:
    with Broker() as broker, RawClient(broker) as client:
        client.connect()
        client.send("SUBSCRIBE", id="1", destination="/queue/a", receipt="r")
        client.expect("RECEIPT")
        assert broker._ask(lambda server: server.stall(1, "1", stalled=True))
        assert [key for _, key in broker._ask(lambda server: server.stalled_subscriptions())] == ["1"]
        assert broker.subscriptions()[0].stalled
        assert broker.subscriptions()[0].prefetch == Policy().window
        if end == "UNSUBSCRIBE":
            client.send("UNSUBSCRIBE", id="1")
            client.send("SUBSCRIBE", id="1", destination="/queue/a", receipt="r")
            client.expect("RECEIPT")
            assert not broker.subscriptions()[0].stalled
        else:
            client.send("DISCONNECT" if end == "DISCONNECT" else "COMMIT", transaction="none")
            client.expect("ERROR") if end == "ERROR" else client.expect_end()
        assert broker._ask(lambda server: server.stalled_subscriptions()) == []
