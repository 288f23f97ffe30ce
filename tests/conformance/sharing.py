"""Queues and topics: which subscription gets a message, and in which order."""

from __future__ import annotations

from collections import Counter

from tests.conformance.lobby import Lobby, Suite
from tests.conformance.venues import needs, once
from tests.listening import wait_until

MANY = 2000


class Sharing(Suite):
    @once
    def test_2000_messages_arrive_once_and_in_order(self, lobby: Lobby) -> None:
        sender, receiver, queue = lobby.enter(), lobby.enter(), lobby.queue()
        receiver.subscribe(queue)
        bodies = [f"{number} {'x' * (number % 300)}" for number in range(MANY)]
        for body in bodies:
            sender.send(queue, body)
        receiver.recorder.wait_for_bodies(MANY)
        assert receiver.recorder.bodies == bodies

    @once
    def test_2000_queued_messages_arrive_once_and_in_order(self, lobby: Lobby) -> None:
        sender, receiver, queue = lobby.enter(), lobby.enter(), lobby.queue()
        bodies = [str(number) for number in range(MANY)]
        for body in bodies[:-1]:
            sender.send(queue, body)
        sender.send_surely(queue, bodies[-1])
        receiver.subscribe(queue)
        receiver.recorder.wait_for_bodies(MANY)
        assert receiver.recorder.bodies == bodies

    @once
    @needs(lambda habits: habits.window, "it delivers the next message after the ACK of the last one")
    def test_2000_messages_are_acknowledged_one_by_one(self, lobby: Lobby) -> None:
        guest, queue = lobby.guest(), lobby.queue()
        ack = guest.conn.ack

        class Accept:
            def on_message(self, frame):
                ack(frame.headers["ack"], receipt="all" if frame.body == str(MANY - 1) else None)

        guest.conn.set_listener("accept", Accept())
        guest.enter()
        guest.subscribe(queue, ack="client-individual")
        for number in range(MANY):
            guest.send(queue, str(number))
        guest.confirmed("all")
        guest.cut()
        assert guest.recorder.bodies == [str(number) for number in range(MANY)]
        assert lobby.take_all(queue) == []

    def test_two_consumers_share_a_queue(self, lobby: Lobby) -> None:
        one, two, sender, queue = lobby.enter(), lobby.enter(), lobby.enter(), lobby.queue()
        one.subscribe(queue)
        two.subscribe(queue)
        bodies = [str(number) for number in range(100)]
        for body in bodies:
            sender.send(queue, body)
        wait_until(lambda: len(one.recorder.bodies) + len(two.recorder.bodies) >= 100)
        for guest in (one, two):
            guest.leave()
            assert guest.recorder.bodies, "nothing for one of them"
            assert guest.recorder.bodies == sorted(guest.recorder.bodies, key=int)
        assert Counter(one.recorder.bodies + two.recorder.bodies) == Counter(bodies)

    def test_topic_copies_messages_to_all_subscribers(self, lobby: Lobby) -> None:
        one, two, sender, topic = lobby.enter(), lobby.enter(), lobby.enter(), lobby.topic()
        if lobby.venue.habits.lone_topics:
            sender.send_surely(topic, "to none")
        else:
            sender.blunders = True
            sender.send(topic, "to none")
            sender.recorder.wait_for_method("on_error")
        one.subscribe(topic)
        sender.send_surely(topic, "to one")
        two.subscribe(topic)
        sender.send(topic, "to both")
        one.messages(2)
        two.messages(1)
        one.unsubscribe(topic)
        sender.send(topic, "to two")
        two.messages(2)
        one.leave()
        assert one.recorder.bodies == ["to one", "to both"]
        assert two.recorder.bodies == ["to both", "to two"]

    def test_several_subscriptions_get_their_messages(self, lobby: Lobby) -> None:
        guest = lobby.enter()
        places = {f"id-{number}": lobby.queue() for number in range(5)}
        for id, queue in places.items():
            guest.subscribe(queue, id)
        for id, queue in places.items():
            guest.send(queue, f"for {id}")
        guest.messages(5)
        for id, queue in places.items():
            headers = guest.message(f"for {id}").headers
            assert headers["destination"] == queue
            if lobby.version != "1.0":
                assert headers["subscription"] == id
        guest.unsubscribe(places["id-2"], "id-2")
        for id, queue in places.items():
            guest.send_surely(queue, f"again for {id}")
        guest.messages(9)
        guest.leave()
        assert guest.recorder.methods.count("on_message") == 9
        assert "again for id-2" not in guest.recorder.bodies
        assert lobby.take_all(places["id-2"]) == ["again for id-2"]

    @needs(lambda habits: habits.unsubscribe_settles, "with ack auto it may deliver again after UNSUBSCRIBE")
    def test_subscription_may_be_repeated(self, lobby: Lobby) -> None:
        guest, queue = lobby.enter(), lobby.queue()
        for turn in range(1, 6):
            guest.subscribe(queue, "again")
            guest.send(queue, f"turn {turn}")
            guest.messages(turn)
            guest.unsubscribe(queue, "again")
        assert guest.recorder.bodies == [f"turn {turn}" for turn in range(1, 6)]

    def test_earlier_messages_of_a_queue_are_delivered(self, lobby: Lobby) -> None:
        sender, receiver, queue = lobby.enter(), lobby.enter(), lobby.queue()
        for number in range(10):
            sender.send_surely(queue, str(number))
        sender.leave()
        receiver.subscribe(queue)
        receiver.messages(10)
        assert receiver.recorder.bodies == [str(number) for number in range(10)]
