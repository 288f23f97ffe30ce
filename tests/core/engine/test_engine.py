"""stomp.core.engine.engine"""

from __future__ import annotations

import pytest

from stomp.core.engine import lifecycle, receive, request_reply, send, subscriptions, transaction_ops
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.engine import ClientEngine
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.message import deflated
from stomp.core.engine.message_queue import OVERHEAD, ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState, StateChange, StateChangeQueue
from stomp.core.errors import (
    BrokerError,
    ConnectionLost,
    ContentError,
    NotConnected,
    OutcomeUnknown,
    ReceiptMissing,
    UsageError,
)
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import STOMP12
from tests.core.stage import FakeLink, Stage


class RecordingHooks(Hooks):
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def sending(self, frame):
        frame.headers["traced"] = "yes"
        return lambda error: self.calls.append(("sent", error))

    def received(self, message) -> None:
        self.calls.append(("received", message.id))

    def settled(self, message, how) -> None:
        self.calls.append((how, message.id))

    def error(self, frame) -> None:
        self.calls.append(("error", frame.headers["message"]))

    def state_changed(self, change) -> None:
        self.calls.append(("state", change.state.value))


def test_hooks_are_called_without_locks() -> None:
    from stomp.core.engine import acknowledge

    recorder = RecordingHooks()
    stage = Stage(hooks=(recorder,))
    stage.connect(server="RabbitMQ/3.10.8")
    subscription = stage.subscribe()
    stage.deliver(subscription, "1")
    message = stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    stage.do(acknowledge.settle_gen(stage.engine, message, 30))
    stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
    stage.link.take("ACK")
    sent = stage.link.take("SEND")
    assert sent.headers["traced"] == "yes"
    stage.link.confirm(sent)
    stage.link.say("ERROR", message="hm")
    assert recorder.calls == []
    stage.make_calls()
    assert recorder.calls == [
        ("state", "connecting"), ("state", "connected"), ("received", "1"), ("ack", "1"), ("sent", None),
        ("error", "hm"),
    ]  # fmt: skip


def test_events_of_an_old_link_are_ignored() -> None:
    stage = Stage()
    old = stage.connect()
    subscription = stage.subscribe()
    stage.link.hang_up()
    stage.reconnect()
    stray = FakeLink(stage, "x")
    stage.engine.process_events(stray, [], 0.0)
    assert stage.engine.state is ClientState.CONNECTED
    assert old is not stage.link
    assert not subscription.queue.messages


def test_messages_without_subscription_are_counted() -> None:
    stage = Stage()
    stage.connect()
    stage.link.say("MESSAGE", subscription="who", message_id="1")
    assert stage.engine.stats().unmatched == 1


def test_reading_pauses_above_the_limit_and_resumes_below() -> None:
    stage = Stage(high_water=20_000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    for id in range(9):
        stage.deliver(subscription, str(id), b"x" * 1000)
    assert not stage.engine.reading_paused
    stage.deliver(subscription, "9", b"x" * 1000)
    assert stage.engine.reading_paused
    fired: list[int] = []
    stage.engine.resumed.add_callback(lambda: fired.append(1))
    for _ in range(6):
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    assert not stage.engine.reading_paused
    assert fired == [1]


def test_reading_continues_while_a_request_is_pending() -> None:
    stage = Stage(high_water=20_000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    stage.deliver(subscription, "1", b"x" * 20_000)
    assert stage.engine.reading_paused
    stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
    assert not stage.engine.reading_paused
    stage.deliver(subscription, "2", b"x" * 20_000)
    assert not stage.engine.reading_paused
    stage.deliver(subscription, "3", b"x" * 60_000)
    assert stage.engine.reading_paused


def test_message_is_counted_once_when_received() -> None:
    stage = Stage(high_water=20_000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    for id in range(50):
        stage.deliver(subscription, str(id), b"x" * 1000)
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
        assert not stage.engine.reading_paused


def test_reading_resumes_when_the_subscription_of_queued_messages_ends() -> None:
    stage = Stage(high_water=1000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    stage.deliver(subscription, "1", b"x" * 1000)
    assert stage.engine.reading_paused
    stage.engine.drop_subscription(subscription)
    assert not stage.engine.reading_paused


def test_receiving_from_a_long_queue_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    class Measured(MessageQueue):
        @property
        def size(self) -> int:
            measured.append(1)
            return super().size

    monkeypatch.setattr("stomp.core.engine.message_queue.MessageQueue", Measured)
    stage = Stage(high_water=50_000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    for id in range(100):
        stage.deliver(subscription, str(id))
        assert len(measured) <= 1
    assert stage.engine.reading_paused
    measured.clear()
    for _ in range(100):
        stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    assert len(measured) == 1


def test_unattributed_error_calls_the_hook() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    stage.link.say("ERROR", message="watch out")
    assert "watch out" in stage.said[-1]
    assert stage.engine.state is ClientState.CONNECTED


def test_stats_add_up_over_connections() -> None:
    stage = Stage()
    stage.connect()
    stage.link.hang_up()
    stage.reconnect()
    stage.do(send.send_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), 30))
    stats = stage.engine.stats()
    assert (stats.connections, stats.frames_sent, stats.frames_received) == (2, 3, 2)


def test_lost_connection_logs_the_last_frames_without_secrets() -> None:
    stage = Stage(login="me", passcode="swordfish")
    stage.connect()
    stage.do(
        send.send_gen(stage.engine, OutgoingMessage("/queue/a", b"body", headers={"token": "swordfish"}), 30)
    )
    stage.link.hang_up()
    assert stage.engine.error is not None
    recent = "\n".join(stage.engine.error.recent)
    assert "< CONNECTED" in recent
    assert "> SEND" in recent
    assert "4 bytes" in recent
    assert "swordfish" not in recent


def test_senders_are_notified_once_per_read() -> None:
    stage = Stage(window=2)
    link = stage.connect()
    confirmations = [
        stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
        for _ in "12"
    ]
    fired: list[int] = []
    stage.engine.pending.window_opened.add_callback(lambda: fired.append(stage.engine.pending.sends))
    for confirmation in confirmations:
        answer = b"RECEIPT\nreceipt-id:%b\n\n\0" % confirmation.receipt.encode()
        link.session.receive_data(answer, stage.clock())
    link.pump()
    assert fired == [0]
    assert [confirmation.outcome for confirmation in confirmations] == ["confirmed"] * 2


def test_cancelled_request_notifies_senders() -> None:
    stage = Stage(window=1)
    stage.connect()
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    waiting = stage.run(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"y"), BaseConfirmation, 30)
    )
    assert not waiting.done
    assert stage.engine.cancel_request(confirmation.receipt)
    stage.go_on()
    assert waiting.done
    assert not stage.engine.cancel_request(confirmation.receipt)


# ------------------------------------------------------------------------------------- an ERROR that is the end


@pytest.mark.parametrize("server", ["apache-apollo/1.7.1", "ActiveMQ-Artemis/2.44.0 x", None])
def test_error_of_a_broker_that_stops_reading_ends_the_connection(server: str | None) -> None:
    stage = Stage()
    stage.connect(**({"server": server} if server else {}))
    make = [
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b""), BaseConfirmation, 30)
        for _ in range(3)
    ]
    one, two, three = [stage.do(program) for program in make]
    receipts = [frame.headers["receipt"] for frame in stage.link.sent]
    stage.link.confirm(stage.link.sent[0])
    stage.link.say("ERROR", message="not there", receipt_id=receipts[1])
    assert [each.outcome for each in (one, two, three)] == ["confirmed", "refused", "unknown"]
    assert stage.link.session.closed is not None
    assert stage.engine.state is ClientState.RECONNECTING
    assert "not there" in str(stage.engine.error)
    assert "not there" in str(three.error)
    stage.clock.advance(0)
    stage.reconnect()  # at once


@pytest.mark.parametrize("server", ["RabbitMQ/3.10.8", "ActiveMQ/5.17.2", "HornetQ/2.5.0"])
def test_error_of_a_broker_that_continues_keeps_the_connection(server: str) -> None:
    stage = Stage()
    stage.connect(server=server)
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b""), BaseConfirmation, 30)
    )
    stage.link.say("ERROR", message="no", receipt_id=stage.link.take("SEND").headers["receipt"])
    assert confirmation.outcome == "refused"
    assert stage.engine.state is ClientState.CONNECTED


def test_configured_broker_decides_whether_an_error_ends_the_connection() -> None:
    from stomp.core.engine.broker_profiles import profile_by_name

    stage = Stage(profile=profile_by_name("rabbitmq"))
    stage.connect()
    stage.link.say("ERROR", message="no")
    assert stage.engine.state is ClientState.CONNECTED


def test_error_while_resubscribing_refuses_the_pending_subscription() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    subscription = stage.subscribe()
    stage.link.hang_up()
    stage.reconnect(server="RabbitMQ/3.10.8")
    stage.link.say("ERROR", message="not_found")
    assert subscription.ended
    assert "not_found" in str(subscription.error)


# ------------------------------------------------------------------------------------- state changes, errors, numbers


def test_state_changes_are_told_to_observers_logs_and_hooks() -> None:
    recorder = RecordingHooks()
    stage = Stage(hooks=(recorder,))
    seen: list[StateChange] = []
    log = StateChangeQueue()
    stage.engine.observers.append(seen.append)
    stage.engine.logs.append(log)
    stage.connect(server="RabbitMQ/3.10.8")
    stage.link.hang_up()
    assert seen == []  # the driver calls them, without its lock
    stage.make_calls()
    assert list(log.changes) == seen
    assert recorder.calls == [("state", change.state.value) for change in seen]
    assert [(c.state, c.before, c.address, c.generation, c.broker) for c in seen] == [
        (ClientState.CONNECTING, ClientState.NEW, "", 0, ""),
        (ClientState.CONNECTED, ClientState.CONNECTING, "a:1", 1, "rabbitmq"),
        (ClientState.RECONNECTING, ClientState.CONNECTED, "", 1, ""),
    ]
    assert seen[2].reason == "the peer closed the connection"
    assert seen[2].error is stage.engine.error
    assert seen[1].error is None


def test_there_is_no_broker_before_connected() -> None:
    stage = Stage()
    seen: list[StateChange] = []
    stage.engine.observers.append(seen.append)
    stage.engine.attach(FakeLink(stage, "a:1"), "a:1")
    stage.engine.set_state(ClientState.CONNECTING, "again")
    stage.make_calls()
    assert [(c.address, c.broker, c.reason) for c in seen] == [("a:1", "", "again")]


def test_missing_connection_is_explained() -> None:
    stage = Stage(reconnect=False)

    def why() -> tuple[str, str]:
        error = stage.engine.not_connected()
        assert isinstance(error, NotConnected)
        return error.message, error.hint

    assert why() == ("the client is not connected", "call connect, or use it in a with statement")
    stage.connect()
    stage.engine.state = ClientState.RECONNECTING
    assert why() == ("the client is reconnecting", "")
    failure = ConnectionLost("gone", hint="look there")
    stage.engine.error = failure
    assert why() == ("the client is reconnecting; gone", "")
    assert stage.engine.not_connected().__cause__ is failure
    stage.engine.closing = True
    assert why()[0] == "the client was closed"
    stage.engine.closing = False
    stage.engine.fail(failure)
    assert why() == ("the client has failed: gone", "look there")
    assert stage.engine.not_connected().__cause__ is failure
    assert stage.engine.not_connected().recent == stage.engine.recorder.lines()
    assert stage.engine.recorder.lines()
    stage.engine.finish(ClientState.CLOSED, "closed")
    assert why() == ("the client was closed", "call connect again, or make a new one")


def test_failure_is_the_reason_of_the_last_state_change() -> None:
    stage = Stage(reconnect=False)
    stage.connect()
    seen: list[StateChange] = []
    stage.engine.observers.append(seen.append)
    waiting = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    subscription = stage.subscribe(confirm=False)
    failure = ConnectionLost("gone")
    stage.engine.fail(failure)
    stage.make_calls()
    assert [(c.state, c.reason, c.error) for c in seen] == [(ClientState.FAILED, "gone", failure)]
    assert isinstance(waiting.error, OutcomeUnknown)
    assert waiting.error.message == "the connection was lost before the broker had answered: gone"
    assert waiting.error.hint == "the broker may or may not have received it"
    assert waiting.error.__cause__ is failure
    assert (subscription.ended, subscription.error) == (True, failure)
    assert not stage.engine.subscriptions
    assert not stage.engine.ledger.subscriptions


def test_numbers_are_of_what_happened() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    first, second = stage.subscribe("/queue/a", "auto"), stage.subscribe("/queue/b", "auto")
    for number in range(3):
        stage.deliver(first, str(number))
    stage.deliver(second, "3")
    for number in range(2):
        stage.link.say("MESSAGE", subscription="who", message_id=str(number))
    outcomes = [
        stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
        for _ in range(5)
    ]
    frames = [stage.link.take("SEND") for _ in outcomes]
    stage.link.confirm(frames[0])
    for frame in frames[1:3]:
        stage.link.say("ERROR", message="no", receipt_id=frame.headers["receipt"])
    stats = stage.engine.stats()
    assert (stats.messages, stats.queued, stats.unmatched) == (4, 4, 2)
    assert (stats.confirmed, stats.refused, stats.unknown, stats.in_flight, stats.errors) == (1, 2, 0, 2, 2)
    stage.link.hang_up()
    stats = stage.engine.stats()
    assert (stats.unknown, stats.in_flight) == (2, 0)


def test_messages_of_one_read_go_to_their_subscriptions() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    one, two = stage.subscribe("/queue/a", "auto"), stage.subscribe("/queue/b", "auto")

    def frame(command: str, **headers: str) -> bytes:
        return encode(Frame(command, Headers({k.replace("_", "-"): v for k, v in headers.items()})), STOMP12)

    data = b"".join(
        frame("MESSAGE", subscription=id, message_id=str(number))
        for number, id in enumerate([one.id, one.id, two.id, "who", "who", one.id])
    )
    # A broker ends a subscription by an ERROR that names it; the messages after it are for nobody.
    data += frame("ERROR", message="gone", subscription=one.id)
    data += frame("MESSAGE", subscription=one.id, message_id="6")
    stage.link.session.receive_data(data, 0.0)
    stage.link.pump()
    assert [message.id for message in one.queue.messages] == ["0", "1", "5"]
    assert [message.id for message in two.queue.messages] == ["2"]
    assert stage.engine.stats().unmatched == 3
    assert one.ended
    assert isinstance(one.error, BrokerError)
    assert one.error.message == "the broker ended the subscription: gone"
    assert one.error.frame is not None
    assert list(stage.engine.subscriptions) == list(stage.engine.ledger.subscriptions) == [two.id]


def test_reading_pauses_exactly_at_the_limit() -> None:
    for size, paused in ((1000, True), (999, False)):
        stage = Stage(high_water=1000 + OVERHEAD)
        stage.connect()
        stage.deliver(stage.subscribe(ack="auto"), "1", b"x" * size)
        assert stage.engine.reading_paused is paused


@pytest.mark.parametrize(
    ("server", "hint"), [(None, "give broker='spring'"), ("RabbitMQ/3.10.8", "")], ids=["unknown", "rabbitmq"]
)
def test_unanswered_subscribe_of_an_unknown_broker_has_a_hint(server: str | None, hint: str) -> None:
    stage = Stage()
    stage.connect(**({"server": server} if server else {}))
    subscription = ClientSubscription("s", SubscriptionConfig("/queue/a"))
    subscribing = stage.run(subscriptions.subscribe_gen(stage.engine, subscription, stage.clock() + 5))
    sending = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 5)
    )
    stage.advance(5)
    with pytest.raises(ReceiptMissing, match="did not answer SUBSCRIBE in time") as caught:
        assert subscribing.result
    assert hint in caught.value.hint
    assert bool(caught.value.hint) is bool(hint)
    assert isinstance(sending.error, ReceiptMissing)
    assert sending.error.hint == ""
    assert sending.error.receipt == sending.receipt


def test_refusal_has_the_frame_of_the_broker() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    stage.link.say("ERROR", b"more", message="no", receipt_id=confirmation.receipt)
    assert isinstance(confirmation.error, BrokerError)
    assert confirmation.error.message == "the broker refused: no: more"
    assert confirmation.error.frame is not None
    assert confirmation.error.frame.body == b"more"


def test_tolerated_violations_are_logged_with_the_address() -> None:
    stage = Stage()
    stage.connect()
    stage.link.session.receive_data(b"MESSAGE\nno colon here\nmessage-id:1\n\n\0", 0.0)
    stage.link.pump()
    assert any(line.startswith("from a:1: ") and "no colon" in line for line in stage.said)


def test_reply_without_correlation_id_is_for_nobody() -> None:
    stage = Stage(nonce="n")
    stage.connect(server="RabbitMQ/3.10.8")
    request = OutgoingMessage("/queue/a", b"?")
    run = stage.run(request_reply.request_gen(stage.engine, request, stage.clock() + 30))
    stage.link.say("MESSAGE", subscription="/temp-queue/reply-n", message_id="1")
    assert not run.done
    assert stage.engine.stats().unmatched == 1


# ------------------------------------------------------------------------------------- a new client


def test_new_client_has_done_nothing() -> None:
    stage = Stage()
    engine = ClientEngine(stage.engine.config, stage, owner=stage)
    assert engine.owner is stage
    assert (engine.state, engine.connection, engine.error, engine.run_number) == (
        ClientState.NEW,
        None,
        None,
        0,
    )
    flags = (
        engine.closing, engine.closed_cleanly, engine.draining, engine.reading_paused, engine.needs_reconnect,
        engine.callback_waits,
    )  # fmt: skip
    assert flags == (False,) * 6
    assert None not in flags
    assert engine.pop_callbacks() == []


def test_transactions_are_counted_by_owner() -> None:
    stage = Stage()
    stage.connect()
    for owner in ("a", "b", "a"):
        stage.do(transaction_ops.begin_gen(stage.engine, 30, owner))
    counts = [stage.engine.transactions(owner) for owner in ("a", "b", "c", None)]
    assert counts == [2, 1, 0, 3]


def test_duplicate_subscription_says_what_to_do() -> None:
    stage = Stage()
    stage.connect()
    with pytest.raises(UsageError, match="'sub-1' already") as caught:
        stage.engine.add_subscription(stage.subscribe())
    assert caught.value.hint == "close it first, or use another id"


# ------------------------------------------------------------------------------------- what one read contains


def read(stage: Stage, *frames: Frame) -> None:
    """The client reads these frames at once."""
    stage.link.session.receive_data(b"".join(encode(frame, STOMP12) for frame in frames), stage.clock())
    stage.link.pump()
    stage.go_on()


def frame(command: str, body: bytes = b"", **headers: str) -> Frame:
    return Frame(command, Headers({name.replace("_", "-"): value for name, value in headers.items()}), body)


def test_all_callbacks_of_one_read_are_called_in_order() -> None:
    recorder = RecordingHooks()
    stage = Stage(hooks=(recorder,))
    stage.connect(server="RabbitMQ/3.10.8")
    subscription = stage.subscribe(ack="auto")
    for _ in "12":
        stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
    first, second = stage.link.take("SEND").headers["receipt"], stage.link.take("SEND").headers["receipt"]
    stage.make_calls()
    recorder.calls.clear()
    read(
        stage,
        frame("RECEIPT", receipt_id=first),
        frame("MESSAGE", subscription=subscription.id, message_id="1"),
        frame("ERROR", message="no", receipt_id=second),
        frame("MESSAGE", subscription=subscription.id, message_id="2"),
    )
    stage.make_calls()
    [sent, one, error, (refused, reason), two] = recorder.calls
    assert (sent, one, error, two) == (("sent", None), ("received", "1"), ("error", "no"), ("received", "2"))
    assert refused == "sent"
    assert isinstance(reason, BrokerError)


def test_callbacks_are_kept_when_a_receipt_arrives() -> None:
    recorder = RecordingHooks()
    stage = Stage(hooks=(recorder,))
    stage.connect(server="RabbitMQ/3.10.8")
    subscription = stage.subscribe(ack="auto")
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    stage.make_calls()
    recorder.calls.clear()
    read(
        stage,
        frame("MESSAGE", subscription=subscription.id, message_id="1"),
        frame("RECEIPT", receipt_id=confirmation.receipt),
    )
    stage.make_calls()
    assert recorder.calls == [("received", "1"), ("sent", None)]


def test_message_without_subscription_header_goes_to_the_subscription_of_its_destination() -> None:
    """STOMP 1.0 allows that."""
    stage = Stage()
    stage.connect(version="1.0")
    subscription = stage.subscribe("/queue/a", "auto", confirm=False)
    stage.link.say("MESSAGE", destination="/queue/a", message_id="1")
    assert [message.id for message in subscription.queue.messages] == ["1"]


def test_reply_is_found_after_a_message_for_nobody() -> None:
    stage = Stage(nonce="n")
    stage.connect(server="RabbitMQ/3.10.8")  # its queue for replies has no SUBSCRIBE
    run = stage.run(request_reply.request_gen(stage.engine, OutgoingMessage("/queue/a", b"?"), 30))
    correlation = stage.link.take("SEND").headers["correlation-id"]
    read(
        stage,
        frame("MESSAGE", subscription="who", message_id="1"),
        frame(
            "MESSAGE", b"!", subscription="/temp-queue/reply-n", message_id="2", correlation_id=correlation
        ),
    )
    assert run.result.body == b"!"
    assert stage.engine.stats().unmatched == 1


def test_messages_and_strays_of_one_read_are_counted() -> None:
    stage = Stage(nonce="n")
    stage.connect(server="RabbitMQ/3.10.8")
    subscription = stage.subscribe(ack="auto")
    stage.run(request_reply.request_gen(stage.engine, OutgoingMessage("/queue/a", b"?"), 30))
    read(
        stage,
        frame("MESSAGE", subscription=subscription.id, message_id="1"),
        frame("MESSAGE", subscription=subscription.id, message_id="2"),
        frame("MESSAGE", subscription="/temp-queue/reply-n", message_id="3", correlation_id="other"),
        frame("MESSAGE", subscription="/temp-queue/reply-n", message_id="4", correlation_id="other"),
    )
    stats = stage.engine.stats()
    assert (stats.messages, stats.unmatched) == (2, 2)


def test_repeated_sends_are_counted() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    for _ in "12":
        stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30))
    stage.link.hang_up()
    stage.reconnect()
    assert stage.engine.stats().resent == 2


def test_error_for_the_queue_of_replies_ends_its_subscription() -> None:
    stage = Stage(nonce="n")
    stage.connect(server="RabbitMQ/3.10.8")
    stage.run(request_reply.request_gen(stage.engine, OutgoingMessage("/queue/a", b"?"), 30))
    [subscription] = stage.engine.subscriptions.values()
    stage.link.say("ERROR", message="gone", subscription="/temp-queue/reply-n")
    assert subscription.ended
    assert not stage.engine.subscriptions


# ------------------------------------------------------------------------------------- the high-water mark


def test_messages_of_one_read_reach_the_limit_together() -> None:
    stage = Stage(high_water=3000 + 2 * OVERHEAD)
    stage.connect()
    one, two = stage.subscribe(ack="auto"), stage.subscribe("/queue/b", "auto")
    read(
        stage,
        frame("MESSAGE", b"x" * 1500, subscription=one.id, message_id="1"),
        frame("MESSAGE", b"x" * 1500, subscription=two.id, message_id="2"),
    )
    assert stage.engine.reading_paused


@pytest.mark.parametrize(("left", "paused"), [(51, True), (50, True), (49, False)])
def test_reading_resumes_exactly_below_half_of_the_limit(left: int, paused: bool) -> None:
    stage = Stage(high_water=2 * (OVERHEAD + 50) + 1)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    stage.deliver(subscription, "1", b"x" * 2000)
    stage.deliver(subscription, "2", b"x" * left)
    assert stage.engine.reading_paused
    stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    assert stage.engine.reading_paused is paused
    stage.engine.maybe_resume()
    assert stage.engine.reading_paused is paused


def test_reading_stays_paused_until_messages_are_taken() -> None:
    stage = Stage(high_water=4000)
    stage.connect()
    full, other = stage.subscribe(ack="auto"), stage.subscribe("/queue/b", "auto")
    stage.deliver(full, "1", b"x" * 4000)
    stage.make_calls()
    stage.engine.log("a line")
    stage.make_calls()
    stage.engine.drop_subscription(other)
    assert stage.engine.reading_paused


def test_messages_of_all_subscriptions_count_for_the_limit() -> None:
    stage = Stage(high_water=4000)
    stage.connect()
    full, other = stage.subscribe(ack="auto"), stage.subscribe("/queue/b", "auto")
    stage.deliver(full, "1", b"x" * 4000)
    stage.deliver(other, "2")
    stage.engine.maybe_resume()
    assert stage.engine.reading_paused
    stage.do(receive.receive_gen(stage.engine, full.queue, None))
    assert not stage.engine.reading_paused


def test_closing_resumes_reading() -> None:
    """The RECEIPT of DISCONNECT has to be read."""
    stage = Stage(high_water=1000)
    stage.connect()
    stage.deliver(stage.subscribe(ack="auto"), "1", b"x" * 1000)
    assert stage.engine.reading_paused
    run = stage.run(lifecycle.close_gen(stage.engine, 30))
    assert stage.engine.reading_paused is False
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result is True


def test_reading_is_not_paused_on_the_next_connection_if_the_queue_is_below_the_limit() -> None:
    stage = Stage(high_water=2000 + 2 * OVERHEAD)
    stage.connect()
    subscription = stage.subscribe(ack="auto", confirm=False)
    for id in "12":
        stage.deliver(subscription, id, b"x" * 1000)
    stage.do(receive.receive_gen(stage.engine, subscription.queue, None))
    assert stage.engine.reading_paused
    fired: list[int] = []
    stage.engine.resumed.add_callback(lambda: fired.append(1))
    stage.link.hang_up()
    assert stage.engine.reading_paused is False
    assert fired


def test_reading_continues_while_a_repeated_subscribe_is_unanswered() -> None:
    stage = Stage(high_water=2000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    stage.deliver(subscription, "1", b"x" * 1000)
    assert stage.engine.reading_paused
    stage.link.hang_up()
    assert stage.engine.reading_paused  # the messages are queued still
    stage.reconnect()
    stage.link.take("SUBSCRIBE")
    assert not stage.engine.reading_paused


def pausing_with_hooks(**config: object) -> tuple[Stage, ClientSubscription]:
    """A client whose hooks are not called, because its driver has no time."""
    stage = Stage(hooks=(RecordingHooks(),), **config)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    stage.make_calls()
    stage.link.pump = lambda: None  # type: ignore[method-assign]
    return stage, subscription


def receive_4000_bytes(stage: Stage, subscription: ClientSubscription, number: int) -> None:
    """A message arrives, and the program receives it."""
    engine, session = stage.engine, stage.link.session
    data = encode(
        frame("MESSAGE", b"x" * 4000, subscription=subscription.id, message_id=str(number)), STOMP12
    )
    session.receive_data(data, 0.0)
    engine.process_events(stage.link, session.events(), 0.0)
    assert engine.next_message(subscription.queue) is not None


def test_calls_of_hooks_that_wait_count_for_the_limit() -> None:
    stage, subscription = pausing_with_hooks(high_water=20_000)
    engine = stage.engine
    for number in range(3):
        receive_4000_bytes(stage, subscription, number)
        assert engine.reading_paused is (number == 2)  # at 5 KB for each message, and again for its hook
        if number == 1:
            engine.maybe_resume()
    assert engine.reading_paused
    engine.pop_callbacks()
    assert not engine.reading_paused


def test_callbacks_do_not_pause_reading_while_one_waits_for_the_broker() -> None:
    stage, subscription = pausing_with_hooks(high_water=20_000)
    engine = stage.engine
    engine.callback_waits = True
    for number in range(9):
        receive_4000_bytes(stage, subscription, number)
    assert not engine.reading_paused


# ------------------------------------------------------------------------------------- the log


def test_losses_are_logged_as_warnings_and_other_changes_are_not() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    stage.link.hang_up()
    stage.reconnect()
    stage.engine.fail(ConnectionLost("100% gone"))
    assert stage.said == [
        "connecting",
        "connected to a:1, RabbitMQ",
        "reconnecting: the peer closed the connection",
        "connected to a:1, this broker",
        "failed: 100% gone",
    ]
    assert stage.warnings == [stage.said[2], stage.said[4]]


def test_error_that_names_no_request_is_logged() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    stage.link.say("ERROR", message="watch out")
    assert "the broker sent an ERROR: watch out" in stage.said
    assert stage.warnings == ["the broker sent an ERROR: watch out"]


def test_log_is_flushed_when_the_client_has_ended() -> None:
    stage = Stage()
    stage.has_counts = True
    stage.connect()
    stage.engine.fail(ConnectionLost("gone"))
    assert stage.flushed == 0  # the driver calls it, without its lock
    stage.make_calls()
    assert stage.flushed == 1


# ------------------------------------------------------------------------------------- answers that do not come


def test_missing_receipt_names_the_error_that_may_be_its_answer() -> None:
    stage = Stage()
    stage.connect(server="RabbitMQ/3.10.8")
    first, second = (
        stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 5))
        for _ in "12"
    )
    stage.link.say("ERROR", message="access_refused")
    late = stage.do(send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 5))
    stage.advance(5)
    text = "the broker did not answer SEND in time"
    assert isinstance(first.error, ReceiptMissing)
    assert first.error.message == f"{text}; its last ERROR said: the broker refused: access_refused"
    assert isinstance(second.error, BrokerError)  # it is the only one left
    assert late.error.message == text


def test_unanswered_request_has_the_last_frames_after_a_clean_end() -> None:
    stage = Stage()
    stage.connect()
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    run = stage.run(lifecycle.close_gen(stage.engine, 5))
    stage.advance(5)
    stage.link.take("SEND")
    if stage.link.sent:
        stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result is False
    assert confirmation.error is not None
    assert any("SEND" in line for line in confirmation.error.recent)


def test_sends_that_are_unanswered_when_the_client_is_closed_are_unknown() -> None:
    stage = Stage(on_unknown=OnUnknown.RESEND)
    stage.connect()
    confirmation = stage.do(
        send.send_async_gen(stage.engine, OutgoingMessage("/queue/a", b"x"), BaseConfirmation, 30)
    )
    stage.link.hang_up()
    assert not confirmation.done()  # it will be sent again
    stage.do(lifecycle.close_gen(stage.engine, 30))
    assert isinstance(confirmation.error, OutcomeUnknown)
    assert confirmation.error.message.endswith(": the client was closed")


def test_there_is_no_error_after_a_clean_end() -> None:
    stage = Stage()
    stage.connect()
    run = stage.run(lifecycle.close_gen(stage.engine, 30))
    stage.link.confirm(stage.link.take("DISCONNECT"))
    assert run.result is True
    assert stage.engine.error is None


def test_message_of_an_earlier_connection_is_not_delivered_on_the_next() -> None:
    stage = Stage()
    stage.connect()
    subscription = stage.subscribe()
    stage.deliver(subscription, "old")
    stage.link.hang_up()
    stage.reconnect()
    stage.link.confirm(stage.link.take("SUBSCRIBE"))
    assert stage.engine.next_message(subscription.queue) is None


def test_content_is_decompressed_up_to_the_limit_of_the_client() -> None:
    stage = Stage(max_decompressed_size=100)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    for size in (100, 101):
        body = deflated(b"x" * size, "gzip")
        stage.deliver(subscription, str(size), body, content_encoding="gzip", content_length=len(body))
    fits, large = subscription.queue.messages
    assert len(fits.content) == 100
    with pytest.raises(ContentError, match="larger than 100 bytes"):
        _ = large.content
