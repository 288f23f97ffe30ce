"""stomp.core.engine.acknowledge"""

from __future__ import annotations

import pytest

from stomp.core.engine import acknowledge, receive, subscriptions, transaction_ops
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.message import BaseMessage
from stomp.core.engine.transactions import TransactionRecord
from stomp.core.errors import (
    AlreadySettled,
    BrokerError,
    NotConnected,
    StaleDelivery,
    StompError,
    Unsupported,
    UsageError,
)
from stomp.core.frames.frame import Frame
from tests.core.stage import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    return stage


def delivered(stage: Stage, ack: str = "client-individual", count: int = 1):
    subscription = stage.subscribe(ack=ack)
    for number in range(count):
        stage.deliver(subscription, str(number))
    return [stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) for _ in range(count)]


def test_ack_uses_the_ack_header_in_1_2(stage: Stage) -> None:
    [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    assert stage.link.take("ACK").headers == {"id": "ack-0"}


def test_ack_uses_message_id_and_subscription_in_1_1() -> None:
    stage = Stage()
    stage.connect(version="1.1")
    [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True))
    frame = stage.link.take("NACK")
    assert frame.headers == {"message-id": "0", "subscription": "sub-1"}


def test_a_message_is_settled_once(stage: Stage) -> None:
    [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    for negative in (False, True):
        with pytest.raises(AlreadySettled):
            stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=negative))
    assert [frame.command for frame in stage.link.sent] == ["ACK"]


def test_an_ack_covers_earlier_messages_of_a_cumulative_subscription(stage: Stage) -> None:
    messages = delivered(stage, "client", 3)
    stage.do(acknowledge.settle_gen(stage.engine, messages[1], 30))
    with pytest.raises(AlreadySettled, match="a later one"):
        stage.do(acknowledge.settle_gen(stage.engine, messages[0], 30))
    stage.do(acknowledge.settle_gen(stage.engine, messages[2], 30))


def test_a_message_of_an_earlier_connection_is_stale(stage: Stage) -> None:
    [message] = delivered(stage)
    stage.link.hang_up()
    with pytest.raises(StaleDelivery, match="connection 1, which is gone"):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    stage.reconnect()
    with pytest.raises(StaleDelivery):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    assert [frame.command for frame in stage.link.sent] == ["SUBSCRIBE"]


def test_message_is_stale_as_soon_as_the_session_has_ended(stage: Stage) -> None:
    [message] = delivered(stage)
    stage.link.session.receive_eof()
    with pytest.raises(StaleDelivery):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))


def test_a_message_of_a_closed_subscription_is_stale(stage: Stage) -> None:
    [message] = delivered(stage)
    [subscription] = stage.engine.subscriptions.values()
    run = stage.run(subscriptions.unsubscribe_gen(stage.engine, subscription, 30, delete=False))
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert run.result is None
    with pytest.raises(StaleDelivery, match="subscription has ended"):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))


def test_a_message_that_needs_no_ack_cannot_be_acknowledged(stage: Stage) -> None:
    [message] = delivered(stage, "auto")
    with pytest.raises(UsageError, match="client-individual"):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))


def test_an_ack_may_be_confirmed(stage: Stage) -> None:
    first, second = delivered(stage, count=2)
    run = stage.run(acknowledge.settle_gen(stage.engine, first, 30, confirm=True))
    assert not run.done
    stage.link.confirm(stage.link.take("ACK"))
    assert run.result is None
    run = stage.run(acknowledge.settle_gen(stage.engine, second, 30, confirm=True))
    stage.link.say("ERROR", message="gone", receipt_id=stage.link.take("ACK").headers["receipt"])
    with pytest.raises(BrokerError, match="gone"):
        assert run.result


@pytest.mark.parametrize(("requeue", "warning"), [(None, None), (True, "true"), (False, "false")])
def test_nack_for_rabbitmq_has_the_requeue_header(
    stage: Stage, requeue: bool | None, warning: str | None
) -> None:
    [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True, requeue=requeue))
    assert stage.link.take("NACK").headers.get("requeue") == warning


def test_requeue_is_refused_for_activemq() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    [message] = delivered(stage)
    with pytest.raises(Unsupported, match=r"goes to ActiveMQ\.DLQ"):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True, requeue=True))
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))


@pytest.mark.parametrize(
    ("server", "negative", "words"),
    [("ActiveMQ/5.17.2", True, "poison ack"), ("ActiveMQ-Artemis/2.31", False, "broker ignores the header")],
)
def test_unsupported_ack_in_a_transaction_is_refused(server: str, negative: bool, words: str) -> None:
    stage = Stage()
    stage.connect(server=server)
    [message] = delivered(stage)
    record = TransactionRecord("t", 1)
    with pytest.raises(Unsupported, match=words):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=negative, transaction=record))


@pytest.mark.parametrize(("negative", "verb"), [(False, "acknowledged"), (True, "refused")])
def test_refusal_says_what_cannot_be_done(stage: Stage, negative: bool, verb: str) -> None:
    def settle(message: BaseMessage) -> StompError:
        with pytest.raises((UsageError, StaleDelivery)) as caught:
            stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=negative))
        error = caught.value
        assert isinstance(error, StompError)
        return error

    [automatic] = delivered(stage, "auto")
    assert settle(automatic).message == f"this message cannot be {verb}: its subscription has ack='auto'"
    [message] = delivered(stage)
    [*_, subscription] = stage.engine.subscriptions.values()
    run = stage.run(subscriptions.unsubscribe_gen(stage.engine, subscription, 30, delete=False))
    stage.link.confirm(stage.link.take("UNSUBSCRIBE"))
    assert run.done
    ended = settle(message)
    assert ended.message == f"this message cannot be {verb}: its subscription has ended"
    assert ended.hint == "the broker delivers it again"
    message.connection = None
    made = settle(message)
    assert made.message == f"this message cannot be {verb}: it came over a connection, which is gone"
    assert made.hint == "the broker delivers it again"


@pytest.mark.parametrize("negative", [False, True])
def test_hooks_are_told_how_a_message_was_settled(negative: bool) -> None:
    seen: list[tuple[str, str]] = []

    class Recorder(Hooks):
        def settled(self, message: BaseMessage, how: str) -> None:
            seen.append((message.id, how))

    stage = Stage(hooks=(Recorder(),))
    stage.connect(server="RabbitMQ/3.10.8")
    [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=negative))
    assert message.settled
    assert seen == []  # called by the driver, without its lock
    stage.make_calls()
    assert seen == [("0", "nack" if negative else "ack")]


def test_a_message_is_not_settled_if_the_connection_ends_at_that_moment(stage: Stage) -> None:
    [message] = delivered(stage)

    def lost(frame: Frame, **options: object) -> None:
        raise NotConnected("the connection has ended")

    stage.link.transmit = lost  # type: ignore[method-assign]
    with pytest.raises(StaleDelivery, match="the connection was lost before") as caught:
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    assert caught.value.hint == "the broker delivers it again"


def test_the_writer_may_delay_an_acknowledgement(stage: Stage) -> None:
    [message] = delivered(stage)
    delays: list[bool] = []

    def transmit(frame: Frame, *, deadline: float | None = None, may_delay: bool = False) -> None:
        delays.append(may_delay)

    stage.link.transmit = transmit  # type: ignore[method-assign]
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    assert delays == [True]


def test_a_stale_message_is_stale_whatever_the_next_broker_supports() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    [message] = delivered(stage)
    stage.link.hang_up()
    stage.reconnect(server="ActiveMQ-Artemis/2.31")
    record = TransactionRecord("t", 2)
    for transaction in (None, record):
        with pytest.raises(StaleDelivery, match="connection 1, which is gone"):
            stage.do(
                acknowledge.settle_gen(stage.engine, message, 30, negative=True, transaction=transaction)
            )


def test_a_message_without_connection_is_stale_before_the_client_is_connected(stage: Stage) -> None:
    [message] = delivered(stage)
    message.connection = None
    with pytest.raises(StaleDelivery, match="it came over a connection, which is gone"):
        stage.do(acknowledge.settle_gen(Stage().engine, message, 30))


@pytest.mark.parametrize(("server", "negative"), [("ActiveMQ/5.17.2", False), ("RabbitMQ/3.10.8", True)])
def test_a_transaction_has_the_acknowledgements_that_the_broker_supports(server: str, negative: bool) -> None:
    stage = Stage()
    stage.connect(server=server)
    [message] = delivered(stage)
    record = TransactionRecord("t", 1)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=negative, transaction=record))
    frame = stage.link.take("NACK" if negative else "ACK")
    assert frame.headers == {"id": "ack-0", "transaction": "t"}


def test_a_message_that_needs_no_ack_cannot_be_given_back() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ-Artemis/2.31")
    [message] = delivered(stage, "auto")
    with pytest.raises(UsageError, match="cannot be refused: its subscription has ack='auto'"):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30, negative=True, requeue=True))


def test_second_settlement_says_that_there_was_a_first(stage: Stage) -> None:
    [message] = delivered(stage)
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    with pytest.raises(AlreadySettled, match=r"^this message has already been acknowledged or rejected$"):
        stage.do(acknowledge.settle_gen(stage.engine, message, 30))


def test_an_ack_frame_is_positive_by_default(stage: Stage) -> None:
    [message] = delivered(stage)
    assert acknowledge.build_ack(stage.engine, message).command == "ACK"


@pytest.mark.parametrize(("ack", "other", "left"), [("client-individual", 0, 1), ("client", 2, 2)])
def test_abort_restores_only_what_was_acknowledged_in_the_transaction(
    ack: str, other: int, left: int
) -> None:
    stage = Stage()
    stage.connect()
    messages = delivered(stage, ack, 3 if ack == "client" else 2)
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30))
    stage.do(acknowledge.settle_gen(stage.engine, messages[1], 30, transaction=record))
    stage.do(acknowledge.settle_gen(stage.engine, messages[other], 30))
    assert stage.engine.unsettled == 0
    run = stage.run(transaction_ops.abort_gen(stage.engine, record, 30))
    stage.link.confirm(stage.link.sent[-1])
    assert run.result is None
    assert stage.engine.unsettled == left
    with pytest.raises(AlreadySettled):
        stage.do(acknowledge.settle_gen(stage.engine, messages[other], 30))
