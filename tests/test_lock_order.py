"""The locks of the package: the table in the documentation is complete, and the monitor finds what it has to find."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from tests.lock_order import LockMonitor, RecordingLock, Row, created, table


def row(name: str, *after: str, user_code: bool = False) -> Row:
    return Row(name, frozenset(after), user_code, signal=False)


@pytest.fixture
def monitor() -> LockMonitor:
    return LockMonitor({each.name: each for each in (row("A"), row("B", "A"), row("C", user_code=True))})


@pytest.fixture
def locks(monitor: LockMonitor) -> Iterator[dict[str, RecordingLock]]:
    yield {name: RecordingLock(threading.Lock(), name, monitor) for name in "ABCX"}
    assert monitor.held == []


def test_table_of_the_documentation_has_all_locks_of_the_source() -> None:
    assert set(table()) == set(created().values())


def test_table_names_only_its_own_locks() -> None:
    rows = table()
    assert {name for each in rows.values() for name in each.after} <= set(rows)


def test_order_of_the_table_has_no_circle() -> None:
    rows = table()
    ordered: set[str] = set()
    while len(ordered) < len(rows):
        ready = {name for name, each in rows.items() if name not in ordered and each.after <= ordered}
        assert ready, f"a circle among {set(rows) - ordered}"
        ordered |= ready


def test_locks_of_the_source_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import threading\nlock = threading.Lock()\n"
        "class A:\n def f(self):\n  self._a = a = threading.Condition(threading.Lock())\n"
        "  b: object = threading.RLock()\n"
        "kind = type(1)\n"
    )
    assert set(created(tmp_path).values()) == {"lock", "A._a", "A.f.b"}


def test_locks_of_a_connection_are_recorded(broker: Broker) -> None:
    conn = stomp.Connection12([(broker.host, broker.port)])
    conn.connect(wait=True)
    link: Any = conn.transport._link
    assert isinstance(link._state, RecordingLock)
    assert link._writer._write_lock.name == "SocketWriter._write_lock"
    conn.disconnect()


def test_allowed_order_is_no_fault(monitor: LockMonitor, locks: dict[str, RecordingLock]) -> None:
    with locks["A"], locks["B"]:
        assert [lock.name for lock in monitor.held] == ["A", "B"]
    assert monitor.faults == []


def test_other_order_is_a_fault(monitor: LockMonitor, locks: dict[str, RecordingLock]) -> None:
    with locks["B"], locks["A"]:
        pass
    assert monitor.faults == ["A is taken while B is held"]


def test_second_lock_of_the_same_name_is_a_fault(monitor: LockMonitor) -> None:
    with RecordingLock(threading.Lock(), "A", monitor), RecordingLock(threading.Lock(), "A", monitor):
        pass
    assert monitor.faults == ["A is taken while A is held"]


def test_reentrant_lock_may_be_taken_again(monitor: LockMonitor) -> None:
    lock = RecordingLock(threading.RLock(), "A", monitor)
    with lock, lock:
        pass
    assert monitor.faults == []
    assert monitor.held == []


def test_lock_that_is_not_in_the_table_is_a_fault(
    monitor: LockMonitor, locks: dict[str, RecordingLock]
) -> None:
    with locks["X"]:
        pass
    assert monitor.faults == ["X is not in the table of locks"]


def test_user_code_under_a_lock_is_a_fault(monitor: LockMonitor, locks: dict[str, RecordingLock]) -> None:
    monitor.user_code("on_message")
    with locks["C"]:
        monitor.user_code("on_message")
    with locks["A"]:
        monitor.user_code("on_message")
    assert monitor.faults == ["on_message is called while A is held"]


def test_waiting_for_a_condition_does_not_hold_its_lock(monitor: LockMonitor) -> None:
    condition = threading.Condition(RecordingLock(threading.RLock(), "A", monitor))  # type: ignore[arg-type]
    with condition:
        condition.wait(0.001)
        assert [lock.name for lock in monitor.held] == ["A"]
        condition.notify()
    assert monitor.held == []
    assert monitor.faults == []
