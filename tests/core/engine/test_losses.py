"""stomp.core.engine.losses: connections that are lost in a row, played with a clock that is turned by hand."""

from __future__ import annotations

from typing import Any

import pytest

from stomp.core.engine import acknowledge, lifecycle, receive, send, subscriptions, transaction_ops
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import SendFrame
from stomp.core.engine.failover import Backoff
from stomp.core.engine.losses import QUIET, STABLE_AFTER, exhausted
from stomp.core.engine.message_queue import ClientSubscription, SubscriptionConfig
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState
from stomp.core.errors import (
    BrokerError,
    ConnectFailed,
    ConnectionLost,
    LimitExceeded,
    NotConnected,
    OutcomeUnknown,
    RetriesExhausted,
)
from tests.core.stage import FakeLink, Stage

DOUBLING = Backoff(initial=1.0, increase=1.0, jitter=0.0, maximum=8.0)
RABBITMQ = "RabbitMQ/3.10.8"


def make_stage(**config: Any) -> Stage:
    """A client that waits 1, 2, 4, 8, 8 ... seconds, and is connected."""
    stage = Stage(**{"backoff": DOUBLING, "reattempts": -1, **config})
    stage.connect(server=RABBITMQ)
    return stage


def lose(stage: Stage, error: BaseException | None = None) -> float:
    """The broker closes the connection, and lets the client in again: how long that was waited for."""
    stage.link.hang_up(error)
    return connect_again(stage)


def connect_again(stage: Stage) -> float:
    """The seconds until the next connection was made, on which CONNECTED is sent."""
    # If it was lost while it was restored, the program is at it still.
    if stage.engine.needs_reconnect:
        stage.engine.needs_reconnect = False
        stage.run(lifecycle.reconnect_gen(stage.engine, lambda: 0.0))
    waited = 0.0
    while stage.link.session.closed is not None and not stage.engine.state.over and waited < 100:
        stage.advance(0.5)
        waited += 0.5
    if not stage.engine.state.over:
        stage.greet(server=RABBITMQ)
    return waited


def start(stage: Stage, body: bytes = b"x") -> BaseConfirmation:
    made = stage.do(
        send.send_async_gen(
            stage.engine, OutgoingMessage("/queue/a", body), BaseConfirmation, stage.clock() + 30
        )
    )
    assert isinstance(made, BaseConfirmation)
    return made


def commands(link: FakeLink) -> list[str]:
    """What was sent on a link, and is taken off."""
    sent, link.sent = link.sent, []
    return [frame.command for frame in sent]


# ------------------------------------------------------------------------------------- the back-off


def test_waits_grow_for_a_broker_that_closes_after_connected() -> None:
    stage = make_stage()
    assert [lose(stage) for _ in range(6)] == [0, 1, 2, 4, 8, 8]
    assert stage.engine.state is ClientState.CONNECTED


def test_reconnect_after_a_long_connection_is_immediate() -> None:
    stage = make_stage()
    assert [lose(stage), lose(stage), lose(stage)] == [0, 1, 2]
    stage.advance(STABLE_AFTER)
    assert [lose(stage), lose(stage)] == [0, 1]


def test_reconnect_after_a_shorter_connection_waits() -> None:
    stage = make_stage()
    lose(stage)
    stage.advance(STABLE_AFTER - 0.1)
    assert lose(stage) == 1


def test_a_delivered_message_resets_the_waits() -> None:
    stage = make_stage()
    subscription = stage.subscribe(ack="auto", confirm=False)
    assert [lose(stage), lose(stage)] == [0, 1]
    stage.advance(QUIET)
    stage.deliver(subscription, "1")
    assert lose(stage) == 0


def test_unacknowledged_message_does_not_reset_the_waits() -> None:
    # It comes again on each connection, before the one that ends it.
    stage = make_stage(max_losses=-1)
    subscription = stage.subscribe()
    waits = []
    for _ in range(4):
        stage.deliver(subscription, "1")
        waits.append(lose(stage))
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert waits == [0, 1, 2, 4]


def test_acknowledged_message_resets_the_waits() -> None:
    stage = make_stage()
    subscription = stage.subscribe()
    assert [lose(stage), lose(stage)] == [0, 1]
    stage.advance(QUIET)
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.deliver(subscription, "1")
    message = stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.do(acknowledge.settle_gen(stage.engine, message, 5))
    assert lose(stage) == 0


def test_rejected_message_does_not_reset_the_waits() -> None:
    stage = make_stage(max_losses=-1)
    subscription = stage.subscribe()
    assert [lose(stage), lose(stage)] == [0, 1]
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.deliver(subscription, "1")
    message = stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.do(acknowledge.settle_gen(stage.engine, message, 5, negative=True))
    assert lose(stage) == 2


def test_confirmed_send_resets_the_waits() -> None:
    stage = make_stage()
    assert [lose(stage), lose(stage)] == [0, 1]
    confirmation = start(stage)
    stage.link.confirm(stage.link.take("SEND"))
    assert confirmation.outcome == "confirmed"
    assert lose(stage) == 0


def test_receipt_of_a_subscribe_does_not_reset_the_waits() -> None:
    stage = make_stage(max_losses=-1)
    stage.subscribe()
    waits = []
    for _ in range(4):
        waits.append(lose(stage))
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert waits == [0, 1, 2, 4]


def test_rounds_without_a_connection_count_with_short_connections() -> None:
    stage = make_stage()
    stage.failures = [ConnectFailed("refused")] * 3
    assert [lose(stage), lose(stage)] == [0 + 1 + 2 + 4, 8]


def test_each_address_is_tried_in_a_round() -> None:
    stage = make_stage(addresses=("a", "b"))
    stage.dialed.clear()
    assert [lose(stage) for _ in range(5)] == [0, 0, 1, 0, 2]
    assert stage.dialed == ["a", "b", "a", "b", "a"]


def test_short_connections_count_as_attempts_and_the_client_fails_with_the_reason() -> None:
    stage = make_stage(reattempts=3)
    for _ in range(4):
        lose(stage)
    assert len(stage.dialed) == 4
    assert stage.engine.state is ClientState.FAILED
    error = stage.engine.error
    assert isinstance(error, ConnectFailed)
    assert "the peer closed the connection; 3 attempts failed" in str(error)
    assert "soon after the login" in error.hint
    assert [type(failure) for failure in error.failures] == [ConnectionLost] * 4


def test_failed_client_can_connect_again() -> None:
    stage = make_stage(reattempts=1)
    lose(stage)
    lose(stage)
    assert stage.engine.state is ClientState.FAILED
    stage.connect()
    assert lose(stage) == 0


def test_the_last_wait_is_ended_by_close() -> None:
    stage = make_stage()
    lose(stage)
    stage.link.hang_up()
    stage.engine.needs_reconnect = False
    again = stage.run(lifecycle.reconnect_gen(stage.engine, lambda: 0.0))
    assert not again.done
    stage.do(lifecycle.close_gen(stage.engine, stage.clock() + 5))
    assert again.done
    assert stage.engine.state is ClientState.CLOSED


def test_a_connection_that_is_lost_under_its_last_subscribe_is_not_called_connected() -> None:
    stage = make_stage()
    stage.subscribe(confirm=False)
    stage.link.hang_up()
    perform = stage.perform

    def perform_and_hang_up(effect: Any) -> Any:
        answer = perform(effect)
        if isinstance(effect, SendFrame) and effect.frame.command == "SUBSCRIBE":
            stage.link.session.receive_eof()
            stage.link.pump()
        return answer

    stage.perform = perform_and_hang_up  # type: ignore[method-assign]
    connect_again(stage)
    assert stage.engine.state.value == "reconnecting"
    stage.perform = perform  # type: ignore[method-assign]
    connect_again(stage)
    stage.advance(QUIET)
    stage.advance(QUIET)
    assert stage.engine.state is ClientState.CONNECTED


# ------------------------------------------------------------------------------------- a SUBSCRIBE


def subscribing_to(stage: Stage, destination: str = "/exchange/none") -> Any:
    subscription = ClientSubscription(f"sub-{stage.engine.next_id()}", SubscriptionConfig(destination))
    return stage.run(
        subscriptions.subscribe_gen(stage.engine, subscription, stage.clock() + 1000)
    ), subscription


def lose_until_done(stage: Stage, done: Any, most: int = 12) -> int:
    """Lose connections, each one second and a half after the login; how many."""
    for count in range(1, most + 1):
        stage.link.hang_up(OSError("the broker closed the WebSocket with code 1000: STOMP died"))
        if done():
            return count
        connect_again(stage)
        stage.advance(QUIET + 0.5)
    raise AssertionError(f"{most} connections were lost, and it goes on")


def test_a_subscribe_after_which_each_connection_is_lost_is_given_up_with_the_reason() -> None:
    stage = make_stage()
    run, subscription = subscribing_to(stage)
    assert lose_until_done(stage, lambda: run.done) == 5
    with pytest.raises(
        RetriesExhausted, match=r"SUBSCRIBE to /exchange/none.*code 1000: STOMP died"
    ) as caught:
        assert run.result
    assert caught.value.losses == 5
    assert subscription.ended
    assert not stage.engine.subscriptions
    connect_again(stage)
    assert stage.engine.state is ClientState.CONNECTED
    assert commands(stage.link) == []


def test_a_limit_of_the_client_is_not_blamed_on_the_broker() -> None:
    subscription = ClientSubscription("1", SubscriptionConfig("/queue/a"))
    limit = exhausted(subscription, LimitExceeded("a body is larger than 10 bytes", limit="body"), 5)
    assert (
        limit.hint
        == "that is a limit of this client: see limits=, or the options --max-... of the command line"
    )
    assert exhausted(subscription, ConnectionLost("gone"), 5).hint.startswith("the broker may not accept it")


def test_number_of_losses_is_configurable() -> None:
    stage = make_stage(max_losses=2)
    run, _ = subscribing_to(stage)
    assert lose_until_done(stage, lambda: run.done) == 2


def test_without_a_limit_a_subscribe_is_always_repeated() -> None:
    stage = make_stage(max_losses=-1)
    run, _ = subscribing_to(stage)
    with pytest.raises(AssertionError, match="it goes on"):
        lose_until_done(stage, lambda: run.done)
    assert commands(stage.link) == ["SUBSCRIBE"]


def test_earlier_working_subscription_has_the_reason_in_its_error() -> None:
    stage = make_stage()
    subscription = stage.subscribe("/queue/gone")
    stage.advance(60)
    stage.link.hang_up()
    connect_again(stage)
    stage.advance(QUIET + 0.5)
    lose_until_done(stage, lambda: subscription.ended)
    with pytest.raises(RetriesExhausted, match="/queue/gone"):
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))


def test_other_subscriptions_continue_when_one_is_given_up() -> None:
    stage = make_stage()
    good = [stage.subscribe(f"/queue/good-{number}") for number in range(3)]
    bad, subscription = subscribing_to(stage)

    def answer_all_but_the_bad_one() -> None:
        for _ in range(20):
            for frame in stage.link.sent[:]:
                if frame.headers["destination"].startswith("/queue/good"):
                    stage.link.sent.remove(frame)
                    stage.link.confirm(frame)
            stage.advance(0.5)

    for _ in range(10):
        stage.link.hang_up()
        if bad.done:
            break
        connect_again(stage)
        answer_all_but_the_bad_one()
    assert isinstance(bad.error, RetriesExhausted)
    assert subscription.ended
    connect_again(stage)
    answer_all_but_the_bad_one()
    assert stage.engine.state is ClientState.CONNECTED
    assert not any(each.ended for each in good)


def test_unrelated_loss_is_not_attributed_to_a_subscription() -> None:
    stage = make_stage()
    run, subscription = subscribing_to(stage)
    for _ in range(20):
        # Before the suspect is sent again, the connection has to stand for a moment; this one does not.
        lose(stage)
        stage.advance(QUIET / 2)
    assert not run.done
    connect_again_and_stand(stage)
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.result is None
    assert subscription.made


def connect_again_and_stand(stage: Stage) -> None:
    lose(stage)
    stage.advance(QUIET)


def test_a_message_that_ends_each_connection_ends_its_subscription() -> None:
    stage = make_stage()
    subscription = stage.subscribe("/queue/poison")
    losses = 0
    while losses < 10:
        stage.link.session.receive_data(b"MESSAGE\ncontent-length:x\n\n\0", stage.clock())
        stage.link.pump()
        stage.go_on()
        losses += 1
        if subscription.ended:
            break
        connect_again(stage)
        if not stage.link.sent:
            stage.advance(QUIET)
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert losses == 5
    with pytest.raises(RetriesExhausted, match="/queue/poison"):
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))


def test_late_loss_is_not_attributed_to_the_subscribe() -> None:
    stage = make_stage()
    subscription = stage.subscribe()
    for _ in range(10):
        stage.advance(QUIET * 2)
        lose(stage)
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert not subscription.ended


def test_confirmed_subscribe_is_no_longer_a_candidate() -> None:
    stage = make_stage()
    run, subscription = subscribing_to(stage)
    for _ in range(4):
        lose(stage)
        stage.advance(QUIET)
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert run.result is None
    stage.advance(QUIET * 2)
    for _ in range(4):
        stage.link.hang_up()
        connect_again(stage)
    assert not subscription.ended


def test_a_refused_subscribe_is_not_sent_again_when_the_error_ends_the_connection() -> None:
    stage = Stage()
    stage.connect(server="apache-apollo/1.7.1")
    run, subscription = subscribing_to(stage)
    stage.link.session.receive_data(b"ERROR\nmessage:no\n\n\0", stage.clock())
    stage.link.pump()
    # The driver may connect again before the thread goes on that has subscribed.
    assert not run.done
    assert not stage.engine.subscriptions
    stage.reconnect(server="apache-apollo/1.7.1")
    assert commands(stage.link) == []
    with pytest.raises(BrokerError, match="no"):
        assert run.result
    assert subscription.ended


# ------------------------------------------------------------------------------------- a SEND


def test_a_send_after_which_each_connection_is_lost_is_given_up_with_the_reason() -> None:
    stage = make_stage(on_unknown=OnUnknown.RESEND)
    confirmation = start(stage, b"x" * 1000)
    assert lose_until_done(stage, confirmation.done) == 5
    assert confirmation.outcome == "unknown"
    assert isinstance(confirmation.error, RetriesExhausted)
    assert "SEND to /queue/a (1000 bytes)" in str(confirmation.error)
    assert "STOMP died" in str(confirmation.error)
    assert confirmation.attempts == 5
    connect_again(stage)
    assert commands(stage.link) == []


def test_healthy_sends_beside_one_that_ends_connections_are_confirmed() -> None:
    stage = make_stage(on_unknown=OnUnknown.RESEND)
    sends = [start(stage, b"bad" if number == 4 else b"good") for number in range(10)]
    copies = 0
    for _ in range(12):
        # A broker that confirms in order, and closes at the bad one, without another answer.
        for _ in range(200):
            if not stage.link.sent:
                if stage.engine.state is ClientState.CONNECTED:
                    break
                stage.advance(0.5)
                continue
            frame = stage.link.sent.pop(0)
            if frame.body == b"bad":
                copies += 1
                break
            stage.link.confirm(frame)
        if all(each.done() for each in sends):
            break
        stage.link.hang_up()
        connect_again(stage)
    assert [each.outcome for each in sends] == ["confirmed"] * 4 + ["unknown"] + ["confirmed"] * 5
    assert copies <= 7


def test_loss_is_not_attributed_to_several_unconfirmed_sends() -> None:
    stage = make_stage(on_unknown=OnUnknown.RESEND)
    sends = [start(stage) for _ in range(5)]
    for _ in range(20):
        lose(stage)
    assert not any(each.done() for each in sends)


def test_a_broker_that_is_slow_to_confirm_does_not_hold_up_the_client() -> None:
    stage = make_stage(on_unknown=OnUnknown.RESEND, timeout=5.0)
    sends = [start(stage) for _ in range(3)]
    lose(stage)
    lose(stage)
    stage.advance(QUIET)
    assert commands(stage.link) == ["SEND"]
    stage.advance(5)
    assert commands(stage.link) == ["SEND", "SEND"]
    assert stage.engine.state is ClientState.CONNECTED
    assert not any(each.done() for each in sends)


def test_a_send_that_is_not_to_be_repeated_is_unknown_at_once() -> None:
    stage = make_stage()
    confirmation = start(stage)
    stage.link.hang_up()
    assert confirmation.outcome == "unknown"
    assert not isinstance(confirmation.error, RetriesExhausted)


def test_a_request_that_is_not_repeated_is_unknown_and_not_given_up() -> None:
    stage = make_stage(max_losses=1)
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30))
    committing = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.link.hang_up()
    assert type(committing.error) is OutcomeUnknown
    assert not any("given up" in line for line in stage.said)


def test_given_up_request_says_what_to_check_and_why() -> None:
    stage = make_stage(max_losses=1)
    run, _ = subscribing_to(stage, "/queue/100%")
    stage.link.hang_up(OSError("STOMP died"))
    with pytest.raises(RetriesExhausted) as caught:
        assert run.result
    error = caught.value
    assert error.message.startswith("given up: a connection was lost after SUBSCRIBE to /queue/100%: ")
    assert error.hint == "the broker may not accept it: check its log and its limits"
    assert isinstance(error.__cause__, ConnectionLost)
    assert "STOMP died" in str(error.__cause__)
    assert any("SUBSCRIBE" in line for line in error.recent)
    assert error.message in stage.warnings


@pytest.mark.parametrize("limit", [0, 1])
def test_limit_of_no_losses_gives_up_at_the_first(limit: int) -> None:
    stage = make_stage(max_losses=limit)
    run, _ = subscribing_to(stage)
    stage.link.hang_up()
    assert isinstance(run.error, RetriesExhausted)


def test_limit_of_no_losses_finds_the_cause_first() -> None:
    stage = make_stage(max_losses=0, on_unknown=OnUnknown.RESEND)
    sends = [start(stage) for _ in "12"]
    lose(stage)
    lose(stage)
    assert not any(each.done() for each in sends)
    stage.advance(QUIET)
    assert commands(stage.link) == ["SEND"]
    stage.link.hang_up()
    assert [each.done() for each in sends] == [True, False]


def lost_before_it_was_sent(stage: Stage) -> None:
    """A connection is lost before a suspect request was sent on it."""
    lose(stage)
    assert commands(stage.link) == []


def test_loss_before_a_suspect_subscribe_is_sent_does_not_count_for_it() -> None:
    stage = make_stage(max_losses=3)
    run, _ = subscribing_to(stage)
    lose(stage)
    lost_before_it_was_sent(stage)
    for _ in range(5):
        lost_before_it_was_sent(stage)
    assert not run.done
    stage.advance(QUIET)
    assert commands(stage.link) == ["SUBSCRIBE"]
    stage.link.hang_up()
    assert isinstance(run.error, RetriesExhausted)  # its third one


def test_loss_before_a_suspect_send_is_sent_does_not_count_for_it() -> None:
    stage = make_stage(max_losses=3, on_unknown=OnUnknown.RESEND)
    confirmation = start(stage)
    lose(stage)
    lost_before_it_was_sent(stage)
    for _ in range(5):
        lost_before_it_was_sent(stage)
    assert not confirmation.done()
    stage.advance(QUIET)
    assert commands(stage.link) == ["SEND"]
    stage.link.hang_up()
    assert isinstance(confirmation.error, RetriesExhausted)  # its third one


@pytest.mark.parametrize(("later", "ended"), [(QUIET - 0.1, True), (QUIET, False)])
def test_loss_counts_against_a_subscribe_for_a_moment(later: float, ended: bool) -> None:
    stage = make_stage(max_losses=2)
    subscription = stage.subscribe()
    for _ in "12":
        stage.advance(later)
        stage.link.hang_up()
        if not subscription.ended:
            connect_again(stage)
            stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert subscription.ended is ended


def test_loss_of_a_stable_connection_after_a_message_is_not_attributed_to_it() -> None:
    stage = make_stage(max_losses=2)
    subscription = stage.subscribe()
    for number in range(4):
        stage.advance(STABLE_AFTER)
        stage.deliver(subscription, str(number))
        lose(stage)
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert not subscription.ended


def test_the_end_by_close_is_not_counted_as_a_loss() -> None:
    stage = make_stage(max_losses=3)
    run, _ = subscribing_to(stage)
    lose(stage)
    lose(stage)
    stage.advance(QUIET)
    assert commands(stage.link) == ["SUBSCRIBE"]
    stage.do(lifecycle.close_gen(stage.engine, 5))
    assert isinstance(run.error, NotConnected)
    assert not any("given up" in line for line in stage.said)
