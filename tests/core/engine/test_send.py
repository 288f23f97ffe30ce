"""stomp.core.engine.send"""

from __future__ import annotations

from typing import Any

import pytest

from stomp.core.engine import send
from stomp.core.engine.broker_profiles import SPRING
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.effects import Call, SendFrame
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.message import inflate
from stomp.core.engine.send import OutgoingMessage
from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    SendStalled,
    StompError,
    Unsupported,
    UsageError,
)
from stomp.core.frames.frame import Frame
from tests.core.stage import Stage

A = "/queue/a"


def start(stage: Stage, body: bytes = b"x", **outgoing):
    """A confirmed send under way, with what the broker got of it."""
    confirmation = stage.do(
        send.send_async_gen(
            stage.engine, OutgoingMessage(A, body, **outgoing), BaseConfirmation, stage.clock() + 30
        )
    )
    return confirmation, stage.link.take("SEND")


def test_send_transmits_a_frame(stage: Stage) -> None:
    stage.do(
        send.send_gen(
            stage.engine, OutgoingMessage(A, "häh?", headers={"x": 1}, content_type="text/plain"), 30
        )
    )
    frame = stage.link.take("SEND")
    assert frame.headers == {
        "x": "1", "destination": A, "content-type": "text/plain", "content-length": "5",
    }  # fmt: skip
    assert frame.body == "häh?".encode()


def test_text_message_for_jms_has_no_content_length() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    stage.do(send.send_gen(stage.engine, OutgoingMessage(A, b"x", text=True), 30))
    assert "content-length" not in stage.link.take("SEND").headers
    rabbit = Stage()
    rabbit.connect(server="RabbitMQ/3.10.8")
    rabbit.do(send.send_gen(rabbit.engine, OutgoingMessage(A, b"x", text=True), 30))
    assert rabbit.link.take("SEND").headers["content-length"] == "1"


def test_a_send_waits_for_the_connection_to_come_back(stage: Stage) -> None:
    stage.link.hang_up()
    run = stage.run(send.send_gen(stage.engine, OutgoingMessage(A, b"x"), stage.clock() + 30))
    assert not run.done
    stage.reconnect()
    assert run.result is None
    assert stage.link.take("SEND").body == b"x"


def test_send_without_connection_times_out(stage: Stage) -> None:
    stage.link.hang_up()
    run = stage.run(send.send_gen(stage.engine, OutgoingMessage(A, b"x"), stage.clock() + 5))
    stage.advance(5)
    with pytest.raises(NotConnected, match="reconnecting"):
        assert run.result


def test_send_before_connect_is_refused() -> None:
    stage = Stage()
    with pytest.raises(NotConnected, match="call connect"):
        stage.do(send.send_gen(stage.engine, OutgoingMessage(A, b"x"), 30))


@pytest.mark.parametrize(
    ("destination", "body", "words"),
    [("", b"", "no destination"), (A, 5, "the body is of type int"), (A, None, "NoneType")],
)
def test_invalid_bodies_are_refused(destination: str, body, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        OutgoingMessage(destination, body)


@pytest.mark.parametrize("body", ["abc", b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_bytes_and_text_bodies_are_sent(body) -> None:
    assert OutgoingMessage(A, body).body == b"abc"


def test_confirmed_send_returns_after_the_receipt(stage: Stage) -> None:
    run = stage.run(send.send_confirmed_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30))
    assert not run.done
    stage.link.confirm(stage.link.take("SEND"))
    assert run.result is None
    assert stage.engine.stats().confirmed == 1


def test_refused_send_raises_the_reason(stage: Stage) -> None:
    run = stage.run(send.send_confirmed_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30))
    stage.link.say("ERROR", b"no such queue", receipt_id=stage.link.take("SEND").headers["receipt"])
    with pytest.raises(BrokerError, match="no such queue"):
        assert run.result
    assert stage.engine.stats().refused == 1


def test_error_without_receipt_refuses_the_only_pending_send(stage: Stage) -> None:
    confirmation, _ = start(stage)
    stage.link.say("ERROR", message="access_refused")
    assert confirmation.outcome == "refused"
    assert "access_refused" in str(confirmation.error)


def test_error_without_receipt_refuses_the_remaining_send() -> None:
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
        send.send_confirmed_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, stage.clock() + 5)
    )
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="SEND in time"):
        assert run.result
    assert stage.engine.stats().unknown == 1
    assert not len(stage.engine.pending)


def test_a_send_that_is_not_answered_may_have_been_refused(stage: Stage) -> None:
    first, _ = start(stage)
    second, _ = start(stage)
    stage.link.say("ERROR", message="access_refused")
    stage.advance(30)
    assert {first.outcome, second.outcome} <= {"unknown", "refused"}
    assert "access_refused" in str(first.error)


def test_a_lost_connection_leaves_the_outcome_unknown(stage: Stage) -> None:
    run = stage.run(send.send_confirmed_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30))
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
    assert stage.engine.stats().resent == 1


def test_repeated_sends_go_before_new_ones() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    for body in (b"1", b"2"):
        start(stage, body)
    stage.link.hang_up()
    stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b"3"), BaseConfirmation, 30))
    stage.reconnect()
    assert [stage.link.take("SEND").body for _ in range(3)] == [b"1", b"2", b"3"]


def test_repeated_send_to_artemis_has_its_duplicate_header() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND, nonce="n")
    stage.connect(server="ActiveMQ-Artemis/2.31.0")
    _, frame = start(stage)
    assert frame.headers["_AMQ_DUPL_ID"] == "n-1"


def test_a_repeated_send_is_given_up_at_its_deadline() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    run = stage.run(
        send.send_confirmed_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, stage.clock() + 5)
    )
    stage.link.hang_up()
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="will not be sent again"):
        assert run.result
    stage.reconnect()
    assert not stage.link.sent


def test_full_window_blocks_senders() -> None:
    stage = Stage(window=2)
    stage.connect()
    start(stage)
    _, frame = start(stage)
    run = stage.run(
        send.send_async_gen(stage.engine, OutgoingMessage(A, b"3"), BaseConfirmation, stage.clock() + 30)
    )
    assert not run.done
    stage.link.confirm(frame)
    assert run.result.outcome is None
    late = stage.run(
        send.send_async_gen(stage.engine, OutgoingMessage(A, b"4"), BaseConfirmation, stage.clock() + 5)
    )
    stage.advance(5)
    with pytest.raises(SendStalled, match="2 confirmed sends are waiting"):
        assert late.result


def test_window_counts_bytes_and_passes_a_large_message_alone() -> None:
    stage = Stage(window_bytes=10)
    stage.connect()
    _, frame = start(stage, b"x" * 100)
    run = stage.run(
        send.send_async_gen(stage.engine, OutgoingMessage(A, b"y"), BaseConfirmation, stage.clock() + 5)
    )
    assert not run.done
    stage.link.confirm(frame)
    assert run.done


def test_send_many_sends_before_the_first_confirmation(stage: Stage) -> None:
    messages = [OutgoingMessage(A, str(n)) for n in range(3)]
    run = stage.run(send.send_many_gen(stage.engine, messages, BaseConfirmation, 30))
    frames = [stage.link.take("SEND") for _ in range(3)]
    assert not run.done
    for frame in frames:
        stage.link.confirm(frame)
    assert [confirmation.outcome for confirmation in run.result] == ["confirmed"] * 3


def test_send_many_has_a_deadline(stage: Stage) -> None:
    messages = [OutgoingMessage(A, b"1"), OutgoingMessage(A, b"2")]
    run = stage.run(send.send_many_gen(stage.engine, messages, BaseConfirmation, 5))
    stage.link.confirm(stage.link.take("SEND"))
    stage.advance(5)
    assert [confirmation.outcome for confirmation in run.result] == ["confirmed", "unknown"]


def test_send_many_with_resends_has_a_deadline() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    run = stage.run(
        send.send_many_gen(
            stage.engine, [OutgoingMessage(A, b"1"), OutgoingMessage(A, b"2")], BaseConfirmation, 5
        )
    )
    stage.link.confirm(stage.link.take("SEND"))
    stage.advance(6)
    with pytest.raises(ReceiptMissing, match="1 of 2"):
        assert run.result


def test_a_cancelled_send_leaves_nothing_behind(stage: Stage) -> None:
    run = stage.run(send.send_confirmed_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30))
    run.throw(KeyboardInterrupt())
    assert isinstance(run.error, KeyboardInterrupt)
    stage.link.confirm(stage.link.take("SEND"))
    assert not len(stage.engine.pending)


def test_compressed_body_has_its_content_encoding() -> None:
    outgoing = OutgoingMessage(A, "text", headers={"x": "1"}, compress="gzip")
    assert outgoing.headers == {"x": "1", "content-encoding": "gzip"}
    assert inflate(outgoing.body, "gzip", 10) == b"text"
    assert OutgoingMessage(A, b"", compress="deflate").headers == {"content-encoding": "deflate"}


def test_expiry_is_counted_from_the_time_of_the_call() -> None:
    stage = Stage()
    stage.connect(server="ActiveMQ/5.17.2")
    for now, expires in ((5000, "6000"), (0, "1000")):
        outgoing = OutgoingMessage(A, b"", epoch_ms=now, options={"ttl": 1.0}, headers={"x": "y"})
        stage.do(send.send_gen(stage.engine, outgoing, 30))
        headers = stage.link.take("SEND").headers
        assert (headers["expires"], headers["x"]) == (expires, "y")
    stage.do(send.send_gen(stage.engine, OutgoingMessage(A, b"", options={"ttl": 1.0}), 30))
    assert stage.link.take("SEND").headers["expires"] == "1000"


def test_broker_without_receipts_confirms_nothing() -> None:
    stage = Stage(profile=SPRING)
    stage.connect()
    with pytest.raises(Unsupported, match="Spring has no receipts") as caught:
        start(stage)
    assert caught.value.hint == "send without confirm=True"
    assert not stage.link.sent


def test_only_a_send_that_is_waited_for_is_written_at_once(stage: Stage) -> None:
    delays: list[bool] = []
    link = stage.link

    def transmit(frame: Frame, *, deadline: float | None = None, may_delay: bool = False) -> object:
        delays.append(may_delay)
        return link.session.transmit(frame, deadline=deadline)

    link.transmit = transmit  # type: ignore[method-assign]
    outgoing = OutgoingMessage(A, b"x")
    stage.run(send.send_async_gen(stage.engine, outgoing, BaseConfirmation, 30))
    stage.run(send.send_many_gen(stage.engine, [outgoing], BaseConfirmation, 30))
    stage.run(send.send_confirmed_gen(stage.engine, outgoing, BaseConfirmation, 30))
    stage.run(send.send_gen(stage.engine, outgoing, 30))
    assert delays == [True, True, False, False]


class Outcomes(Hooks):
    """Records the outcome of each send."""

    def __init__(self) -> None:
        self.seen: list[StompError | None] = []

    def sending(self, frame: Frame) -> Any:
        return self.seen.append


def test_hooks_are_told_the_outcome() -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect(server="RabbitMQ/3.10.8")
    first, second = start(stage), start(stage)
    stage.link.confirm(first[1])
    stage.link.say("ERROR", message="no", receipt_id=second[1].headers["receipt"])
    stage.make_calls()
    assert hook.seen == [None, second[0].error]
    assert isinstance(second[0].error, BrokerError)


def test_hooks_are_told_that_a_send_was_interrupted(stage: Stage) -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect()

    def interrupted(frame: Frame, **options: object) -> None:
        raise KeyError("x")

    stage.link.transmit = interrupted  # type: ignore[method-assign]
    for program in (
        send.send_gen(stage.engine, OutgoingMessage(A, b"x"), 30),
        send.send_async_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30),
    ):
        with pytest.raises(KeyError):
            stage.do(program)
        error = hook.seen.pop()
        assert isinstance(error, OutcomeUnknown)
        assert error.message == "sending was ended by KeyError"
        assert isinstance(error.__cause__, KeyError)
    assert not stage.engine.pending


def test_full_window_says_what_to_check() -> None:
    stage = Stage(window=1)
    stage.connect()
    start(stage)
    run = stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 5))
    stage.advance(5)
    with pytest.raises(SendStalled, match="1 confirmed sends are waiting") as caught:
        assert run.result
    assert caught.value.hint == "check the broker's alarms, or increase window="


def test_space_in_the_window_does_not_replace_the_connection() -> None:
    stage = Stage(window=1)
    stage.connect()
    confirmation, _ = start(stage)
    run = stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b"y"), BaseConfirmation, 5))
    stage.link.hang_up()
    assert confirmation.outcome == "unknown"
    assert not run.done
    stage.advance(5)
    with pytest.raises(NotConnected):
        assert run.result


def test_send_that_the_session_does_not_report_is_given_up_a_second_later(stage: Stage) -> None:
    confirmation, _ = start(stage)
    run = stage.run(send.wait_confirmed_gen(stage.engine, confirmation, 5.0))
    stage.clock.advance(5.9)
    stage.go_on()
    assert not run.done
    stage.clock.advance(0.1)
    stage.go_on()
    with pytest.raises(ReceiptMissing) as caught:
        assert run.result
    assert caught.value.receipt == confirmation.receipt
    assert caught.value.hint == "the broker may or may not have received it"
    assert confirmation.error is caught.value


def test_invalid_body_says_what_to_pass() -> None:
    with pytest.raises(UsageError) as caught:
        OutgoingMessage(A, {"a": 1})  # type: ignore[arg-type]
    assert caught.value.hint == "pass bytes or str, or for JSON json="


def test_window_is_filled_exactly() -> None:
    stage = Stage(window_bytes=10)
    stage.connect()
    for _ in "12":
        start(stage, b"1234")  # an empty body has a size, too: one more than its bytes
    run = stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b""), BaseConfirmation, 5))
    assert not run.done


@pytest.mark.parametrize(("timeout", "deadline"), [(7.0, 10.0), (None, 30.0)])
def test_time_to_answer_counts_from_the_end_of_the_wait_for_space(
    timeout: float | None, deadline: float
) -> None:
    stage = Stage(window=1)
    stage.connect()
    _, first = start(stage)
    run = stage.run(
        send.send_async_gen(
            stage.engine, OutgoingMessage(A, b"y"), BaseConfirmation, 30.0, answer_timeout=timeout
        )
    )
    stage.advance(3)
    stage.link.confirm(first)
    assert run.done
    assert stage.link.session.next_deadline() == deadline


class Interfering(Outcomes):
    """Does something before the first frame is sent."""

    def __init__(self, action: Any) -> None:
        super().__init__()
        self.actions = [action]

    def sending(self, frame: Frame) -> Any:
        if self.actions:
            self.actions.pop()()
        return super().sending(frame)


def test_send_waits_again_if_a_hook_has_filled_the_window() -> None:
    stage: Stage
    others: list[Any] = []
    hook = Interfering(lambda: others.append(start(stage)))
    stage = Stage(hooks=(hook,), window=1)
    stage.connect()
    run = stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b"late"), BaseConfirmation, 30))
    assert not run.done
    [error] = hook.seen
    assert isinstance(error, NotConnected)
    assert error.message == "not sent yet"
    [(_, frame)] = others
    stage.link.confirm(frame)
    assert run.done
    assert stage.link.take("SEND").body == b"late"


def test_send_waits_again_if_the_connection_is_lost_while_a_hook_runs() -> None:
    stage: Stage
    hook = Interfering(lambda: stage.link.hang_up())
    stage = Stage(hooks=(hook,))
    stage.connect()
    run = stage.run(send.send_async_gen(stage.engine, OutgoingMessage(A, b"late"), BaseConfirmation, 30))
    assert not run.done
    assert [type(error) for error in hook.seen] == [NotConnected]
    stage.reconnect()
    assert run.done
    assert stage.link.take("SEND").body == b"late"


def test_abandoned_send_calls_no_hook() -> None:
    """A generator that is closed cannot yield."""
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect()
    operation = send.send_async_gen(stage.engine, OutgoingMessage(A, b"x"), BaseConfirmation, 30)
    call = next(operation)
    assert isinstance(call, Call)
    assert isinstance(operation.send(call.function()), SendFrame)
    operation.close()
    assert hook.seen == []
    assert not stage.engine.pending


def test_calls_of_hooks_are_guarded() -> None:
    hook = Outcomes()
    stage = Stage(hooks=(hook,))
    stage.connect()
    operation = send.send_gen(stage.engine, OutgoingMessage(A, b"x"), 30)
    sending = next(operation)
    assert isinstance(sending, Call)
    assert isinstance(operation.send(sending.function()), SendFrame)
    callback = operation.send(None)
    assert isinstance(callback, Call)
    assert (sending.guarded, callback.guarded) == (True, True)


def test_late_answer_is_a_timeout_and_may_be_waited_for_again(stage: Stage) -> None:
    confirmation, frame = start(stage)
    run = stage.run(send.wait_outcome_gen(confirmation, 5))
    stage.advance(5)
    with pytest.raises(TimeoutError, match="the broker has not answered yet"):
        assert run.result
    again = stage.run(send.wait_outcome_gen(confirmation, None))
    stage.link.confirm(frame)
    assert again.result is None


def test_late_answers_are_counted() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    confirmations = [start(stage) for _ in range(3)]
    run = stage.run(send.wait_all_gen([confirmation for confirmation, _ in confirmations], 5))
    stage.link.confirm(confirmations[0][1])
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="2 of 3 sends were not confirmed in time"):
        assert run.result
