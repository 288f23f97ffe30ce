"""The running broker with a store: what its frames confirm is on disk."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.broker.server import Server
from stomp.broker.store_file import StoreChanges, StoreFailed, StoreFile
from stomp.core.errors import UsageError
from tests.broker.rawclient import RawClient, eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def on_disk(path: Path, folder: Path) -> list[bytes]:
    """The bodies that a broker would find after a kill at this moment: those in a copy of the files."""
    folder.mkdir(exist_ok=True)
    for each in path.parent.glob(path.name + "*"):
        shutil.copy(each, folder / each.name)
    file = StoreFile(folder / path.name)
    bodies = [row.body for row in file.messages()]
    file.close()
    shutil.rmtree(folder)
    return bodies


def test_each_receipt_confirms_what_is_on_disk(path: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    with Broker(store=path) as broker, RawClient(broker) as client:
        client.connect()
        client.send("SEND", "1", destination="/queue/a", persistent="true", receipt="r1")
        client.expect("RECEIPT", receipt_id="r1")
        assert on_disk(path, copies) == [b"1"]
        client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client", receipt="r2")
        client.expect("RECEIPT", receipt_id="r2")
        message = client.expect("MESSAGE", redelivered="false")
        client.send("BEGIN", transaction="t")
        client.send("SEND", "2", destination="/queue/b", persistent="true", transaction="t")
        client.send("ACK", id=message.headers["ack"], transaction="t", receipt="r3")
        client.expect("RECEIPT", receipt_id="r3")
        assert on_disk(path, copies) == [b"1"]
        client.send("COMMIT", transaction="t", receipt="r4")
        client.expect("RECEIPT", receipt_id="r4")
        assert on_disk(path, copies) == [b"2"]


def test_put_and_purge_are_on_disk(path: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    with Broker(store=path) as broker:
        broker.put("/queue/a", "1", {"persistent": "true"})
        assert on_disk(path, copies) == [b"1"]
        broker.purge("/queue/a")
        assert on_disk(path, copies) == []


def test_a_stopped_broker_continues_with_its_messages(path: Path) -> None:
    with Broker(store=path) as broker, RawClient(broker) as client:
        client.connect()
        client.send("SEND", "1", destination="/queue/a", persistent="true")
        client.send("SEND", "2", destination="/queue/a", persistent="true")
        client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client", prefetch_count=1)
        first = client.expect("MESSAGE", redelivered="false")
    with Broker(store=path) as broker, RawClient(broker) as client:
        assert broker.destinations() == {"/queue/a": 2}
        client.connect()
        client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client")
        again = client.expect("MESSAGE", redelivered="true")
        assert (again.body, again.headers["message-id"]) == (b"1", first.headers["message-id"])
        assert client.expect("MESSAGE", redelivered="false").body == b"2"


def test_the_frames_of_one_turn_are_committed_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    write = StoreFile.write

    def counted(self: StoreFile, batch: StoreChanges) -> None:
        sizes.append(len(batch.added))
        write(self, batch)

    monkeypatch.setattr(StoreFile, "write", counted)
    with Broker(store=path) as broker, RawClient(broker) as client:
        client.connect()
        frame = b"SEND\ndestination:/queue/a\npersistent:true\nreceipt:%d\n\nx\0"
        client.write(b"".join(frame % number for number in range(500)))
        for number in range(500):
            client.expect("RECEIPT", receipt_id=str(number))
    assert sum(sizes) == 500
    assert len(sizes) < 50


def test_a_full_disk_refuses_what_it_cannot_confirm_and_the_broker_continues(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    write = StoreFile.write

    def failing(self: StoreFile, batch: StoreChanges) -> None:
        if full:
            raise StoreFailed("the store cannot be written: the disk is full")
        write(self, batch)

    monkeypatch.setattr(StoreFile, "write", failing)
    with Broker(store=path) as broker, RawClient(broker) as other:
        other.connect()
        other.send("SUBSCRIBE", id="1", destination="/queue/other")
        with RawClient(broker) as client:
            client.connect()
            client.send("SEND", "1", destination="/queue/a", persistent="true", receipt="r")
            error = client.expect("ERROR", receipt_id="r", message="the store cannot be written")
            assert b"the disk is full" in error.body
            client.expect_end()
        with pytest.raises(StoreFailed):
            broker.put("/queue/a", "2", {"persistent": "true"})
        other.send("SEND", "in memory", destination="/queue/other")
        assert other.expect("MESSAGE").body == b"in memory"
        full = False
        assert broker._ask(lambda server: server.commit() is not None)  # it waits before it tries again
        eventually(lambda: broker._ask(lambda server: server.commit() is None))
        other.send("SEND", "3", destination="/queue/a", persistent="true", receipt="r")
        other.expect("RECEIPT", receipt_id="r")
    with Broker(store=path) as broker:
        assert [each.body for each in broker.messages("/queue/a")] == [b"1", b"2", b"3"]


def test_two_brokers_cannot_use_one_file(path: Path) -> None:
    with Broker(store=path), pytest.raises(UsageError, match="in use by another broker"):
        Broker(store=path).start()
    with Broker(store=path) as broker:
        assert broker.destinations() == {}


def test_a_failed_start_releases_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Broker() as first, pytest.raises(OSError, match="cannot listen"):
        Broker(port=first.port, store=path).start()

    def fail(self: Server) -> None:
        raise UsageError("the subscriptions exceed the limits")

    with monkeypatch.context() as patch:
        patch.setattr("stomp.broker.persistence.Persistence.restore", lambda *_: fail(None))  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="exceed"):
            Broker(store=path).start()
    Broker(store=path).start().stop()


def test_the_file_can_be_read_by_sqlite_when_the_broker_has_ended(path: Path) -> None:
    with Broker(store=path) as broker:
        broker.put("/queue/a", "1", {"persistent": "true"})
    assert not path.with_name(path.name + "-wal").exists()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT queue, body FROM messages").fetchall() == [("/queue/a", b"1")]
    db.close()
