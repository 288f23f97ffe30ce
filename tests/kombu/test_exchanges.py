"""Exchanges: what is sent to them reaches the queues of this and of other processes.

Two transports in one process share their declarations. A producer that declares nothing stands for another process:
`foreign` is a connection with declarations of its own.
"""

from __future__ import annotations

import kombu
import pytest
from kombu import pidbox

from stomp.kombu import connection as connection_module
from tests.kombu.support import Received
from tests.listening import PATIENCE

EVENTS = kombu.Exchange("events", type="topic")
NEWS = kombu.Exchange("news.all", type="fanout")
REPLIES = kombu.Exchange("replies", type="direct")


@pytest.fixture
def foreign(url, monkeypatch):
    """A connection that knows nothing of the declarations of the others."""
    with kombu.Connection(url) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(connection_module, "_DECLARATIONS", {})
            connection.connect()
        yield connection


def transient(exchange, key="", name=""):
    return kombu.Queue(name, exchange, routing_key=key, auto_delete=True, durable=False)


@pytest.mark.parametrize("profile", ["embedded", "rabbitmq", "activemq", "artemis", "generic"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("#", ["a", "a.b", "a.b.c", "b", "end"]),
        ("a.#", ["a.b", "a.b.c"]),
        ("a.*", ["a.b"]),
        ("*", ["a", "b", "end"]),
        ("#.c", ["a.b.c"]),
        ("*.b.#", ["a.b.c"]),
        ("a.b", ["a.b"]),
    ],
)
def test_a_topic_exchange_has_the_wildcards_of_amqp(url, foreign, profile, pattern, expected):
    with kombu.Connection(url, transport_options={"client": {"broker": profile}}) as connection:
        received = Received(connection)
        with connection.Consumer([transient(EVENTS, pattern)], callbacks=[received]):
            producer = foreign.Producer()
            for key in ("a", "b", "a.b", "a.b.c", "end"):
                producer.publish(key, exchange=EVENTS, routing_key=key)
            assert received.bodies(len(expected)) == expected
            assert received.is_empty(0.05)


def test_overlapping_bindings_deliver_a_message_once(connection, foreign):
    queue = kombu.Queue("", auto_delete=True, durable=False, bindings=[])
    bound = queue(connection.default_channel)
    bound.declare()
    EVENTS(connection.default_channel).declare()
    for pattern in ("a.*", "*.b", "a.b"):
        bound.bind_to(EVENTS, routing_key=pattern)
    received = Received(connection)
    with kombu.Consumer(connection.default_channel, [bound], callbacks=[received], auto_declare=False):
        foreign.Producer().publish(1, exchange=EVENTS, routing_key="a.b")
        assert received.next().payload == 1
        assert received.is_empty()


def test_a_fanout_exchange_reaches_each_transient_queue(connection, foreign, other):
    first, second = Received(connection), Received(other)
    with (
        connection.Consumer([transient(NEWS)], callbacks=[first]),
        other.Consumer([transient(NEWS)], callbacks=[second]),
    ):
        foreign.Producer().publish(1, exchange=NEWS, routing_key="ignored", declare=[NEWS])
        assert first.next().payload == second.next().payload == 1
        assert first.is_empty()


def test_a_shared_queue_gets_from_topic_and_fanout_exchanges_once(connection, other, foreign):
    shared = [kombu.Queue("by-topic", EVENTS, routing_key="a.#"), kombu.Queue("by-fanout", NEWS)]
    received, copy = Received(connection), Received(foreign)
    producer = other.Producer()
    for queue in shared:
        producer.publish(queue.name, exchange=queue.exchange, routing_key="a.b", declare=[queue])
    with (
        foreign.Consumer([transient(EVENTS, "a.b")], callbacks=[copy]),
        connection.Consumer(shared, callbacks=[received]),
    ):
        assert received.bodies(2) == ["by-fanout", "by-topic"]
        assert received.is_empty()
        assert copy.is_empty(0.05)


def test_a_direct_exchange_without_a_binding_here_reaches_the_transient_queue(connection, foreign):
    received = Received(connection)
    queue = transient(REPLIES, "key.1")
    with connection.Consumer([queue], callbacks=[received]):
        producer = foreign.Producer()
        producer.publish(1, exchange=REPLIES, routing_key="key.2")
        producer.publish(2, exchange=REPLIES, routing_key="key.1")
        assert received.next().payload == 2
        assert received.is_empty()


def test_a_reply_before_the_consumer_is_kept(connection, foreign):
    queue = transient(REPLIES, "key", name="replies-here")(connection.default_channel)
    queue.declare()
    foreign.Producer().publish(1, exchange=REPLIES, routing_key="key")
    received = Received(connection)
    with connection.Consumer([queue], callbacks=[received]):
        assert received.next().payload == 1


def test_an_unbound_queue_gets_nothing_more(connection, foreign):
    queue = transient(EVENTS, "a", name="unbound")(connection.default_channel)
    queue.declare()
    queue.unbind_from(EVENTS, "a")
    received = Received(connection)
    with kombu.Consumer(connection.default_channel, [queue], callbacks=[received], auto_declare=False):
        foreign.Producer().publish(1, exchange=EVENTS, routing_key="a")
        assert received.is_empty()


def test_a_requeued_message_of_a_topic_is_delivered_here_again(connection, foreign):
    received = Received(connection, ack=False)
    with connection.Consumer([transient(EVENTS, "a")], callbacks=[received]):
        foreign.Producer().publish(1, exchange=EVENTS, routing_key="a")
        received.next().requeue()
        message = received.next()
        assert message.payload == 1
        assert message.delivery_info["redelivered"] is True
        message.ack()
        assert received.is_empty()


def test_the_default_exchange_names_the_queue(connection, foreign):
    received = Received(connection)
    queue = kombu.Queue("answers", kombu.Exchange(""), routing_key="answers", auto_delete=True)
    with connection.Consumer([queue], callbacks=[received]):
        foreign.Producer().publish(1, exchange="", routing_key="answers")
        assert received.next().payload == 1


def test_a_mailbox_is_asked_and_answers(connection, other):
    mailbox = pidbox.Mailbox("testing", type="fanout", accept=["json"])
    node = mailbox(connection).Node("node-1", channel=connection.default_channel)
    node.handlers["ping"] = lambda state, **_: {"ok": "pong"}
    asking = mailbox(other)
    collect = asking._collect

    def serve_and_collect(*args, **kwargs):
        connection.drain_events(timeout=PATIENCE)  # the node answers before the reply is waited for
        return collect(*args, **kwargs)

    asking._collect = serve_and_collect
    with node.listen():
        for _ in range(2):
            replies = asking.call(["node-1"], "ping", timeout=PATIENCE)
            assert replies == [{"node-1": {"ok": "pong"}}]


def test_a_closed_connection_leaves_no_binding_of_its_transient_queues(url, other):
    with kombu.Connection(url) as connection:
        queue = transient(REPLIES, "key", name="gone")(connection.default_channel)
        queue.declare()
        assert "gone" in [each[0] for each in other.default_channel.list_bindings()]
    assert "gone" not in [each[0] for each in other.default_channel.list_bindings()]
