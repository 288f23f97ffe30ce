"""The SQLite file of the broker: rows, locks, versions and errors."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stomp.broker.store_file import (
    FORMAT,
    Key,
    MessageRow,
    MessageState,
    ScheduledRow,
    StoreChanges,
    StoreFailed,
    StoreFile,
    SubscriptionRow,
)
from stomp.core.errors import UsageError


def row(number: int, body: bytes = b"hi", **changes: object) -> MessageRow:
    values: dict[str, object] = {
        "number": number,
        "queue": "/queue/ä",
        "subscription": None,
        "destination": "/queue/ä",
        "headers": {"persistent": "true", "k": "line\nfeed"},
        "body": body,
        "expires": None,
        "redelivered": False,
        "refusals": 0,
    }
    return MessageRow(**{**values, **changes})  # type: ignore[arg-type]


def batch(
    *added: MessageRow,
    changed: tuple[MessageState, ...] = (),
    removed: tuple[int, ...] = (),
    subscriptions: Mapping[Key, SubscriptionRow | None] | None = None,
) -> StoreChanges:
    return StoreChanges(added, changed, removed, subscriptions or {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_a_message_is_read_as_it_was_written(path: Path) -> None:
    file = StoreFile(path)
    kept = row(
        7,
        b"\0\xff",
        subscription=("name", "c", "s"),
        expires=12.5,
        redelivered=True,
        refusals=2,
        queue="/topic/a",
        deliveries=3,
        has_length=False,
        deaths=frozenset([("/queue/x", "expired"), ("/queue/y", "rejected")]),
    )
    file.write(batch(row(8), kept))
    file.close()
    again = StoreFile(path)
    assert list(again.messages()) == [kept, row(8)]
    again.close()


def test_changes_and_removals_are_written(path: Path) -> None:
    file = StoreFile(path)
    file.write(batch(row(1), row(2), row(3)))
    file.write(batch(changed=(MessageState(2, redelivered=True, refusals=3, deliveries=4),), removed=(1,)))
    assert list(file.messages()) == [row(2, redelivered=True, refusals=3, deliveries=4), row(3)]
    file.close()


def test_a_durable_subscription_is_written_replaced_and_removed(path: Path) -> None:
    file = StoreFile(path)
    key = ("name", "client", 'quoted "name"')
    first = SubscriptionRow(key, "/topic/a", None)
    second = SubscriptionRow(key, "/topic/b.*", "a = 'b'", '{"ttl": 1.5}')
    other = SubscriptionRow(("id", "/topic/c", "1"), "/topic/c", "")
    file.write(batch(subscriptions={key: first, other.key: other}))
    file.write(batch(subscriptions={key: second}))
    assert list(file.subscriptions()) == [other, second]
    file.write(batch(subscriptions={key: None}))
    assert list(file.subscriptions()) == [other]
    file.close()


def test_each_start_has_numbers_above_all_before_and_the_same_name(path: Path) -> None:
    seen = []
    for _ in range(3):
        file = StoreFile(path)
        seen.append((file.name, file.first_number))
        file.close()
    assert [number for _, number in seen] == [0, 10**12, 2 * 10**12]
    assert len({name for name, _ in seen}) == 1
    assert seen[0][0]


def test_two_new_files_have_different_names(tmp_path: Path) -> None:
    files = [StoreFile(tmp_path / name) for name in ("a", "b")]
    assert files[0].name != files[1].name
    for file in files:
        file.close()


def test_other_users_cannot_read_the_file(path: Path) -> None:
    file = StoreFile(path)
    file.write(batch(row(1)))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert len(modes) > 1
    file.close()


def test_a_second_broker_is_refused_in_this_process_and_in_another(path: Path) -> None:
    first = StoreFile(path)
    for _ in range(2):  # the failed attempt releases no lock of the first one
        with pytest.raises(UsageError, match="in use by another broker"):
            StoreFile(path)
        program = f"from stomp.broker.store_file import StoreFile; StoreFile({str(path)!r})"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert "in use by another broker" in done.stderr
    first.close()
    StoreFile(path).close()


def test_a_file_that_another_program_has_locked_is_refused(path: Path) -> None:
    StoreFile(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UsageError, match="in use by another broker or program"):
        StoreFile(path)
    other.close()


def test_a_file_that_is_no_database_is_refused_and_unchanged(path: Path) -> None:
    text = b"important notes\n" * 100
    path.write_bytes(text)
    with pytest.raises(UsageError, match="is no store of stomp broker"):
        StoreFile(path)
    assert path.read_bytes() == text


def test_the_database_of_another_program_is_refused_and_unchanged(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE photos (name TEXT)")
    other.commit()
    other.close()
    data = path.read_bytes()
    with pytest.raises(UsageError, match="is no store of stomp broker"):
        StoreFile(path)
    assert path.read_bytes() == data


def test_a_declared_queue_is_written_replaced_and_removed(path: Path) -> None:
    file = StoreFile(path)
    file.write(StoreChanges(queues={"/queue/a": '{"ttl": 1}', "/queue/b": None}))
    file.write(StoreChanges(queues={"/queue/a": '{"ttl": 2}'}, removed_queues=["/queue/a", "/queue/b"]))
    assert list(file.queues()) == [("/queue/a", '{"ttl": 2}')]
    file.write(StoreChanges(removed_queues=["/queue/a"]))
    assert list(file.queues()) == []
    file.close()


def test_a_scheduled_message_is_written_replaced_and_removed(path: Path) -> None:
    def scheduled(due: float, done: int) -> ScheduledRow:
        headers = {"persistent": "true"}
        return ScheduledRow(7, "/queue/a", headers, b"\0x", 99.5, False, "[1.0, 0.5, 3, null]", due, done)

    file = StoreFile(path)
    file.write(StoreChanges(scheduled={7: scheduled(10.0, 0)}))
    file.write(StoreChanges(scheduled={7: scheduled(10.5, 1)}))
    assert list(file.scheduled()) == [scheduled(10.5, 1)]
    file.write(StoreChanges(scheduled={7: None}))
    assert list(file.scheduled()) == []
    file.close()


def test_the_last_ids_of_messages_are_kept(path: Path) -> None:
    file = StoreFile(path)
    for first in range(0, 12, 4):
        ids = [b"%d" % number for number in range(first, first + 4)]
        file.write(StoreChanges(duplicate_ids=ids, max_duplicate_ids=5))
    assert list(file.duplicate_ids()) == [b"7", b"8", b"9", b"10", b"11"]
    file.close()


#: A file as stompkit 1 has made it.
FORMAT_1 = """
PRAGMA application_id = 1398033744;
PRAGMA user_version = 1;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY, queue TEXT NOT NULL, subscription TEXT, destination TEXT NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL, expires REAL, redelivered INTEGER NOT NULL, refusals INTEGER NOT NULL
);
CREATE TABLE subscriptions (key TEXT PRIMARY KEY, destination TEXT NOT NULL, selector TEXT);
CREATE TABLE broker (name TEXT NOT NULL, starts INTEGER NOT NULL);
INSERT INTO messages VALUES (5, '/queue/a', NULL, '/queue/a', '{"persistent": "true"}', x'6869', 7.5, 1, 2);
INSERT INTO subscriptions VALUES ('["name", "c", "s"]', '/topic/a', 'x = 1');
INSERT INTO broker VALUES ('abcdef', 3);
"""


def test_a_file_of_format_1_is_converted(path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(FORMAT_1)
    old.close()
    for number in (3, 4):
        file = StoreFile(path)
        assert (file.name, file.first_number) == ("abcdef", number * 10**12)
        (message,) = file.messages()
        assert message == MessageRow(
            5, "/queue/a", None, "/queue/a", {"persistent": "true"}, b"hi", 7.5, True, 2, 0, True, frozenset()
        )
        assert list(file.subscriptions()) == [SubscriptionRow(("name", "c", "s"), "/topic/a", "x = 1", None)]
        assert [*file.queues(), *file.scheduled(), *file.duplicate_ids()] == []
        file.write(batch(row(6)))
        file.write(batch(removed=(6,)))
        assert file._db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        file.close()


def test_a_file_is_not_converted_in_part(path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(FORMAT_1)
    old.execute("CREATE TABLE scheduled (mine TEXT)")  # the conversion fails at this name
    old.commit()
    old.close()
    with pytest.raises(UsageError, match="cannot open the store"):
        StoreFile(path)
    again = sqlite3.connect(path)
    assert again.execute("PRAGMA user_version").fetchone() == (1,)
    columns = [name for _, name, *_ in again.execute("PRAGMA table_info(messages)")]
    assert columns[-1] == "refusals"
    again.close()


def test_a_newer_format_is_refused(path: Path) -> None:
    StoreFile(path).close()
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {FORMAT + 1}")
    other.close()
    with pytest.raises(UsageError, match=f"has format {FORMAT + 1}, and this version"):
        StoreFile(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    file = StoreFile(path)
    file.write(batch(*(row(number) for number in range(1, 200))))
    file.close()
    data = bytearray(path.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    path.write_bytes(data)
    with pytest.raises(UsageError, match="damaged"):
        StoreFile(path)


def test_a_path_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot open the store .*No such file or directory"):
        StoreFile(tmp_path / "missing" / "store.db")
    with pytest.raises(UsageError, match="cannot open the store"):
        StoreFile(tmp_path)


def test_a_name_with_a_meaning_in_sqlite_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = StoreFile(":memory:")
    file.write(batch(row(1)))
    file.close()
    again = StoreFile(":memory:")
    assert len(list(again.messages())) == 1
    again.close()


def test_a_full_disk_is_reported_and_nothing_of_the_batch_is_written(path: Path) -> None:
    file = StoreFile(path)
    file.write(batch(row(1)))
    # SQLite reports a file that has its maximum size as a full disk.
    pages = file._db.execute("PRAGMA page_count").fetchone()[0]
    file._db.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(StoreFailed, match=r"cannot be written: .*full \(is there space on the disk\?\)"):
        file.write(batch(row(2), row(3, b"x" * 100_000), removed=(1,)))
    assert list(file.messages()) == [row(1)]
    file._db.execute("PRAGMA max_page_count = 100000")
    file.write(batch(row(2)))
    assert list(file.messages()) == [row(1), row(2)]
    file.close()


def test_close_can_be_called_twice(path: Path) -> None:
    file = StoreFile(path)
    file.close()
    file.close()
