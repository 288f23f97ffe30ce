"""What survives the end of the broker: the state of the engine, written to a file and read again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stomp.broker.dialects import dialect_by_name
from stomp.broker.engine import Engine
from stomp.broker.persistence import Persistence
from stomp.broker.store import Policy, RequestRefused
from stomp.broker.store_file import StoreChanges, StoreFailed, StoreFile
from stomp.core.errors import UsageError
from stomp.core.frames.frame import Frame, Headers
from tests.broker.party import Party, party, receipts

#: Body, redelivered, and refusals of each message, by queue: the key of a durable subscription or the name.
Contents: TypeAlias = dict[object, list[tuple[str, bool, int]]]


class Restartable:
    """An engine with a file, that can be restarted; `committed` is False for what a kill loses."""

    def __init__(
        self, path: Path, policy: Policy | None = None, now: float = 0.0, dialect: str = "tolerant"
    ) -> None:
        self.path = path
        self.dialect = dialect_by_name(dialect)
        self.policy = policy or Policy(dead_letter_after=3)
        self.now = now
        self.changes = 0
        self.start()

    def start(self) -> None:
        self.file = StoreFile(self.path)
        self.file._db.execute("PRAGMA synchronous = OFF")  # fsync has no effect that a test could see
        self.engine = Engine(
            self.policy,
            name=self.file.name,
            clock=lambda: self.now,
            first_number=self.file.first_number,
            dialect=self.dialect,
        )
        self.persistence = Persistence(self.file, self._changed, clock=lambda: self.now)
        self.persistence.restore(self.engine)

    def _changed(self) -> None:
        self.changes += 1

    def kill(self) -> None:
        """Start again with what was committed."""
        self.file.close()
        self.start()

    def restart(self) -> None:
        """Commit, and start again."""
        self.persistence.commit()
        self.kill()

    def contents(self) -> Contents:
        """The persistent messages of the engine, with the flags that a consumer sees after a restart."""
        found: Contents = {}
        for name in self.engine.destinations():
            for queue in self.engine.queues(name):
                if queue.durable is None and (queue.private or name.startswith("/remote-temp-")):
                    continue
                kept = [each for each in queue.messages() if each.headers.get("persistent") == "true"]
                messages = [
                    (each.body.decode(), each.redelivered or not each.waiting, each.refusals) for each in kept
                ]
                if messages or queue.durable is not None:
                    found[queue.durable or name] = messages
        return found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Restartable]:
    broker = Restartable(tmp_path / "store.db")
    yield broker
    broker.file.close()


def persistent(client: Party, destination: str, *bodies: str, **headers: str) -> None:
    client.send(destination, *bodies, persistent="true", **headers)


def durable(client: Party, destination: str = "/topic/a", id: str = "d", **headers: str) -> None:
    client.subscribe(destination, id, ack="client-individual", durable="true", **headers)


def test_persistent_messages_survive_in_order_and_others_do_not(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "1", "2")
    one.send("/queue/a", "in memory")
    persistent(one, "/queue/a", "3", key="välue\n")
    broker.restart()
    again = party(broker.engine)
    again.subscribe("/queue/a")
    messages = again.messages()
    assert [each.body for each in messages] == [b"1", b"2", b"3"]
    assert messages[2].headers["key"] == "välue\n"
    assert {each.headers["redelivered"] for each in messages} == {"false"}


def test_true_may_have_a_capital_letter(broker: Restartable) -> None:
    party(broker.engine).send("/queue/a", "x", persistent="True")
    broker.restart()
    assert broker.engine.depth("/queue/a") == 1


def test_a_message_without_a_commit_is_lost(broker: Restartable) -> None:
    persistent(party(broker.engine), "/queue/a", "1")
    broker.kill()
    assert broker.engine.depth("/queue/a") == 0


def test_an_acknowledged_message_does_not_return(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "1", "2", "3")
    broker.persistence.commit()
    one.subscribe("/queue/a", ack="client-individual")
    one.ack(one.messages()[1])
    broker.restart()
    assert broker.contents() == {"/queue/a": [("1", True, 0), ("3", True, 0)]}


def test_a_message_that_a_consumer_has_is_redelivered_with_the_same_id(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "1", "2")
    broker.persistence.commit()
    one.subscribe("/queue/a", ack="client", prefetch_count="1")
    (first,) = one.messages()
    assert first.headers["redelivered"] == "false"
    broker.restart()
    again = party(broker.engine)
    again.subscribe("/queue/a", ack="client")
    messages = again.messages()
    assert [each.headers["redelivered"] for each in messages] == ["true", "false"]
    assert messages[0].headers["message-id"] == first.headers["message-id"]


def test_ids_do_not_repeat(broker: Restartable) -> None:
    seen: list[str] = []
    for _ in range(3):
        one = party(broker.engine)
        one.subscribe("/queue/a", ack="client-individual")
        one.send("/queue/a", "in memory")
        persistent(one, "/queue/a", "kept")
        fresh = [each for each in one.messages() if each.headers["redelivered"] == "false"]
        seen += [each.headers["message-id"] for each in fresh] + [each.headers["ack"] for each in fresh]
        broker.restart()
    assert len(seen) == 3 * 2 * 2 == len(set(seen))


def test_a_durable_subscription_survives_without_messages(broker: Restartable) -> None:
    one = party(broker.engine)
    durable(one, selector="colour = 'red'")
    broker.restart()
    again = party(broker.engine)
    persistent(again, "/topic/a", "red", colour="red")
    persistent(again, "/topic/a", "blue", colour="blue")
    durable(again, selector="colour = 'red'")
    assert again.bodies() == ["red"]


def test_a_removed_durable_subscription_stays_removed(broker: Restartable) -> None:
    one = party(broker.engine)
    durable(one)
    persistent(one, "/topic/a", "1")
    broker.restart()
    again = party(broker.engine)
    durable(again)
    again.unsubscribe("d", durable="true")
    broker.restart()
    assert broker.contents() == {}


def test_a_durable_subscription_with_another_selector_replaces_the_old_one(broker: Restartable) -> None:
    one = party(broker.engine)
    durable(one, selector="a = 'b'")
    persistent(one, "/topic/a", "old", a="b")
    one.leave()
    broker.restart()
    again = party(broker.engine)
    durable(again, selector="a = 'c'")
    persistent(again, "/topic/a", "new", a="c")
    broker.restart()
    assert broker.contents() == {("id", "/topic/a", "d"): [("new", True, 0)]}


def test_a_blank_selector_survives(broker: Restartable) -> None:
    durable(party(broker.engine), selector=" ")
    broker.restart()
    durable(party(broker.engine), selector=" ")


def test_copies_of_subscriptions_that_are_not_durable_are_not_written(broker: Restartable) -> None:
    one = party(broker.engine)
    one.subscribe("/topic/a", ack="client")
    one.subscribe("/temp-queue/a", "2", ack="client")
    changes = broker.changes
    persistent(one, "/topic/a", "1")
    persistent(one, "/temp-queue/a", "2")
    assert len(one.messages()) == 2
    assert broker.changes == changes == 0


def test_a_message_that_is_consumed_before_the_commit_is_not_written(
    broker: Restartable, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = party(broker.engine)
    one.subscribe("/queue/a", ack="client")
    persistent(one, "/queue/a", "1")
    one.ack(one.messages()[0])
    batches: list[StoreChanges] = []
    monkeypatch.setattr(broker.file, "write", batches.append)
    broker.persistence.commit()
    assert [(each.added, each.changed, list(each.removed)) for each in batches] == [([], [], [])]


def test_a_dead_letter_survives(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "1")
    one.subscribe("/queue/a", ack="client-individual")
    one.nack(one.messages()[0])
    broker.restart()
    assert broker.contents() == {"/queue/a": [("1", True, 1)]}
    for _ in range(2):
        again = party(broker.engine)
        again.subscribe("/queue/a", ack="client-individual")
        again.nack(again.messages()[0])
        broker.restart()
    assert broker.contents() == {"/queue/DLQ": [("1", False, 0)]}
    assert broker.engine.queues("/queue/DLQ")[0].messages()[0].headers["original-destination"] == "/queue/a"


def test_an_expired_message_is_gone_after_a_restart(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "short", expiration="5000")
    persistent(one, "/queue/a", "long", expiration="50000")
    broker.persistence.commit()
    broker.now = 6.0
    broker.kill()
    assert broker.engine.depth("/queue/a") == 1
    broker.restart()
    broker.now = 60.0
    assert broker.engine.depth("/queue/a") == 0
    assert broker.engine.capacity.messages == broker.engine.capacity.queues == 0


def test_a_purge_and_the_limits_count_restored_messages(tmp_path: Path) -> None:
    broker = Restartable(tmp_path / "store.db", Policy(max_messages=2))
    persistent(party(broker.engine), "/queue/a", "1", "2")
    broker.restart()
    with pytest.raises(Exception, match="the broker is full"):
        persistent(party(broker.engine), "/queue/a", "3")
    assert broker.engine.purge("/queue/a") == 2
    broker.restart()
    assert broker.contents() == {}
    assert broker.engine.capacity.bytes == 0
    broker.file.close()


def test_a_transaction_is_kept_as_a_whole(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "in")
    one.subscribe("/queue/a", ack="client-individual")
    message = one.messages()[0]
    one.do("BEGIN", "t")
    one.send("/queue/b", "out", tx="t", persistent="true")
    one.ack(message, tx="t")
    broker.restart()
    assert broker.contents() == {"/queue/a": [("in", True, 0)]}
    again = party(broker.engine)
    again.subscribe("/queue/a", ack="client-individual")
    again.do("BEGIN", "t")
    again.send("/queue/b", "out", tx="t", persistent="true")
    again.ack(again.messages()[0], tx="t")
    again.do("COMMIT", "t")
    broker.restart()
    assert broker.contents() == {"/queue/b": [("out", False, 0)]}


# ---------------------------------------------------------------------------------------------- queues


def arguments(**named: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}


def test_a_declared_queue_keeps_its_arguments(broker: Restartable) -> None:
    one = party(broker.engine)
    named = arguments(x_max_length="2", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    one.subscribe("/queue/a", ack="client", prefetch_count="1", **named)
    one.unsubscribe()
    broker.restart()
    again = party(broker.engine)
    persistent(again, "/queue/a", "1", "2", "3")
    assert broker.contents() == {
        "/queue/a": [("2", False, 0), ("3", False, 0)],
        "/queue/dead": [("1", False, 0)],
    }
    broker.restart()
    (dead,) = broker.engine.queues("/queue/dead")
    (message,) = dead.messages()
    assert message.headers["x-first-death-reason"] == "maxlen"


def test_the_time_to_live_of_a_queue_is_kept(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "before", **arguments(x_message_ttl="5000"))
    broker.restart()
    persistent(party(broker.engine), "/queue/a", "after")
    broker.now = 4.0
    assert broker.engine.depth("/queue/a") == 2
    broker.now = 6.0
    assert broker.engine.depth("/queue/a") == 0


def test_the_order_by_priority_is_kept(broker: Restartable) -> None:
    one = party(broker.engine)
    for priority in ("1", "3", "2"):
        persistent(one, "/queue/a", priority, priority=priority, **arguments(x_max_priority="5"))
    broker.restart()
    again = party(broker.engine)
    persistent(again, "/queue/a", "4", priority="4")
    again.subscribe("/queue/a")
    assert again.bodies() == ["4", "3", "2", "1"]


def test_an_unused_queue_is_removed_after_a_restart_and_stays_removed(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "1", **arguments(x_expires="5000"))
    broker.now = 4.0
    broker.restart()
    broker.now = 8.0  # its time has begun again
    broker.engine.run_due()
    assert broker.engine.depth("/queue/a") == 1
    broker.now = 9.1
    broker.engine.run_due()
    assert broker.engine.destinations() == {}
    broker.restart()
    assert broker.engine.destinations() == {}
    assert broker.engine.capacity.queues == 0


def test_arguments_are_compared_after_a_restart(tmp_path: Path) -> None:
    broker = Restartable(tmp_path / "store.db", dialect="rabbitmq")
    one = party(broker.engine)
    one.subscribe("/queue/a", **arguments(x_message_ttl="1000"))
    broker.restart()
    again = party(broker.engine)
    with pytest.raises(RequestRefused, match="precondition_failed"):
        again.subscribe("/queue/a")
    again.subscribe("/queue/a", **arguments(x_message_ttl="1000"))
    broker.file.close()


def test_the_arguments_of_a_durable_subscription_are_kept(broker: Restartable) -> None:
    one = party(broker.engine)
    durable(one, **arguments(x_max_length="1"))
    one.leave()
    broker.restart()
    persistent(party(broker.engine), "/topic/a", "1", "2")
    assert broker.contents() == {("id", "/topic/a", "d"): [("2", False, 0)]}


def test_a_queue_of_a_virtual_topic_is_kept_without_messages(broker: Restartable) -> None:
    one = party(broker.engine)
    one.subscribe("/queue/Consumer.A.VirtualTopic.X")
    one.leave()
    broker.restart()
    persistent(party(broker.engine), "/topic/VirtualTopic.X", "1")
    broker.restart()
    assert broker.contents() == {"/queue/Consumer.A.VirtualTopic.X": [("1", False, 0)]}


def test_a_queue_of_a_virtual_topic_is_forgotten_by_a_dialect_without_them(tmp_path: Path) -> None:
    broker = Restartable(tmp_path / "store.db")
    party(broker.engine).subscribe("/queue/Consumer.A.VirtualTopic.X")
    broker.dialect = dialect_by_name("rabbitmq")
    broker.restart()
    assert broker.engine.destinations() == {}
    assert broker.engine.capacity.queues == 0
    broker.file.close()


def test_temporary_queues_are_not_kept(broker: Restartable) -> None:
    party(broker.engine).subscribe("/temp-queue/a", **arguments(x_expires="5000"))
    assert broker.changes == 0


# ---------------------------------------------------------------------------------------------- what is due later


def test_a_scheduled_message_is_delivered_after_a_restart(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "kept", AMQ_SCHEDULED_DELAY="5000", **{"content-length": "4"})
    one.send("/queue/a", "in memory", AMQ_SCHEDULED_DELAY="5000")
    broker.restart()
    assert broker.engine.capacity.messages == 1
    assert broker.engine.deadline == 5.0
    again = party(broker.engine)
    again.subscribe("/queue/a")
    broker.now = 5.0
    broker.engine.run_due()
    (message,) = again.messages()
    assert (message.body, message.headers["redelivered"]) == (b"kept", "false")
    assert broker.engine.capacity.messages == broker.engine.capacity.bytes == 0
    broker.restart()
    assert broker.engine.deadline is None


def test_what_was_due_while_the_broker_was_down_is_delivered_at_its_start(broker: Restartable) -> None:
    persistent(party(broker.engine), "/queue/a", "1", AMQ_SCHEDULED_DELAY="5000")
    broker.persistence.commit()
    broker.now = 60.0
    broker.kill()
    broker.engine.run_due()
    assert broker.contents() == {"/queue/a": [("1", False, 0)]}
    broker.restart()
    broker.engine.run_due()
    assert broker.contents() == {"/queue/a": [("1", False, 0)]}


def test_repetitions_are_counted_over_restarts(broker: Restartable) -> None:
    persistent(party(broker.engine), "/queue/a", "x", AMQ_SCHEDULED_PERIOD="1000", AMQ_SCHEDULED_REPEAT="3")
    for seconds in range(1, 10):
        broker.now = float(seconds)
        broker.engine.run_due()
        broker.restart()
    assert broker.engine.depth("/queue/a") == 4
    assert broker.engine.deadline is None


def test_a_delivery_that_was_not_committed_happens_again(broker: Restartable) -> None:
    persistent(party(broker.engine), "/queue/a", "x", AMQ_SCHEDULED_DELAY="1000")
    broker.persistence.commit()
    broker.now = 1.0
    broker.engine.run_due()
    broker.kill()
    broker.engine.run_due()
    assert broker.engine.depth("/queue/a") == 1


def test_a_cron_entry_is_kept(broker: Restartable) -> None:
    persistent(party(broker.engine), "/queue/a", "x", AMQ_SCHEDULED_CRON="*/5 * * * *")
    for expected in (1, 2):
        broker.restart()
        assert broker.engine.deadline is not None
        assert broker.engine.deadline % 300 == 0
        broker.now = broker.engine.deadline
        broker.engine.run_due()
        assert broker.engine.depth("/queue/a") == expected


# ---------------------------------------------------------------------------------------------- of messages


def test_a_duplicate_is_dropped_after_a_restart(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "1", _AMQ_DUPL_ID="1")
    one.send("/queue/a", "2", _AMQ_DUPL_ID="2")  # not persistent: it is lost, and has to be accepted again
    broker.restart()
    again = party(broker.engine)
    persistent(again, "/queue/a", "1", _AMQ_DUPL_ID="1", receipt="1")
    persistent(again, "/queue/a", "2", _AMQ_DUPL_ID="2", receipt="2")
    assert receipts(again.frames()) == ["1", "2"]
    assert broker.contents() == {"/queue/a": [("1", False, 0), ("2", False, 0)]}


def test_message_groups_are_kept(broker: Restartable) -> None:
    persistent(party(broker.engine), "/queue/a", "1", "2", "3", JMSXGroupID="g")
    broker.restart()
    one, two = party(broker.engine), party(broker.engine)
    one.subscribe("/queue/a", ack="client", prefetch_count="1")
    two.subscribe("/queue/a", ack="client", prefetch_count="1")
    assert (one.bodies(), two.bodies()) == (["1"], [])


def test_deliveries_are_counted_over_restarts(tmp_path: Path) -> None:
    broker = Restartable(tmp_path / "store.db", dialect="artemis")
    persistent(party(broker.engine), "/queue/a", "x")
    for _ in range(10):
        one = party(broker.engine)
        one.subscribe("/queue/a", ack="client")
        one.leave()
        broker.restart()
    assert broker.engine.destinations() == {"/queue/DLQ": 1}
    broker.file.close()


def test_a_message_without_content_length_gets_none_after_a_restart(tmp_path: Path) -> None:
    broker = Restartable(tmp_path / "store.db", dialect="activemq")
    frame = Frame("SEND", Headers({"destination": "/queue/a", "persistent": "true"}), b"text")
    broker.engine.handle(party(broker.engine).client, frame)
    broker.restart()
    one = party(broker.engine)
    one.subscribe("/queue/a")
    assert "content-length" not in one.messages()[0].headers
    broker.file.close()


def test_a_dead_letter_does_not_go_round_over_restarts(broker: Restartable) -> None:
    """Two queues are the dead-letter queue of each other."""
    one = party(broker.engine)
    for name, other in (("a", "b"), ("b", "a")):
        one.subscribe(
            f"/queue/{name}",
            name,
            **arguments(x_message_ttl="1000", x_dead_letter_exchange="", x_dead_letter_routing_key=other),
        )
        one.unsubscribe(name)
    persistent(one, "/queue/a", "x")
    for seconds in range(1, 6):
        broker.now = float(seconds)
        broker.engine.run_due()
        broker.restart()
    assert broker.engine.depth("/queue/a") == broker.engine.depth("/queue/b") == 0


def test_a_stored_subscription_beyond_the_limits_is_a_clear_error(broker: Restartable) -> None:
    durable(party(broker.engine), selector="a = 'b' AND c = 'd'")
    broker.persistence.commit()
    broker.policy = Policy(max_selector=5)
    with pytest.raises(UsageError, match="durable subscription to '/topic/a' that exceeds the limits"):
        broker.kill()


def test_changes_are_kept_while_the_disk_is_full_and_written_later(broker: Restartable) -> None:
    one = party(broker.engine)
    persistent(one, "/queue/a", "before")
    broker.persistence.commit()
    pages = broker.file._db.execute("PRAGMA page_count").fetchone()[0]
    broker.file._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    persistent(one, "/queue/a", "x" * 100_000)
    with pytest.raises(StoreFailed, match="cannot be written"):
        broker.persistence.commit()
    broker.file._db.execute("PRAGMA max_page_count = 100000")
    with pytest.raises(StoreFailed):  # not every commit of a full disk writes all changes again
        broker.persistence.commit()
    persistent(one, "/queue/a", "after")
    broker.now += 2
    broker.persistence.commit()
    assert not broker.persistence.has_changes
    broker.kill()
    assert [body for body, _, _ in broker.contents()["/queue/a"]] == ["before", "x" * 100_000, "after"]


class StoreMachine(RuleBasedStateMachine):
    """Whatever clients do: a restart gives the state of the last commit, and nothing else."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.broker = Restartable(Path(self.folder.name) / "store.db")
        self.count = 0
        self.committed: Contents = {}
        self.connect()

    def connect(self) -> None:
        self.clients = [party(self.broker.engine) for _ in range(2)]
        self.held: list[list[Frame]] = [[], []]
        self.transactions: list[bool] = [False, False]

    def collect(self) -> None:
        for client, held in zip(self.clients, self.held, strict=True):
            held += [frame for frame in client.messages() if "ack" in frame.headers]

    @rule(
        who=st.integers(0, 1),
        destination=st.sampled_from(["/queue/a", "/queue/b", "/topic/a", "/temp-queue/a"]),
        kept=st.booleans(),
        expiration=st.sampled_from([None, "1000", "10000"]),
        transacted=st.booleans(),
    )
    def send(self, who: int, destination: str, kept: bool, expiration: str | None, transacted: bool) -> None:
        self.count += 1
        headers = {"persistent": "true"} if kept else {}
        if expiration is not None:
            headers["expiration"] = expiration
        tx = "t" if transacted and self.transactions[who] else None
        self.clients[who].send(destination, str(self.count), tx=tx, **headers)
        self.collect()

    @rule(
        who=st.integers(0, 1),
        destination=st.sampled_from(["/queue/a", "/queue/DLQ", "/topic/a", "/topic/*"]),
        ack=st.sampled_from(["auto", "client", "client-individual"]),
        lasting=st.booleans(),
        window=st.sampled_from(["1", "3"]),
    )
    def subscribe(self, who: int, destination: str, ack: str, lasting: bool, window: str) -> None:
        if destination in self.clients[who].client.consumers:
            return
        headers = {"durable": "true"} if lasting and destination.startswith("/topic/") else {}
        self.clients[who].subscribe(destination, destination, ack=ack, prefetch_count=window, **headers)
        self.collect()

    @rule(who=st.integers(0, 1), which=st.integers(0, 3), ends=st.booleans())
    def unsubscribe(self, who: int, which: int, ends: bool) -> None:
        keys = list(self.clients[who].client.consumers)
        if which < len(keys):
            self.clients[who].unsubscribe(keys[which], **({"durable": "true"} if ends else {}))
            self.collect()

    @rule(
        who=st.integers(0, 1),
        which=st.integers(0, 5),
        negative=st.booleans(),
        requeue=st.booleans(),
        transacted=st.booleans(),
    )
    def settle(self, who: int, which: int, negative: bool, requeue: bool, transacted: bool) -> None:
        client = self.clients[who]
        waiting = [each for each in self.held[who] if each.headers["ack"] in client.client.awaiting]
        if which >= len(waiting):
            return
        tx = "t" if transacted and self.transactions[who] else None
        client.ack(waiting[which], negative=negative, tx=tx, **({} if requeue else {"requeue": "false"}))
        self.collect()

    @rule(who=st.integers(0, 1), commit=st.booleans())
    def transact(self, who: int, commit: bool) -> None:
        command = "BEGIN" if not self.transactions[who] else "COMMIT" if commit else "ABORT"
        self.clients[who].do(command, "t")
        self.transactions[who] = not self.transactions[who]
        self.collect()

    @rule(who=st.integers(0, 1))
    def reconnect(self, who: int) -> None:
        self.clients[who].leave()
        self.clients[who] = party(self.broker.engine)
        self.held[who] = []
        self.transactions[who] = False
        self.collect()

    @rule(destination=st.sampled_from(["/queue/a", "/topic/a"]))
    def purge(self, destination: str) -> None:
        self.broker.engine.purge(destination)

    @rule(seconds=st.sampled_from([0.5, 5.0]))
    def wait(self, seconds: float) -> None:
        self.broker.now += seconds
        self.broker.engine.destinations()

    @rule()
    def commit(self) -> None:
        self.broker.engine.destinations()  # drops the expired messages
        self.committed = self.broker.contents()
        self.broker.persistence.commit()

    @rule(committed=st.booleans())
    def restart(self, committed: bool) -> None:
        if committed:
            self.commit()
        now, self.broker.now = self.broker.now, 0.0  # without expiry, to compare all
        self.broker.kill()
        assert self.broker.contents() == self.committed
        self.broker.now = now
        self.broker.engine.destinations()
        self.connect()

    @invariant()
    def unwritten_changes_are_announced(self) -> None:
        if hasattr(self, "broker") and self.broker.contents() != self.committed:
            assert self.broker.persistence.has_changes

    def teardown(self) -> None:
        if hasattr(self, "broker"):
            self.broker.file.close()
            self.folder.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
