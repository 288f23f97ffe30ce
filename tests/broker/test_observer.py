"""Observers of the engine: each message is announced once, and its end once."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.engine import Engine
from stomp.broker.model import Client, Consumer, Queue, ScheduledMessage
from stomp.broker.observer import Observer
from stomp.broker.settings import ConnectionInfo
from stomp.broker.store import StoredMessage
from stomp.testing import FakeClock
from tests.broker.party import party
from tests.broker.rawclient import RawClient, eventually

ENDS = {"message_acknowledged", "message_dead_lettered", "message_expired", "message_dropped"}


class Recorder(Observer):
    """Notes each event: its name, and the queue or the number of a connection."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.enqueued: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()

    def message_enqueued(self, queue: Queue, message: StoredMessage) -> None:
        self.events.append(("enqueued", queue.name))
        self.enqueued[message.number] += 1

    def message_delivered(self, queue: Queue, consumer: Consumer, message: StoredMessage) -> None:
        self.events.append(("delivered", queue.name))

    def message_acknowledged(self, queue: Queue, message: StoredMessage) -> None:
        self._end("acknowledged", queue, message)

    def message_refused(
        self, queue: Queue, consumer: Consumer, message: StoredMessage, *, requeue: bool
    ) -> None:
        self.events.append((f"refused {requeue}", queue.name))

    def message_returned(self, queue: Queue, message: StoredMessage) -> None:
        self.events.append(("returned", queue.name))

    def message_dead_lettered(self, queue: Queue, message: StoredMessage) -> None:
        self._end("dead_lettered", queue, message)

    def message_expired(self, queue: Queue, message: StoredMessage) -> None:
        self._end("expired", queue, message)

    def message_dropped(self, queue: Queue, message: StoredMessage) -> None:
        self._end("dropped", queue, message)

    def subscription_added(self, consumer: Consumer) -> None:
        self.events.append(("subscribed", consumer.destination))

    def subscription_removed(self, consumer: Consumer) -> None:
        self.events.append(("unsubscribed", consumer.destination))

    def durable_removed(self, queue: Queue) -> None:
        self.events.append(("durable removed", queue.name))

    def queue_declared(self, queue: Queue) -> None:
        self.events.append(("declared", queue.name))

    def queue_removed(self, queue: Queue) -> None:
        self.events.append(("removed", queue.name))

    def message_scheduled(self, message: ScheduledMessage) -> None:
        self.events.append(("scheduled", message.sending.destination))

    def schedule_ended(self, message: ScheduledMessage) -> None:
        self.events.append(("schedule ended", message.sending.destination))

    def id_remembered(self, id: bytes, headers: Mapping[str, str]) -> None:
        self.events.append(("id remembered", headers["_AMQ_DUPL_ID"]))

    def connection_opened(self, connection: ConnectionInfo) -> None:
        self.events.append(("opened", str(connection.number)))

    def connection_authenticated(self, connection: ConnectionInfo, client: Client) -> None:
        self.events.append(("authenticated", str(connection.number)))

    def connection_closed(self, connection: ConnectionInfo) -> None:
        self.events.append(("closed", str(connection.number)))

    def _end(self, name: str, queue: Queue, message: StoredMessage) -> None:
        self.events.append((name, queue.name))
        self.ended[message.number] += 1

    def names(self) -> list[str]:
        names = [name for name, _ in self.events]
        self.events.clear()
        return names


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def observed(clock: FakeClock, recorder: Recorder) -> Engine:
    engine = Engine(Policy(dead_letter_after=2, max_subscription_bytes=2000), clock=clock)
    engine.add_observer(recorder)
    return engine


def test_acknowledged_message_is_announced_in_order(observed: Engine, recorder: Recorder) -> None:
    consumer = party(observed)
    consumer.subscribe("/queue/a", ack="client")
    consumer.send("/queue/a", "x")
    (message,) = consumer.messages()
    consumer.ack(message)
    assert recorder.names() == ["subscribed", "enqueued", "delivered", "acknowledged"]


def test_ack_auto_acknowledges_at_the_delivery(observed: Engine, recorder: Recorder) -> None:
    consumer = party(observed)
    consumer.subscribe("/topic/a")
    consumer.send("/topic/a", "x")
    assert recorder.names() == ["subscribed", "enqueued", "delivered", "acknowledged"]


def test_refused_message_is_returned_and_then_dead_lettered(observed: Engine, recorder: Recorder) -> None:
    consumer = party(observed)
    consumer.subscribe("/queue/a", ack="client")
    consumer.send("/queue/a", "x")
    recorder.names()
    consumer.nack(*consumer.messages())
    assert recorder.names() == ["refused True", "returned", "delivered"]
    consumer.nack(*consumer.messages())
    assert recorder.events == [
        ("refused True", "/queue/a"),
        ("dead_lettered", "/queue/a"),
        ("enqueued", "/queue/DLQ"),
    ]


def test_expired_message_is_announced_with_its_body(
    observed: Engine, recorder: Recorder, clock: FakeClock
) -> None:
    bodies: list[bytes] = []

    class Bodies(Observer):
        def message_expired(self, queue: Queue, message: StoredMessage) -> None:
            bodies.append(message.body)

    observed.add_observer(Bodies())
    party(observed).send("/queue/a", "x", expiration="1000")
    clock.advance(2.0)
    assert observed.depth("/queue/a") == 0
    assert recorder.names() == ["enqueued", "expired"]
    assert bodies == [b"x"]


def test_slow_subscription_announces_its_dropped_messages(observed: Engine, recorder: Recorder) -> None:
    consumer = party(observed)
    consumer.subscribe("/topic/a", ack="client", prefetch_count=1)
    party(observed).send("/topic/a", *"12345")
    assert recorder.names().count("dropped") >= 1


def test_purge_and_the_end_of_subscriptions_are_announced(observed: Engine, recorder: Recorder) -> None:
    consumer = party(observed)
    consumer.send("/queue/a", "x")
    observed.purge("/queue/a")
    consumer.subscribe("/topic/a", ack="client", durable="true")
    consumer.send("/topic/a", "y")
    consumer.unsubscribe(durable="true")
    assert recorder.names() == [
        "enqueued",
        "dropped",
        "subscribed",
        "enqueued",
        "delivered",
        "unsubscribed",
        "returned",
        "durable removed",
        "dropped",
    ]


def test_declared_queues_and_scheduled_messages_are_announced(
    observed: Engine, recorder: Recorder, clock: FakeClock
) -> None:
    one = party(observed)
    one.subscribe("/queue/a", **{"x-expires": "1000"})
    one.unsubscribe()
    clock.advance(1.5)
    observed.run_due()
    one.send("/queue/b", "x", AMQ_SCHEDULED_PERIOD="1000", AMQ_SCHEDULED_REPEAT="1", _AMQ_DUPL_ID="7")
    for _ in range(2):
        clock.advance(1.0)
        observed.run_due()
    assert recorder.events == [
        ("declared", "/queue/a"),
        ("subscribed", "/queue/a"),
        ("unsubscribed", "/queue/a"),
        ("removed", "/queue/a"),
        ("scheduled", "/queue/b"),
        ("id remembered", "7"),
        ("enqueued", "/queue/b"),
        ("scheduled", "/queue/b"),
        ("enqueued", "/queue/b"),
        ("schedule ended", "/queue/b"),
    ]


def test_copies_for_a_browser_are_not_announced(observed: Engine, recorder: Recorder) -> None:
    consumer = party(observed)
    consumer.send("/queue/a", "x")
    recorder.names()
    consumer.subscribe("/queue/a", browser="true")
    assert len(consumer.messages()) == 2
    assert recorder.names() == ["subscribed"]


def test_every_message_ends_once(observed: Engine, recorder: Recorder, clock: FakeClock) -> None:
    one, two = party(observed), party(observed)
    one.subscribe("/queue/a", ack="client-individual")
    two.subscribe("/topic/a", ack="client-individual", id="2")
    two.send("/queue/a", *"abcdefgh")
    two.send("/topic/a", *"abc")
    two.send("/temp-queue/x", "lost")
    two.send("/queue/b", "old", expiration="1")
    for number, message in enumerate(one.messages()):
        if number % 3 == 0:
            one.ack(message)
        elif number % 3 == 1:
            one.nack(message, requeue="false")
    clock.advance(1.0)
    one.leave()
    two.leave()
    for destination in ("/queue/a", "/queue/DLQ"):
        observed.purge(destination)
    assert observed.destinations() == {}
    assert observed.capacity.messages == 0
    assert recorder.enqueued == recorder.ended
    assert set(recorder.enqueued.values()) == {1}


def test_several_observers_get_every_event(observed: Engine, recorder: Recorder) -> None:
    names = [name for name in vars(Observer) if not name.startswith("_")]
    called: list[str] = []

    class Every(Observer):
        def __getattribute__(self, name: str) -> Any:
            if name in names:
                return lambda *args, **options: called.append(name)
            return super().__getattribute__(name)

    observed.add_observer(Every())
    assert observed.observer is not None
    for name in names:
        parameters = inspect.signature(getattr(Observer(), name)).parameters.values()
        options = {each.name: True for each in parameters if each.kind is each.KEYWORD_ONLY}
        getattr(observed.observer, name)(*[_Anything()] * (len(parameters) - len(options)), **options)
    assert called == names
    assert len(recorder.events) == len(names)


class _Anything:
    """Has every attribute."""

    number = 1

    def __getattr__(self, name: str) -> Any:
        return _Anything()

    def __getitem__(self, name: str) -> Any:
        return _Anything()


def test_connections_are_announced() -> None:
    with Broker() as broker:
        recorder = Recorder()
        broker._ask(lambda server: server.engine.add_observer(recorder))
        with RawClient(broker) as client:
            client.connect()
        eventually(lambda: len(recorder.events) == 3)
    assert recorder.names() == ["opened", "authenticated", "closed"]
