"""Behaviour that programs expect of each virtual transport of Kombu."""

from __future__ import annotations

import kombu
import pytest
from kombu.asynchronous import Hub
from kombu.exceptions import ChannelError
from kombu.transport.virtual import NotEquivalentError

from tests.kombu.support import Received
from tests.listening import PATIENCE


@pytest.fixture
def channel(connection):
    return connection.default_channel


def test_the_transport_describes_itself(connection):
    transport = connection.transport
    assert (transport.driver_type, transport.driver_name) == ("stomp", "stompkit")
    assert transport.driver_version()
    assert transport.implements.asynchronous
    assert not transport.implements.heartbeats
    assert transport.implements.exchange_type == {"direct", "topic", "fanout"}
    assert transport.default_connection_params["port"] == 61613


def test_each_channel_has_a_number_that_is_used_again(connection):
    first, second = connection.channel(), connection.channel()
    assert first.channel_id != second.channel_id
    number = second.channel_id
    second.close()
    assert connection.channel().channel_id == number


def test_an_exchange_is_declared_once_with_the_same_settings(channel):
    channel.exchange_declare("e", type="direct", durable=True)
    channel.exchange_declare("e", type="direct", durable=True)
    with pytest.raises(NotEquivalentError):
        channel.exchange_declare("e", type="direct", durable=False)
    channel.exchange_delete("e")
    channel.exchange_declare("e", type="topic")


def test_a_passive_declaration_of_an_unknown_exchange_fails(channel):
    with pytest.raises(ChannelError):
        channel.exchange_declare("unknown", passive=True)
    channel.exchange_declare("known")
    channel.exchange_declare("known", passive=True)


def test_a_queue_without_a_name_gets_one(channel):
    first, second = channel.queue_declare(), channel.queue_declare()
    assert first.queue != second.queue
    assert channel.queue_declare("named").queue == "named"


def test_a_binding_is_known_once_and_can_be_removed(channel):
    channel.exchange_declare("e")
    channel.queue_declare("q")
    for _ in range(2):
        channel.queue_bind("q", "e", "key")
    assert list(channel.list_bindings()) == [("q", "e", "key")]
    channel.queue_unbind("q", "e", "key")
    channel.queue_unbind("q", "unknown", "key")
    assert list(channel.list_bindings()) == []


def test_a_message_without_a_queue_goes_to_the_deadletter_queue(url):
    options = {"deadletter_queue": "dead", "get_timeout": 0.5}
    with kombu.Connection(url, transport_options=options) as connection:
        channel = connection.default_channel
        channel.exchange_declare("e")
        with pytest.warns(UserWarning, match="could not be delivered"):
            connection.Producer().publish(1, exchange="e", routing_key="nowhere")
        assert kombu.Queue("dead")(channel).get(no_ack=True).payload == 1


def test_a_consumer_without_acks_leaves_nothing_at_the_broker(connection, stomp_broker):
    received = Received(connection, ack=False)
    queue = kombu.Queue("q", kombu.Exchange("q"), "q")
    with connection.Consumer([queue], callbacks=[received], no_ack=True):
        connection.Producer().publish(1, exchange="q", routing_key="q")
        assert received.next().payload == 1
        assert stomp_broker.depth("/queue/q") == 0


def test_recover_delivers_the_unacknowledged_messages_again(connection):
    received = Received(connection, ack=False)
    queue = kombu.Queue("q", kombu.Exchange("q"), "q")
    with kombu.Consumer(connection.default_channel, [queue], callbacks=[received]) as consumer:
        connection.Producer().publish(1, exchange="q", routing_key="q")
        received.next()
        consumer.recover(requeue=True)
        message = received.next()
        assert message.payload == 1
        message.ack()
        assert received.is_empty()
    with pytest.raises(NotImplementedError):
        connection.default_channel.basic_recover(requeue=False)
    with pytest.raises(NotImplementedError):
        connection.default_channel.flow(True)


def test_a_message_cannot_be_settled_twice(connection):
    received = Received(connection, ack=False)
    queue = kombu.Queue("q", kombu.Exchange("q"), "q")
    with connection.Consumer([queue], callbacks=[received]):
        connection.Producer().publish(1, exchange="q", routing_key="q")
        message = received.next()
        message.ack()
        for again in (message.ack, message.reject, message.requeue):
            with pytest.raises(message.MessageStateError):
                again()


def test_draining_without_a_message_ends_with_a_timeout(connection):
    connection.connect()
    for seconds in (0, 0.01):
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=seconds)


def test_a_priority_is_sent(connection, stomp_broker):
    producer = connection.Producer()
    for priority in (7, None, 99):
        producer.publish(1, routing_key="q", priority=priority)
    found = [each.headers["priority"] for each in stomp_broker.wait_for("/queue/q", count=3)]
    assert found == ["7", "0", "9"]


def test_an_event_loop_delivers(connection, other):
    received = []
    queue = kombu.Queue("q", kombu.Exchange("q"), "q")
    loop = Hub()
    connection.register_with_event_loop(loop)
    other.Producer().publish(0, exchange="q", routing_key="q", declare=[queue])

    def keep(body, message):
        message.ack()
        received.append(body)

    with connection.Consumer([queue], callbacks=[keep]):
        for number in range(1, 5):
            other.Producer().publish(number, exchange="q", routing_key="q")
        while len(received) < 5:
            loop.run_once()
        assert received == list(range(5))
    connection.release()
    assert not loop.readers or list(loop.readers) == [loop._waker.fileno()]
    loop.close()


def test_an_event_loop_sees_a_lost_connection(connection, stomp_broker):
    loop = Hub()
    connection.register_with_event_loop(loop)
    loop.propagate_errors = connection.connection_errors
    stomp_broker.disconnect_all()
    with pytest.raises(connection.connection_errors):
        for _ in range(round(PATIENCE)):
            loop.run_once()
    loop.close()


def test_two_connections_of_a_pool_are_used(url):
    pool = kombu.Connection(url).Pool(2)
    with pool.acquire() as first, pool.acquire() as second:
        first.Producer().publish(1, routing_key="q")
        with second.SimpleQueue(kombu.Queue("q", kombu.Exchange(""), "q")) as queue:
            message = queue.get(timeout=PATIENCE)
            message.ack()
            assert message.payload == 1
    pool.force_close_all()
