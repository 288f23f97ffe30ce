"""Kombu and Celery on real brokers."""

from __future__ import annotations

import signal
import time
import uuid
from urllib.parse import quote

import kombu
import pytest

from tests.brokers.conftest import at, trouble_with
from tests.brokers.killing import Cluster, run
from tests.kombu import kill_workers
from tests.kombu.support import Received, publish
from tests.kombu.workers import PATIENCE, Project

pytestmark = pytest.mark.timeout(300)

BROKERS = ("rabbitmq", "rabbitmq4", "activemq", "activemq6", "artemis")
TRANSPORT = "stomp.kombu:Transport"


def url_of(broker):
    host, port = broker.address
    return f"stomp://{quote(broker.user)}:{quote(broker.password)}@{host}:{port}"


@pytest.fixture
def connection(broker):
    with kombu.Connection(url_of(broker), transport=TRANSPORT) as connection:
        yield connection


@pytest.fixture
def other(broker):
    with kombu.Connection(url_of(broker), transport=TRANSPORT) as connection:
        yield connection


@pytest.fixture
def project(broker, tmp_path):
    with Project(url_of(broker), tmp_path) as project:
        yield project


@pytest.fixture
def queue():
    name = f"kombu-{uuid.uuid4().hex[:8]}"
    return kombu.Queue(name, kombu.Exchange(name), routing_key=name)


@at(*BROKERS)
def test_an_unacknowledged_message_is_delivered_again_after_the_connection(connection, other, queue):
    publish(other, queue, *range(3))
    received = Received(connection, ack=False)
    with connection.Consumer([queue], callbacks=[received], prefetch_count=2):
        first, second = received.next(), received.next()
        assert received.is_empty(0.5)
        first.ack()
        assert second.payload == 1
    connection.release()
    again = Received(other)
    with other.Consumer([queue], callbacks=[again]):
        assert again.bodies(2) == [1, 2]
        assert again.is_empty(0.5)


@at(*BROKERS)
@pytest.mark.parametrize("requeue", [True, False])
def test_a_rejected_message_is_delivered_again_if_it_is_requeued(connection, queue, requeue):
    publish(connection, queue, 1)
    received = Received(connection, ack=False)
    with connection.Consumer([queue], callbacks=[received]):
        received.next().reject(requeue=requeue)
        if requeue:
            message = received.next()
            assert message.payload == 1
            assert message.delivery_info["redelivered"] is True
            message.ack()
        assert received.is_empty(0.5)


@at(*BROKERS)
def test_a_closed_channel_gives_its_unacknowledged_messages_back(connection, other, queue):
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


@at(*BROKERS)
def test_a_cancelled_consumer_may_still_acknowledge(connection, other, queue):
    publish(other, queue, 1)
    received = Received(connection, ack=False)
    channel = connection.channel()
    consumer = kombu.Consumer(channel, [queue], callbacks=[received])
    consumer.consume()
    message = received.next()
    consumer.cancel()
    message.ack()
    with connection.Consumer([queue], callbacks=[received]):
        assert received.is_empty(0.5)
    assert connection.connected


@at(*BROKERS)
def test_the_prefetch_grows(connection, queue):
    publish(connection, queue, *range(6))
    received = Received(connection, ack=False)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    with kombu.Consumer(channel, [queue], callbacks=[received]):
        messages = [received.next()]
        for prefetch in (2, 4, 0):
            channel.basic_qos(prefetch_count=prefetch)
            messages.append(received.next())
        messages += [received.next(), received.next()]
        for message in messages:
            message.ack()
        assert sorted(message.payload for message in messages) == list(range(6))
    assert connection.connected


@at(*BROKERS)
def test_queues_are_read_by_get_and_purged(broker, queue):
    options = {"get_timeout": 2}
    with kombu.Connection(url_of(broker), transport=TRANSPORT, transport_options=options) as connection:
        publish(connection, queue, *range(4))
        bound = queue(connection.default_channel)
        message = bound.get()
        assert message.payload == 0
        message.ack()
        assert bound.purge() == 3
        assert bound.get() is None


@at(*BROKERS)
@pytest.mark.parametrize(
    ("pattern", "expected"), [("#", ["a", "a.b", "a.b.c"]), ("a.#", ["a.b", "a.b.c"]), ("*.b", ["a.b"])]
)
def test_a_topic_exchange_has_the_wildcards_of_amqp(connection, other, pattern, expected):
    events = kombu.Exchange(f"events.{uuid.uuid4().hex[:8]}", type="topic")
    received = Received(connection)
    with connection.Consumer([kombu.Queue("", events, pattern, auto_delete=True)], callbacks=[received]):
        for key in ("a", "a.b", "a.b.c"):
            other.Producer().publish(key, exchange=events, routing_key=key)
        assert received.bodies(len(expected)) == expected
        assert received.is_empty(0.3)


@at(*BROKERS)
def test_a_fanout_exchange_reaches_each_queue(connection, other):
    news = kombu.Exchange(f"news-{uuid.uuid4().hex[:8]}", type="fanout")
    first, second = Received(connection), Received(other)
    with (
        connection.Consumer([kombu.Queue("", news, auto_delete=True)], callbacks=[first]),
        other.Consumer([kombu.Queue("", news, auto_delete=True)], callbacks=[second]),
    ):
        other.Producer().publish(1, exchange=news)
        assert first.next().payload == second.next().payload == 1


@at(*BROKERS)
def test_a_reply_waits_for_the_consumer_of_a_transient_queue(connection, other):
    name = uuid.uuid4().hex
    queue = kombu.Queue(name, kombu.Exchange(""), name, auto_delete=True, durable=False, expires=60)
    queue(connection.default_channel).declare()
    other.transport.establish_connection()
    other.transport.broker.state.queues.pop(name, None)  # as in another process
    other.Producer().publish(1, exchange="", routing_key=name)
    received = Received(connection)
    with connection.Consumer([queue], callbacks=[received]):
        assert received.next().payload == 1


@at("rabbitmq", "rabbitmq4")
@pytest.mark.parametrize(
    "options", [{"max_priority": 9}, {"queue_arguments": {"x-queue-type": "quorum"}}, {"expires": 60.0}]
)
def test_arguments_of_rabbitmq_declare_the_queue(connection, options):
    name = f"kombu/{uuid.uuid4().hex[:8]}"
    queue = kombu.Queue(name, kombu.Exchange(name), name, **options)
    for body, priority in enumerate((1, 5, 3)):
        # A quorum queue has two priorities without an argument.
        publish(connection, queue, body, priority=priority if "max_priority" in options else None)
    received = Received(connection)
    with connection.Consumer([queue], callbacks=[received]):
        order = [received.next().payload for _ in range(3)]
    assert order == ([1, 2, 0] if "max_priority" in options else [0, 1, 2])


@at("activemq", "activemq6", "artemis")
def test_the_broker_delays_a_task(project):
    begin = time.monotonic()
    result = project.task("add").apply_async((1, 2), countdown=2)
    project.start("solo")
    assert result.get(timeout=PATIENCE) == 3, project.logs()
    assert time.monotonic() - begin >= 1.9


@at("rabbitmq", "activemq")
def test_tls_is_used(broker, queue):
    url = f"stomps://{broker.user}:{broker.password}@{broker.host}:{broker.tls_port}"
    with kombu.Connection(url, transport=TRANSPORT, ssl={"ca_certs": str(broker.ca_file)}) as connection:
        publish(connection, queue, 1)
        received = Received(connection)
        with connection.Consumer([queue], callbacks=[received]):
            assert received.next().payload == 1


@at(*BROKERS)
@pytest.mark.parametrize("pool", ["solo", "prefork", "threads", "gevent"])
def test_each_pool_runs_tasks_and_returns_results(project, pool):
    worker = project.start(pool, "-E")
    results = [project.task("add").delay(number, 1) for number in range(50)]
    assert [each.get(timeout=PATIENCE) for each in results] == list(range(1, 51)), project.logs()
    assert project.task("flaky").delay().get(timeout=PATIENCE) == 1
    assert project.app.control.ping(timeout=30, limit=1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0, project.logs()


@at(*BROKERS)
def test_no_task_is_lost_when_workers_are_killed(project):
    figures = kill_workers.run(project, 300, pool="prefork", between=(40, 100))
    assert figures.killed >= 1
    assert (figures.run, figures.results) == (300, 300), f"{figures}\n{project.logs()}"


#: Brokers of tests that kill processes, and the process that is killed and started again.
RESTARTED = {
    cluster.name: cluster
    for cluster in (
        Cluster("rabbit1", {"rabbit1": 61713}),
        Cluster("activemq-pair", {"amq-a": 62713, "amq-b": 62723}),
        Cluster("artemis-killed", {"artemis-killed": 64129}),
    )
}
#: Brokers of which one goes on with the queues of another; the argument is the type of the queue.
FAILING_OVER = [
    (Cluster("rabbitmq-cluster", {"rabbit1": 61713, "rabbit2": 61723, "rabbit3": 61733}), "quorum"),
    (Cluster("activemq-pair", {"amq-a": 62713, "amq-b": 62723}), ""),
]


def killing(name, *values):
    """A parameter of a test that kills processes: those of a cluster run on one worker, as in `test_clusters`."""
    group = "rabbitmq-cluster" if name == "rabbit1" else name
    return pytest.param(*values, id=name, marks=pytest.mark.xdist_group(group))


def urls_of(cluster):
    """The setting ``broker_url``: several URLs."""
    return ";".join(f"stomp://admin:password@{host}:{port}" for host, port in cluster.addresses.values())


def answers(cluster):
    """The processes that a client can connect to."""
    return [
        name
        for name, address in cluster.addresses.items()
        if trouble_with(address, "admin", "password") is None
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [killing(name, name) for name in RESTARTED])
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_tasks_in_flight_and_queued_survive_a_restart_of_the_broker(name, pool, tmp_path):
    cluster = RESTARTED[name]
    cluster.check()
    with Project(urls_of(cluster), tmp_path) as project:
        marker = project.folder / "go"
        for number in range(4):
            project.task("hold").delay(number, str(marker))
        for number in range(4, 40):
            project.task("record").delay(number)
        project.start(pool)
        assert len(set(project.until_recorded(2))) == 2
        processes = list(cluster.ports)
        for process in processes:
            run("kill", process)
        marker.touch()  # the tasks in flight end while there is no broker
        for process in processes:
            run("up", process)
        project.until_recorded(40, different=True)
        assert project.task("add").delay(1, 1).get(timeout=PATIENCE) == 2, project.logs()
        assert set(project.recorded()) == set(map(str, range(40)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("cluster", "queue_type"),
    [killing(cluster.name, cluster, kind) for cluster, kind in FAILING_OVER],
)
def test_workers_and_senders_go_on_at_another_broker_of_the_list(cluster, queue_type, tmp_path):
    cluster.check()
    with Project(urls_of(cluster), tmp_path, queue_type) as project:
        marker = project.folder / "go"
        # Without results, whose queue is on one node: a sender whose node is down cannot declare it again.
        for number in range(4):
            project.task("hold").apply_async((number, str(marker)), ignore_result=True)
        for number in range(4, 20):
            project.task("record").apply_async((number,), ignore_result=True)
        project.start("prefork")
        project.until_recorded(2)
        killed = answers(cluster)[0]
        run("kill", killed)
        try:
            marker.touch()
            # The second of a pair of ActiveMQ takes seconds to open the store of the first.
            policy = {"max_retries": 240, "interval_start": 0, "interval_step": 0.25, "interval_max": 0.25}
            for number in range(20, 40):
                project.task("record").apply_async((number,), retry_policy=policy, ignore_result=True)
            project.until_recorded(40, different=True)
            result = project.task("add").apply_async((1, 1), retry_policy=policy)
            assert result.get(timeout=PATIENCE) == 2, project.logs()
        finally:
            run("up", killed)
