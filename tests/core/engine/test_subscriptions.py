"""stomp.core.engine.subscriptions"""

from __future__ import annotations

import pytest

from stomp.core.engine import acknowledge, subscriptions
from stomp.core.engine.broker_profiles import SPRING
from stomp.core.engine.effects import Wait
from stomp.core.engine.failover import Backoff
from stomp.core.engine.losses import QUIET
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.status import ClientState
from stomp.core.errors import BrokerError, NotConnected, ReceiptMissing, Unsupported, UsageError
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame
from tests.core.stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    return stage


def subscribing_to(stage: Stage, id: str = "s", **config):
    subscription = ClientSubscription(id, SubscriptionConfig("/queue/a", **config))
    return subscription, stage.run(subscriptions.subscribe_gen(stage.engine, subscription, stage.clock() + 5))


def unsubscribing(stage: Stage, subscription: ClientSubscription, *, delete: bool = False):
    return stage.run(
        subscriptions.unsubscribe_gen(stage.engine, subscription, stage.clock() + 5, delete=delete)
    )


def test_subscribe_returns_after_the_receipt(stage: Stage) -> None:
    subscription, run = subscribing_to(
        stage, ack="client-individual", options={"prefetch": 5}, headers={"x": "y"}
    )
    frame = stage.link.take("SUBSCRIBE")
    assert frame.headers["prefetch-count"] == "5"
    assert frame.headers["x"] == "y"
    assert not run.done
    stage.link.confirm(frame)
    assert run.result is None
    assert subscription.made


def test_refused_subscription_is_removed(stage: Stage) -> None:
    subscription, run = subscribing_to(stage)
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("SUBSCRIBE").headers["receipt"])
    with pytest.raises(BrokerError):
        assert run.result
    assert subscription.ended
    assert not stage.engine.subscriptions


def test_unanswered_subscription_is_removed(stage: Stage) -> None:
    _, run = subscribing_to(stage)
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="SUBSCRIBE in time"):
        assert run.result
    assert not stage.engine.subscriptions


def test_cancelled_subscribe_is_unsubscribed(stage: Stage) -> None:
    for gives_up in (lambda run: run.throw(KeyboardInterrupt()), lambda run: stage.advance(5)):
        _, run = subscribing_to(stage)
        frame = stage.link.take("SUBSCRIBE")
        gives_up(run)
        assert run.done
        assert stage.link.take("UNSUBSCRIBE").headers["id"] == frame.headers["id"]
        assert not stage.engine.ledger.subscriptions


def test_duplicate_id_is_refused(stage: Stage) -> None:
    stage.subscribe(id="s")
    _, run = subscribing_to(stage)
    with pytest.raises(UsageError, match="there is a subscription 's' already"):
        assert run.result
    assert "s" in stage.engine.subscriptions


def test_unsupported_option_sends_no_subscribe(stage: Stage) -> None:
    _, run = subscribing_to(stage, options={"selector": "a = 1"})
    with pytest.raises(Unsupported, match="broker ignores the header"):
        assert run.result
    assert not stage.link.sent
    assert not stage.engine.subscriptions


def test_a_subscription_whose_connection_is_lost_is_made_on_the_next(stage: Stage) -> None:
    stage.link.session.receive_eof()
    _, run = subscribing_to(stage)
    stage.link.pump()
    stage.reconnect()
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.result is None
    assert not stage.link.sent


def test_subscribe_while_disconnected_is_sent_after_the_reconnect(stage: Stage) -> None:
    stage.link.hang_up()
    _, run = subscribing_to(stage)
    stage.reconnect()
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.result is None
    assert not stage.link.sent


def test_subscribe_without_answer_is_repeated_after_the_reconnect(stage: Stage) -> None:
    subscription, run = subscribing_to(stage)
    stage.link.take("SUBSCRIBE")
    stage.link.hang_up()
    assert not run.done
    stage.reconnect()
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.result is None
    assert (subscription.made, subscription.generation) == (True, 2)
    assert not stage.link.sent


def test_unsubscribing_ends_the_subscription(stage: Stage) -> None:
    subscription = stage.subscribe()
    run = unsubscribing(stage, subscription)
    assert not subscription.ended
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert run.result is None
    assert subscription.ended
    unsubscribing(stage, subscription)
    assert not stage.link.sent


def test_unacknowledged_messages_kept_by_rabbitmq_are_reported(stage: Stage) -> None:
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    unsubscribing(stage, subscription)
    assert "1 unacknowledged messages of /queue/a stay with this connection" in stage.said[-1]


def test_a_durable_subscription_is_deleted_by_the_headers_that_made_it(stage: Stage) -> None:
    subscription = stage.subscribe("/topic/t", "auto", id="d", options={"durable": "d"})
    unsubscribing(stage, subscription, delete=True)
    frame = stage.link.take("UNSUBSCRIBE")
    assert (frame.headers["durable"], frame.headers["auto-delete"], frame.headers["id"]) == (
        "true",
        "false",
        "d",
    )


def test_durable_subscription_of_activemq_is_deleted_by_name() -> None:
    stage = Stage(client_id="c")
    stage.connect(server="ActiveMQ/5.17.2")
    subscription = stage.subscribe("/topic/t", "auto", id="s", options={"durable": "d"})
    run = unsubscribing(stage, subscription, delete=True)
    first = stage.link.take("UNSUBSCRIBE")
    assert "activemq.subscriptionName" not in first.headers
    stage.link.confirm(first)
    second = stage.link.take("UNSUBSCRIBE")
    assert second.headers["activemq.subscriptionName"] == "d"
    stage.link.confirm(second)
    assert run.result is None


def test_a_lost_connection_ends_a_subscription_that_was_being_ended(stage: Stage) -> None:
    subscription = stage.subscribe()
    run = unsubscribing(stage, subscription)
    stage.link.hang_up()
    assert run.done
    assert subscription.ended
    stage.reconnect()
    assert not stage.link.sent


def test_waiting_for_a_connection_ends_with_the_client() -> None:
    stage = Stage(reattempts=0)
    stage.connect()
    stage.link.hang_up()
    run = stage.run(subscriptions.wait_connected_gen(stage.engine, stage.clock() + 30))
    assert not run.done
    stage.engine.finish(ClientState.CLOSED, "closed")
    stage.go_on()
    with pytest.raises(NotConnected, match="was closed"):
        assert run.result


def test_waiting_for_a_connection_goes_on_if_it_is_lost_at_once() -> None:
    """An event loop runs the step after the wait later than the event, and the next event may come between them."""
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    operation = subscriptions.wait_connected_gen(stage.engine, stage.clock() + 30)
    assert isinstance(next(operation), Wait)
    assert isinstance(operation.send(True), Wait)  # it was connected, and is not any more
    with pytest.raises(NotConnected, match="reconnecting"):
        operation.send(False)  # the deadline has passed


def test_confirmed_ack_is_sent_while_subscriptions_are_restored(stage: Stage) -> None:
    """With threads, a message may arrive right after its SUBSCRIBE, before the client is connected again."""
    subscription = stage.subscribe()
    stage.link.hang_up()
    link = stage.reconnect()
    link.take("SUBSCRIBE")
    stage.engine.state = ClientState.RECONNECTING  # as between this SUBSCRIBE and the next one
    stage.deliver(subscription, "m")
    message = stage.engine.next_message(subscription.queue)
    assert message is not None
    run = stage.run(acknowledge.settle_gen(stage.engine, message, stage.clock() + 30, confirm=True))
    link.confirm(link.take("ACK"))
    assert run.result is None


def test_broker_without_receipts_is_asked_for_none() -> None:
    stage = Stage(profile=SPRING)
    stage.connect()
    subscription, run = subscribing_to(stage)
    assert run.result is None
    assert subscription.made
    assert "receipt" not in stage.link.take("SUBSCRIBE").headers
    assert stage.link.session.next_deadline() is None
    run = unsubscribing(stage, subscription)
    assert run.result is None
    assert stage.link.take("UNSUBSCRIBE").headers == {"id": "s"}
    connection = stage.engine.current
    frame = commands.transaction("COMMIT", "t")
    with pytest.raises(Unsupported, match="Spring has no receipts") as caught:
        stage.do(subscriptions.send_and_wait_receipt_gen(stage.engine, connection, frame, 30))
    assert caught.value.hint == "do without confirm=True"
    assert not stage.link.sent


def test_request_that_is_not_sent_leaves_nothing_behind(stage: Stage) -> None:
    def lost(frame: Frame, **options: object) -> None:
        raise NotConnected("the connection has ended")

    connection = stage.engine.current
    stage.link.transmit = lost  # type: ignore[method-assign]
    frame = commands.transaction("COMMIT", "t")
    with pytest.raises(NotConnected):
        stage.do(subscriptions.send_and_wait_receipt_gen(stage.engine, connection, frame, 30))
    assert not stage.engine.pending


def test_request_that_the_session_does_not_report_is_given_up_a_second_later(stage: Stage) -> None:
    frame = commands.transaction("COMMIT", "t")
    run = stage.run(subscriptions.send_and_wait_receipt_gen(stage.engine, stage.engine.current, frame, 5.0))
    stage.clock.advance(5.9)
    stage.go_on()
    assert not run.done
    stage.clock.advance(0.1)
    stage.go_on()
    with pytest.raises(NotConnected, match="the answer to COMMIT was not waited for any longer"):
        assert run.result
    assert not stage.engine.pending


@pytest.mark.parametrize(
    ("version", "headers"), [("1.0", {"id": "s", "destination": "/queue/a"}), ("1.1", {"id": "s"})]
)
def test_unsubscribe_names_the_destination_in_1_0(version: str, headers: dict[str, str]) -> None:
    stage = Stage()
    stage.connect(version=version)
    subscription, run = subscribing_to(stage)
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.done
    unsubscribing(stage, subscription)
    frame = stage.link.take("UNSUBSCRIBE")
    assert {name: value for name, value in frame.headers.items() if name != "receipt"} == headers


def test_only_an_error_is_the_reason_of_a_subscription_that_ended(stage: Stage) -> None:
    subscription, run = subscribing_to(stage)
    run.throw(KeyboardInterrupt())
    assert (subscription.ended, subscription.error) == (True, None)


def test_closed_subscription_is_to_be_made_again(stage: Stage) -> None:
    subscription = stage.subscribe()
    subscription.queue.check_open()
    run = unsubscribing(stage, subscription)
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert run.done
    with pytest.raises(UsageError, match="the subscription to /queue/a is closed") as caught:
        subscription.queue.check_open()
    assert caught.value.hint == "subscribe again"
    subscription.error = BrokerError("gone")  # it is raised by the next receive
    subscription.queue.check_open()


def restoring() -> tuple[Stage, ClientSubscription, ClientSubscription]:
    """A client that has sent one SUBSCRIBE again and waits before the next one, which may end connections."""
    stage = Stage(backoff=Backoff(initial=0.0))
    stage.connect(server="RabbitMQ/3.10.8")
    kept = stage.subscribe("/queue/kept", "client-individual")
    suspect, _ = subscribing_to(stage, "suspect")
    for _ in "12":
        stage.link.hang_up()
        stage.reconnect(server="RabbitMQ/3.10.8")
    frame = stage.link.take("SUBSCRIBE")
    assert frame.headers["id"] == kept.id
    stage.link.confirm(frame)
    assert stage.engine.state is ClientState.RECONNECTING
    assert not stage.link.sent
    return stage, kept, suspect


def test_subscription_that_was_restored_already_is_ended_at_the_broker() -> None:
    """Otherwise the broker would go on delivering to it, and nobody would acknowledge the messages."""
    stage, kept, _ = restoring()
    run = unsubscribing(stage, kept)
    assert not run.done
    stage.advance(QUIET)
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.advance(QUIET)
    assert stage.engine.state is ClientState.CONNECTED
    frame = stage.link.take("UNSUBSCRIBE")
    assert frame.headers["id"] == kept.id
    stage.link.confirm(frame)
    assert run.result is None
    assert kept.ended


def test_subscription_that_was_not_restored_yet_is_not_sent_again() -> None:
    stage, _, suspect = restoring()
    assert unsubscribing(stage, suspect).result is None
    stage.advance(QUIET)
    stage.advance(QUIET)
    assert stage.engine.state is ClientState.CONNECTED
    assert not stage.link.sent


def test_unsubscribing_ends_with_a_connection_that_is_lost_while_it_is_restored() -> None:
    stage, kept, _ = restoring()
    run = unsubscribing(stage, kept)
    stage.link.hang_up()
    assert run.result is None
    assert kept.ended


def test_unsubscribing_waits_for_the_connection_until_its_deadline() -> None:
    stage, kept, _ = restoring()
    run = stage.run(subscriptions.unsubscribe_gen(stage.engine, kept, stage.clock() + 0.5, delete=False))
    stage.advance(0.4)
    assert not run.done
    stage.advance(0.1)
    assert run.result is None
    assert kept.ended
