"""stomp.core.engine.lifecycle"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from stomp.core.engine import acknowledge, lifecycle, receive, send, subscriptions
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import OpenConnection
from stomp.core.engine.failover import Backoff
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState
from stomp.core.errors import AuthenticationFailed, ConnectFailed, NotConnected, UsageError
from stomp.core.frames.frame import Frame
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
    stage = Stage(backoff=Backoff(initial=5))
    stage.connect()
    stage.failures = [ConnectFailed("no")]
    stage.link.hang_up()
    run = stage.run(lifecycle.reconnect_gen(stage.engine, zero))
    stage.engine.closing = True
    stage.engine.finish(ClientState.CLOSED, "closed")
    run.throw(KeyboardInterrupt())
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
    assert stage.engine.error.message.startswith("the peer closed the connection; ")
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
