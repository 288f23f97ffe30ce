"""Checks the locks of the package while the tests run, against the table in docs/explanation/architecture.md.

`install` replaces `threading.Lock`, `RLock` and `Condition` by functions that return recording locks to the modules of
the package, and the real ones to all others. A recording lock has the name of the attribute that it was created for,
as in "Link._state". A fault is recorded

- when a thread takes a lock while it holds another one, and the table does not allow that,
- when a lock is not in the table,
- when user code (a listener, a callback, a log handler) is called by a thread that holds a lock, and the table does not
  allow that.
"""

from __future__ import annotations

import ast
import functools
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stomp

SOURCE = Path(stomp.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "explanation" / "architecture.md"
#: Creating one of these makes a lock.
MAKERS = {"Lock", "RLock", "Condition"}


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    name: str
    after: frozenset[str]  #: the locks that a thread may hold when it takes this one
    user_code: bool  #: user code may run while it is held
    signal: bool  #: it is released by another thread, so it has no owner


def table(page: Path = PAGE) -> dict[str, Row]:
    """The rows of the table "Locks" by name."""
    text = page.read_text(encoding="utf-8").partition("\n## Locks\n")[2].partition("\n## ")[0]
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            name = cells[0].strip("`")
            after = frozenset(re.findall(r"`([^`]+)`", cells[2]))
            rows[name] = Row(name, after, cells[3].startswith("yes"), cells[2] == "signal")
    return rows


def created(source: Path = SOURCE) -> dict[tuple[str, int], str]:
    """The places of the source that create a lock, (file, line) -> name."""
    found: dict[tuple[str, int], str] = {}
    for file in sorted(source.rglob("*.py")):
        for line, name in _assigned(ast.parse(file.read_text(encoding="utf-8")), ""):
            found[str(file), line] = name
    return found


def _assigned(node: ast.AST, scope: str) -> Iterator[tuple[int, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _assigned(child, child.name)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _assigned(child, f"{scope}.{child.name}" if scope else child.name)
        elif isinstance(child, ast.Assign | ast.AnnAssign) and child.value is not None:
            target = child.targets[0] if isinstance(child, ast.Assign) else child.target
            attribute = isinstance(target, ast.Attribute)
            name = f"{scope.partition('.')[0] if attribute else scope}.{ast.unparse(target).removeprefix('self.')}"
            for call in ast.walk(child.value):
                if isinstance(call, ast.Call) and _makes_lock(call.func):
                    yield call.lineno, name.lstrip(".")
        else:
            yield from _assigned(child, scope)


def _makes_lock(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in MAKERS
        and isinstance(function.value, ast.Name)
        and function.value.id in {"threading", "asyncio"}
    )


class LockMonitor:
    """Checks the order of recording locks against rows of the table.

    Attributes:
        faults: what was wrong, one line each.
    """

    def __init__(self, rows: dict[str, Row]) -> None:
        self.rows = rows
        self.faults: list[str] = []
        self._local = threading.local()

    @property
    def held(self) -> list[RecordingLock]:
        """The locks that the calling thread holds."""
        locks: list[RecordingLock] = self._local.__dict__.setdefault("locks", [])
        return locks

    def taking(self, lock: RecordingLock) -> None:
        """The calling thread is about to take a lock."""
        row = self.rows.get(lock.name)
        if row is None:
            self._fault(f"{lock.name} is not in the table of locks")
            return
        for other in self.held:
            if other.name not in row.after:
                self._fault(f"{lock.name} is taken while {other.name} is held")

    def user_code(self, what: str) -> None:
        """The calling thread is about to call user code."""
        for lock in self.held:
            row = self.rows.get(lock.name)
            if row is not None and not row.user_code:
                self._fault(f"{what} is called while {lock.name} is held")

    def _fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)


class RecordingLock:
    """A lock of the package, which reports to the monitor who holds it."""

    def __init__(self, lock: Any, name: str, monitor: LockMonitor) -> None:
        self._lock = lock
        self.name = name
        self._monitor = monitor

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        held = self._monitor.held
        if self not in held:
            self._monitor.taking(self)
        acquired: bool = self._lock.acquire(blocking, timeout)
        if acquired:
            held.append(self)
        return acquired

    def release(self) -> None:
        self._lock.release()
        held = self._monitor.held
        if self in held:
            held.remove(self)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def locked(self) -> bool:
        return bool(self._lock.locked())

    # For `threading.Condition`.

    def _is_owned(self) -> bool:
        return self in self._monitor.held

    def _release_save(self) -> int:
        held = self._monitor.held
        count = held.count(self)
        for _ in range(count):
            self.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        for _ in range(count):
            self.acquire()


def install(monitor: LockMonitor) -> None:
    """Record the locks that the package creates from now on."""
    names = created()
    real_lock, real_rlock, real_condition = threading.Lock, threading.RLock, threading.Condition

    def name_of_caller() -> str | None:
        code = sys._getframe(2).f_code
        return names.get((code.co_filename, sys._getframe(2).f_lineno))

    def recorded(lock: Any, name: str | None) -> Any:
        row = monitor.rows.get(name) if name is not None else None
        # A signal has no owner. The other calls are those of the standard library, of tests, and `kind_of_threads`.
        return (
            lock if name is None or (row is not None and row.signal) else RecordingLock(lock, name, monitor)
        )

    class Condition(real_condition):  # type: ignore[valid-type,misc]
        def __init__(self, lock: Any = None) -> None:
            super().__init__(recorded(real_rlock(), name_of_caller()) if lock is None else lock)

    threading.Lock = lambda: recorded(real_lock(), name_of_caller())  # type: ignore[assignment,misc,unused-ignore]
    threading.RLock = lambda: recorded(real_rlock(), name_of_caller())  # type: ignore[assignment,misc,unused-ignore]
    threading.Condition = Condition  # type: ignore[misc]
    _check_user_code(monitor)


def _check_user_code(monitor: LockMonitor) -> None:
    from stomp.classic.base_transport import BaseTransport
    from stomp.classic.dispatch import Registry
    from stomp.client.base import BaseClient

    for owner, name in (
        (Registry, "dispatch"),
        (Registry, "notify"),
        (Registry, "notify_frame"),
        (BaseTransport, "transmit"),
        (BaseClient, "_call"),
        (logging.Logger, "handle"),
    ):
        setattr(owner, name, _checked(getattr(owner, name), f"{owner.__name__}.{name}", monitor))


def _checked(function: Callable[..., Any], what: str, monitor: LockMonitor) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        monitor.user_code(what)
        return function(*args, **kwargs)

    return checked


#: The monitor of the whole test run.
MONITOR = LockMonitor(table())
