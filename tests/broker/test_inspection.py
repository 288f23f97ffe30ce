"""`Broker.messages`, `wait_for`, `put` and `purge`."""

from __future__ import annotations

import asyncio
import threading

import pytest

from stomp.broker import Broker
from stomp.broker.store import RequestRefused
from stomp.core.errors import NotConnected, UsageError
from tests.broker.rawclient import RawClient


def test_messages_are_returned_oldest_first_with_their_state(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client", prefetch_count="1")
    for body in ("1", "2"):
        client.send("SEND", body, destination="/queue/a", colour="red")
    client.sync()
    one, two = broker.messages("/queue/a")
    assert (one.body, one.waiting, one.redelivered, one.headers["colour"]) == (b"1", False, False, "red")
    assert (two.body, two.waiting, two.destination) == (b"2", True, "/queue/a")
    assert broker.messages("/queue/none") == []


def test_put_delivers_to_a_consumer(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/topic/a")
    client.sync()
    broker.put("/topic/a", "hé", {"colour": "red", "message-id": "forged"})
    message = client.expect("MESSAGE", colour="red")
    assert message.body == "hé".encode()
    assert message.headers["message-id"] != "forged"


def test_put_that_is_refused_raises(broker: Broker) -> None:
    with pytest.raises(RequestRefused, match="empty"):
        broker.put("", "x")


def test_purge_drops_waiting_messages_only(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client", prefetch_count="1")
    client.sync()
    for body in ("1", "2", "3"):
        broker.put("/queue/a", body)
    assert broker.purge("/queue/a") == 2
    assert broker.depth("/queue/a") == 1
    assert broker.purge("/queue/none") == 0


def test_purged_queue_without_consumers_is_gone(broker: Broker) -> None:
    broker.put("/queue/a", "x")
    assert broker.purge("/queue/a") == 1
    assert broker.destinations() == {}


def test_wait_for_returns_as_soon_as_the_messages_are_there(broker: Broker, client: RawClient) -> None:
    found: list[bytes] = []
    waiting = threading.Thread(
        target=lambda: found.extend(each.body for each in broker.wait_for("/queue/a", 2, timeout=30))
    )
    waiting.start()
    client.send("SEND", "1", destination="/queue/a")
    client.send("SEND", "2", destination="/queue/a")
    waiting.join(30)
    assert found == [b"1", b"2"]
    assert [each.body for each in broker.wait_for("/queue/a", 2)] == [b"1", b"2"]


def test_wait_for_names_what_is_missing(broker: Broker) -> None:
    broker.put("/queue/a", "x")
    with pytest.raises(TimeoutError, match="/queue/a has 1 of 2 messages"):
        broker.wait_for("/queue/a", 2, timeout=0.01)


def test_wait_for_on_the_loop_of_the_broker_is_an_error() -> None:
    async def main() -> None:
        async with Broker() as broker:
            with pytest.raises(UsageError, match="event loop"):
                broker.wait_for("/queue/a")
            broker.put("/queue/a", "x")
            assert len(broker.messages("/queue/a")) == 1

    asyncio.run(main())


def test_stopped_broker_has_no_messages() -> None:
    with pytest.raises(NotConnected):
        Broker().messages("/queue/a")


def test_connections_and_subscriptions_have_details(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.connect(login="alice", client_id="me", user_agent="party/1", heart_beat="5000,6000")
        client.send(
            "SUBSCRIBE", id="1", destination="/queue/a", ack="client", prefetch_count="7", selector="a = 1"
        )
        client.send(
            "SUBSCRIBE", id="2", destination="/topic/a", selector="b = 2", durable="true", auto_delete="false"
        )
        client.send("SEND", "x", destination="/queue/a", a="1")
        client.sync()
        (connection,) = broker.connections
        assert (connection.login, connection.client_id, connection.client_name) == ("alice", "me", "party/1")
        assert connection.heartbeat == (6000, 5000)
        assert (connection.subscriptions, connection.unacknowledged) == (2, 1)
        assert connection.bytes_received > connection.frames_received > 4
        queue, topic = broker.subscriptions()
        assert (queue.key, queue.destination, queue.ack, queue.prefetch) == ("1", "/queue/a", "client", 7)
        assert (queue.selector, queue.unacknowledged, queue.durable) == ("a = 1", 1, False)
        assert (topic.selector, topic.durable, topic.connection) == ("b = 2", True, connection.number)
