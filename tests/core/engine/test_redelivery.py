"""stomp.core.engine.redelivery, with the operations for it in acknowledge"""

from __future__ import annotations

from typing import Any

import pytest

from stomp.core.engine import acknowledge, receive, request_reply, send, transaction_ops
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.failover import Backoff
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.redelivery import Redelivery
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState
from stomp.core.errors import AlreadySettled, ConnectionLost, StaleDelivery
from stomp.core.frames.frame import Headers
from tests.core.stage import Run, Stage

SOON = Backoff(initial=1.0, increase=1.0, jitter=0.0, maximum=8.0)


class Hook:
    """Records its calls."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def settled(self, message: BaseMessage, how: str) -> None:
        self.seen.append((message.id, how))

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def artemis(**config: Any) -> Stage:
    """A client of a broker that discards what a NACK names."""
    stage = Stage(backoff=SOON, **config)
    stage.connect(server="ActiveMQ-Artemis/2.31")
    return stage


def delivered(stage: Stage, ack: str = "client-individual", count: int = 1) -> tuple[Any, list[BaseMessage]]:
    subscription = stage.subscribe(ack=ack)
    for number in range(count):
        stage.deliver(subscription, str(number))
    return subscription, [
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) for _ in range(count)
    ]


def fail(stage: Stage, message: BaseMessage) -> None:
    """What a handler does that fails."""
    requeue = acknowledge.requeue_of_failure(message)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True, requeue=requeue))


def receiving(stage: Stage, subscription: Any) -> Run:
    return stage.run(receive.receive_gen(stage.engine, subscription.queue, None))


def test_failed_message_is_given_back_by_the_end_of_the_connection() -> None:
    stage = artemis()
    subscription, [message] = delivered(stage)
    fail(stage, message)
    assert stage.link.sent == []  # no NACK: the broker would discard the message
    assert message.settled
    with pytest.raises(AlreadySettled):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    run = receiving(stage, subscription)
    stage.advance(0.9)
    assert stage.link.sent == []
    stage.advance(0.1)
    frame = stage.link.take("DISCONNECT")
    assert not stage.link.hung_up
    stage.link.confirm(frame)
    assert stage.engine.needs_reconnect
    stage.reconnect(server="ActiveMQ-Artemis/2.31")
    assert any("giving back 1 message that failed (" in line for line in stage.said)
    assert not run.done
    stage.deliver(subscription, "again")
    assert run.result.id == "again"


def test_broker_that_does_not_answer_disconnect_is_left() -> None:
    stage = artemis()
    subscription, [message] = delivered(stage)
    fail(stage, message)
    receiving(stage, subscription)
    stage.advance(1.0)
    stage.link.take("DISCONNECT")
    stage.advance(4.9)
    assert not stage.engine.needs_reconnect
    stage.advance(0.1)
    assert stage.engine.needs_reconnect


def test_connection_is_kept_while_others_need_it() -> None:
    stage = artemis()
    subscription, [failed, open_one] = delivered(stage, count=2)
    fail(stage, failed)
    receiving(stage, subscription)
    stage.advance(1.0)
    assert stage.link.sent == []
    stage.do(acknowledge.settle_gen(stage.engine, open_one, 30))
    stage.link.take("ACK")
    stage.advance(0.9)
    assert stage.link.sent == []
    stage.advance(0.1)
    stage.link.take("DISCONNECT")


def test_connection_is_kept_while_a_send_is_unanswered() -> None:
    stage = artemis()
    subscription, [failed] = delivered(stage)
    outgoing = OutgoingMessage("/queue/b", b"x")
    sending = stage.run(send.send_confirmed_gen(stage.engine, outgoing, BaseConfirmation, 100.0))
    sent = stage.link.take("SEND")
    assert not sending.done
    fail(stage, failed)
    receiving(stage, subscription)
    stage.advance(1.0)
    assert stage.link.sent == []
    stage.link.confirm(sent)
    assert sending.result is None
    stage.advance(1.0)
    stage.link.take("DISCONNECT")


@pytest.mark.parametrize("state", ["closing", "draining"])
def test_a_client_that_ends_keeps_its_connection(state: str) -> None:
    stage = artemis()
    _, [failed] = delivered(stage)
    fail(stage, failed)
    setattr(stage.engine, state, True)
    stage.do(acknowledge.give_back_gen(stage.engine, 100.0))
    assert stage.link.sent == []
    assert stage.engine.redelivery.due is None


def test_nothing_is_given_back_before_it_is_due() -> None:
    stage = artemis()
    _, [failed] = delivered(stage)
    stage.do(acknowledge.give_back_gen(stage.engine, 100.0))
    fail(stage, failed)
    due = stage.engine.redelivery.due
    assert due is not None
    stage.do(acknowledge.give_back_gen(stage.engine, due - 0.1))
    assert stage.link.sent == []
    stage.link.hang_up()
    stage.engine.redelivery.due = due
    stage.do(acknowledge.give_back_gen(stage.engine, due))  # there is no connection, so it is looked at again
    assert stage.engine.redelivery.due == due + 1.0


def test_a_client_that_does_not_reconnect_keeps_its_connection() -> None:
    stage = artemis(reconnect=False)
    subscription, [message] = delivered(stage)
    fail(stage, message)
    receiving(stage, subscription)
    stage.advance(100.0)
    assert stage.link.sent == []
    assert stage.engine.redelivery.due is None


def test_no_further_message_of_a_cumulative_subscription_is_delivered() -> None:
    """Its ACK would cover the failed one."""
    stage = artemis()
    subscription, [first, failed, third] = delivered(stage, "client", count=3)
    stage.do(acknowledge.settle_gen(stage.engine, first, 30))
    stage.link.take("ACK")
    fail(stage, failed)
    with pytest.raises(StaleDelivery):
        stage.do(acknowledge.settle_gen(stage.engine, third, 30))
    run = receiving(stage, subscription)
    stage.deliver(subscription, "next")
    assert not run.done
    stage.advance(1.0)
    stage.link.confirm(stage.link.take("DISCONNECT"))
    stage.reconnect(server="ActiveMQ-Artemis/2.31")
    stage.deliver(subscription, "again")
    assert run.result.id == "again"


def test_hooks_are_told_of_a_failed_message() -> None:
    hook = Hook()
    stage = artemis(hooks=(hook,))
    _, [failed, good] = delivered(stage, count=2)
    fail(stage, failed)
    stage.do(acknowledge.settle_gen(stage.engine, good, 30))
    stage.make_calls()
    assert hook.seen == [("0", "nack"), ("1", "ack")]


def test_a_message_may_be_discarded_on_request() -> None:
    stage = artemis()
    _, [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True, requeue=False))
    assert stage.link.take("NACK").headers == {"id": "ack-0"}
    assert stage.engine.redelivery.due is None


def test_other_brokers_get_a_nack_for_a_failed_message() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    _, [message] = delivered(stage)
    assert acknowledge.requeue_of_failure(message) is None
    assert acknowledge.requeue_of_failure(BaseMessage("MESSAGE", Headers())) is None
    fail(stage, message)
    stage.link.take("NACK")


def test_waits_grow_until_nothing_fails_for_a_while() -> None:
    redelivery = Redelivery(SOON)
    now, waits = 0.0, []
    for _ in range(5):
        redelivery.add(BaseMessage("MESSAGE", Headers()), now)
        redelivery.add(BaseMessage("MESSAGE", Headers()), now + 0.5)  # waits for the same end
        assert redelivery.due is not None
        waits.append(redelivery.due - now)
        now = redelivery.due
        assert redelivery.begin(now).startswith("giving back 2 messages that failed")
        assert redelivery.due is None
        redelivery.clear()
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]
    redelivery.add(BaseMessage("MESSAGE", Headers()), now + 16.0)
    assert redelivery.due == now + 17.0


def test_waits_are_counted_without_jitter() -> None:
    redelivery = Redelivery(Backoff(initial=1.0, increase=1.0, jitter=1.0, maximum=8.0))
    redelivery.add(BaseMessage("MESSAGE", Headers()), 0.0)
    assert redelivery.due == 1.0


def test_a_failure_within_two_waits_gets_a_longer_wait() -> None:
    redelivery = Redelivery(Backoff(initial=4.0, increase=1.0, jitter=0.0, maximum=100.0))
    redelivery.add(BaseMessage("MESSAGE", Headers()), 0.0)
    redelivery.begin(4.0)
    redelivery.clear()
    redelivery.add(BaseMessage("MESSAGE", Headers()), 11.9)
    assert redelivery.due == 11.9 + 8.0


def test_messages_after_a_failed_one_have_a_complete_subscription() -> None:
    stage = artemis()
    subscription, [failed] = delivered(stage, "client")
    before = failed.subscription
    assert before is not None
    fail(stage, failed)
    stage.deliver(subscription, "next")
    [following] = subscription.queue.messages
    after = following.subscription
    assert after is not before
    assert (after.destination, after.ack, after.headers) == (before.destination, before.ack, before.headers)


def test_nothing_is_given_back_while_the_subscriptions_are_restored() -> None:
    """With threads, a message may arrive and fail before the client is connected again."""
    stage = artemis()
    _, [failed] = delivered(stage)
    stage.engine.state = ClientState.RECONNECTING
    fail(stage, failed)
    stage.do(acknowledge.give_back_gen(stage.engine, 1.0))
    assert stage.link.sent == []
    assert stage.engine.redelivery.due == 2.0


def test_connection_is_closed_if_the_session_does_not_report_the_missing_receipt() -> None:
    stage = artemis()
    subscription, [failed] = delivered(stage)
    fail(stage, failed)
    stage.clock.advance(1.0)
    receiving(stage, subscription)
    stage.link.take("DISCONNECT")
    assert stage.link.session.next_deadline() == 6.0
    stage.clock.advance(4.9)
    stage.go_on()
    assert not stage.link.hung_up
    stage.clock.advance(0.1)
    stage.go_on()
    assert stage.link.hung_up
    assert stage.engine.needs_reconnect
    assert isinstance(stage.engine.error, ConnectionLost)
    assert stage.engine.error.message.startswith("giving back 1 message that failed")


@pytest.mark.parametrize("other", ["reply", "transaction"])
def test_connection_is_kept_for_a_reply_and_for_a_transaction(other: str) -> None:
    stage = artemis(nonce="n")
    subscription, [failed] = delivered(stage)
    if other == "reply":
        waiting = stage.run(request_reply.request_gen(stage.engine, OutgoingMessage("/queue/b", b"?"), 100.0))
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    else:
        record = stage.do(transaction_ops.begin_gen(stage.engine, 100.0))
    started = stage.link.sent.pop()
    fail(stage, failed)
    receiving(stage, subscription)
    stage.advance(1.0)
    assert stage.link.sent == []
    if other == "reply":
        correlation = started.headers["correlation-id"]
        stage.link.say(
            "MESSAGE", subscription="/temp-queue/reply-n", correlation_id=correlation, message_id="r"
        )
        assert waiting.done
    else:
        stage.run(transaction_ops.commit_gen(stage.engine, record, 100.0))
        stage.link.confirm(stage.link.take("COMMIT"))
    stage.advance(1.0)
    stage.link.take("DISCONNECT")


def test_giving_back_is_not_a_lost_connection() -> None:
    stage = artemis(reattempts=1)
    subscription, [message] = delivered(stage)
    for _ in range(3):
        fail(stage, message)
        run = receiving(stage, subscription)
        stage.advance(100.0)
        stage.link.confirm(stage.link.take("DISCONNECT"))
        stage.reconnect(server="ActiveMQ-Artemis/2.31")  # at once
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
        stage.deliver(subscription, "again")
        message = run.result
    assert not stage.engine.losses.failures
