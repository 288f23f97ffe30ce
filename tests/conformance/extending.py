"""Extensions of STOMP that some brokers have: several destinations, wildcards, earlier messages, advisories."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.lobby import Guest, Lobby, Suite
from tests.conformance.venues import needs, once


def make_queues(lobby: Lobby, *queues: str) -> None:
    """Make empty queues. ActiveMQ delivers the first message of a new queue to a pattern late, at times."""
    lobby.queues += queues
    for queue in queues:
        assert lobby.take_all(queue) == []


def places(guest: Guest, count: int) -> set[tuple[str, str]]:
    """The destinations and bodies of the received messages, once there are `count`."""
    return {(frame.headers["destination"], frame.body) for frame in guest.messages(count)}


class Extending(Suite):
    @once
    @needs(lambda habits: habits.queue_patterns, "only ActiveMQ has wildcards of queues")
    def test_subscription_with_wildcards_gets_the_messages_of_all_queues_that_match(
        self, lobby: Lobby
    ) -> None:
        """What waits in these queues already is delivered as well: by ActiveMQ not before a later message."""
        one, two, sender, base = lobby.enter(), lobby.enter(), lobby.enter(), lobby.queue()
        make_queues(lobby, f"{base}.a", f"{base}.b", f"{base}.a.b")
        one.subscribe(f"{base}.*")
        sender.send_surely(f"{base}.a", "1")
        sender.send_surely(f"{base}.a.b", "too deep")
        sender.send_surely(f"{base}.b", "2")
        assert places(one, 2) == {(f"{base}.a", "1"), (f"{base}.b", "2")}
        assert lobby.take_all(f"{base}.a.b") == ["too deep"]
        one.leave()
        assert lobby.take_all(base) == []
        two.subscribe(f"{base}.>")
        sender.send_surely(base, "root")
        sender.send_surely(f"{base}.a.b", "deep")
        assert places(two, 2) == {(base, "root"), (f"{base}.a.b", "deep")}

    @once
    @needs(lambda habits: habits.queue_patterns, "only ActiveMQ has wildcards of queues")
    def test_unacknowledged_messages_of_a_pattern_are_redelivered_from_their_queues(
        self, lobby: Lobby
    ) -> None:
        guest, other, base = lobby.enter(), lobby.enter(), lobby.queue()
        make_queues(lobby, f"{base}.a", f"{base}.b")
        guest.subscribe(f"{base}.*", ack="client-individual")
        other.send_surely(f"{base}.a", "1")
        other.send_surely(f"{base}.b", "2")
        guest.messages(2)
        guest.accept(guest.message("1"))
        guest.leave()
        other.subscribe(f"{base}.b")
        assert other.message("2").headers["redelivered"] == "true"

    @once
    @needs(lambda habits: habits.composites, "only ActiveMQ has several destinations")
    def test_subscription_may_have_several_destinations(self, lobby: Lobby) -> None:
        guest, sender, one, two = lobby.enter(), lobby.enter(), lobby.queue(), lobby.queue()
        guest.subscribe(f"{one},{two}", ack="client")
        sender.send_surely(one, "first")
        sender.send_surely(two, "second")
        sender.send_surely(one, "third")
        assert places(guest, 3) == {(one, "first"), (two, "second"), (one, "third")}
        guest.accept(guest.frames[-1])  # of all queues
        guest.leave()
        assert lobby.take_all(one) == lobby.take_all(two) == []

    @once
    @needs(lambda habits: habits.composites, "only ActiveMQ has several destinations")
    def test_message_may_have_several_destinations(self, lobby: Lobby) -> None:
        guest, one, two = lobby.enter(), lobby.queue(), lobby.queue()
        guest.send_surely(f"{one},{two}", "copied")
        assert lobby.take_all(one) == lobby.take_all(two) == ["copied"]

    @once
    @needs(lambda habits: habits.retroactive, "the broker keeps no messages of topics")
    def test_retroactive_subscription_gets_the_last_three_messages(self, lobby: Lobby) -> None:
        guest, other, sender = lobby.enter(), lobby.enter(), lobby.enter()
        topic = lobby.topic().replace("/topic/", "/topic/retroactive.")
        for body in "12345":
            sender.send_surely(topic, body)
        other.subscribe(topic)
        guest.subscribe(topic, **{"activemq.retroactive": "true"})
        sender.send_surely(topic, "6")
        guest.messages(4)
        assert guest.recorder.bodies == ["3", "4", "5", "6"]
        other.message("6")
        assert other.recorder.bodies == ["6"]

    @once
    @needs(lambda habits: habits.advisories, "there are no advisories")
    def test_advisories_announce_connections_and_subscriptions(self, lobby: Lobby) -> None:
        watcher, queue = lobby.enter(), lobby.queue()
        of_queue = f"/topic/ActiveMQ.Advisory.Consumer.Queue.{queue.removeprefix('/queue/')}"
        watcher.subscribe("/topic/ActiveMQ.Advisory.Connection", "connections")
        watcher.subscribe(of_queue, "consumers")
        guest = lobby.enter()
        guest.subscribe(queue, selector="a = 'b'")
        guest.unsubscribe(queue)
        guest.leave()

        def advisories(id: str) -> list[tuple[str, dict[str, Any], str | None]]:
            found = []
            for frame in watcher.frames:
                if frame.headers["subscription"] == id:
                    assert frame.headers["type"] == "Advisory"
                    ((name, fields),) = json.loads(frame.body).items()
                    found.append((name, fields, frame.headers.get("consumerCount")))
            return found

        watcher.recorder.wait_for(lambda: len(advisories("consumers")) == 2)
        (name, added, count), (ending, removed, left) = advisories("consumers")
        assert (name, count, ending, left) == ("ConsumerInfo", "1", "RemoveInfo", "0")
        assert added["destination"]["@class"] == "ActiveMQQueue"
        assert added["destination"]["string"] == queue.removeprefix("/queue/")
        assert added["selector"].endswith("a = 'b'")
        assert removed["objectId"]["value"] == added["consumerId"]["value"]
        connection = added["consumerId"]["connectionId"]
        ended = {"@class": "ConnectionId", "value": connection}
        watcher.recorder.wait_for(
            lambda: any(fields.get("objectId") == ended for _, fields, _ in advisories("connections"))
        )
        (info,) = [
            fields
            for name, fields, _ in advisories("connections")
            if name == "ConnectionInfo" and fields["connectionId"]["value"] == connection
        ]
        assert (info["userName"], info["password"]) == (lobby.venue.user, "")

    @once
    @needs(lambda habits: habits.advisories, "there are no advisories")
    def test_new_subscription_to_advisories_gets_what_there_is(self, lobby: Lobby) -> None:
        guest, watcher, queue = lobby.enter(), lobby.enter(), lobby.queue()
        guest.subscribe(queue)
        watcher.subscribe(f"/topic/ActiveMQ.Advisory.Consumer.Queue.{queue.removeprefix('/queue/')}")
        (frame,) = watcher.messages(1)
        assert frame.headers["consumerCount"] == "1"
        assert "ConsumerInfo" in json.loads(frame.body)

    @once
    @needs(lambda habits: habits.many_words, "the wildcards of this broker are not known")
    def test_wildcards_of_topics(self, lobby: Lobby) -> None:
        guest, sender, topic = lobby.enter(), lobby.enter(), lobby.topic()
        many = lobby.venue.habits.many_words
        for word in "#>*":
            guest.subscribe(f"{topic}.{word}", word)
        sender.send_surely(f"{topic}.b", "one word")
        sender.send_surely(f"{topic}.b.c", "two words")
        sender.send_surely(f"{topic}.end", "end")  # what could come too much comes before it
        guest.recorder.wait_for(lambda: guest.recorder.bodies.count("end") == len(many) + 1)
        found = {(frame.headers["subscription"], frame.body) for frame in guest.frames if frame.body != "end"}
        assert found == {
            ("*", "one word"),
            *((word, body) for word in many for body in ("one word", "two words")),
        }

    @once
    @needs(lambda habits: habits.passive_names, "only RabbitMQ has /amq/queue")
    def test_amq_queue_neither_declares_nor_compares(self, lobby: Lobby) -> None:
        """The queue was declared with arguments (`Habits.queue_headers`), and these frames have others or none."""
        guest, other, queue = lobby.enter(), lobby.enter(), lobby.queue()
        passive = queue.replace("/queue/", "/amq/queue/")
        guest.subscribe(queue, "declared", ack="client-individual")
        guest.unsubscribe(queue, "declared")
        other.send_surely(passive, "1")
        other.send_surely(passive, "2", **{"x-message-ttl": "60000"})
        other.subscribe(passive)
        assert [frame.body for frame in other.messages(2)] == ["1", "2"]
