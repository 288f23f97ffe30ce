"""Receipts, acknowledgements and transactions, also when a connection is lost."""

from __future__ import annotations

import re

import pytest

import stomp
from stomp.core.errors import StompError
from tests.conformance.lobby import Guest, Lobby, Suite
from tests.conformance.venues import NO_REDELIVERY, needs, since


class Receipts(Suite):
    def test_a_send_is_confirmed(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.send(queue, "a", receipt="first")
        guest.send(queue, "b")
        guest.send(queue, "c", receipt="third")
        guest.confirmed("third")
        assert [note for note in guest.recorder.notes if note[0] == "on_receipt"] == [
            ("on_receipt", "first"),
            ("on_receipt", "third"),
        ]
        assert lobby.take_all(queue) == ["a", "b", "c"]

    def test_a_subscription_is_confirmed(self, lobby: Lobby) -> None:
        guest, topic = lobby.enter(), lobby.topic()
        guest.conn.subscribe(topic, "1", "auto", receipt="in force")
        guest.confirmed("in force")
        # From now on it gets all messages.
        lobby.enter().send(topic, "news")
        guest.message("news")
        guest.conn.unsubscribe(
            id="1", **({"destination": topic} if lobby.version == "1.0" else {}), receipt="over"
        )
        guest.confirmed("over")
        assert guest.recorder.methods.count("on_receipt") == 2

    def test_waiting_listener_waits_for_a_receipt(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        waiting = stomp.WaitingListener("r-1")
        guest.conn.set_listener("waiting", waiting)
        guest.send(queue, "a", receipt="r-1")
        waiting.wait_on_receipt(20)
        assert lobby.take_all(queue) == ["a"]

    def test_many_receipts_arrive_once_each(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        for number in range(300):
            guest.send(queue, "x", receipt=f"r-{number}")
        guest.recorder.wait_for_method("on_receipt", 300)
        receipts = [receipt for method, receipt in guest.recorder.notes if method == "on_receipt"]
        assert sorted(receipts) == sorted(f"r-{number}" for number in range(300))
        assert lobby.take_all(queue) == ["x"] * 300

    def test_a_receipt_may_have_any_name(self, lobby: Lobby) -> None:
        name = "ä ☃" if lobby.version == "1.0" else "ä: ☃\\\n"
        guest, queue = lobby.enter(), lobby.queue()
        guest.send(queue, "a", receipt=name)
        guest.confirmed(lobby.venue.habits.returns_receipt(lobby.version, name))


class Acknowledging(Suite):
    def test_auto_needs_no_ack(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        for body in ("a", "b", "c"):
            guest.send(queue, body)
        guest.messages(3)
        guest.unsubscribe(queue)
        guest.cut()
        assert lobby.take_all(queue) == []

    def test_unacknowledged_messages_are_redelivered(self, lobby: Lobby, ack_mode: str) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        # Sent before subscribing: stompserver can only return messages that had waited in the queue.
        guest.send_surely(queue, "work")
        guest.subscribe(queue, ack=ack_mode)
        guest.messages(1)
        guest.cut()
        guest.enter()
        guest.subscribe(queue, ack=ack_mode)
        again = guest.messages(2)[1]
        assert again.body == "work"
        if lobby.venue.habits.marks:
            assert again.headers["redelivered"] == "true"
        guest.accept(again)
        guest.cut()
        assert lobby.take_all(queue) == []

    @needs(lambda habits: habits.window, "it delivers the next message after the ACK of the last one")
    def test_unacknowledged_messages_of_a_lost_connection_are_redelivered(
        self, lobby: Lobby, ack_mode: str
    ) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack=ack_mode)
        for body in "abcde":
            guest.send(queue, body)
        guest.messages(5)
        if ack_mode == "client":
            guest.accept(guest.message("c"))
            left = ["d", "e"]
        else:
            for body in "bd":
                guest.accept(guest.message(body))
            left = ["a", "c", "e"]
        guest.cut()
        guest.enter()
        guest.subscribe(queue, ack="client-individual")
        again = guest.messages(5 + len(left))[5:]
        assert [frame.body for frame in again] == left
        for frame in again:
            guest.accept(frame)
        # All returned messages have arrived: only messages sent from now on follow.
        guest.send(queue, "end")
        assert guest.messages(6 + len(left))[-1].body == "end"
        guest.accept(guest.message("end"))
        guest.leave()
        assert lobby.take_all(queue) == []

    def test_messages_may_be_acknowledged_in_any_order(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack=lobby.venue.habits.ack_modes[-1])
        bodies = [str(number) for number in range(10 if lobby.venue.habits.window else 1)]
        for body in bodies:
            guest.send(queue, body)
        for frame in reversed(guest.messages(len(bodies))):
            guest.accept(frame)
        guest.leave()
        assert lobby.take_all(queue) == []

    @since("1.1")
    @needs(lambda habits: habits.redelivers, NO_REDELIVERY)
    def test_rejected_message_is_redelivered(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, "work")
        (first,) = guest.messages(1)
        assert first.headers.get("redelivered", "false") == "false"
        guest.refuse(first)
        again = guest.messages(2)[1]
        assert again.body == "work"
        assert again.headers.get("redelivered") == ("true" if lobby.venue.habits.marks else None)
        guest.accept(again)
        guest.leave()
        assert lobby.take_all(queue) == []

    @since("1.1")
    @needs(lambda habits: habits.discards, "each NACK makes it deliver again")
    def test_message_rejected_without_requeue_is_not_redelivered(self, lobby: Lobby) -> None:
        """ActiveMQ never redelivers after a NACK; the other brokers need the header ``requeue:false``."""
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, "work")
        guest.send(queue, "more work")
        guest.refuse(guest.messages(2)[0], **({"requeue": "false"} if lobby.venue.habits.redelivers else {}))
        guest.accept(guest.message("more work"))
        guest.leave()
        assert lobby.take_all(queue) == []

    @needs(lambda habits: habits.window, "it delivers the next message after the ACK of the last one")
    def test_messages_of_an_unsubscribed_client_are_not_lost(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, "a")
        guest.send(queue, "b")
        guest.accept(guest.messages(2)[0])
        guest.unsubscribe(queue)
        guest.leave()
        other = lobby.enter()
        other.subscribe(queue)
        assert other.messages(1)[0].body == "b"


class Transactions(Suite):
    def send(self, guest: Guest, queue: str, *bodies: str, transaction: str) -> None:
        """Send without a receipt: RabbitMQ sends the RECEIPT only at COMMIT."""
        for body in bodies:
            guest.send(queue, body, transaction=transaction)

    def test_commit_sends_all_messages_in_order(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        name = guest.conn.begin()
        self.send(guest, queue, "a", "b", "c", transaction=name)
        guest.send_surely(queue, "outside")
        guest.message("outside")
        assert guest.recorder.bodies == ["outside"]
        guest.conn.commit(name, receipt="done")
        guest.confirmed("done")
        guest.messages(4)
        assert guest.recorder.bodies == ["outside", "a", "b", "c"]

    def test_an_abort_sends_nothing(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        name = guest.conn.begin()
        self.send(guest, queue, "a", "b", transaction=name)
        guest.conn.abort(name, receipt="undone")
        guest.confirmed("undone")
        guest.send(queue, "outside")
        guest.message("outside")
        guest.leave()
        assert guest.recorder.bodies == ["outside"]
        assert lobby.take_all(queue) == []

    def test_lost_connection_discards_the_transaction(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        name = guest.conn.begin(receipt="begun")
        guest.confirmed("begun")
        self.send(guest, queue, "a", "b", transaction=name)
        guest.send_surely(queue, "outside")  # so all frames before it have been processed
        guest.cut()
        assert lobby.take_all(queue) == ["outside"]

    def test_disconnect_in_a_transaction_discards_it(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        name = guest.conn.begin()
        self.send(guest, queue, "a", "b", transaction=name)
        guest.leave()
        assert lobby.take_all(queue) == []

    def test_two_transactions_are_independent(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        one, two = guest.conn.begin(), guest.conn.begin("two: two" if lobby.version != "1.0" else "two")
        self.send(guest, queue, "one", transaction=one)
        self.send(guest, queue, "two", transaction=two)
        guest.conn.abort(one)
        guest.conn.commit(two)
        guest.message("two")
        guest.leave()
        assert guest.recorder.bodies == ["two"]
        # Where the end does not settle, the delivery just before it may come again.
        again = set() if lobby.venue.habits.unsubscribe_settles else {"two"}
        assert set(lobby.take_all(queue)) <= again

    @needs(lambda habits: habits.settles_in_transactions, "it takes ACK out of transactions")
    def test_an_ack_takes_effect_at_the_commit(self, lobby: Lobby) -> None:
        guest, queue, answers = lobby.enter(), lobby.queue(), lobby.queue()
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, "a")
        guest.send(queue, "b")
        first, _ = guest.messages(2)
        name = guest.conn.begin()
        guest.accept(first, transaction=name)
        self.send(guest, answers, "answer", transaction=name)
        guest.conn.commit(name, receipt="done")
        guest.confirmed("done")
        guest.leave()
        other = lobby.enter()
        # RabbitMQ may put the message of another connection, sent after the RECEIPT of COMMIT, before the answer.
        other.subscribe(answers, "answers")
        assert other.messages(1)[0].body == "answer"
        other.subscribe(queue, "work")
        assert other.messages(2)[1].body == "b"

    @needs(lambda habits: habits.settles_in_transactions, "it takes ACK out of transactions")
    @pytest.mark.parametrize("ending", ["abort", "loss"])
    def test_uncommitted_ack_has_no_effect(self, lobby: Lobby, ending: str) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        guest.subscribe(queue, ack="client-individual")
        guest.send(queue, "work")
        (first,) = guest.messages(1)
        name = guest.conn.begin()
        guest.accept(first, transaction=name)
        if ending == "abort":
            guest.conn.abort(name, receipt="undone")
            guest.confirmed("undone")
        guest.cut()
        other = lobby.enter()
        other.subscribe(queue)
        assert other.messages(1)[0].body == "work"


class Errors(Suite):
    def test_error_has_the_text_of_the_broker(self, lobby: Lobby) -> None:
        guest, queue, habits = lobby.enter(), lobby.queue(), lobby.venue.habits
        guest.blunders = habits.commit_error is not None
        guest.conn.commit("never-begun", receipt="r-1")
        if habits.commit_error is None:
            guest.confirmed("r-1")
            self.afterwards(guest, queue, open_=True)
            return
        guest.recorder.wait_for_method("on_error")
        (error,) = [detail for method, detail in guest.recorder.notes if method == "on_error"]
        assert re.search(habits.commit_error, (error.headers["message"] + error.body).lower())
        assert error.headers.get("receipt-id") == ("r-1" if habits.blames else None)
        assert ("on_receipt", "r-1") not in guest.recorder.notes
        self.afterwards(guest, queue, habits.forgives)

    @needs(lambda habits: habits.nowhere is not None, "it accepts every destination")
    def test_missing_destination_is_an_error(self, lobby: Lobby) -> None:
        nowhere = lobby.venue.habits.nowhere
        assert nowhere is not None
        guest, queue = lobby.enter(), lobby.queue()
        guest.blunders = True
        guest.send(nowhere, "lost", receipt="r-1")
        guest.recorder.wait_for_method("on_error")
        (error,) = [detail for method, detail in guest.recorder.notes if method == "on_error"]
        assert "destination" in (error.headers["message"] + error.body).lower()
        self.afterwards(guest, queue, lobby.venue.habits.forgives)

    def afterwards(self, guest: Guest, queue: str, open_: bool) -> None:
        """Check that the connection is still open (`open_`), or has ended everywhere and can be opened again."""
        if open_ or guest.version in guest.venue.habits.forgives_in:
            guest.subscribe(queue)
            guest.send(queue, "goes on")
            guest.message("goes on")
            assert "on_disconnected" not in guest.recorder.methods
            return
        guest.recorder.wait_for_method("on_receiver_loop_completed")
        assert guest.recorder.methods.count("on_disconnected") == 1
        assert not guest.conn.is_connected()
        with pytest.raises(StompError):
            guest.send(queue, "too late")
        guest.enter()
        guest.subscribe(queue)
        guest.send(queue, "goes on")
        guest.message("goes on")
