"""What happens once, for threads to wait for: `threading.Event` at a fraction of what that costs."""

from __future__ import annotations

import contextlib
import threading


class OneShotEvent:
    """Closed when it is made; `set` opens it for good.

    An event is three objects and a dozen calls, which counts where each connection has two of them; this is a lock.
    """

    __slots__ = ("_lock", "_set")

    def __init__(self) -> None:
        self._set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    @property
    def is_set(self) -> bool:
        """True once it is open."""
        return self._set

    def set(self) -> None:
        """Open it; nothing happens when it is open already."""
        if not self._set:
            self._set = True
            with contextlib.suppress(RuntimeError):  # another thread has done the same at the same time
                self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is open: True if it is, False if time is up."""
        if not self._set:
            if not self._lock.acquire(timeout=seconds):
                return False
            # For the next one who waits.
            self._lock.release()
        return True
