"""`OneShotEvent`: an event that is set once and that threads can wait for; cheaper than `threading.Event`."""

from __future__ import annotations

import contextlib
import threading


class OneShotEvent:
    """An event that is not set at first; `set` sets it for good.

    A `threading.Event` is three objects and a dozen calls, and each connection has two events. This one is a lock.
    """

    __slots__ = ("_lock", "_set")

    def __init__(self) -> None:
        self._set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    @property
    def is_set(self) -> bool:
        """True once the event is set."""
        return self._set

    def set(self) -> None:
        """Set the event; nothing happens if it is set already."""
        if not self._set:
            self._set = True
            with contextlib.suppress(RuntimeError):  # another thread has done the same at the same time
                self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait until the event is set. True if it is, False after the timeout."""
        if not self._set:
            if not self._lock.acquire(timeout=seconds):
                return False
            # For the next thread that waits.
            self._lock.release()
        return True
