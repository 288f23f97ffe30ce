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
    changed: tuple[tuple[bool, int, int], ...] = (),
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
    )
    file.write(batch(row(8), kept))
    file.close()
    again = StoreFile(path)
    assert list(again.messages()) == [kept, row(8)]
    again.close()


def test_changes_and_removals_are_written(path: Path) -> None:
    file = StoreFile(path)
    file.write(batch(row(1), row(2), row(3)))
    file.write(batch(changed=((True, 3, 2),), removed=(1,)))
    assert list(file.messages()) == [row(2, redelivered=True, refusals=3), row(3)]
    file.close()


def test_a_durable_subscription_is_written_replaced_and_removed(path: Path) -> None:
    file = StoreFile(path)
    key = ("name", "client", 'quoted "name"')
    first, second = SubscriptionRow(key, "/topic/a", None), SubscriptionRow(key, "/topic/b.*", "a = 'b'")
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
