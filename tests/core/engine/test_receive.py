from __future__ import annotations

from typing import Any

import pytest

from stomp.core.engine import acknowledge, lifecycle, verbs
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import Confirmation
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.verbs import OutgoingMessage
from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
    FrameError,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    ReplyMissing,
    SendStalled,
    TransactionVoid,
    UsageError,
)
from tests.core.stage import Stage

A = "/queue/a"


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.connect()
    return stage


def start(stage: Stage, body: bytes = b"x", **parcel):
    """A confirmed send under way, with what the broker got of it."""
    confirmation = stage.do(
        verbs.start(stage.conv, OutgoingMessage(A, body, **parcel), Confirmation, stage.clock() + 30)
    )
    return confirmation, stage.link.take("SEND")


# ------------------------------------------------------------------------------------- sending


def test_a_send_is_a_frame(stage: Stage) -> None:
    stage.do(
        verbs.send(stage.conv, OutgoingMessage(A, "häh?", headers={"x": 1}, content_type="text/plain"), 30)
    )
    frame = stage.link.take("SEND")
    assert frame.headers == {
        "x": "1", "destination": A, "content-type": "text/plain", "content-length": "5",
    }  # fmt: skip
    assert frame.body == "häh?".encode()


def test_a_text_message_has_no_length_where_that_makes_the_difference() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    stage.do(verbs.send(stage.conv, OutgoingMessage(A, b"x", text=True), 30))
    assert "content-length" not in stage.link.take("SEND").headers
    rabbit = Stage()
    rabbit.connect(server="RabbitMQ/3.10.8")
    rabbit.do(verbs.send(rabbit.conv, OutgoingMessage(A, b"x", text=True), 30))
    assert rabbit.link.take("SEND").headers["content-length"] == "1"


def test_a_send_waits_for_the_connection_to_come_back(stage: Stage) -> None:
    stage.link.hang_up()
    run = stage.run(verbs.send(stage.conv, OutgoingMessage(A, b"x"), stage.clock() + 30))
    assert not run.done
    stage.reconnect()
    assert run.result is None
    assert stage.link.take("SEND").body == b"x"


def test_a_send_does_not_wait_for_ever(stage: Stage) -> None:
    stage.link.hang_up()
    run = stage.run(verbs.send(stage.conv, OutgoingMessage(A, b"x"), stage.clock() + 5))
    stage.advance(5)
    with pytest.raises(NotConnected, match="reconnecting"):
        assert run.result


def test_what_was_surely_not_sent_is_sent_on_the_next_connection(stage: Stage) -> None:
    # The session has ended, and the conversation has not been told yet.
    stage.link.session.receive_eof()
    plain = stage.run(verbs.send(stage.conv, OutgoingMessage(A, b"1"), stage.clock() + 30))
    confirmed = stage.run(verbs.start(stage.conv, OutgoingMessage(A, b"2"), Confirmation, stage.clock() + 30))
    begun = stage.run(verbs.begin(stage.conv, stage.clock() + 30))
    assert [plain.done, confirmed.done, begun.done] == [False] * 3
    stage.link.pump()
    stage.reconnect()
    assert plain.result is None
    assert confirmed.result.generation == begun.result.generation == 2
    assert [frame.command for frame in stage.link.sent] == ["SEND", "SEND", "BEGIN"]


def test_before_connect_there_is_nothing_to_send_over() -> None:
    stage = Stage()
    with pytest.raises(NotConnected, match="call connect"):
        stage.do(verbs.send(stage.conv, OutgoingMessage(A, b"x"), 30))


@pytest.mark.parametrize(
    ("destination", "body", "words"),
    [("", b"", "no destination"), (A, 5, "the body is of type int"), (A, None, "NoneType")],
)
def test_what_cannot_be_sent(destination: str, body, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        OutgoingMessage(destination, body)


@pytest.mark.parametrize("body", ["abc", b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_bodies_of_all_kinds(body) -> None:
    assert OutgoingMessage(A, body).body == b"abc"


# ------------------------------------------------------------------------------------- confirmed sends


def test_a_confirmed_send_returns_when_the_broker_has_it(stage: Stage) -> None:
    run = stage.run(verbs.send_confirmed(stage.conv, OutgoingMessage(A, b"x"), Confirmation, 30))
    assert not run.done
    stage.link.confirm(stage.link.take("SEND"))
    assert run.result is None
    assert stage.conv.stats().confirmed == 1


def test_a_refused_send_says_why(stage: Stage) -> None:
    run = stage.run(verbs.send_confirmed(stage.conv, OutgoingMessage(A, b"x"), Confirmation, 30))
    stage.link.say("ERROR", b"no such queue", receipt_id=stage.link.take("SEND").headers["receipt"])
    with pytest.raises(BrokerError, match="no such queue"):
        assert run.result
    assert stage.conv.stats().refused == 1


def test_an_error_without_a_receipt_is_about_the_only_one_that_waits(stage: Stage) -> None:
    confirmation, _ = start(stage)
    stage.link.say("ERROR", message="access_refused")
    assert confirmation.outcome == "refused"
    assert "access_refused" in str(confirmation.error)


def test_an_error_without_a_receipt_is_about_the_one_that_is_left() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    sends = [start(stage) for _ in range(3)]
    stage.link.say("ERROR", message="access_refused")
    assert [confirmation.outcome for confirmation, _ in sends] == [None] * 3
    stage.link.confirm(sends[0][1])
    stage.link.confirm(sends[2][1])
    assert [confirmation.outcome for confirmation, _ in sends] == ["confirmed", "refused", "confirmed"]


def test_a_send_that_is_not_answered_in_time_is_unknown(stage: Stage) -> None:
    run = stage.run(
        verbs.send_confirmed(stage.conv, OutgoingMessage(A, b"x"), Confirmation, stage.clock() + 5)
    )
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="SEND in time"):
        assert run.result
    assert stage.conv.stats().unknown == 1
    assert not len(stage.conv.waiting)


def test_a_send_that_is_not_answered_may_have_been_refused(stage: Stage) -> None:
    first, _ = start(stage)
    second, _ = start(stage)
    stage.link.say("ERROR", message="access_refused")
    stage.advance(30)
    assert {first.outcome, second.outcome} <= {"unknown", "refused"}
    assert "access_refused" in str(first.error)


def test_a_lost_connection_leaves_the_outcome_unknown(stage: Stage) -> None:
    run = stage.run(verbs.send_confirmed(stage.conv, OutgoingMessage(A, b"x"), Confirmation, 30))
    stage.link.hang_up()
    with pytest.raises(OutcomeUnknown, match="lost before") as caught:
        assert run.result
    assert isinstance(caught.value.__cause__, ConnectionLost)
    assert any("SEND" in line for line in caught.value.recent)


def test_a_send_may_be_repeated_until_it_is_confirmed() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND, nonce="n")
    stage.connect()
    first, frame = start(stage, b"1")
    second, _ = start(stage, b"2")
    stage.link.confirm(frame)
    assert "possible-duplicate" not in frame.headers
    stage.link.hang_up()
    assert second.outcome is None
    stage.reconnect()
    again = stage.link.take("SEND")
    assert (again.body, again.headers["possible-duplicate"]) == (b"2", "true")
    assert again.headers["dedup-id"] == "n-2"
    stage.link.confirm(again)
    outcomes: list[object] = [first.outcome, second.outcome]
    assert (outcomes, second.attempts) == (["confirmed", "confirmed"], 2)
    assert stage.conv.stats().resent == 1


def test_repeated_sends_go_before_new_ones() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    for body in (b"1", b"2"):
        start(stage, body)
    stage.link.hang_up()
    stage.run(verbs.start(stage.conv, OutgoingMessage(A, b"3"), Confirmation, 30))
    stage.reconnect()
    assert [stage.link.take("SEND").body for _ in range(3)] == [b"1", b"2", b"3"]


def test_artemis_is_given_its_own_header_against_duplicates() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND, nonce="n")
    stage.connect(server="ActiveMQ-Artemis/2.31.0")
    _, frame = start(stage)
    assert frame.headers["_AMQ_DUPL_ID"] == "n-1"


def test_a_repeated_send_is_given_up_at_its_deadline() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    run = stage.run(
        verbs.send_confirmed(stage.conv, OutgoingMessage(A, b"x"), Confirmation, stage.clock() + 5)
    )
    stage.link.hang_up()
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="will not be sent again"):
        assert run.result
    stage.reconnect()
    assert not stage.link.sent


def test_the_window_holds_senders_up() -> None:
    stage = Stage(window=2)
    stage.connect()
    start(stage)
    _, frame = start(stage)
    run = stage.run(verbs.start(stage.conv, OutgoingMessage(A, b"3"), Confirmation, stage.clock() + 30))
    assert not run.done
    stage.link.confirm(frame)
    assert run.result.outcome is None
    late = stage.run(verbs.start(stage.conv, OutgoingMessage(A, b"4"), Confirmation, stage.clock() + 5))
    stage.advance(5)
    with pytest.raises(SendStalled, match="2 confirmed sends wait"):
        assert late.result


def test_the_window_counts_bytes_and_lets_a_large_one_through_alone() -> None:
    stage = Stage(window_bytes=10)
    stage.connect()
    _, frame = start(stage, b"x" * 100)
    run = stage.run(verbs.start(stage.conv, OutgoingMessage(A, b"y"), Confirmation, stage.clock() + 5))
    assert not run.done
    stage.link.confirm(frame)
    assert run.done


def test_many_are_sent_before_the_first_is_confirmed(stage: Stage) -> None:
    parcels = [OutgoingMessage(A, str(n)) for n in range(3)]
    run = stage.run(verbs.send_all(stage.conv, parcels, Confirmation, 30))
    frames = [stage.link.take("SEND") for _ in range(3)]
    assert not run.done
    for frame in frames:
        stage.link.confirm(frame)
    assert [confirmation.outcome for confirmation in run.result] == ["confirmed"] * 3


def test_many_are_not_waited_for_for_ever(stage: Stage) -> None:
    parcels = [OutgoingMessage(A, b"1"), OutgoingMessage(A, b"2")]
    run = stage.run(verbs.send_all(stage.conv, parcels, Confirmation, 5))
    stage.link.confirm(stage.link.take("SEND"))
    stage.advance(5)
    assert [confirmation.outcome for confirmation in run.result] == ["confirmed", "unknown"]


def test_many_that_are_sent_again_and_again_are_not_waited_for_for_ever() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    run = stage.run(
        verbs.send_all(stage.conv, [OutgoingMessage(A, b"1"), OutgoingMessage(A, b"2")], Confirmation, 5)
    )
    stage.link.confirm(stage.link.take("SEND"))
    stage.advance(6)
    with pytest.raises(ReceiptMissing, match="1 of 2"):
        assert run.result


def test_a_cancelled_send_leaves_nothing_behind(stage: Stage) -> None:
    run = stage.run(verbs.send_confirmed(stage.conv, OutgoingMessage(A, b"x"), Confirmation, 30))
    run.throw(KeyboardInterrupt())
    assert isinstance(run.error, KeyboardInterrupt)
    stage.link.confirm(stage.link.take("SEND"))
    assert not len(stage.conv.waiting)


# ------------------------------------------------------------------------------------- taking


def test_messages_are_taken_in_order(stage: Stage) -> None:
    feed = stage.subscribe()
    stage.deliver(feed, "1", b"one")
    stage.deliver(feed, "2", b"two")
    assert [stage.do(verbs.take(stage.conv, feed.inbox, None)).body for _ in range(2)] == [b"one", b"two"]


def test_taking_waits_for_a_message(stage: Stage) -> None:
    feed = stage.subscribe()
    run = stage.run(verbs.take(stage.conv, feed.inbox, None))
    assert not run.done
    stage.deliver(feed, "1", b"one")
    assert run.result.body == b"one"


def test_taking_ends_at_the_deadline(stage: Stage) -> None:
    feed = stage.subscribe()
    run = stage.run(verbs.take(stage.conv, feed.inbox, stage.clock() + 5))
    stage.advance(5)
    assert run.result is None


def test_what_has_to_be_acknowledged_is_not_handed_out_after_its_connection(stage: Stage) -> None:
    individual, auto = stage.subscribe(), stage.subscribe("/queue/b", "auto")
    stage.deliver(individual, "1")
    stage.deliver(auto, "2")
    stage.link.hang_up()
    assert stage.do(verbs.take(stage.conv, auto.inbox, None)).id == "2"
    run = stage.run(verbs.take(stage.conv, individual.inbox, None))
    assert not run.done
    stage.reconnect()
    stage.deliver(individual, "1", redelivered="true")
    assert run.result.redelivered


def test_a_subscription_that_the_broker_ends_says_why_once() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    feed = stage.subscribe()
    stage.deliver(feed, "1")
    stage.link.say("ERROR", message="Server cancelled subscription", subscription=feed.id)
    assert stage.do(verbs.take(stage.conv, feed.inbox, None)).id == "1"
    with pytest.raises(BrokerError, match="Server cancelled"):
        stage.do(verbs.take(stage.conv, feed.inbox, None))
    assert stage.do(verbs.take(stage.conv, feed.inbox, None)) is None


def test_silence_makes_a_new_connection(stage: Stage) -> None:
    feed = stage.subscribe(max_silence=10.0)
    stage.run(verbs.take(stage.conv, feed.inbox, None))
    stage.advance(9)
    stage.deliver(feed, "1")
    run = stage.run(verbs.take(stage.conv, feed.inbox, None))
    stage.advance(9)
    assert not stage.link.hung_up
    stage.advance(1)
    assert stage.link.hung_up
    assert "no message from /queue/a for 10 s" in stage.said[-1]
    stage.reconnect()
    assert stage.link.take("SUBSCRIBE").headers["id"] == feed.id
    assert not run.done


# ------------------------------------------------------------------------------------- transactions


def begin(stage: Stage):
    record = stage.do(verbs.begin(stage.conv, stage.clock() + 30))
    assert stage.link.take("BEGIN").headers["transaction"] == record.id
    return record


def test_a_transaction_is_committed_when_the_broker_says_so(stage: Stage) -> None:
    record = begin(stage)
    stage.do(verbs.send_in(stage.conv, record, OutgoingMessage(A, b"x")))
    assert stage.link.take("SEND").headers["transaction"] == record.id
    run = stage.run(verbs.commit(stage.conv, record, 30))
    assert not run.done
    stage.link.confirm(stage.link.take("COMMIT"))
    assert run.result is None
    assert record.state == "committed"
    with pytest.raises(UsageError, match="committed already"):
        stage.do(verbs.send_in(stage.conv, record, OutgoingMessage(A, b"y")))


def test_a_transaction_is_void_after_its_connection(stage: Stage) -> None:
    record = begin(stage)
    stage.link.hang_up()
    stage.reconnect()
    with pytest.raises(TransactionVoid, match="do it again"):
        stage.do(verbs.send_in(stage.conv, record, OutgoingMessage(A, b"x")))
    with pytest.raises(TransactionVoid):
        stage.do(verbs.commit(stage.conv, record, 30))
    stage.do(verbs.abort(stage.conv, record, 30))
    assert not stage.link.sent


def test_a_commit_without_an_answer_is_unknown(stage: Stage) -> None:
    record = begin(stage)
    run = stage.run(verbs.commit(stage.conv, record, 30))
    stage.link.hang_up()
    with pytest.raises(OutcomeUnknown):
        assert run.result


def test_a_commit_that_is_cancelled_cannot_be_aborted_any_more(stage: Stage) -> None:
    record = stage.do(verbs.begin(stage.conv, 30))
    run = stage.run(verbs.commit(stage.conv, record, 30))
    run.throw(KeyboardInterrupt())
    assert record.state == "void"


def test_a_refused_commit_says_why(stage: Stage) -> None:
    record = begin(stage)
    run = stage.run(verbs.commit(stage.conv, record, 30))
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("COMMIT").headers["receipt"])
    with pytest.raises(BrokerError):
        assert run.result


def test_a_transaction_whose_commit_was_refused_raises_the_refusal_later() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/4.1.0")  # its ERROR does not end the connection
    record = begin(stage)
    stage.run(verbs.commit(stage.conv, record, 30))
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("COMMIT").headers["receipt"])
    with pytest.raises(TransactionVoid, match="COMMIT failed: the broker refused: no"):
        stage.do(verbs.send_in(stage.conv, record, OutgoingMessage(A, b"x")))


def test_a_transaction_whose_commit_had_no_answer_does_not_claim_to_be_rolled_back(stage: Stage) -> None:
    record = begin(stage)
    stage.run(verbs.commit(stage.conv, record, 30))
    stage.link.hang_up()
    stage.reconnect()
    with pytest.raises(TransactionVoid, match="COMMIT failed") as failed:
        stage.do(verbs.commit(stage.conv, record, 30))
    assert "nothing" not in str(failed.value)


def test_what_was_acknowledged_in_an_aborted_transaction_can_be_acknowledged_again(stage: Stage) -> None:
    feed = stage.subscribe(ack="client")
    for id in ("1", "2", "3"):
        stage.deliver(feed, id)
    messages = [stage.do(verbs.take(stage.conv, feed.inbox, None)) for _ in range(3)]
    record = begin(stage)
    stage.do(acknowledge.settle(stage.conv, messages[1], 30, transaction=record))
    assert stage.link.take("ACK").headers == {"id": "ack-2", "transaction": record.id}
    assert stage.conv.unsettled == 1
    run = stage.run(verbs.abort(stage.conv, record, 30))
    stage.link.confirm(stage.link.take("ABORT"))
    assert run.result is None
    assert stage.conv.unsettled == 3
    stage.do(acknowledge.settle(stage.conv, messages[1], 30))
    assert stage.conv.unsettled == 1


# ------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("server", ["ActiveMQ/5.17.2", "RabbitMQ/3.10.8"])
def test_a_request_gets_its_reply(server: str) -> None:
    stage = Stage(nonce="n")
    stage.connect(server=server)
    run = stage.run(verbs.ask(stage.conv, OutgoingMessage(A, b"?"), stage.clock() + 30))
    if server.startswith("ActiveMQ"):
        subscribed = stage.link.take("SUBSCRIBE")
        assert subscribed.headers["destination"] == "/temp-queue/reply-n"
        stage.link.confirm(subscribed)
    asked = stage.link.take("SEND")
    assert asked.headers["reply-to"] == "/temp-queue/reply-n"
    stage.link.say(
        "MESSAGE", b"stray", subscription="/temp-queue/reply-n", message_id="1", correlation_id="other"
    )
    assert not run.done
    stage.link.say(
        "MESSAGE",
        b"!",
        subscription="/temp-queue/reply-n",
        message_id="2",
        correlation_id=asked.headers["correlation-id"],
    )
    assert run.result.body == b"!"
    assert not stage.conv.replies


def test_a_request_that_nobody_answers(stage: Stage) -> None:
    run = stage.run(verbs.ask(stage.conv, OutgoingMessage(A, b"?"), stage.clock() + 5))
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.advance(5)
    with pytest.raises(ReplyMissing, match="nobody answered"):
        assert run.result
    assert not stage.conv.replies


def test_a_request_whose_connection_is_lost(stage: Stage) -> None:
    run = stage.run(verbs.ask(stage.conv, OutgoingMessage(A, b"?"), stage.clock() + 30))
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    stage.link.hang_up()
    with pytest.raises(OutcomeUnknown):
        assert run.result


# ------------------------------------------------------------------------------------- states


def test_state_changes_one_by_one(stage: Stage) -> None:
    from stomp.core.engine.status import ClientState, StateChangeQueue

    log = StateChangeQueue()
    stage.conv.logs.append(log)
    run = stage.run(verbs.next_change(stage.conv, log, None))
    stage.link.hang_up()
    change = run.result
    assert (change.before, change.state) == (ClientState.CONNECTED, ClientState.RECONNECTING)
    assert isinstance(change.error, ConnectionLost)
    stage.reconnect()
    assert stage.do(verbs.next_change(stage.conv, log, None)).generation == 2
    closing = stage.run(lifecycle.close(stage.conv, stage.clock() + 5))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert closing.result is True
    states = [stage.do(verbs.next_change(stage.conv, log, None)).state for _ in range(2)]
    assert states == [ClientState.CLOSING, ClientState.CLOSED]
    assert stage.do(verbs.next_change(stage.conv, log, None)) is None


# ------------------------------------------------------------------------------------- hooks


class Outcomes(Hooks):
    """Records what the callbacks of `sending` were called with."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []

    def sending(self, frame: Any) -> Any:
        return self.outcomes.append


def test_the_callback_of_a_hook_gets_the_error_of_a_confirmed_send_that_was_not_sent() -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect()
    stage.link.session.abort(None)  # closed, and the engine has not processed that yet
    run = stage.run(verbs.start(stage.conv, OutgoingMessage(A, b"x"), Confirmation, 30))
    assert [type(error) for error in hook.outcomes] == [NotConnected]
    stage.link.pump()
    stage.reconnect()
    stage.link.confirm(stage.link.take("SEND"))
    stage.make_calls()
    assert run.result.outcome == "confirmed"
    assert hook.outcomes[1:] == [None]


@pytest.mark.parametrize("operation", ["send", "start", "send_in", "ask"])
def test_the_callback_of_a_hook_gets_the_error_of_a_frame_that_cannot_be_encoded(operation: str) -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect(version="1.0")  # cannot escape a line end
    message = OutgoingMessage(A, b"x", headers={"a": "b\nc"})
    if operation == "ask":
        run = stage.run(verbs.ask(stage.conv, message, 30))
        stage.link.confirm(stage.link.take("SUBSCRIBE"))
    elif operation == "send_in":
        run = stage.run(verbs.send_in(stage.conv, begin(stage), message))
    elif operation == "start":
        run = stage.run(verbs.start(stage.conv, message, Confirmation, 30))
    else:
        run = stage.run(verbs.send(stage.conv, message, 30))
    assert isinstance(run.error, FrameError)
    assert hook.outcomes == [run.error]
