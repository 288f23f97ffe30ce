"""The first signal asks, the second one ends."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from stomp.cli.framework.exit_status import Interrupted
from stomp.cli.framework.signals import RateLimiter, StopSignal
from tests.cli.oneshot import PATIENCE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_recorded_and_reported(number: int) -> None:
    notified = threading.Event()
    with StopSignal(notified.set) as stop:
        signal.raise_signal(number)
        assert stop.requested
        assert notified.wait(PATIENCE)


def test_second_signal_raises() -> None:
    with pytest.raises(Interrupted), StopSignal():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_previous_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignal():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_interruptible_block_is_interrupted() -> None:
    with StopSignal() as stop:
        with pytest.raises(Interrupted), stop.interruptible():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted), stop.interruptible():
            pytest.fail("not after a signal")


def test_block_is_interrupted_while_a_lock_is_released() -> None:
    """`threading.Condition.wait` releases its lock, and a signal can arrive before it takes it again."""
    lock = threading.Lock()
    with StopSignal() as stop, pytest.raises(Interrupted), stop.interruptible(), lock:
        lock.release()
        signal.raise_signal(signal.SIGTERM)


def test_other_errors_of_locks_are_raised_in_an_interruptible_block() -> None:
    with (
        StopSignal() as stop,
        pytest.raises(RuntimeError, match="release unlocked lock"),
        stop.interruptible(),
    ):
        threading.Lock().release()


def test_shielded_block_is_not_interrupted() -> None:
    done: list[int] = []
    with StopSignal() as stop, pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
        with stop.shielded():
            signal.raise_signal(signal.SIGTERM)
            done.append(1)
        done.append(2)
    assert done == [1]


def test_first_signal_does_not_interrupt_a_shielded_block() -> None:
    with StopSignal() as stop:
        with stop.shielded():
            signal.raise_signal(signal.SIGINT)
        assert stop.requested


def test_signal_ends_a_sleep() -> None:
    with StopSignal() as stop:
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(0.05, signal.pthread_kill, [main, signal.SIGINT]).start()
        stop.sleep(60)
        assert stop.requested
        stop.sleep(60)


def test_other_threads_install_no_handlers() -> None:
    answers: list[bool] = []

    def work() -> None:
        with StopSignal(lambda: None) as stop:
            answers.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(PATIENCE)
    assert answers == [False]


def test_rate_limiter_waits_only_if_early(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [50.0], list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    class Still(StopSignal):
        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            now[0] += seconds

    pace = RateLimiter(2.0, Still())
    pace.wait()
    pace.wait()
    now[0] += 5
    pace.wait()
    assert slept == [0.5]
    RateLimiter(None, Still()).wait()
    assert slept == [0.5]
