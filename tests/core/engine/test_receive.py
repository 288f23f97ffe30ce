from __future__ import annotations

import pytest

from stomp.core.engine import lifecycle, receive, subscriptions
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.engine.status import ClientState, StateChangeQueue
from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
)
from tests.core.stage import Stage


def test_messages_are_received_in_order(stage: Stage) -> None:
    subscription = stage.subscribe()
    stage.deliver(subscription, "1", b"one")
    stage.deliver(subscription, "2", b"two")
    assert [stage.do(receive.receive_gen(stage.engine, subscription.queue, None)).body for _ in range(2)] == [
        b"one",
        b"two",
    ]


def test_receive_waits_for_a_message(stage: Stage) -> None:
    subscription = stage.subscribe()
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    assert not run.done
    stage.deliver(subscription, "1", b"one")
    assert run.result.body == b"one"


def test_receive_ends_at_the_deadline(stage: Stage) -> None:
    subscription = stage.subscribe()
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, stage.clock() + 5))
    stage.advance(5)
    assert run.result is None


def test_stale_messages_are_not_returned(stage: Stage) -> None:
    individual, auto = stage.subscribe(), stage.subscribe("/queue/b", "auto")
    stage.deliver(individual, "1")
    stage.deliver(auto, "2")
    stage.link.hang_up()
    assert stage.do(receive.receive_gen(stage.engine, auto.queue, None)).id == "2"
    run = stage.run(receive.receive_gen(stage.engine, individual.queue, None))
    assert not run.done
    stage.reconnect()
    stage.deliver(individual, "1", redelivered="true")
    assert run.result.redelivered


def test_a_subscription_that_the_broker_ends_says_why_once() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    stage.link.say("ERROR", message="Server cancelled subscription", subscription=subscription.id)
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)).id == "1"
    with pytest.raises(BrokerError, match="Server cancelled"):
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) is None


def test_max_silence_causes_a_reconnect(stage: Stage) -> None:
    subscription = stage.subscribe(max_silence=10.0)
    stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.advance(9)
    stage.deliver(subscription, "1")
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.advance(9)
    assert not stage.link.hung_up
    stage.advance(1)
    assert stage.link.hung_up
    assert "no message from /queue/a for 10 s" in stage.said[-1]
    stage.reconnect()
    assert stage.link.take("SUBSCRIBE").headers["id"] == subscription.id
    assert not run.done


def test_reconnecting_after_silence_is_not_a_lost_connection() -> None:
    stage = Stage(reattempts=1)
    stage.connect()
    subscription = stage.subscribe(max_silence=1.0)
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    for _ in range(3):
        stage.advance(1.0)
        assert stage.link.hung_up
        stage.reconnect()  # at once
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
        assert stage.engine.state is ClientState.CONNECTED
        assert not stage.engine.losses.failures
    stage.deliver(subscription, "1", b"one")
    assert run.result.body == b"one"


def test_state_changes_are_returned_in_order(stage: Stage) -> None:
    log = StateChangeQueue()
    stage.engine.logs.append(log)
    run = stage.run(receive.next_state_change_gen(stage.engine, log, None))
    stage.link.hang_up()
    change = run.result
    assert (change.before, change.state) == (ClientState.CONNECTED, ClientState.RECONNECTING)
    assert isinstance(change.error, ConnectionLost)
    stage.reconnect()
    assert stage.do(receive.next_state_change_gen(stage.engine, log, None)).generation == 2
    closing = stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert closing.result is True
    states = [stage.do(receive.next_state_change_gen(stage.engine, log, None)).state for _ in range(2)]
    assert states == [ClientState.CLOSING, ClientState.CLOSED]
    assert stage.do(receive.next_state_change_gen(stage.engine, log, None)) is None


def test_receive_ends_when_the_subscription_is_closed(stage: Stage) -> None:
    subscription = stage.subscribe()
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.run(subscriptions.unsubscribe_gen(stage.engine, subscription, 30, delete=False))
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert run.result is None


def test_receive_ends_when_a_drain_begins(stage: Stage) -> None:
    subscription = stage.subscribe()
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.run(lifecycle.drain_gen(stage.engine, 30))
    assert run.result is None


def test_only_the_silent_one_of_merged_subscriptions_causes_a_reconnect(stage: Stage) -> None:
    queue = MessageQueue()
    for destination, silence in (("/queue/a", 20.0), ("/queue/b", None), ("/queue/c", 10.0)):
        stage.subscribe(destination, max_silence=silence).merge_into(queue)
    stage.run(receive.receive_gen(stage.engine, queue, None))
    stage.advance(9.9)
    assert not stage.link.hung_up
    stage.advance(0.1)
    assert stage.link.hung_up
    assert str(stage.engine.error).startswith("no message from /queue/c for 10 s")


def test_silence_without_a_connection_is_waited_for(stage: Stage) -> None:
    subscription = stage.subscribe(max_silence=10.0)
    run = stage.run(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.link.hang_up()
    for _ in range(3):
        stage.advance(10)
    assert not run.done
    stage.reconnect()
    stage.deliver(subscription, "1")
    assert run.result.id == "1"


def test_waiting_for_a_state_change_has_a_deadline(stage: Stage) -> None:
    log = StateChangeQueue()
    stage.engine.logs.append(log)
    run = stage.run(receive.next_state_change_gen(stage.engine, log, stage.clock() + 5))
    stage.advance(4.9)
    assert not run.done
    stage.advance(0.1)
    assert run.result is None
