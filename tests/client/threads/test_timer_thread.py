import threading
from typing import Any

from stomp.client.threads import timer_thread as module
from stomp.client.threads.timer_thread import TimerThread, keeper
from tests.listening import PATIENCE, wait_until


class Timed:
    """Counts how often it is attended to; `again` are the answers it gives, then None."""

    def __init__(self, *again):
        self.removed = False
        self.again = list(again)
        self.attended = threading.Semaphore(0)

    def attend(self):
        self.attended.release()
        return self.again.pop(0) if self.again else None


def attended(charge, times):
    return all(charge.attended.acquire(timeout=PATIENCE) for _ in range(times))


def test_attends_when_asked_and_as_often_as_the_charge_wants():
    keeper, charge = TimerThread(), Timed(0.0, 0.001)
    keeper.attend_in(charge, 0.0)
    assert attended(charge, 3)
    keeper.remove(charge)


def test_an_earlier_moment_is_not_held_up_by_a_later_one():
    keeper, late, soon = TimerThread(), Timed(), Timed()
    keeper.attend_in(late, 3600.0)
    keeper.attend_in(soon, 0.0)
    assert attended(soon, 1)
    assert not late.attended.acquire(blocking=False)
    keeper.remove(late)
    keeper.remove(soon)


def test_of_several_wishes_the_earliest_counts_and_the_charge_is_visited_once():
    keeper, charge, after = TimerThread(), Timed(), Timed()
    for seconds in (3600.0, 0.03, 0.01, 0.02, 7200.0):
        keeper.attend_in(charge, seconds)
    assert attended(charge, 1)
    keeper.attend_in(after, 0.1)
    assert attended(after, 1)
    assert not charge.attended.acquire(blocking=False)
    keeper.remove(charge)
    keeper.remove(after)


def test_wishes_that_no_longer_count_do_not_pile_up():
    keeper, charge = TimerThread(), Timed()
    for number in range(10_000):
        keeper.attend_in(charge, 3600.0 - number * 0.01)
    assert len(keeper._agenda) < 200
    keeper.remove(charge)


def test_a_charge_that_has_parted_is_not_looked_after_again():
    keeper, charge = TimerThread(), Timed()
    charge.removed = True
    keeper.attend_in(charge, 0.0)
    assert keeper._agenda == []
    assert keeper._thread is None


def test_its_thread_ends_with_the_last_charge_and_comes_back_with_the_next():
    keeper, charge = TimerThread(), Timed()
    keeper.attend_in(charge, 3600.0)
    first = keeper._thread
    assert first is not None
    keeper.remove(charge)
    wait_until(lambda: not first.is_alive())
    keeper.attend_in(charge, 0.0)
    assert attended(charge, 1)
    keeper.remove(charge)


def test_a_removed_charge_is_left_alone():
    keeper, gone, other = TimerThread(), Timed(), Timed()
    keeper.attend_in(gone, 0.01)
    keeper.remove(gone)
    keeper.attend_in(other, 0.02)
    assert attended(other, 1)
    assert not gone.attended.acquire(blocking=False)
    keeper.remove(other)


def test_a_charge_that_fails_does_not_stop_the_clock_of_the_others():
    class Broken(Timed):
        def attend(self):
            super().attend()
            raise RuntimeError("a defect")

    keeper, broken, other = TimerThread(), Broken(), Timed()
    keeper.attend_in(broken, 0.0)
    assert attended(broken, 1)
    keeper.attend_in(other, 0.0)
    assert attended(other, 1)
    keeper.remove(broken)
    keeper.remove(other)


def test_another_kind_of_threads_gets_another_keeper(monkeypatch, caplog):
    class GreenLock:
        """As gevent and eventlet put one in place of `threading.Lock`."""

    monkeypatch.setattr(module, "_KEEPERS", {})
    monkeypatch.setattr(module, "LINKS", set())
    native = keeper()
    assert keeper() is native
    monkeypatch.setattr(module, "kind_of_threads", lambda: GreenLock)
    assert keeper() is keeper()
    assert keeper() is not native
    assert not caplog.records


def test_connections_of_the_kind_before_are_told_of(monkeypatch, caplog):
    monkeypatch.setattr(module, "_KEEPERS", {})
    monkeypatch.setattr(module, "LINKS", {"an open link"})
    keeper()
    keeper()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_keeper_of_a_parent_that_lives_on_in_a_forked_child_leaves_that_of_the_child_alone():
    """As green threads do."""
    keeper: Any = TimerThread()
    keeper.attend_in(Timed(), 3600.0)
    of_the_parent, thread = keeper._changed, keeper._thread
    wait_until(lambda: keeper._wakes_at)
    keeper.__init__()
    keeper._wakes_at = 5.0
    with keeper._changed, of_the_parent:
        of_the_parent.notify()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert keeper._wakes_at == 5.0
