"""Connecting, disconnecting, reconnecting, and heart-beats."""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import Any

import pytest

from stomp.core.errors import AuthenticationFailed
from stomp.exception import ConnectFailedException, NotConnectedException
from tests.conformance.lobby import Lobby, Suite
from tests.conformance.venues import needs, once, since
from tests.listening import PATIENCE, RecentFrames, stomp_threads, wait_until

CYCLES = 20


class Connecting(Suite):
    def test_requested_version_is_negotiated(self, lobby: Lobby) -> None:
        guest = lobby.enter()
        # `connect` may return just before the listeners are called, as that of stomp.py.
        wait_until(lambda: "on_connected" in dict(guest.recorder.notes))
        connected = dict(guest.recorder.notes)["on_connected"]
        assert connected.headers.get("version", "1.0") == lobby.version
        assert guest.conn.is_connected()

    def test_connection_object_can_be_reused(self, lobby: Lobby) -> None:
        guest, queue = lobby.guest(), lobby.queue()
        for cycle in range(1, CYCLES + 1):
            guest.enter()
            guest.subscribe(queue)
            guest.send(queue, f"cycle {cycle}")
            guest.message(f"cycle {cycle}")
            guest.conn.disconnect(receipt=f"bye-{cycle}")
            assert not guest.conn.is_connected()
            with pytest.raises(NotConnectedException):
                guest.conn.send(queue, "too late")
        bodies = guest.recorder.bodies
        if not lobby.venue.habits.unsubscribe_settles:
            bodies = list(dict.fromkeys(bodies))  # a delivery just before the end may come again
        assert bodies == [f"cycle {cycle}" for cycle in range(1, CYCLES + 1)]
        for method in ("on_connecting", "on_connected", "on_disconnecting", "on_disconnected"):
            assert guest.recorder.methods.count(method) == CYCLES
        if lobby.venue.habits.answers_leaving:
            byes = [f"bye-{cycle}" for cycle in range(1, CYCLES + 1)]
            assert [r for m, r in guest.recorder.notes if m == "on_receipt" and r.startswith("bye")] == byes

    def test_lost_connection_calls_on_disconnected_once(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        for loss in range(1, 6):
            guest.cut()
            assert guest.recorder.methods.count("on_disconnected") == loss
            with pytest.raises(NotConnectedException):
                guest.conn.send(queue, "into the void")
            guest.enter()
        guest.subscribe(queue)
        guest.send(queue, "back")
        guest.message("back")
        assert "on_disconnecting" not in guest.recorder.methods

    def test_connecting_while_connected_changes_nothing(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.enter()
        guest.subscribe(queue)
        guest.send(queue, "one")
        guest.message("one")
        assert guest.recorder.methods.count("on_connected") == 1
        assert guest.recorder.methods.count("on_message") == 1

    def test_reconnect_in_on_disconnected_works(self, lobby: Lobby) -> None:
        guest, queue = lobby.guest(), lobby.queue()

        class Reconnect:
            def on_disconnected(self) -> None:
                if guest.recorder.methods.count("on_connected") < 4:
                    guest.enter()
                    guest.conn.subscribe(queue, "1", "auto", guest.headers_for(queue, {}))
                    guest.recorder.note("again")

        guest.conn.set_listener("", Reconnect())  # with the name "" it is called before all other listeners
        guest.enter()
        for time_ in (1, 2, 3):
            guest.conn.transport.disconnect_socket()
            guest.recorder.wait_for_method("again", time_)
            assert guest.conn.is_connected()
        # A broker that has not noticed the end of the old connections may send messages to one of them.
        wait_until(lambda: self.arrives(guest, queue))
        guest.conn.remove_listener("")

    def arrives(self, guest: Any, queue: str) -> bool:
        body = uuid.uuid4().hex
        guest.send(queue, body)
        try:
            guest.recorder.wait_for(lambda: body in guest.recorder.bodies, 1)
        except AssertionError:
            return False
        return True

    @needs(lambda habits: habits.answers_leaving, "it does not answer DISCONNECT")
    @pytest.mark.parametrize("receipt", [123, uuid.UUID(int=5), "with blanks", "ä☃"], ids=type)
    def test_disconnect_accepts_any_receipt(self, lobby: Lobby, receipt: object) -> None:
        guest = lobby.enter()
        # `connect` and `disconnect` may return before the receiving thread has made its last call.
        guest.recorder.wait_for_method("on_connected")
        guest.conn.disconnect(receipt=receipt)
        assert not guest.conn.is_connected()
        guest.recorder.wait_for_method("on_receiver_loop_completed")
        methods = [method for method in guest.recorder.methods if method not in ("on_send", "on_heartbeat")]
        assert methods[-4:] == [
            "on_disconnecting",
            "on_receipt",
            "on_disconnected",
            "on_receiver_loop_completed",
        ]
        receipt_id = lobby.venue.habits.returns_receipt(lobby.version, str(receipt))
        assert ("on_receipt", receipt_id) in guest.recorder.notes

    def test_disconnect_in_a_callback_works(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()

        class Leave:
            def on_message(self, frame: object) -> None:
                guest.conn.disconnect(receipt="bye")

        guest.conn.set_listener("leave", Leave())
        guest.subscribe(queue)
        guest.send(queue, "go")
        guest.recorder.wait_for_method("on_disconnected")
        assert not guest.conn.is_connected()

    def test_messages_sent_before_disconnect_arrive(self, lobby: Lobby) -> None:
        sender, receiver, queue = lobby.enter(), lobby.enter(), lobby.queue()
        receiver.subscribe(queue)
        for number in range(200):
            sender.send(queue, str(number))
        sender.conn.disconnect()
        receiver.messages(200)
        assert receiver.recorder.bodies == [str(number) for number in range(200)]

    def test_callback_may_send_many_messages(self, lobby: Lobby) -> None:
        guest, queue, answers = lobby.enter(), lobby.queue(), lobby.queue()
        bodies = [f"answer {number}" for number in range(1000)]

        class Answer:
            def on_message(self, frame: Any) -> None:
                if frame.body == "question":
                    for body in bodies:
                        guest.send(answers, body)

        guest.conn.set_listener("answer", Answer())
        guest.subscribe(queue, "1")
        guest.subscribe(answers, "2")
        guest.send(queue, "question")
        guest.messages(1001)
        assert guest.recorder.bodies == ["question", *bodies]

    def test_failing_callback_keeps_the_connection(
        self, lobby: Lobby, caplog: pytest.LogCaptureFixture
    ) -> None:
        guest, queue = lobby.enter(), lobby.queue()

        class Fail:
            def on_message(self, frame: Any) -> None:
                raise KeyError(frame.body)

        guest.conn.set_listener("fail", Fail())
        guest.subscribe(queue)
        guest.send(queue, "one")
        guest.send(queue, "two")
        guest.messages(2)
        assert guest.conn.is_connected()
        guest.leave()
        failures = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
        assert failures == ["'one'", "'two'"]

    @needs(lambda habits: habits.refusal, "it accepts every login")
    def test_wrong_password_error_has_the_text_of_the_broker(self, lobby: Lobby) -> None:
        guest = lobby.guest()
        guest.blunders = True
        for _ in range(3):
            for _ in range(5):
                began = time.monotonic()
                with pytest.raises(ConnectFailedException) as caught:
                    guest.conn.connect(lobby.venue.user, "wrong", wait=True)
                # RabbitMQ closes 10 s later; the test does not wait for this.
                assert time.monotonic() - began < 9
                error = caught.value
                if error.frame is not None:
                    break
                # ActiveMQ under load sometimes closes before it has sent its ERROR; then there is no error text.
            assert re.search(lobby.venue.habits.refusal or "", str(error))
            assert isinstance(error.__cause__, AuthenticationFailed)
            assert error.phase == "stomp"
            assert error.frame is not None
            host, port = lobby.venue.address
            assert error.address == f"{host}:{port}"
            assert not guest.conn.is_connected()
        wait_until(lambda: not stomp_threads())
        assert guest.recorder.methods.count("on_error") == 3
        # The same connection object, now with the right password.
        guest.enter()
        assert guest.conn.is_connected()

    @once
    @since("1.1")
    def test_blocking_handler_keeps_the_connection(self, lobby: Lobby) -> None:
        go_on = threading.Event()

        class Blocking(RecentFrames):
            def on_message(self, frame: Any) -> None:
                super().on_message(frame)
                assert go_on.wait(PATIENCE)

        beat = lobby.venue.beat
        guest = lobby.enter(listener=Blocking(), heartbeats=(beat, beat))
        agreed = lobby.venue.habits.agreed_beats(beat)
        assert guest.conn.transport.heartbeat == agreed
        queue = lobby.queue()
        guest.subscribe(queue)
        guest.send(queue, "work")
        guest.messages(1)
        counters = guest.conn.transport._link.session.counters
        sent, received = counters.heartbeats_sent, counters.heartbeats_received
        # Both sides would time out after three intervals. Heart-beats wait in the buffer, too.
        count = 4 if agreed == (beat, beat) else 1  # Apollo's are long
        wait_until(
            lambda: counters.heartbeats_sent >= sent + count and counters.heartbeats_received >= received + 4
        )
        other = lobby.enter()
        other.send_surely(queue, "more")
        other.send_surely(queue, "and more")
        assert guest.conn.is_connected()
        go_on.set()
        guest.messages(3)
        assert guest.recorder.bodies == ["work", "more", "and more"]
        assert "on_heartbeat_timeout" not in guest.recorder.methods
        assert "on_disconnected" not in guest.recorder.methods

    @once
    @since("1.1")
    def test_heartbeats_continue_after_a_reconnect(self, lobby: Lobby) -> None:
        beat = lobby.venue.beat
        guest = lobby.enter(heartbeats=(beat, beat))
        guest.cut()
        guest.enter()
        counters = guest.conn.transport._link.session.counters
        count = 3 if lobby.venue.habits.beats is None else 1  # Apollo's are long
        wait_until(lambda: counters.heartbeats_sent >= count and counters.heartbeats_received >= 3)
        assert guest.conn.is_connected()
