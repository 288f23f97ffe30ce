"""stomp.core.engine.lifecycle"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from stomp.core.engine import acknowledge, lifecycle, receive, send, subscriptions, transaction_ops
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import OpenConnection, SendFrame, Wait
from stomp.core.engine.failover import Backoff
from stomp.core.engine.losses import QUIET, STABLE_AFTER
from stomp.core.engine.message_queue import ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState
from stomp.core.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionLost,
    NotConnected,
    OutcomeUnknown,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame
from stomp.core.session.events import Reason
from tests.core.stage import Stage


def zero() -> float:
    return 0.0


def connecting(stage: Stage):
    return stage.run(lifecycle.connect_gen(stage.engine, zero))


def test_connect_sends_credentials_and_options() -> None:
    stage = Stage(login="me", passcode=lambda: "secret", headers={"x": "y"}, client_id="c", heartbeat=(1, 2))
    run = connecting(stage)
    assert stage.engine.state.value == "connecting"
    frame = stage.link.take("CONNECT")
    assert frame.headers == {
        "x": "y", "client-id": "c", "accept-version": "1.0,1.1,1.2", "host": "/", "login": "me", "passcode": "secret",
        "heart-beat": "1,2",
    }  # fmt: skip
    stage.link.say("CONNECTED", version="1.2", server="RabbitMQ/3.10.8")
    assert run.result is None
    assert stage.engine.state is ClientState.CONNECTED
    assert stage.engine.current.profile.name == "rabbitmq"
    assert "secret" not in "".join(stage.engine.recorder.lines())


def test_credentials_are_resolved_at_each_connect() -> None:
    tokens = iter(["one", "two"])
    stage = Stage(login="me", passcode=lambda: next(tokens))
    stage.connect()
    stage.link.hang_up()
    stage.engine.needs_reconnect = False
    stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    assert stage.link.take("CONNECT").headers["passcode"] == "two"


def test_failing_credentials_function_is_not_shown() -> None:
    def fail() -> str:
        raise ValueError("swordfish")

    stage = Stage(passcode=fail, attempts=1)
    with pytest.raises(
        ConnectFailed, match="credentials for a:1 could not be obtained: ValueError"
    ) as caught:
        assert connecting(stage).result
    assert "swordfish" not in str(caught.value)


def test_broker_kind_can_be_configured() -> None:
    from stomp.core.engine.broker_profiles import RABBITMQ

    stage = Stage(profile=RABBITMQ)
    stage.connect(server="ActiveMQ/5.17.2")
    assert stage.engine.current.profile is RABBITMQ


def test_refused_login_is_not_repeated() -> None:
    stage = Stage(attempts=5)
    run = connecting(stage)
    stage.link.say("ERROR", b"Access refused for user 'x'", message="Bad CONNECT")
    with pytest.raises(AuthenticationFailed, match="Access refused"):
        assert run.result
    assert len(stage.dialed) == 1
    assert stage.engine.state is ClientState.FAILED


def test_all_addresses_are_tried_in_rounds_with_waits_in_between() -> None:
    stage = Stage(addresses=("a", "b"), attempts=2, backoff=Backoff(initial=1.0, jitter=0))
    stage.failures = [ConnectFailed("no", phase="tcp", address="a")] * 4
    run = connecting(stage)
    assert stage.dialed == ["a", "b"]
    stage.advance(1.0)
    with pytest.raises(ConnectFailed, match="no; 2 attempts at each of 2 addresses failed") as caught:
        assert run.result
    assert stage.dialed == ["a", "b", "a", "b"]
    assert len(caught.value.failures) == 4
    assert caught.value.phase == "tcp"


def test_silent_broker_times_out() -> None:
    stage = Stage(attempts=1, connect_timeout=5.0)
    run = connecting(stage)
    stage.advance(5.0)
    with pytest.raises(ConnectFailed, match="did not answer CONNECT in time"):
        assert run.result
    assert stage.link.session.closed is not None


def test_closed_connection_is_in_the_error() -> None:
    stage = Stage(attempts=1)
    run = connecting(stage)
    stage.link.hang_up()
    with pytest.raises(ConnectFailed, match="connecting to a:1 failed: the peer closed the connection"):
        assert run.result


def test_second_connect_is_refused() -> None:
    stage = Stage()
    stage.connect()
    with pytest.raises(UsageError, match="connected already"):
        assert connecting(stage).result


def test_a_closed_client_can_connect_again() -> None:
    stage = Stage()
    stage.connect()
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result
    stage.connect()
    assert stage.engine.state is ClientState.CONNECTED


# ------------------------------------------------------------------------------------- reconnecting


def test_subscriptions_are_restored_with_fresh_receipts() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe(headers={"x": "1"})
    quiet = stage.subscribe("/queue/b", "auto", confirm=False)
    stage.link.take("SUBSCRIBE")
    stage.link.hang_up()
    stage.reconnect()
    first, second = stage.link.take("SUBSCRIBE"), stage.link.take("SUBSCRIBE")
    assert (first.headers["id"], first.headers["x"]) == (subscription.id, "1")
    assert "receipt" in first.headers
    assert second.headers["id"] == quiet.id
    assert "receipt" not in second.headers
    stage.deliver(subscription, "1")
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)).id == "1"


def test_a_subscription_that_is_refused_the_second_time_ends() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.link.hang_up()
    stage.reconnect()
    stage.link.say("ERROR", message="locked", receipt_id=stage.link.take("SUBSCRIBE").headers["receipt"])
    stage.make_calls()
    assert subscription.ended
    assert "locked" in str(subscription.error)


def test_a_subscription_that_the_next_broker_cannot_have_ends() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    subscription = stage.subscribe(options={"selector": "a = 1"})
    stage.link.hang_up()
    stage.reconnect(server="RabbitMQ/3.10.8")
    assert subscription.ended
    assert "RabbitMQ has no selector" in str(subscription.error)


def test_reconnecting_ends_after_the_attempts() -> None:
    stage = Stage(reattempts=1)
    stage.connect()
    subscription = stage.subscribe()
    stage.link.hang_up()
    stage.failures = [ConnectFailed("refused")]
    stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    assert stage.engine.state is ClientState.FAILED
    with pytest.raises(ConnectFailed, match="refused"):
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    with pytest.raises(NotConnected, match="the client has failed: refused"):
        stage.do(send.send_gen(stage.engine, OutgoingMessage("/queue/a", b""), 5))


def test_a_refused_login_ends_reconnecting() -> None:
    stage = Stage(reattempts=-1)
    stage.connect()
    stage.link.hang_up()
    stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    stage.link.take("CONNECT")
    stage.link.say("ERROR", b"Access refused", message="Bad CONNECT")
    assert stage.engine.state is ClientState.FAILED
    assert isinstance(stage.engine.error, AuthenticationFailed)


def test_lost_connection_without_reconnect_fails_the_client() -> None:
    stage = Stage(reconnect=False)
    stage.connect()
    stage.link.hang_up()
    assert stage.engine.state is ClientState.FAILED
    assert not stage.engine.needs_reconnect


def test_connection_lost_while_resubscribing_is_retried() -> None:
    stage = Stage(backoff=Backoff(initial=1.0, jitter=0))
    stage.connect()
    stage.subscribe()
    stage.link.hang_up()
    stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    stage.link.hang_up()
    assert len(stage.links) == 2
    stage.advance(1.0)
    assert len(stage.links) == 3
    stage.greet()
    assert stage.engine.state is ClientState.CONNECTED
    stage.link.take("SUBSCRIBE")


# ------------------------------------------------------------------------------------- the end


def test_close_waits_for_answers_and_disconnects() -> None:
    stage = Stage()
    stage.connect()
    stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
    run = stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    sent = stage.link.take("SEND")
    assert not stage.link.sent
    stage.link.confirm(sent)
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result is True
    assert stage.engine.state is ClientState.CLOSED


def test_close_has_a_deadline() -> None:
    stage = Stage()
    stage.connect()
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    run = stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    stage.advance(5)
    stage.advance(0)
    assert run.result is False
    assert stage.link.hung_up or stage.link.session.closed
    assert confirmation.outcome == "unknown"
    assert stage.engine.state is ClientState.CLOSED


def test_close_ends_subscriptions() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe("/queue/a", "auto")
    stage.deliver(subscription, "1")
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)).id == "1"
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) is None


def test_close_ends_reconnecting() -> None:
    stage = Stage(backoff=Backoff(initial=100.0))
    stage.connect()
    stage.link.hang_up()
    stage.failures = [ConnectFailed("no")]
    again = stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    assert not again.done
    assert stage.do(lifecycle.close_gen(stage.engine, 5)) is False
    assert again.done
    assert stage.engine.state is ClientState.CLOSED
    assert stage.do(lifecycle.close_gen(stage.engine, 5)) is True


def test_close_before_reconnecting_prevents_it() -> None:
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    stage.do(lifecycle.close_gen(stage.engine, 5))
    stage.do(lifecycle.reconnect_gen(stage.engine, zero))
    assert len(stage.dialed) == 1
    assert stage.engine.state is ClientState.CLOSED


def test_close_ends_a_pending_login() -> None:
    stage = Stage()
    run = connecting(stage)
    stage.do(lifecycle.close_gen(stage.engine, 5))
    with pytest.raises(NotConnected, match="closed while it was connecting"):
        assert run.result
    assert stage.link.session.closed is not None
    assert stage.engine.state is ClientState.CLOSED


def test_close_after_the_login_does_not_wait_for_its_deadline() -> None:
    # CONNECTED has come, and the program that connects has not gone on yet: it hangs up when it does.
    stage = Stage()
    run = connecting(stage)
    stage._runs.remove(run)
    stage.greet()
    closing = stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    assert closing.done
    stage._runs.append(run)
    stage.go_on()
    with pytest.raises(NotConnected, match="closed while it was connecting"):
        assert run.result
    assert closing.result is False
    assert stage.link.session.closed is not None
    assert stage.engine.state is ClientState.CLOSED


def test_close_without_connect_is_accepted() -> None:
    stage = Stage()
    assert stage.do(lifecycle.close_gen(stage.engine, 5)) is True
    assert stage.engine.state is ClientState.CLOSED


def test_drain_waits_for_received_messages() -> None:
    stage = Stage()
    stage.connect()
    subscription, other = stage.subscribe(), stage.subscribe("/queue/b", "auto")
    stage.deliver(subscription, "1")
    stage.deliver(subscription, "2")
    stage.deliver(other, "3")
    message = stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert stage.do(receive.receive_gen(stage.engine, other.queue, None)).id == "3"
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) is None
    assert not run.done
    from stomp.core.engine import acknowledge

    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    stage.go_on()
    stage.link.take("ACK")
    stage.link.confirm(stage.link.take("DISCONNECT"))
    report = run.result
    assert report.clean
    assert (report.unsettled, report.returned, report.unconfirmed) == (0, 1, 0)


def test_drain_waits_for_the_commit_of_an_acknowledged_message() -> None:
    from stomp.core.engine import acknowledge, transaction_ops

    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    message = stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30))
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, transaction=record))
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    assert [stage.link.take(command).command for command in ("BEGIN", "ACK")]
    assert not stage.link.sent
    commit = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.link.confirm(stage.link.take("COMMIT"))
    assert commit.result is None
    stage.go_on()
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result.clean
    assert run.result.transactions == 0


def test_drain_reports_open_transactions() -> None:
    from stomp.core.engine import transaction_ops

    stage = Stage()
    stage.connect()
    stage.do(transaction_ops.begin_gen(stage.engine, 30))
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 5))
    assert not run.done
    stage.clock.advance(5)
    stage.go_on()
    assert run.result.transactions == 1
    assert not run.result.clean


def test_drain_ignores_messages_of_an_earlier_connection() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    stage.link.hang_up()
    stage.reconnect()
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert stage.engine.unsettled == 0
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result.clean


def test_drain_leaves_auto_acknowledged_messages_in_the_queue() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe("/queue/a", "auto")
    stage.deliver(subscription, "1")
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result.clean
    assert run.result.queued == 1
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)).id == "1"
    assert stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) is None


def test_drain_continues_if_a_subscription_cannot_be_ended() -> None:
    stage = Stage()
    stage.connect()
    stage.subscribe("/queue/a", "auto")
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 5))
    stage.advance(5)
    stage.advance(0)
    assert run.done
    assert not run.result.clean
    assert "could not be ended" in "\n".join(stage.said)


def test_drain_waits_for_a_message_of_a_closed_merged_subscription() -> None:
    stage = Stage()
    stage.connect()
    one, other = stage.subscribe(), stage.subscribe("/queue/b")
    queue = MessageQueue()
    one.merge_into(queue)
    other.merge_into(queue)
    stage.deliver(one, "1")
    stage.deliver(other, "2")
    stage.deliver(other, "3")
    message = stage.do(receive.receive_gen(stage.engine, queue, None))
    closing = stage.run(subscriptions.unsubscribe_gen(stage.engine, other, 30, delete=False))
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert closing.result is None
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    assert not stage.link.sent
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    stage.go_on()
    stage.link.take("ACK")
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result.clean


def test_drain_ignores_messages_after_a_failed_one() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ-Artemis/2.44.0 x")
    subscription = stage.subscribe(ack="client")
    for id in "123":
        stage.deliver(subscription, id)
    message = stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True, requeue=True))
    assert stage.engine.unsettled == 0
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result.clean


def test_a_drain_checks_again_when_a_message_was_queued() -> None:
    # The session counts a message as delivered before the engine has queued it.
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 30))
    unsettled: list[int] = []
    stage.engine.progress.add_callback(lambda: unsettled.append(stage.engine.unsettled))
    stage.deliver(subscription, "2")
    assert unsettled == [1]


@pytest.mark.parametrize("error", [None, OSError("connection reset")])
def test_closing_is_not_clean_if_the_connection_ends_without_the_receipt(error: OSError | None) -> None:
    stage = Stage()
    stage.connect()
    run = stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    stage.link.take("DISCONNECT")
    stage.link.hang_up(error)
    assert run.result is False
    assert stage.engine.state is ClientState.CLOSED


def test_concurrent_closes_have_one_result() -> None:
    for confirmed in (True, False):
        stage = Stage()
        stage.connect()
        runs = [stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5)) for _ in range(2)]
        frame = stage.link.take("DISCONNECT")
        stage.link.confirm(frame) if confirmed else stage.link.hang_up()
        assert [run.result for run in runs] == [confirmed, confirmed]


def test_drain_reports_the_remaining_messages() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    run = stage.run(lifecycle.drain_gen(stage.engine, stage.clock() + 5))
    stage.advance(5)
    stage.advance(0)
    report = run.result
    assert not report.clean
    assert report.unsettled == 1


def test_a_cancelled_connect_leaves_no_link() -> None:
    stage = Stage()
    run = connecting(stage)
    run.throw(KeyboardInterrupt())
    assert isinstance(run.error, KeyboardInterrupt)
    assert stage.link.hung_up
    assert stage.engine.state is ClientState.FAILED


def test_unsubscribing_while_disconnected_is_remembered() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.link.hang_up()
    stage.do(subscriptions.unsubscribe_gen(stage.engine, subscription, 5, delete=False))
    stage.reconnect()
    assert not stage.link.sent


def test_cancelled_close_sends_no_disconnect() -> None:
    stage = Stage()
    stage.connect()
    run = stage.run(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    stage.link.take("DISCONNECT")
    run.throw(KeyboardInterrupt())
    assert run.done
    assert stage.link.hung_up
    assert stage.engine.state is ClientState.CLOSED


def test_reconnect_cancelled_after_the_end_changes_nothing() -> None:
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    operation = lifecycle.reconnect_gen(stage.engine, zero)
    assert isinstance(next(operation), OpenConnection)
    stage.do(lifecycle.close_gen(stage.engine, 5))
    with pytest.raises(KeyboardInterrupt):
        operation.throw(KeyboardInterrupt())
    assert stage.engine.state is ClientState.CLOSED


def test_connection_that_ended_early_does_not_block() -> None:
    stage = Stage(attempts=1)
    dial = stage.perform

    def dial_in_vain(effect: Any) -> Any:
        answer = dial(effect)
        if isinstance(effect, OpenConnection):
            answer.session.receive_eof()
            answer.pump()
        return answer

    stage.perform = dial_in_vain  # type: ignore[method-assign]
    run = stage.run(lifecycle.connect_gen(stage.engine, zero))
    with pytest.raises(ConnectFailed):
        assert run.result


def test_client_closed_while_resolving_credentials_does_not_connect() -> None:
    def passcode() -> str:
        stage.do(lifecycle.close_gen(stage.engine, stage.clock() + 30))
        return "secret"

    stage = Stage(passcode=passcode)
    run = stage.run(lifecycle.connect_gen(stage.engine, lambda: 0.0))
    assert stage.dialed == []
    with pytest.raises(NotConnected, match="closed while it was connecting"):
        assert run.result


# ------------------------------------------------------------------------------------- what errors say


def test_error_about_credentials_has_its_cause() -> None:
    def fail() -> str:
        raise ValueError("swordfish")

    stage = Stage(passcode=fail, attempts=1)
    with pytest.raises(ConnectFailed) as caught:
        assert connecting(stage).result
    assert (caught.value.address, caught.value.phase) == ("a:1", "credentials")
    [attempt] = caught.value.failures
    assert isinstance(attempt, ConnectFailed)
    assert [type(failure) for failure in attempt.failures] == [ValueError]
    assert caught.value.__cause__ is attempt


def test_broker_that_speaks_no_offered_version_is_left() -> None:
    stage = Stage(versions=("1.1", "1.2"), attempts=1)
    run = connecting(stage)
    stage.link.say("CONNECTED")  # without a version: 1.0
    with pytest.raises(ConnectFailed) as caught:
        assert run.result
    words = "connecting to a:1 failed: the broker speaks STOMP 1.0, offered was 1.1,1.2"
    assert caught.value.message.startswith(words)
    assert (caught.value.address, caught.value.phase) == ("a:1", "stomp")
    assert caught.value.hint == "offer 1.0, too: versions="
    assert caught.value.recent == stage.engine.recorder.lines()
    closed = stage.link.session.closed
    assert closed is not None
    assert str(closed.error).startswith(words)


def test_refused_connection_has_the_frame_of_the_broker() -> None:
    stage = Stage(attempts=1)
    run = connecting(stage)
    stage.link.say("ERROR", message="too many connections")
    with pytest.raises(ConnectFailed, match="too many connections") as caught:
        assert run.result
    assert caught.value.frame is not None
    assert caught.value.frame.headers["message"] == "too many connections"
    assert any("too many connections" in line and not line.startswith("XX") for line in stage.said)


def test_broker_that_ends_each_connection_after_the_login_is_named() -> None:
    stage = Stage(attempts=1, reattempts=1)
    stage.connect()
    stage.subscribe()
    stage.link.hang_up()
    stage.engine.needs_reconnect = False
    run = stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    link = stage.link

    def ends(frame: Frame, **options: object) -> None:
        link.session.receive_eof()
        link.pump()

    link.transmit = ends  # type: ignore[method-assign]
    stage.greet()
    assert run.done
    assert stage.engine.state is ClientState.FAILED
    assert isinstance(stage.engine.error, ConnectFailed)
    assert stage.engine.error.phase == ""
    assert stage.engine.error.message == "the peer closed the connection"
    assert stage.engine.error.hint == "the broker ends each connection soon after the login: check its log"
    assert stage.engine.error.address == ""


def test_a_client_without_address_has_nothing_to_connect_to() -> None:
    stage = Stage(addresses=())
    with pytest.raises(ConnectFailed, match="no connection: "):
        assert connecting(stage).result


@pytest.mark.parametrize("again", [False, True])
def test_interrupted_connecting_is_the_reason_of_the_failure(again: bool) -> None:
    stage = Stage()
    if again:
        stage.connect()
        stage.link.hang_up()
        run = stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    else:
        run = connecting(stage)
    run.throw(KeyboardInterrupt("now"))
    assert isinstance(run.error, KeyboardInterrupt)
    assert stage.engine.state is ClientState.FAILED
    assert stage.engine.error is not None
    expected = "reconnecting was ended by KeyboardInterrupt: now" if again else "ended by KeyboardInterrupt"
    assert expected in stage.engine.error.message
    closed = stage.link.session.closed
    assert closed is not None
    assert closed.error is None


# ------------------------------------------------------------------------------------- the end


@dataclass
class Place:
    """An address with a transport."""

    transport: str


@pytest.mark.parametrize(("transport", "clean"), [("ws", True), ("wss", True), ("tcp", False)])
def test_rabbitmq_confirms_disconnect_over_a_websocket_by_closing(transport: str, clean: bool) -> None:
    stage = Stage(addresses=(Place(transport),))
    stage.connect(server="RabbitMQ/3.10.8")
    run = stage.run(lifecycle.close_gen(stage.engine, 30))
    stage.link.take("DISCONNECT")
    stage.link.hang_up()
    assert run.result is clean
    assert stage.engine.closed_cleanly is clean


@pytest.mark.parametrize("transport", ["ws", "tcp"])
def test_a_silent_broker_has_not_confirmed_disconnect(transport: str) -> None:
    stage = Stage(addresses=(Place(transport),))
    stage.connect(server="RabbitMQ/3.10.8")
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    frame = stage.link.take("DISCONNECT")
    assert not run.done
    ticket = stage.link.session.ledger.expects(frame.headers["receipt"])
    assert ticket
    assert stage.link.session.next_deadline() == 5
    stage.advance(5)
    assert run.done


def test_drain_of_a_client_that_is_reconnecting_leaves_nothing() -> None:
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    report = stage.do(lifecycle.drain_gen(stage.engine, 30))
    assert (report.unsettled, report.returned, report.queued, report.unconfirmed, report.transactions) == (
        0, 0, 0, 0, 0,
    )  # fmt: skip


# ------------------------------------------------------------------------------------- connecting once more


def test_run_number_counts_connects_and_closes() -> None:
    stage = Stage()
    numbers = [stage.engine.run_number]
    for _ in "12":
        stage.connect()
        numbers.append(stage.engine.run_number)
        assert (stage.engine.closing, stage.engine.draining) == (False, False)
        assert None not in (stage.engine.closing, stage.engine.draining)
        run = stage.run(lifecycle.close_gen(stage.engine, 5))
        stage.link.confirm(stage.link.take("DISCONNECT"))
        assert run.result is True
        numbers.append(stage.engine.run_number)
    assert numbers == [0, 1, 2, 3, 4]


def test_second_connect_says_what_to_do() -> None:
    stage = Stage()
    stage.connect()
    with pytest.raises(UsageError) as caught:
        assert connecting(stage).result
    assert caught.value.hint == "connect once"


def test_failed_connect_raises_the_error_of_the_client_and_is_no_warning() -> None:
    stage = Stage(attempts=1)
    stage.failures = [ConnectFailed("refused")]
    run = connecting(stage)
    assert run.error is stage.engine.error
    assert isinstance(run.error, ConnectFailed)
    assert run.error.hint == ""
    assert "failed: refused" in stage.said
    assert stage.warnings == ["refused"]


def test_connecting_again_forgets_the_last_error() -> None:
    stage = Stage(attempts=1)
    stage.failures = [ConnectFailed("refused")]
    connecting(stage)
    connecting(stage)
    assert stage.engine.error is None


def test_failed_attempt_is_named_while_the_client_waits_for_the_next() -> None:
    stage = Stage(backoff=Backoff(initial=1.0))
    stage.failures = [ConnectFailed("refused")]
    connecting(stage)
    assert stage.engine.not_connected().message == "the client is connecting; refused"


def test_reconnecting_is_left_out_if_the_program_has_connected_again() -> None:
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    stage.do(lifecycle.close_gen(stage.engine, 5))
    stage.connect()
    stage.do(lifecycle.reconnect_gen(stage.engine, zero))
    assert len(stage.links) == 2
    assert stage.engine.state is ClientState.CONNECTED


def test_addresses_may_be_tried_in_random_order() -> None:
    stage = Stage(addresses=("a", "b"), shuffle=True)
    stage.connect()
    assert stage.dialed == ["b"]


def test_client_closed_while_a_connection_is_opened_closes_it() -> None:
    stage = Stage()
    perform = stage.perform

    def perform_and_close(effect: Any) -> Any:
        answer = perform(effect)
        if isinstance(effect, OpenConnection):
            stage.do(lifecycle.close_gen(stage.engine, 5))
        return answer

    stage.perform = perform_and_close  # type: ignore[method-assign]
    run = connecting(stage)
    assert stage.link.hung_up
    assert stage.link.sent == []
    with pytest.raises(NotConnected, match="the client was closed while it was connecting"):
        assert run.result


@pytest.mark.parametrize("again", [False, True])
def test_connecting_that_was_abandoned_does_not_fail_the_next_one(again: bool) -> None:
    """Opening a connection may take long: the client may have been closed and connected again meanwhile."""
    stage = Stage()
    if again:
        stage.connect()
        stage.link.hang_up()
    perform = stage.perform

    def perform_and_connect(effect: Any) -> Any:
        answer = perform(effect)
        if isinstance(effect, OpenConnection):
            stage.perform = perform  # type: ignore[method-assign]
            stage.do(lifecycle.close_gen(stage.engine, 5))
            stage.connect()
        return answer

    stage.perform = perform_and_connect  # type: ignore[method-assign]
    run = stage.run(lifecycle.reconnect_gen(stage.engine, zero)) if again else connecting(stage)
    assert run.done
    assert stage.engine.state is ClientState.CONNECTED
    assert [link.hung_up for link in stage.links[-2:]] == [True, False]


def test_client_closed_while_it_logs_in_stops_connecting() -> None:
    stage = Stage()
    run = connecting(stage)
    assert stage.do(lifecycle.close_gen(stage.engine, 5)) is False
    assert stage.link.hung_up
    with pytest.raises(NotConnected, match="the client was closed while it was connecting"):
        assert run.result


def test_connection_that_failed_to_log_in_is_not_the_current_one() -> None:
    stage = Stage(connect_timeout=5.0, backoff=Backoff(initial=1.0))
    connecting(stage)
    closed: list[Any] = []
    # Its events come later.
    stage.link.close = lambda error=None: closed.append(error)  # type: ignore[method-assign]
    stage.clock.advance(10.0)
    stage.go_on()
    assert closed
    assert stage.engine.connection is None


@pytest.mark.parametrize("client_id", [None, ""])
def test_client_without_id_sends_none(client_id: str | None) -> None:
    stage = Stage(client_id=client_id)
    connecting(stage)
    assert "client-id" not in stage.link.take("CONNECT").headers


def test_connected_is_awaited_until_the_timeout() -> None:
    stage = Stage(attempts=1, connect_timeout=5.0)
    run = connecting(stage)
    stage.advance(4.9)
    assert not run.done
    stage.advance(0.1)
    with pytest.raises(ConnectFailed, match="did not answer CONNECT in time"):
        assert run.result


def test_login_ends_even_if_the_session_does_not_report_the_timeout() -> None:
    stage = Stage(attempts=1, connect_timeout=5.0)
    run = connecting(stage)
    stage.clock.advance(9.9)
    stage.go_on()
    assert not run.done
    stage.clock.advance(0.1)
    stage.go_on()
    with pytest.raises(
        ConnectFailed, match="connecting to a:1 failed: the broker did not answer CONNECT in time"
    ):
        assert run.result


def test_broker_that_closes_right_after_connected_has_not_let_the_client_in() -> None:
    stage = Stage(attempts=1)
    run = connecting(stage)
    stage.link.session.receive_data(b"CONNECTED\nversion:1.2\n\n\0", 0.0)
    stage.link.session.receive_eof()
    stage.link.pump()
    stage.go_on()
    with pytest.raises(ConnectFailed, match="connecting to a:1 failed: the peer closed the connection"):
        assert run.result


def test_connecting_goes_on_after_a_stable_connection_that_is_lost_before_its_end() -> None:
    """The step after CONNECTED may come late."""
    stage = Stage(addresses=("a", "b"), shuffle=True)
    run = connecting(stage)
    stage.link.session.receive_data(b"CONNECTED\nversion:1.2\n\n\0", 0.0)
    stage.link.pump()
    stage.clock.advance(STABLE_AFTER)
    stage.link.hang_up()
    assert stage.dialed == ["b", "b"]  # another series
    stage.greet()
    assert run.result is None


def test_refused_login_has_the_last_frames() -> None:
    stage = Stage()
    run = connecting(stage)
    stage.link.say("ERROR", b"Access refused for user 'x'", message="Bad CONNECT")
    with pytest.raises(AuthenticationFailed) as caught:
        assert run.result
    assert any("CONNECT" in line for line in caught.value.recent)


# ------------------------------------------------------------------------------------- restoring


def unanswered(stage: Stage, body: bytes) -> BaseConfirmation:
    made = stage.do(
        send.send_async_gen(
            stage.engine, OutgoingMessage("/queue/a", body), BaseConfirmation, stage.clock() + 99
        )
    )
    assert isinstance(made, BaseConfirmation)
    stage.link.take("SEND")
    return made


def lose(stage: Stage) -> None:
    stage.link.hang_up()
    stage.reconnect()


def suspicious(count: int = 3) -> tuple[Stage, list[BaseConfirmation]]:
    """A client with sends after which two connections were lost: it sends them one by one."""
    stage = Stage(on_unknown=OnUnknown.RESEND, backoff=Backoff(initial=0.0))
    stage.connect()
    sends = [unanswered(stage, str(number).encode()) for number in range(count)]
    lose(stage)
    lose(stage)
    return stage, sends


def bodies(stage: Stage) -> list[bytes]:
    """The bodies of the sends that are taken off."""
    sent, stage.link.sent = stage.link.sent, []
    return [frame.body for frame in sent]


def answer(stage: Stage, confirmation: BaseConfirmation) -> None:
    stage.link.say("RECEIPT", receipt_id=confirmation.receipt)


def test_suspect_sends_are_repeated_one_by_one_after_a_pause() -> None:
    stage, sends = suspicious()
    assert bodies(stage) == []
    stage.advance(QUIET - 0.1)
    assert bodies(stage) == []
    stage.advance(0.1)
    for number, confirmation in enumerate(sends):
        assert bodies(stage) == [str(number).encode()]
        answer(stage, confirmation)  # the next one is sent at once
    assert stage.engine.state is ClientState.CONNECTED


def test_other_sends_are_repeated_after_the_suspect_ones() -> None:
    stage, [suspect] = suspicious(1)
    stage.advance(QUIET)
    assert bodies(stage) == [b"0"]
    other = BaseConfirmation("other", commands.send("/queue/a", b"other"), 1)
    stage.engine.pending.add(other)  # as one that was sent on an earlier connection
    stage.link.hang_up()
    stage.greet()  # the operation is still at it
    stage.advance(QUIET)
    assert bodies(stage) == [b"0"]
    answer(stage, suspect)
    assert bodies(stage) == [b"other"]
    assert stage.engine.state is ClientState.CONNECTED


def test_suspect_send_that_was_given_up_meanwhile_is_left_out() -> None:
    stage, [first, second, third] = suspicious()
    stage.advance(QUIET)
    assert bodies(stage) == [b"0"]
    stage.engine.settle_request(second.receipt, OutcomeUnknown("its deadline has passed"))
    answer(stage, first)
    assert bodies(stage) == [b"2"]
    answer(stage, third)
    assert stage.engine.state is ClientState.CONNECTED


@pytest.mark.parametrize(("at", "then"), [(STABLE_AFTER - 0.1, [b"1"]), (STABLE_AFTER, [b"1", b"2"])])
def test_the_rest_is_repeated_at_once_when_the_connection_is_stable(at: float, then: list[bytes]) -> None:
    stage, [first, *_] = suspicious()
    stage.advance(QUIET)
    assert bodies(stage) == [b"0"]
    stage.advance(at - QUIET)
    answer(stage, first)
    assert bodies(stage) == then


def test_there_is_a_pause_after_a_suspect_subscribe() -> None:
    """The cause of a loss may be a message for it."""
    stage = Stage(backoff=Backoff(initial=0.0))
    stage.connect()
    for destination in ("/queue/a", "/queue/b"):
        subscription = ClientSubscription(destination, SubscriptionConfig(destination))
        stage.run(subscriptions.subscribe_gen(stage.engine, subscription, 99))
    lose(stage)
    lose(stage)
    stage.advance(QUIET)
    for destination in ("/queue/a", "/queue/b"):
        frame = stage.link.take("SUBSCRIBE")
        assert frame.headers["destination"] == destination
        stage.link.confirm(frame)
        assert not stage.link.sent
        assert stage.engine.state is ClientState.RECONNECTING
        stage.advance(QUIET)
    assert stage.engine.state is ClientState.CONNECTED


def test_connection_lost_while_it_is_restored_fails_with_its_reason() -> None:
    stage, _ = suspicious()
    lost = stage.link
    lost.hang_up(OSError("cable"))
    error = stage.engine.losses.failures[-1]
    closed = lost.session.closed
    assert isinstance(error, ConnectionLost)
    assert closed is not None
    assert error.message == closed.why
    assert "cable" in error.message
    assert error.__cause__ is closed.error


def test_repeated_subscribe_has_a_deadline() -> None:
    stage = Stage(timeout=7.0)
    stage.connect()
    stage.subscribe()
    stage.link.hang_up()
    stage.reconnect()
    stage.link.take("SUBSCRIBE")
    assert stage.link.session.next_deadline() == stage.clock() + 7.0


# ------------------------------------------------------------------------------------- closing in detail


def test_states_of_the_end_have_their_reasons() -> None:
    stage = Stage()
    stage.do(lifecycle.close_gen(stage.engine, 5))
    assert stage.said == ["closed before it was connected"]
    stage.connect()
    stage.said.clear()
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result is True
    assert stage.said == ["closing", "closed"]
    assert stage.engine.stats().confirmed == 0


def test_second_close_has_a_deadline_of_its_own() -> None:
    stage = Stage()
    stage.connect()
    first = stage.run(lifecycle.close_gen(stage.engine, 30))
    second = stage.run(lifecycle.close_gen(stage.engine, 5))
    stage.advance(4.9)
    assert not second.done
    stage.advance(0.1)
    assert second.result is False
    assert not first.done
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert first.result is True


def test_cancelled_close_has_no_connection() -> None:
    stage = Stage()
    stage.connect()
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    run.throw(KeyboardInterrupt())
    assert stage.engine.connection is None


def test_abandoned_close_closes_the_link_itself() -> None:
    """A generator that is closed cannot yield."""
    stage = Stage()
    stage.connect()
    operation = lifecycle.close_gen(stage.engine, 5)
    assert isinstance(next(operation), Wait)
    assert isinstance(operation.send(True), SendFrame)
    operation.close()
    assert stage.link.hung_up
    assert stage.engine.state is ClientState.CLOSED


def test_close_ends_a_link_whose_session_has_ended_unnoticed() -> None:
    stage = Stage()
    stage.connect()
    stage.link.session.receive_eof()
    stage.link.pump = lambda: None  # type: ignore[method-assign]
    assert stage.do(lifecycle.close_gen(stage.engine, 5)) is False
    assert stage.link.hung_up
    assert stage.engine.connection is None


def confirm_disconnect_at_once(stage: Stage) -> None:
    """The RECEIPT of DISCONNECT is read while DISCONNECT is written."""
    link, transmit = stage.link, stage.link.transmit

    def transmit_and_confirm(frame: Frame, **options: Any) -> Any:
        ticket = transmit(frame, **options)
        if frame.command == "DISCONNECT":
            receipt = frame.headers["receipt"].encode()
            link.session.receive_data(b"RECEIPT\nreceipt-id:%b\n\n\0" % receipt, stage.clock())
            link.pump()
        return ticket

    link.transmit = transmit_and_confirm  # type: ignore[method-assign]


@pytest.mark.parametrize("left", ["message", "send", "transaction", None])
def test_drain_is_clean_only_if_nothing_was_left(left: str | None) -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    if left == "message":
        stage.deliver(subscription, "1")
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    elif left == "send":
        unanswered(stage, b"x")
    elif left == "transaction":
        stage.do(transaction_ops.begin_gen(stage.engine, 30))
    confirm_disconnect_at_once(stage)
    run = stage.run(lifecycle.drain_gen(stage.engine, 5))
    stage.advance(5)
    report = run.result
    assert (report.unsettled, report.unconfirmed, report.transactions) == (
        left == "message", left == "send", left == "transaction",
    )  # fmt: skip
    assert report.clean is (left is None)


def test_requests_without_answer_have_the_last_frames_after_a_clean_end() -> None:
    stage = Stage()
    stage.connect()
    confirmation = unanswered(stage, b"x")
    confirm_disconnect_at_once(stage)
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    stage.advance(5)
    assert run.result is False
    closed = stage.link.session.closed
    assert closed is not None
    assert closed.reason is Reason.CLEAN
    assert confirmation.error is not None
    assert any("SEND" in line for line in confirmation.error.recent)


def test_drain_waits_for_sends() -> None:
    stage = Stage()
    stage.connect()
    confirmation = unanswered(stage, b"x")
    run = stage.run(lifecycle.drain_gen(stage.engine, 30))
    assert not stage.link.sent
    answer(stage, confirmation)
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result.clean
    assert run.result.unconfirmed == 0


def test_drain_ends_at_its_deadline_even_if_the_session_does_not_report() -> None:
    stage = Stage()
    stage.connect()
    unanswered(stage, b"x")
    run = stage.run(lifecycle.drain_gen(stage.engine, 5))
    stage.clock.advance(5)
    stage.go_on()
    assert run.result.unconfirmed == 1


def test_drain_does_not_delete_durable_subscriptions() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    stage.subscribe("/topic/t", "auto", id="d", options={"durable": "d"})
    stage.run(lifecycle.drain_gen(stage.engine, 5))
    assert "durable" not in stage.link.take("UNSUBSCRIBE").headers


def test_subscription_that_cannot_be_ended_is_logged_with_the_reason() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    stage.subscribe("/queue/a", "auto")
    stage.run(lifecycle.drain_gen(stage.engine, 5))
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("UNSUBSCRIBE").headers["receipt"])
    assert "the subscription to /queue/a could not be ended: the broker refused: no" in stage.said
