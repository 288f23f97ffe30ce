from __future__ import annotations

import pytest

from stomp.core.engine import receive, send
from stomp.core.engine.confirmations import BaseConfirmation
from stomp.core.engine.hooks import Hooks
from stomp.core.engine.message_queue import MessageQueue
from stomp.core.engine.send import OutgoingMessage
from stomp.core.engine.status import ClientState
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
