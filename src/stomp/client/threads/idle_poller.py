"""One thread that waits for what comes on many quiet sockets, so that none of them needs one of its own.

It exists where Python has `epoll` and `eventfd` and the program has real threads; elsewhere each connection keeps its
thread.
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

#: The thread looks up at least this often, in seconds: no wait is without end.
_LONGEST = 60.0


class Watched(Protocol):
    """What has a socket that is watched."""

    def glance(self) -> None:
        """There is something to read, or the end. Called by the thread of the watch, again and again until all is read
        or `Watch.forget` was called. It must not wait, nor raise, nor run code of the user.
        """
        ...


class Watch:
    """See the module. Its thread lives while there is something to watch, and a moment longer."""

    def __init__(self) -> None:
        self._changed = threading.Lock()
        self._watched: dict[int, Watched] = {}
        self._poller: select.epoll | None = None  # while there is a thread
        self._bell = -1  # ends the wait of the thread
        self._wakes_at = 0.0
        self._idle_since = 0.0

    def add(self, fd: int, watched: Watched) -> None:
        """Have `glance` called when something can be read from the socket with this descriptor.

        Raises:
            OSError: it is closed.
        """
        with self._changed:
            poller = self._poller or self._open()
            poller.register(fd, select.EPOLLIN)
            self._watched[fd] = watched

    def forget(self, fd: int) -> None:
        """Watch it no more; to be called before it is closed. One more `glance` may be under way."""
        with self._changed:
            if self._watched.pop(fd, None) is None or self._poller is None:
                return
            with contextlib.suppress(OSError):  # somebody else has closed it
                self._poller.unregister(fd)
            if not self._watched:
                self._idle_since = time.monotonic()
                if self._wakes_at > self._idle_since + STAYS:
                    os.eventfd_write(self._bell, 1)

    def _open(self) -> select.epoll:
        """Begin. The caller has the lock."""
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
        """How long to wait now; None if there has been nothing to watch for a moment."""
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
        """In a forked child, where the thread is not: nothing is watched. The parent's watch goes on."""
        poller = self._poller
        if poller is not None:
            self._close(poller)
        self.__init__()  # type: ignore[misc]  # in place: links that are left over know it


#: The one of this process.
WATCH = Watch()


def may_watch() -> bool:
    """Tells whether sockets of this program can be watched: see the module."""
    # gevent and eventlet take `epoll` away.
    epoll = hasattr(select, "epoll") and hasattr(os, "eventfd")  # PyPy has no eventfd
    return sys.platform == "linux" and epoll and kind_of_threads() is _thread.LockType


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WATCH.reset)
