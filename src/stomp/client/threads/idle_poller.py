"""The idle poller: one thread that polls the sockets of all idle connections with `epoll`.

Rules of this file: the poller is used where Python has `epoll` and `eventfd` and the program has real threads;
elsewhere each connection keeps its receiving thread. The poller's thread runs no user code.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import sys
import threading
import time
from typing import Protocol

from stomp.client.thread_cache import STAYS, kind_of_threads

#: Longest wait of the thread, in seconds: no wait is without a timeout.
_LONGEST = 60.0


class Watched(Protocol):
    """An object with a socket that `Watch` polls."""

    def glance(self) -> None:
        """The socket is readable, or at EOF.

        Called on the poller's thread, repeatedly until everything is read or `Watch.forget` was called. It must not
        block, raise, or run user code.
        """
        ...


class Watch:
    """The idle poller: see the module. Its thread ends `STAYS` seconds after the last socket was removed."""

    def __init__(self) -> None:
        self._changed = threading.Lock()
        self._watched: dict[int, Watched] = {}
        self._poller: select.epoll | None = None  # while there is a thread
        self._bell = -1  # an eventfd that ends the poll of the thread
        self._wakes_at = 0.0
        self._idle_since = 0.0

    def add(self, fd: int, watched: Watched) -> None:
        """Call `watched.glance` from now on when the socket with this descriptor is readable.

        Raises:
            OSError: the descriptor is closed, or no descriptor is left for the poller.
        """
        with self._changed:
            poller = self._poller or self._open()
            poller.register(fd, select.EPOLLIN)
            self._watched[fd] = watched

    def forget(self, fd: int) -> None:
        """Stop polling this socket. Call it before the socket is closed. One more `glance` may be running."""
        with self._changed:
            if self._watched.pop(fd, None) is None or self._poller is None:
                return
            with contextlib.suppress(OSError):  # the descriptor was closed elsewhere
                self._poller.unregister(fd)
            if not self._watched:
                self._idle_since = time.monotonic()
                if self._wakes_at > self._idle_since + STAYS:
                    os.eventfd_write(self._bell, 1)

    def _open(self) -> select.epoll:
        """Create the epoll object and start the thread. The caller holds the lock."""
        poller = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        poller.register(self._bell, select.EPOLLIN)
        threading.Thread(target=self._run, args=(poller,), name="stomp-watch", daemon=True).start()
        self._poller = poller
        self._idle_since = time.monotonic()
        return poller

    def _run(self, poller: select.epoll) -> None:
        while (seconds := self._patience(poller)) is not None:
            for fd, _ in poller.poll(seconds):
                watched = self._watched.get(fd)
                if watched is not None:
                    watched.glance()
                elif fd == self._bell:
                    os.eventfd_read(fd)

    def _patience(self, poller: select.epoll) -> float | None:
        """Seconds to poll now; None if there has been no socket for `STAYS` seconds: the thread ends."""
        with self._changed:
            now = time.monotonic()
            wait = _LONGEST
            if not self._watched:
                wait = self._idle_since + STAYS - now
                if wait <= 0.0:
                    self._poller = None
                    self._close(poller)
                    return None
            self._wakes_at = now + wait
            return wait

    def _close(self, poller: select.epoll) -> None:
        poller.close()
        os.close(self._bell)

    def reset(self) -> None:
        """In a forked child, which does not have the thread: no socket is polled. The parent's poller goes on."""
        poller = self._poller
        if poller is not None:
            self._close(poller)
        self.__init__()  # type: ignore[misc]  # in place: links of the parent refer to it


#: The idle poller of this process.
WATCH = Watch()


def may_watch() -> bool:
    """True if the idle poller can be used in this program: see the module."""
    # gevent and eventlet remove `epoll` from the module.
    epoll = hasattr(select, "epoll") and hasattr(os, "eventfd")  # PyPy has no eventfd
    return sys.platform == "linux" and epoll and kind_of_threads() is _thread.LockType


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WATCH.reset)
