"""Messages to queues: sent, received, acknowledged, rejected, and delivered again."""

from __future__ import annotations

import json
import threading
import time

import kombu
import pytest

from stomp.core.errors import NotConnected
from stomp.testing.fault_plans import Cut
from tests.kombu import support
from tests.kombu.support import Received
from tests.listening import PATIENCE

JOBS = kombu.Queue("jobs", kombu.Exchange("jobs", type="direct"), routing_key="jobs")


def publish(connection, *bodies, queue=JOBS, **options):
    support.publish(connection, queue, *bodies, **options)


def test_a_message_is_received_as_it_was_sent(connection, other):
    publish(other, {"name": "ä", "n": 1}, headers={"task": "add", "nested": [1, None]}, correlation_id="c1")
    received = Received(connection)
    with connection.Consumer([JOBS], callbacks=[received]):
        message = received.next()
    assert message.payload == {"name": "ä", "n": 1}
    assert message.headers == {"task": "add", "nested": [1, None]}
    assert message.properties["correlation_id"] == "c1"
    assert message.delivery_info["routing_key"] == "jobs"
    assert message.delivery_info["redelivered"] is False


@pytest.mark.parametrize("serializer", ["json", "pickle"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_each_serializer_and_compression_survives(connection, other, serializer, compression):
    publish(other, {"a": [1, "é"]}, serializer=serializer, compression=compression)
    received = Received(connection)
    with connection.Consumer([JOBS], callbacks=[received], accept=[serializer]):
        assert received.next().payload == {"a": [1, "é"]}


def test_a_text_body_is_readable_at_the_broker(other, stomp_broker):
    publish(other, ["hello"])
    (message,) = stomp_broker.wait_for("/queue/jobs", count=1)
    payload = json.loads(message.body)
    assert payload["body"] == '["hello"]'
    assert message.headers["content-type"] == "application/json"


def test_an_acknowledged_message_is_gone_at_the_broker(connection, other, stomp_broker):
    publish(other, 1)
    received = Received(connection, ack=False)
    with connection.Consumer([JOBS], callbacks=[received]):
        message = received.next()
        assert stomp_broker.depth("/queue/jobs") == 1
        message.ack()
    connection.release()
    assert stomp_broker.depth("/queue/jobs") == 0


def test_an_unacknowledged_message_is_delivered_again_after_the_connection(connection, other):
    publish(other, 1)
    received = Received(connection, ack=False)
    with connection.Consumer([JOBS], callbacks=[received]):
        received.next()
    connection.release()
    again = Received(other)
    with other.Consumer([JOBS], callbacks=[again]):
        message = again.next()
    assert message.payload == 1
    assert message.delivery_info["redelivered"] is True


def test_a_closed_channel_gives_its_unacknowledged_messages_back(connection, other):
    publish(other, 1)
    received = Received(connection, ack=False)
    channel = connection.channel()
    kombu.Consumer(channel, [JOBS], callbacks=[received]).consume()
    received.next()
    channel.close()
    again = Received(other)
    with other.Consumer([JOBS], callbacks=[again]):
        assert again.next().payload == 1


def test_a_cancelled_consumer_may_still_acknowledge(connection, other, stomp_broker):
    publish(other, 1, 2)
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    consumer = kombu.Consumer(channel, [JOBS], callbacks=[received])
    consumer.consume()
    message = received.next()
    consumer.cancel()
    message.ack()
    again = Received(other)
    with other.Consumer([JOBS], callbacks=[again]):
        assert again.next().payload == 2  # it was not kept by the cancelled consumer
        assert again.is_empty()


def test_a_rejected_message_is_gone(connection, other, stomp_broker):
    publish(other, 1)
    received = Received(connection, ack=False)
    with connection.Consumer([JOBS], callbacks=[received]):
        received.next().reject()
        assert received.is_empty()
    assert stomp_broker.depth("/queue/jobs") == 0


def test_a_requeued_message_is_delivered_again(connection, other):
    publish(other, 1)
    received = Received(connection, ack=False)
    with connection.Consumer([JOBS], callbacks=[received]):
        received.next().requeue()
        message = received.next()
        assert message.payload == 1
        assert message.delivery_info["redelivered"] is True
        message.ack()
        assert received.is_empty()


@pytest.mark.parametrize("requeue", [True, False])
def test_where_nack_does_not_requeue_the_message_is_sent_again(url, stomp_broker, requeue):
    options = {"client": {"broker": "generic"}}
    with kombu.Connection(url, transport_options=options) as connection:
        publish(connection, 1)
        received = Received(connection, ack=False)
        with connection.Consumer([JOBS], callbacks=[received]):
            received.next().reject(requeue=requeue)
            if requeue:
                message = received.next()
                assert message.payload == 1
                assert message.delivery_info["redelivered"] is True
                message.ack()
            assert received.is_empty()
        connection.release()
    assert stomp_broker.depth("/queue/jobs") == 0


def test_no_more_messages_than_the_prefetch_are_delivered(connection, other):
    publish(other, *range(5))
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    with kombu.Consumer(channel, [JOBS], callbacks=[received]):
        first, _second = received.next(), received.next()
        assert received.is_empty()
        first.ack()
        received.next()
        assert received.is_empty()


def test_the_prefetch_limits_the_broker_too(connection, other):
    publish(other, *range(4))
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    with kombu.Consumer(channel, [JOBS], callbacks=[received]):
        received.next()
        again = Received(other)
        with other.Consumer([JOBS], callbacks=[again]):
            assert again.bodies(2) == [2, 3]


def test_a_prefetch_that_grows_delivers_more(connection, other):
    publish(other, *range(6))
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    with kombu.Consumer(channel, [JOBS], callbacks=[received]):
        received.next(), received.next()
        for prefetch in (3, 5, 0):
            channel.basic_qos(prefetch_count=prefetch)
            received.next()
        assert received.next().payload == 5


def test_two_queues_of_one_channel_share_its_prefetch(connection, other):
    more = kombu.Queue("more", kombu.Exchange("more"), routing_key="more")
    publish(other, 1)
    publish(other, 2, queue=more)
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    with kombu.Consumer(channel, [JOBS, more], callbacks=[received]):
        message = received.next()
        assert received.is_empty()
        message.ack()
        received.next()


def test_basic_get_returns_a_message_or_none(url, other):
    with kombu.Connection(url, transport_options={"get_timeout": 0.2}) as connection:
        publish(other, 1)
        queue = JOBS(connection.default_channel)
        message = queue.get()
        assert message.payload == 1
        assert queue.get() is None
        message.ack()
        assert queue.get() is None
        publish(other, 2)
        assert queue.get(no_ack=True).payload == 2


def test_priorities_order_a_queue_that_is_declared_with_them(connection):
    queue = kombu.Queue("urgent", kombu.Exchange("urgent"), routing_key="urgent", max_priority=9)
    for body, priority in enumerate((1, 5, 3)):
        publish(connection, body, queue=queue, priority=priority)
    received = Received(connection)
    with connection.Consumer([queue], callbacks=[received]):
        assert [received.next().payload for _ in range(3)] == [1, 2, 0]


def test_purge_removes_and_counts(url, other, stomp_broker):
    with kombu.Connection(url, transport_options={"get_timeout": 0.2}) as connection:
        publish(other, *range(3))
        assert JOBS(connection.default_channel).purge() == 3
        assert stomp_broker.depth("/queue/jobs") == 0


def test_a_deleted_queue_is_empty_and_unbound(url, other, stomp_broker):
    with kombu.Connection(url, transport_options={"get_timeout": 0.2}) as connection:
        publish(connection, 1)
        JOBS(connection.default_channel).delete()
        assert stomp_broker.depth("/queue/jobs") == 0
        assert not [each for each in connection.default_channel.list_bindings() if each[0] == "jobs"]


def test_a_simple_queue_works(connection):
    with connection.SimpleQueue("simple") as queue:
        queue.put({"a": 1})
        message = queue.get(timeout=PATIENCE)
        assert message.payload == {"a": 1}
        message.ack()
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.1)


def test_a_message_of_another_program_has_its_body(connection, stomp_broker):
    stomp_broker.put("/queue/jobs", "not JSON", {"content-type": "text/plain"})
    received = Received(connection)
    with connection.Consumer([JOBS], callbacks=[received], accept=["text/plain", "json"]):
        message = received.next()
    assert message.body == b"not JSON"
    assert message.content_type == "text/plain"


@pytest.mark.parametrize(
    "body", ["[1]", '{"body": "x"}', "null", '{"body": "", "headers": {}, "properties": 1}']
)
def test_json_of_another_program_does_not_end_the_consumer(connection, stomp_broker, body):
    stomp_broker.put("/queue/jobs", body, {"content-type": "application/json"})
    received = Received(connection)
    with connection.Consumer([JOBS], callbacks=[received]):
        assert received.next().payload == json.loads(body)


def test_a_message_expires(url, other, stomp_broker):
    publish(other, 1, expiration=0.05)
    publish(other, 2)
    with kombu.Connection(url) as connection:
        received = Received(connection)
        assert stomp_broker.wait_for("/queue/jobs", count=1, timeout=PATIENCE)
        threading.Event().wait(0.2)
        with connection.Consumer([JOBS], callbacks=[received]):
            assert received.next().payload == 2


def test_a_lost_connection_raises_a_connection_error(connection, stomp_broker):
    received = Received(connection)
    with connection.Consumer([JOBS], callbacks=[received]):
        stomp_broker.stop()
        with pytest.raises(connection.connection_errors):
            connection.drain_events(timeout=PATIENCE)
        assert not connection.connected
        with pytest.raises(connection.connection_errors):
            connection.drain_events(timeout=PATIENCE)


def test_a_producer_connects_again_and_loses_nothing(stomp_relay, stomp_broker):
    with kombu.Connection(stomp_relay.url) as connection:
        producer = connection.Producer()
        for number in range(4):
            if number % 2:
                stomp_relay.cut()
            producer.publish(
                number,
                exchange=JOBS.exchange,
                routing_key="jobs",
                declare=[JOBS],
                retry=True,
                retry_policy={"max_retries": 5, "interval_start": 0},
            )
    bodies = {json.loads(json.loads(each.body)["body"]) for each in stomp_broker.messages("/queue/jobs")}
    assert bodies == {0, 1, 2, 3}


def test_retries_last_while_each_connection_is_lost_by_its_first_message(stomp_relay, stomp_broker):
    """So does RabbitMQ while a quorum queue elects its leader. The policy is the default of Celery."""

    def cuts(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield Cut(direction="to_target", frame=2, place="inside")

    stomp_relay.follow(cuts(0.6))
    with kombu.Connection(stomp_relay.url) as connection:
        connection.Producer().publish(
            1,
            exchange=JOBS.exchange,
            routing_key="jobs",
            declare=[JOBS],
            retry=True,
            retry_policy={"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1},
        )
    assert stomp_relay.executed
    assert len(stomp_broker.messages("/queue/jobs")) == 1


def test_a_closed_channel_raises_a_connection_error(connection):
    channel = connection.channel()
    channel.close()
    with pytest.raises(NotConnected):
        kombu.Producer(channel).publish(1, routing_key="jobs")
