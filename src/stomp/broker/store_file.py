"""`StoreFile`: the SQLite file with persistent messages and durable subscriptions.

Rules of this file:

- The file is locked from `open` to `close`: only one broker uses it.
- A transaction is on disk when `write` returns: SQLite then calls fsync on its write-ahead log.
- The format has a version, in SQLite's ``user_version``. A newer version than `FORMAT` is refused.
- The number of a message is unique in the file for all time. Each start of a broker has its own range of numbers,
  see `first_number`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from stomp.core.errors import StompError, UsageError

#: The version of the format of the file.
FORMAT = 1
#: SQLite's ``application_id`` of the file: "STMP".
_APPLICATION = 0x53544D50
#: Each start of a broker may use this many numbers: a thousand years of 30,000 messages a second.
_NUMBERS = 10**12

_SCHEMA = """
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    subscription TEXT,
    destination TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    expires REAL,
    redelivered INTEGER NOT NULL,
    refusals INTEGER NOT NULL
);
CREATE TABLE subscriptions (key TEXT PRIMARY KEY, destination TEXT NOT NULL, selector TEXT);
CREATE TABLE broker (name TEXT NOT NULL, starts INTEGER NOT NULL);
"""
_INSERT = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = "UPDATE messages SET redelivered = ?, refusals = ? WHERE number = ?"
_DELETE = "DELETE FROM messages WHERE number = ?"

#: The key of a durable subscription, see `stomp.broker.request_headers.DurableKey`.
Key: TypeAlias = tuple[str, ...]


class StoreFailed(StompError):
    """Writing to the file failed, for example because the disk is full."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message in the file.

    Attributes:
        number: its position in the order in which the broker received messages; also part of its message-id.
        queue: the name of its queue; for a durable subscription the destination of that.
        subscription: the key of its durable subscription; None for a message of a queue.
        destination: the ``destination`` header of its MESSAGE.
        headers: the headers of its sender.
        body: the body.
        expires: expiry time in seconds since 1970, or None.
        redelivered: it was delivered before.
        refusals: number of refusals by NACK.
    """

    number: int
    queue: str
    subscription: Key | None
    destination: str
    headers: Mapping[str, str]
    body: bytes
    expires: float | None
    redelivered: bool
    refusals: int


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A durable subscription in the file: its key, its destination, and the text of its selector or None."""

    key: Key
    name: str
    selector: str | None


@dataclass(frozen=True, slots=True)
class StoreChanges:
    """The changes of one transaction.

    Attributes:
        added: new messages.
        changed: redelivered, refusals and number of messages whose state has changed.
        removed: the numbers of messages to delete.
        subscriptions: durable subscriptions to write, by key; None for one to delete.
    """

    added: Sequence[MessageRow]
    changed: Sequence[tuple[bool, int, int]]
    removed: Sequence[int]
    subscriptions: Mapping[Key, SubscriptionRow | None]


class StoreFile:
    """The file, open and locked. It is made if it does not exist.

    Args:
        path: the path of the file.

    Raises:
        UsageError: another broker uses the file; it is the file of another program, or of a newer version; it cannot
            be opened or written.

    Attributes:
        path: the argument.
        name: the prefix of the message-ids, the same for all starts.
        first_number: no number above this one was used before.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.fspath(path)
        self.name: str = ""
        self.first_number: int = 0
        try:
            # SQLite gives its other files the same permissions: bodies are not for other users of this machine.
            # Not for an existing file: closing any descriptor of a file releases the locks of this process on it.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            # The absolute path: SQLite gives names like ":memory:" another meaning.
            self._db = sqlite3.connect(os.path.abspath(self.path), timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as err:
            reason = err.strerror if isinstance(err, OSError) else str(err)
            raise UsageError(f"cannot open the store {self.path!r}: {reason or err}") from err
        try:
            self._open()
        except sqlite3.Error as err:
            self._db.close()
            raise _open_error(self.path, err) from err
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        db = self._db
        # Before the first access: SQLite then needs no shared memory, and keeps its lock until `close`.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        # FULL: each commit calls fsync. A transaction also survives a loss of power.
        db.execute("PRAGMA synchronous = FULL")
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application, version = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if tables and application != _APPLICATION:
            raise _foreign(self.path)
        if version > FORMAT:
            raise UsageError(
                f"the store {self.path!r} has format {version}, and this version of stompkit reads up to {FORMAT}",
                hint="use a newer stompkit, or name another file",
            )
        db.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            if not tables:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {FORMAT}")
                db.execute("INSERT INTO broker VALUES (?, 0)", (secrets.token_hex(3),))
            self.name, starts = db.execute("SELECT name, starts FROM broker").fetchone()
            db.execute("UPDATE broker SET starts = starts + 1")
        self.first_number = starts * _NUMBERS

    def close(self) -> None:
        """Close the file, and release its lock. A second call does nothing."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    def subscriptions(self) -> Iterator[SubscriptionRow]:
        """All durable subscriptions."""
        for key, name, selector in self._db.execute("SELECT * FROM subscriptions ORDER BY rowid"):
            yield SubscriptionRow(tuple(json.loads(key)), name, selector)

    def messages(self) -> Iterator[MessageRow]:
        """All messages, oldest first."""
        for row in self._db.execute("SELECT * FROM messages ORDER BY number"):
            number, queue, subscription, destination, headers, body, expires, redelivered, refusals = row
            key = None if subscription is None else tuple(json.loads(subscription))
            yield MessageRow(
                number,
                queue,
                key,
                destination,
                json.loads(headers),
                body,
                expires,
                bool(redelivered),
                refusals,
            )

    def write(self, batch: StoreChanges) -> None:
        """Write changes in one transaction; they are on disk when it returns.

        Raises:
            StoreFailed: none of the changes was written.
        """
        db = self._db
        try:
            with self._transaction():
                for key, row in batch.subscriptions.items():
                    text = json.dumps(key)
                    if row is None:
                        db.execute("DELETE FROM subscriptions WHERE key = ?", (text,))
                    else:
                        db.execute(
                            "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?)",
                            (text, row.name, row.selector),
                        )
                db.executemany(
                    _INSERT,
                    [
                        (
                            row.number,
                            row.queue,
                            None if row.subscription is None else json.dumps(row.subscription),
                            row.destination,
                            json.dumps(row.headers),
                            row.body,
                            row.expires,
                            row.redelivered,
                            row.refusals,
                        )
                        for row in batch.added
                    ],
                )
                db.executemany(_UPDATE, batch.changed)
                db.executemany(_DELETE, [(number,) for number in batch.removed])
        except sqlite3.Error as err:
            raise StoreFailed(
                f"the store {self.path!r} cannot be written: {err}",
                hint="is there space on the disk?" if _is_full(err) else "",
            ) from err

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # After some errors SQLite has ended the transaction already.
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise


def _is_full(err: sqlite3.Error) -> bool:
    return _code(err) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _code(err: sqlite3.Error) -> int | None:
    """The primary result code of SQLite; None for an error of Python's module."""
    code: int | None = getattr(err, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _foreign(path: str) -> UsageError:
    return UsageError(
        f"{path!r} is no store of stomp broker", hint="name another file; this one was not changed"
    )


def _open_error(path: str, err: sqlite3.Error) -> UsageError:
    code = _code(err)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UsageError(
            f"the store {path!r} is in use by another broker or program", hint="stop it, or name another file"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return _foreign(path)
    if code == sqlite3.SQLITE_CORRUPT:
        return UsageError(
            f"the store {path!r} is damaged: {err}", hint="restore a copy, or name another file"
        )
    hint = "is there space on the disk?" if _is_full(err) else "can this user write the file and its folder?"
    return UsageError(f"cannot open the store {path!r}: {err}", hint=hint)
