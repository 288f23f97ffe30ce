"""The transport on the embedded broker while it imitates others: the way of each broker profile, without the broker."""

from __future__ import annotations

import kombu
import pytest

from stomp.broker import Broker
from tests.kombu.support import Received, publish


@pytest.fixture(params=["rabbitmq", "activemq", "artemis"])
def dialect(request):
    return request.param


@pytest.fixture
def connections(dialect):
    with (
        Broker(dialect=dialect) as broker,
        kombu.Connection(
            f"stomp://{broker.host}:{broker.port}", transport_options={"get_timeout": 0.5}
        ) as one,
        kombu.Connection(f"stomp://{broker.host}:{broker.port}") as other,
    ):
        one.connect()
        other.connect()
        assert one.transport.broker.profile.name == dialect
        yield one, other


@pytest.fixture
def queue():
    return kombu.Queue("jobs", kombu.Exchange("jobs"), routing_key="jobs")


@pytest.mark.parametrize("requeue", [True, False])
def test_a_rejected_message_is_delivered_again_if_it_is_requeued(connections, queue, requeue):
    connection, _ = connections
    publish(connection, queue, 1)
    received = Received(connection, ack=False)
    with connection.Consumer([queue], callbacks=[received]):
        received.next().reject(requeue=requeue)
        if requeue:
            message = received.next()
            assert message.payload == 1
            assert message.delivery_info["redelivered"] is True
            message.ack()
        assert received.is_empty()


def test_a_closed_channel_gives_its_unacknowledged_messages_back(connections, queue):
    connection, other = connections
    publish(other, queue, 1)
    received = Received(connection, ack=False)
    channel = connection.channel()
    kombu.Consumer(channel, [queue], callbacks=[received]).consume()
    received.next()
    channel.close()
    again = Received(other)
    with other.Consumer([queue], callbacks=[again]):
        assert again.next().payload == 1
    assert connection.connected


def test_the_prefetch_grows(connections, queue):
    connection, _ = connections
    publish(connection, queue, *range(4))
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    with kombu.Consumer(channel, [queue], callbacks=[received]):
        messages = [received.next()]
        for prefetch in (2, 3, 0):
            channel.basic_qos(prefetch_count=prefetch)
            messages.append(received.next())
        for message in messages:
            message.ack()
    assert sorted(message.payload for message in messages) == list(range(4))


def test_a_queue_is_read_by_get_and_purged(connections, queue):
    connection, _ = connections
    publish(connection, queue, *range(3))
    bound = queue(connection.default_channel)
    message = bound.get()
    assert message.payload == 0
    message.ack()
    assert bound.purge() == 2


# The dialect of RabbitMQ compares the arguments of a queue for /amq/queue/ too; tests/brokers has the real one.
@pytest.mark.parametrize("dialect", ["activemq", "artemis"])
def test_a_reply_waits_for_the_consumer_of_a_transient_queue(connections):
    connection, other = connections
    queue = kombu.Queue("reply", kombu.Exchange(""), "reply", auto_delete=True, durable=False, expires=60)
    queue(connection.default_channel).declare()
    other.transport.broker.state.queues.pop("reply")  # as in another process
    other.Producer().publish(1, exchange="", routing_key="reply")
    received = Received(connection)
    with connection.Consumer([queue], callbacks=[received]):
        assert received.next().payload == 1
