"""stomp.core.engine.transaction_ops"""

from __future__ import annotations

import pytest

from stomp.core.engine import acknowledge, receive, send, transaction_ops
from stomp.core.engine.broker_profiles import SPRING
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import SendFrame
from stomp.core.engine.send import OutgoingMessage
from stomp.core.errors import (
    BrokerError,
    OutcomeUnknown,
    TransactionVoid,
    Unsupported,
    UsageError,
)
from tests.core.stage import Stage

A = "/queue/a"


def test_begin_that_was_not_sent_is_sent_on_the_next_connection(stage: Stage) -> None:
    # The session has ended, and the engine does not know it yet.
    stage.link.session.receive_eof()
    plain = stage.run(send.send_gen(stage.engine, OutgoingMessage(A, b"1"), stage.clock() + 30))
    confirmed = stage.run(
        send.send_async_gen(stage.engine, OutgoingMessage(A, b"2"), BaseConfirmation, stage.clock() + 30)
    )
    begun = stage.run(transaction_ops.begin_gen(stage.engine, stage.clock() + 30))
    assert [plain.done, confirmed.done, begun.done] == [False] * 3
    stage.link.pump()
    stage.reconnect()
    assert plain.result is None
    assert confirmed.result.generation == begun.result.generation == 2
    assert [frame.command for frame in stage.link.sent] == ["SEND", "SEND", "BEGIN"]


def begin(stage: Stage):
    record = stage.do(transaction_ops.begin_gen(stage.engine, stage.clock() + 30))
    assert stage.link.take("BEGIN").headers["transaction"] == record.id
    return record


def test_commit_returns_after_the_receipt(stage: Stage) -> None:
    record = begin(stage)
    stage.do(transaction_ops.send_in_transaction_gen(stage.engine, record, OutgoingMessage(A, b"x")))
    assert stage.link.take("SEND").headers["transaction"] == record.id
    run = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    assert not run.done
    stage.link.confirm(stage.link.take("COMMIT"))
    assert run.result is None
    assert record.state == "committed"
    with pytest.raises(UsageError, match="committed already"):
        stage.do(transaction_ops.send_in_transaction_gen(stage.engine, record, OutgoingMessage(A, b"y")))


def test_transaction_is_lost_with_its_connection(stage: Stage) -> None:
    record = begin(stage)
    stage.link.hang_up()
    stage.reconnect()
    with pytest.raises(TransactionVoid, match="repeat it in a new transaction"):
        stage.do(transaction_ops.send_in_transaction_gen(stage.engine, record, OutgoingMessage(A, b"x")))
    with pytest.raises(TransactionVoid):
        stage.do(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.do(transaction_ops.abort_gen(stage.engine, record, 30))
    assert not stage.link.sent


def test_unanswered_commit_has_an_unknown_outcome(stage: Stage) -> None:
    record = begin(stage)
    run = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.link.hang_up()
    with pytest.raises(OutcomeUnknown):
        assert run.result


def test_cancelled_commit_cannot_be_aborted(stage: Stage) -> None:
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30))
    run = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    run.throw(KeyboardInterrupt())
    assert record.state == "void"


def test_refused_commit_raises_the_reason(stage: Stage) -> None:
    record = begin(stage)
    run = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("COMMIT").headers["receipt"])
    with pytest.raises(BrokerError):
        assert run.result


def test_a_transaction_whose_commit_was_refused_raises_the_refusal_later() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/4.1.0")  # its ERROR does not end the connection
    record = begin(stage)
    stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("COMMIT").headers["receipt"])
    with pytest.raises(TransactionVoid, match="COMMIT failed: the broker refused: no"):
        stage.do(transaction_ops.send_in_transaction_gen(stage.engine, record, OutgoingMessage(A, b"x")))


def test_a_transaction_whose_commit_had_no_answer_does_not_claim_to_be_rolled_back(stage: Stage) -> None:
    record = begin(stage)
    stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    stage.link.hang_up()
    stage.reconnect()
    with pytest.raises(TransactionVoid, match="COMMIT failed") as failed:
        stage.do(transaction_ops.commit_gen(stage.engine, record, 30))
    assert "nothing" not in str(failed.value)


def test_message_of_an_aborted_transaction_can_be_acknowledged_again(stage: Stage) -> None:
    subscription = stage.subscribe(ack="client")
    for id in ("1", "2", "3"):
        stage.deliver(subscription, id)
    messages = [stage.do(receive.receive_gen(stage.engine, subscription.queue, None)) for _ in range(3)]
    record = begin(stage)
    stage.do(acknowledge.settle_gen(stage.engine, messages[1], 30, transaction=record))
    assert stage.link.take("ACK").headers == {"id": "ack-2", "transaction": record.id}
    assert stage.engine.unsettled == 1
    run = stage.run(transaction_ops.abort_gen(stage.engine, record, 30))
    stage.link.confirm(stage.link.take("ABORT"))
    assert run.result is None
    assert stage.engine.unsettled == 3
    stage.do(acknowledge.settle_gen(stage.engine, messages[1], 30))
    assert stage.engine.unsettled == 1


def test_broker_without_transactions_begins_none() -> None:
    stage = Stage(profile=SPRING)
    stage.connect()
    with pytest.raises(Unsupported, match="Spring has no transactions") as caught:
        stage.do(transaction_ops.begin_gen(stage.engine, 30))
    assert caught.value.hint == "send without a transaction"
    assert not stage.link.sent


def test_frames_name_their_transaction(stage: Stage) -> None:
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30))
    assert stage.link.take("BEGIN").headers == {"transaction": record.id}
    stage.do(transaction_ops.send_in_transaction_gen(stage.engine, record, OutgoingMessage("/queue/a", b"x")))
    assert stage.link.take("SEND").headers["transaction"] == record.id
    run = stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    frame = stage.link.take("COMMIT")
    assert frame.headers["transaction"] == record.id
    stage.link.confirm(frame)
    assert run.result is None
    with pytest.raises(UsageError, match="committed already"):
        record.check()


def test_aborted_transaction_is_closed_even_without_answer(stage: Stage) -> None:
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30))
    stage.link.take("BEGIN")
    run = stage.run(transaction_ops.abort_gen(stage.engine, record, 30))
    frame = stage.link.take("ABORT")
    assert frame.headers["transaction"] == record.id
    stage.link.say("ERROR", message="no", receipt_id=frame.headers["receipt"])
    assert run.result is None
    assert any(
        line.startswith("the transaction could not be aborted: the broker refused: no") for line in stage.said
    )
    with pytest.raises(UsageError, match="the transaction was aborted already"):
        record.check()
    stage.do(transaction_ops.abort_gen(stage.engine, record, 30))
    assert not stage.link.sent


def test_transaction_belongs_to_its_owner(stage: Stage) -> None:
    record = stage.do(transaction_ops.begin_gen(stage.engine, 30, "me"))
    assert record.owner == "me"


def test_committed_transaction_is_progress(stage: Stage) -> None:
    record = begin(stage)
    stage.run(transaction_ops.commit_gen(stage.engine, record, 30))
    assert not stage.engine.current.has_progress
    stage.link.confirm(stage.link.take("COMMIT"))
    assert stage.engine.current.has_progress


def test_the_writer_may_delay_a_send_in_a_transaction(stage: Stage) -> None:
    record = begin(stage)
    operation = transaction_ops.send_in_transaction_gen(stage.engine, record, OutgoingMessage(A, b"x"))
    effect = next(operation)
    assert isinstance(effect, SendFrame)
    assert effect.may_delay is True
