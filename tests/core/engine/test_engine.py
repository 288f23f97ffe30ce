"""stomp.core.engine.engine"""

from __future__ import annotations

import pytest

from stomp.core.engine import receive, request_reply, send, subscriptions
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.message_queue import OVERHEAD, ClientSubscription, MessageQueue, SubscriptionConfig
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState, StateChange, StateChangeQueue
from stomp.core.errors import BrokerError, ConnectionLost, NotConnected, OutcomeUnknown, ReceiptMissing
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
    stage = Stage(high_water=100_000)
    stage.connect()
    subscription = stage.subscribe(ack="auto")
    for id in range(1000):
        stage.deliver(subscription, str(id))
    assert stage.engine.reading_paused
    measured.clear()
    for _ in range(1000):
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
