"""SIGINT and SIGTERM. The first signal requests a command to stop, the second one interrupts it.

Rules of this file: a signal handler takes no lock and starts no thread, because it can run between any two
instructions. It puts an item into a queue (`queue.SimpleQueue.put` is reentrant), or raises `Interrupted` where the
command allows it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from stomp.cli.framework.exit_status import Interrupted, interruption

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from queue import SimpleQueue
    from types import TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Handles SIGINT and SIGTERM inside a ``with`` statement. On other threads than the main one it does nothing.

    Args:
        action: called once, on a separate thread, after the first signal.

    Attributes:
        requested: True after the first signal.
        terminated: True if the first signal was SIGTERM.
    """

    def __init__(self, action: Callable[[], object] | None = None) -> None:
        self.requested: bool = False
        self.terminated: bool = False
        self._action = action
        self._interruptible = False
        self._shielded = False
        self._second_signal = False
        self._previous_handlers: dict[int, Any] = {}
        self._queue: SimpleQueue[bool] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        if self._action is not None:
            # Imported here, because commands that only send have no action and need no queue.
            from queue import SimpleQueue

            self._queue = SimpleQueue()
            self._thread = threading.Thread(target=self._run_action, name="stomp-stop", daemon=True)
            self._thread.start()
        for number in _SIGNALS:
            self._previous_handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)
        if self._queue is not None:
            self._queue.put(False)
        # Wait for an action that is running: the command must not end before it.
        if self._thread is not None and kind is None:
            self._thread.join()

    def _handle(self, number: int, frame: object) -> None:
        self._second_signal, self.requested = self.requested, True
        if not self._second_signal:
            self.terminated = number == signal.SIGTERM
        if self._queue is not None:
            self._queue.put(True)
        if (self._second_signal or self._interruptible) and not self._shielded:
            raise Interrupted

    def _run_action(self) -> None:
        if self._queue is not None and self._queue.get() and self._action is not None:
            self._action()

    @contextlib.contextmanager
    def interruptible(self) -> Generator[None, None, None]:
        """Let a signal, also the first one, interrupt the body of the ``with`` statement.

        Raises:
            Interrupted: a signal arrives, or has arrived before.
        """
        self._interruptible = True
        try:
            if self.requested:
                raise Interrupted
            yield
        except RuntimeError as error:
            if (interrupted := interruption(error)) is None:
                raise
            raise interrupted from None
        finally:
            self._interruptible = False

    @contextlib.contextmanager
    def shielded(self) -> Generator[None, None, None]:
        """Protect the body of the ``with`` statement from signals, including the second one. It must be short.

        Raises:
            Interrupted: at the end, if the second signal has arrived.
        """
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._second_signal:
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds, or until a signal arrives."""
        with contextlib.suppress(Interrupted), self.interruptible():
            time.sleep(max(0.0, seconds))


class RateLimiter:
    """Limits how often something is done. Call `wait` before each time.

    Args:
        rate: the limit, per second; None for no limit.
        stop: a signal ends a wait early.
    """

    def __init__(self, rate: float | None, stop: StopSignal) -> None:
        self._rate = rate
        self._stop = stop
        self._started_at = 0.0
        self._count = 0

    def wait(self) -> None:
        """Wait until the next one is due; return at once if it is late."""
        if self._rate is None:
            return
        now = time.monotonic()
        if not self._count:
            self._started_at = now
        due = self._started_at + self._count / self._rate
        self._count += 1
        if due > now:
            self._stop.sleep(due - now)
