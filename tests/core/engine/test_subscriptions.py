"""stomp.core.engine.subscriptions"""

from __future__ import annotations

from typing import Any

import pytest

from stomp.core.engine import acknowledge, lifecycle, subscriptions
from stomp.core.engine.broker_profiles import SPRING
from stomp.core.engine.effects import Now, Wait
from stomp.core.engine.failover import Backoff
from stomp.core.engine.losses import QUIET
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.status import ClientState
from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
    NotConnected,
    ReceiptMissing,
    Unsupported,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame
from tests.core.stage import FakeLink, Stage


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
    """Otherwise the broker would continue to deliver to it, and its messages would never be acknowledged."""
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


def test_subscription_that_is_refused_meanwhile_is_not_unsubscribed() -> None:
    stage, kept, suspect = restoring()
    stage.advance(QUIET)
    refused = stage.link.take("SUBSCRIBE")
    assert refused.headers["id"] == suspect.id
    run = unsubscribing(stage, suspect)
    stage.link.say("ERROR", message="locked", receipt_id=refused.headers["receipt"])
    stage.advance(QUIET)
    assert stage.engine.state is ClientState.CONNECTED
    assert run.result is None
    assert not stage.link.sent
    assert (suspect.ended, kept.ended) == (True, False)


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


# ------------------------------------------------------------------------------------- SUBSCRIBE in detail


def test_request_for_a_receipt_has_the_deadline_of_the_operation(stage: Stage) -> None:
    subscribing_to(stage)
    assert stage.link.session.next_deadline() == stage.clock() + 5


def test_subscribe_is_sent_on_the_next_connection_if_one_was_lost_before_it(stage: Stage) -> None:
    perform = stage.perform
    lost: list[FakeLink] = []

    def perform_and_lose(effect: Any) -> Any:
        if isinstance(effect, Now) and not lost:
            lost.append(stage.link)
            stage.link.session.receive_eof()
            stage.link.pump()
        return perform(effect)

    stage.perform = perform_and_lose  # type: ignore[method-assign]
    subscription, run = subscribing_to(stage)
    assert not run.done
    assert subscription.generation == 0
    stage.reconnect()
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.result is None


@pytest.mark.parametrize("confirm", [True, False])
def test_subscription_is_not_made_on_a_connection_that_has_ended_unnoticed(
    stage: Stage, confirm: bool
) -> None:
    stage.link.session.receive_eof()
    subscription, run = subscribing_to(stage, confirm=confirm)
    assert (run.done, subscription.made) == (False, False)
    stage.link.pump()
    assert not subscription.made
    stage.reconnect()
    frame = stage.link.take("SUBSCRIBE")
    if confirm:
        stage.link.confirm(frame)
    assert run.result is None
    assert subscription.made is True
    assert (subscription.receipt == "") is not confirm


def test_subscribe_without_confirmation_has_no_receipt(stage: Stage) -> None:
    subscription, run = subscribing_to(stage, confirm=False)
    assert run.result is None
    assert subscription.receipt == ""


def test_failed_subscription_has_the_error_of_the_operation(stage: Stage) -> None:
    subscription, run = subscribing_to(stage)
    stage.advance(5)
    assert isinstance(run.error, ReceiptMissing)
    assert subscription.error is run.error


def test_cancelled_subscribe_raises_what_cancelled_it_even_if_unsubscribe_cannot_be_sent(
    stage: Stage,
) -> None:
    _, run = subscribing_to(stage)

    def lost(frame: Frame, **options: object) -> None:
        raise NotConnected("the connection has ended")

    stage.link.transmit = lost  # type: ignore[method-assign]
    run.throw(KeyboardInterrupt())
    assert isinstance(run.error, KeyboardInterrupt)


def test_cancelled_subscribe_does_not_delete_a_durable_subscription(stage: Stage) -> None:
    _, run = subscribing_to(stage, options={"durable": "d"})
    stage.link.take("SUBSCRIBE")
    run.throw(KeyboardInterrupt())
    assert "durable" not in stage.link.take("UNSUBSCRIBE").headers


def test_lost_subscribe_that_is_not_repeated_in_time_has_no_connection(stage: Stage) -> None:
    _, run = subscribing_to(stage)
    stage.link.hang_up()
    stage.clock.advance(5)
    stage.go_on()
    with pytest.raises(NotConnected, match="reconnecting"):
        assert run.result


def test_repeated_subscribe_without_answer_is_named_by_its_receipt(stage: Stage) -> None:
    _, run = subscribing_to(stage)
    stage.link.hang_up()
    stage.reconnect()
    frame = stage.link.take("SUBSCRIBE")
    stage.clock.advance(5)
    stage.go_on()
    with pytest.raises(ReceiptMissing, match="the broker did not answer SUBSCRIBE in time") as caught:
        assert run.result
    assert caught.value.receipt == frame.headers["receipt"]


def test_repeated_subscribe_that_the_next_broker_cannot_have_raises_the_reason() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    _, run = subscribing_to(stage, options={"selector": "a = 1"})
    stage.link.hang_up()
    stage.reconnect(server="RabbitMQ/3.10.8")
    with pytest.raises(Unsupported, match="RabbitMQ has no selector"):
        assert run.result


def test_subscribe_of_a_client_that_fails_says_so(stage: Stage) -> None:
    _, run = subscribing_to(stage)
    stage.link.hang_up()
    stage.engine.fail(ConnectionLost("gone"))
    stage.go_on()
    with pytest.raises(NotConnected, match="the client has failed: gone"):
        assert run.result


# ------------------------------------------------------------------------------------- UNSUBSCRIBE in detail


def ending(stage: Stage, subscription: ClientSubscription, *, delete: bool = False) -> list[dict[str, str]]:
    """End a subscription, which the broker confirms; the headers of the frames without the receipts."""
    run = unsubscribing(stage, subscription, delete=delete)
    headers = []
    while not run.done:
        frame = stage.link.take("UNSUBSCRIBE")
        headers.append({name: value for name, value in frame.headers.items() if name != "receipt"})
        stage.link.confirm(frame)
    assert run.result is None
    return headers


def test_closing_a_subscription_while_the_client_closes_sends_nothing(stage: Stage) -> None:
    subscription = stage.subscribe()
    stage.run(lifecycle.close_gen(stage.engine, 30))
    stage.link.take("DISCONNECT")
    assert unsubscribing(stage, subscription).result is None
    assert not stage.link.sent


@pytest.mark.parametrize(("server", "count"), [("RabbitMQ/3.10.8", 0), ("ActiveMQ/5.17.2", 1)])
def test_only_held_messages_are_reported(server: str, count: int) -> None:
    stage = Stage()
    stage.connect(server=server)
    subscription = stage.subscribe()
    for number in range(count):
        stage.deliver(subscription, str(number))
    unsubscribing(stage, subscription)
    assert not any("unacknowledged" in line for line in stage.said)


def test_report_of_held_messages_names_the_broker(stage: Stage) -> None:
    subscription = stage.subscribe()
    for number in "12":
        stage.deliver(subscription, number)
    unsubscribing(stage, subscription)
    assert stage.said[-1] == (
        "2 unacknowledged messages of /queue/a stay with this connection until it ends: RabbitMQ "
        "delivers them to no other consumer before"
    )


def test_only_a_durable_subscription_is_deleted_and_only_on_request(stage: Stage) -> None:
    plain = stage.subscribe(ack="auto", id="p")
    assert ending(stage, plain, delete=True) == [{"id": "p"}]
    durable = stage.subscribe("/topic/t", "auto", id="d", options={"durable": "d"})
    assert ending(stage, durable) == [{"id": "d"}]


def test_durable_subscription_is_deleted_with_its_destination(stage: Stage) -> None:
    durable = stage.subscribe("/topic/t", "auto", id="d", options={"durable": "d"})
    assert ending(stage, durable, delete=True) == [
        {"id": "d", "destination": "/topic/t", "durable": "true", "auto-delete": "false"}
    ]


def test_durable_subscription_of_activemq_is_ended_and_deleted_in_1_0() -> None:
    stage = Stage(client_id="c")
    stage.connect(server="ActiveMQ/5.17.2", version="1.0")
    durable = stage.subscribe("/topic/t", "auto", id="s", options={"durable": "d"})
    assert ending(stage, durable, delete=True) == [
        {"id": "s", "destination": "/topic/t"},
        {"id": "s", "activemq.subscriptionName": "d"},
    ]


def test_subscription_that_is_ended_twice_sends_one_unsubscribe(stage: Stage) -> None:
    """A broker may end the connection at an UNSUBSCRIBE for a subscription that it does not know."""
    subscription = stage.subscribe()
    first, second = unsubscribing(stage, subscription), unsubscribing(stage, subscription)
    frame = stage.link.take("UNSUBSCRIBE")
    assert not stage.link.sent
    assert (first.done, second.done) == (False, False)
    stage.link.confirm(frame)
    assert first.result is None
    assert second.result is None


def test_second_end_of_a_subscription_has_a_deadline_of_its_own(stage: Stage) -> None:
    subscription = stage.subscribe()
    first = stage.run(subscriptions.unsubscribe_gen(stage.engine, subscription, 30, delete=False))
    second = unsubscribing(stage, subscription)
    stage.advance(4.9)
    assert not second.done
    stage.advance(0.1)
    assert second.result is None
    assert subscription.ended
    assert not first.done
