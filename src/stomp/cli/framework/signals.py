"""SIGINT and SIGTERM: the first one asks a command to end, the second one ends it.

Rules of this file: a signal handler takes no lock and starts no thread, because it may run in the middle of anything;
it leaves a note (`queue.SimpleQueue` may be filled from a handler), or raises where the command has said that it may.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from stomp.cli.framework.exit_status import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from queue import SimpleQueue
    from types import TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Watches for signals while it is entered. Elsewhere than on the main thread it sees none.

    Args:
        action: called once, on a thread of its own, when a signal has come.

    Attributes:
        asked: a signal has come.
        terminated: the first one was SIGTERM.
    """

    def __init__(self, action: Callable[[], object] | None = None) -> None:
        self.asked: bool = False
        self.terminated: bool = False
        self._action = action
        self._open = False
        self._shielded = False
        self._again = False
        self._before: dict[int, Any] = {}
        self._notes: SimpleQueue[bool] | None = None
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        if self._action is not None:
            # Imported here: the commands that only send have nobody who waits for notes.
            from queue import SimpleQueue

            self._notes = SimpleQueue()
            self._watcher = threading.Thread(target=self._watch, name="stomp-stop", daemon=True)
            self._watcher.start()
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._notes is not None:
            self._notes.put(False)
        # If the action is under way, its end is the end of the command.
        if self._watcher is not None and kind is None:
            self._watcher.join()

    def _handle(self, number: int, frame: object) -> None:
        self._again, self.asked = self.asked, True
        if not self._again:
            self.terminated = number == signal.SIGTERM
        if self._notes is not None:
            self._notes.put(True)
        if (self._again or self._open) and not self._shielded:
            raise Interrupted

    def _watch(self) -> None:
        if self._notes is not None and self._notes.get() and self._action is not None:
            self._action()

    @contextlib.contextmanager
    def interruptible(self) -> Generator[None, None, None]:
        """What is done in here may be broken off in the middle.

        Raises:
            Interrupted: a signal comes, or has come before.
        """
        self._open = True
        try:
            if self.asked:
                raise Interrupted
            yield
        finally:
            self._open = False

    @contextlib.contextmanager
    def shielded(self) -> Generator[None, None, None]:
        """What is done in here is not broken off, not even by the second signal. It must be short.

        Raises:
            Interrupted: at the end: the second signal has come.
        """
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._again:
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds, or until a signal comes."""
        with contextlib.suppress(Interrupted), self.interruptible():
            time.sleep(max(0.0, seconds))


class RateLimiter:
    """So many times a second.

    Args:
        rate: per second; None for as fast as it goes.
        stop: ends the waits.
    """

    def __init__(self, rate: float | None, stop: StopSignal) -> None:
        self._rate = rate
        self._stop = stop
        self._began = 0.0
        self._count = 0

    def wait(self) -> None:
        """Wait until it is time for the next one. One that is late is not waited for."""
        if self._rate is None:
            return
        now = time.monotonic()
        if not self._count:
            self._began = now
        due = self._began + self._count / self._rate
        self._count += 1
        if due > now:
            self._stop.sleep(due - now)
