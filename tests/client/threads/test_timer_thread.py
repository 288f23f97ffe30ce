import threading
from typing import Any

from stomp.client.threads import timer_thread as module
from stomp.client.threads.timer_thread import TimerThread, timer_thread
from tests.listening import PATIENCE, wait_until


class Timed:
    """Counts the calls of `on_timer`, which returns the values of `again`, then None."""

    def __init__(self, *again):
        self.removed = False
        self.again = list(again)
        self.called = threading.Semaphore(0)

    def on_timer(self):
        self.called.release()
        return self.again.pop(0) if self.again else None


def called(timed, times):
    return all(timed.called.acquire(timeout=PATIENCE) for _ in range(times))


def test_timer_is_called_when_requested_and_as_often_as_it_returns_a_delay():
    timer, timed = TimerThread(), Timed(0.0, 0.001)
    timer.call_within(timed, 0.0)
    assert called(timed, 3)
    timer.remove(timed)


def test_earlier_call_is_not_delayed_by_a_later_one():
    timer, late, soon = TimerThread(), Timed(), Timed()
    timer.call_within(late, 3600.0)
    timer.call_within(soon, 0.0)
    assert called(soon, 1)
    assert not late.called.acquire(blocking=False)
    timer.remove(late)
    timer.remove(soon)


def test_of_several_requests_the_earliest_counts_and_there_is_one_call():
    timer, timed, after = TimerThread(), Timed(), Timed()
    for seconds in (3600.0, 0.03, 0.01, 0.02, 7200.0):
        timer.call_within(timed, seconds)
    assert called(timed, 1)
    timer.call_within(after, 0.1)
    assert called(after, 1)
    assert not timed.called.acquire(blocking=False)
    timer.remove(timed)
    timer.remove(after)


def test_outdated_requests_are_removed_from_the_heap():
    timer, timed = TimerThread(), Timed()
    for number in range(10_000):
        timer.call_within(timed, 3600.0 - number * 0.01)
    assert len(timer._heap) < 200
    timer.remove(timed)


def test_removed_object_cannot_be_registered_again():
    timer, timed = TimerThread(), Timed()
    timed.removed = True
    timer.call_within(timed, 0.0)
    assert timer._heap == []
    assert timer._thread is None


def test_thread_ends_with_the_last_object_and_restarts_with_the_next():
    timer, timed = TimerThread(), Timed()
    timer.call_within(timed, 3600.0)
    first = timer._thread
    assert first is not None
    timer.remove(timed)
    wait_until(lambda: not first.is_alive())
    timer.call_within(timed, 0.0)
    assert called(timed, 1)
    timer.remove(timed)


def test_removed_object_is_not_called():
    timer, gone, other = TimerThread(), Timed(), Timed()
    timer.call_within(gone, 0.01)
    timer.remove(gone)
    timer.call_within(other, 0.02)
    assert called(other, 1)
    assert not gone.called.acquire(blocking=False)
    timer.remove(other)


def test_failing_timer_does_not_stop_the_timers_of_other_objects():
    class Broken(Timed):
        def on_timer(self):
            super().on_timer()
            raise RuntimeError("a defect")

    timer, broken, other = TimerThread(), Broken(), Timed()
    timer.call_within(broken, 0.0)
    assert called(broken, 1)
    timer.call_within(other, 0.0)
    assert called(other, 1)
    timer.remove(broken)
    timer.remove(other)


def test_another_kind_of_threads_gets_another_timer_thread(monkeypatch, caplog):
    class GreenLock:
        """As gevent and eventlet put one in place of `threading.Lock`."""

    monkeypatch.setattr(module, "_TIMER_THREADS", {})
    monkeypatch.setattr(module, "LINKS", set())
    native = timer_thread()
    assert timer_thread() is native
    monkeypatch.setattr(module, "kind_of_threads", lambda: GreenLock)
    assert timer_thread() is timer_thread()
    assert timer_thread() is not native
    assert not caplog.records


def test_open_connections_of_the_previous_kind_of_threads_cause_a_warning(monkeypatch, caplog):
    monkeypatch.setattr(module, "_TIMER_THREADS", {})
    monkeypatch.setattr(module, "LINKS", {"an open link"})
    timer_thread()
    timer_thread()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_timer_thread_of_the_parent_that_goes_on_in_a_forked_child_ends():
    """Green threads go on running in a forked child."""
    timer: Any = TimerThread()
    timer.call_within(Timed(), 3600.0)
    of_the_parent, thread = timer._changed, timer._thread
    wait_until(lambda: timer._wakes_at)
    timer.__init__()
    timer._wakes_at = 5.0
    with of_the_parent:
        of_the_parent.notify()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert timer._wakes_at == 5.0
