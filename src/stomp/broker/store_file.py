"""`StoreFile`: the SQLite file with persistent messages, durable subscriptions and declared queues.

Rules of this file:

- The file is locked from `open` to `close`: only one broker uses it.
- A transaction is on disk when `write` returns: SQLite then calls fsync on its write-ahead log.
- The format has a version, in SQLite's ``user_version``. A file with an older version is converted when it is opened; a
  newer version than `FORMAT` is refused.
- The number of a message is unique in the file for all time. Each start of a broker has its own range of numbers,
  see `first_number`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from stomp.core.errors import StompError, UsageError

#: The version of the format of the file.
FORMAT = 2
#: SQLite's ``application_id`` of the file: "STMP".
_APPLICATION = 0x53544D50
#: Each start of a broker may use this many numbers: a thousand years of 30,000 messages a second.
_NUMBERS = 10**12

#: The format 1. It is never changed: a new file gets it, and then `_CHANGES`, as an old file does.
_FIRST_FORMAT = """
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
#: What makes each later format out of the one before.
_CHANGES = {
    2: """
ALTER TABLE messages ADD COLUMN deliveries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN has_length INTEGER NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN deaths TEXT NOT NULL DEFAULT '[]';
ALTER TABLE subscriptions ADD COLUMN arguments TEXT;
CREATE TABLE queues (name TEXT PRIMARY KEY, arguments TEXT);
CREATE TABLE scheduled (
    number INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    expires REAL,
    has_length INTEGER NOT NULL,
    schedule TEXT NOT NULL,
    due REAL NOT NULL,
    done INTEGER NOT NULL
);
CREATE TABLE duplicate_ids (number INTEGER PRIMARY KEY, id BLOB NOT NULL);
""",
}
_INSERT_MESSAGE = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE_MESSAGE = "UPDATE messages SET redelivered = ?, refusals = ?, deliveries = ? WHERE number = ?"
_DELETE_MESSAGE = "DELETE FROM messages WHERE number = ?"
_WRITE_SCHEDULED = "INSERT OR REPLACE INTO scheduled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE_SCHEDULED = "DELETE FROM scheduled WHERE number = ?"

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
        deliveries: number of deliveries without an acknowledgement.
        has_length: its SEND had a ``content-length``.
        deaths: the queues that it has left for a dead-letter exchange, each with the reason.
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
    deliveries: int = 0
    has_length: bool = True
    deaths: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class MessageState:
    """What changes of a message while it is in the file, see `MessageRow`."""

    number: int
    redelivered: bool
    refusals: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A durable subscription in the file.

    Attributes:
        key: see `stomp.broker.request_headers.DurableKey`.
        name: the destination.
        selector: the text of its selector, or None.
        arguments: the arguments of its queue as JSON, or None.
    """

    key: Key
    name: str
    selector: str | None
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """A message that is delivered later.

    Attributes:
        number: identifies it in the file.
        destination: where it goes.
        headers: the headers of its sender.
        body: the body.
        expires: expiry time in seconds since 1970, or None.
        has_length: its SEND had a ``content-length``.
        schedule: its schedule as JSON.
        due: the time of its next delivery, in seconds since 1970.
        done: number of deliveries so far.
    """

    number: int
    destination: str
    headers: Mapping[str, str]
    body: bytes
    expires: float | None
    has_length: bool
    schedule: str
    due: float
    done: int


@dataclass(frozen=True, slots=True)
class StoreChanges:
    """The changes of one transaction.

    Attributes:
        added: new messages.
        changed: messages whose state has changed.
        removed: the numbers of messages to delete.
        subscriptions: durable subscriptions to write, by key; None for one to delete.
        queues: the arguments (as JSON, or None) of queues that exist without messages, by name.
        removed_queues: the names of queues to delete.
        scheduled: messages that are delivered later, by number; None for one to delete.
        duplicate_ids: ids of messages, to find duplicates.
        max_duplicate_ids: the number of these ids that are kept.
    """

    added: Sequence[MessageRow] = ()
    changed: Sequence[MessageState] = ()
    removed: Sequence[int] = ()
    subscriptions: Mapping[Key, SubscriptionRow | None] = field(
        default_factory=dict[Key, SubscriptionRow | None]
    )
    queues: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    removed_queues: Collection[str] = ()
    scheduled: Mapping[int, ScheduledRow | None] = field(default_factory=dict[int, ScheduledRow | None])
    duplicate_ids: Sequence[bytes] = ()
    max_duplicate_ids: int = 0


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
                self._run(_FIRST_FORMAT)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute("INSERT INTO broker VALUES (?, 0)", (secrets.token_hex(3),))
            for number, changes in _CHANGES.items():
                if version < number:
                    self._run(changes)
            db.execute(f"PRAGMA user_version = {FORMAT}")
            self.name, starts = db.execute("SELECT name, starts FROM broker").fetchone()
            db.execute("UPDATE broker SET starts = starts + 1")
        self.first_number = starts * _NUMBERS

    def _run(self, statements: str) -> None:
        """Execute statements in the transaction; SQLite's own function for that would commit it."""
        for statement in statements.split(";"):
            self._db.execute(statement)

    def close(self) -> None:
        """Close the file, and release its lock. A second call does nothing."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    # ------------------------------------------------------------------------------------- reading

    def queues(self) -> Iterator[tuple[str, str | None]]:
        """The name and the arguments (JSON, or None) of each queue that exists without messages."""
        yield from self._db.execute("SELECT name, arguments FROM queues ORDER BY rowid")

    def subscriptions(self) -> Iterator[SubscriptionRow]:
        """All durable subscriptions."""
        statement = "SELECT key, destination, selector, arguments FROM subscriptions ORDER BY rowid"
        for key, name, selector, arguments in self._db.execute(statement):
            yield SubscriptionRow(tuple(json.loads(key)), name, selector, arguments)

    def messages(self) -> Iterator[MessageRow]:
        """All messages, oldest first."""
        columns = (
            "queue, subscription, destination, headers, body, expires, redelivered, refusals, deliveries"
        )
        for row in self._db.execute(
            f"SELECT number, has_length, deaths, {columns} FROM messages ORDER BY number"
        ):
            number, has_length, deaths, queue, subscription, destination, headers, body, *rest = row
            expires, redelivered, refusals, deliveries = rest
            yield MessageRow(
                number,
                queue,
                None if subscription is None else tuple(json.loads(subscription)),
                destination,
                json.loads(headers),
                body,
                expires,
                bool(redelivered),
                refusals,
                deliveries,
                bool(has_length),
                frozenset((name, reason) for name, reason in json.loads(deaths)),
            )

    def scheduled(self) -> Iterator[ScheduledRow]:
        """All messages that are delivered later."""
        for row in self._db.execute("SELECT * FROM scheduled ORDER BY number"):
            number, destination, headers, body, expires, has_length, schedule, due, done = row
            yield ScheduledRow(
                number, destination, json.loads(headers), body, expires, bool(has_length), schedule, due, done
            )

    def duplicate_ids(self) -> Iterator[bytes]:
        """The ids of messages that find duplicates, oldest first."""
        for (id,) in self._db.execute("SELECT id FROM duplicate_ids ORDER BY number"):
            yield id

    # ------------------------------------------------------------------------------------- writing

    def write(self, changes: StoreChanges) -> None:
        """Write changes in one transaction; they are on disk when it returns.

        Raises:
            StoreFailed: none of the changes was written.
        """
        try:
            with self._transaction():
                self._write_messages(changes)
                if changes.subscriptions or changes.queues or changes.removed_queues:
                    self._write_queues(changes)
                if changes.scheduled:
                    self._write_scheduled(changes)
                if changes.duplicate_ids:
                    self._write_duplicate_ids(changes)
        except sqlite3.Error as err:
            raise StoreFailed(
                f"the store {self.path!r} cannot be written: {err}",
                hint="is there space on the disk?" if _is_full(err) else "",
            ) from err

    def _write_messages(self, changes: StoreChanges) -> None:
        db = self._db
        rows = [
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
                row.deliveries,
                row.has_length,
                json.dumps(sorted(row.deaths)) if row.deaths else "[]",
            )
            for row in changes.added
        ]
        db.executemany(_INSERT_MESSAGE, rows)
        db.executemany(
            _UPDATE_MESSAGE,
            [(row.redelivered, row.refusals, row.deliveries, row.number) for row in changes.changed],
        )
        db.executemany(_DELETE_MESSAGE, [(number,) for number in changes.removed])

    def _write_queues(self, changes: StoreChanges) -> None:
        db = self._db
        for key, row in changes.subscriptions.items():
            text = json.dumps(key)
            if row is None:
                db.execute("DELETE FROM subscriptions WHERE key = ?", (text,))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?)",
                    (text, row.name, row.selector, row.arguments),
                )
        db.executemany("DELETE FROM queues WHERE name = ?", [(name,) for name in changes.removed_queues])
        db.executemany("INSERT OR REPLACE INTO queues VALUES (?, ?)", changes.queues.items())

    def _write_scheduled(self, changes: StoreChanges) -> None:
        rows = [
            (
                row.number,
                row.destination,
                json.dumps(row.headers),
                row.body,
                row.expires,
                row.has_length,
                row.schedule,
                row.due,
                row.done,
            )
            for row in changes.scheduled.values()
            if row is not None
        ]
        removed = [(number,) for number, row in changes.scheduled.items() if row is None]
        self._db.executemany(_WRITE_SCHEDULED, rows)
        self._db.executemany(_DELETE_SCHEDULED, removed)

    def _write_duplicate_ids(self, changes: StoreChanges) -> None:
        db = self._db
        db.executemany("INSERT INTO duplicate_ids (id) VALUES (?)", [(id,) for id in changes.duplicate_ids])
        db.execute(
            "DELETE FROM duplicate_ids WHERE number <= (SELECT max(number) FROM duplicate_ids) - ?",
            (changes.max_duplicate_ids,),
        )

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
