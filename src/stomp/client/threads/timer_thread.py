"""The timer thread: one thread for the timers of all connections of a process.

The timer thread sends heart-beats, detects heart-beat timeouts and overdue receipts, and writes what senders left in
the buffers, while the receiving threads wait for the network or run a handler.

Rules of this file:

- The timer thread runs no user code and never blocks on a socket, so no connection can delay the timers of another.
- When the threads of a program are replaced by green ones, as gevent and eventlet do, connections made from then on
  get another timer thread: a lock of one kind does not block threads of the other.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from typing import Protocol

from stomp.client.logging import connections as log
from stomp.client.threads.open_links import LINKS


def kind_of_threads() -> type:
    """The lock type of `threading`. It changes when a program replaces its threads, as gevent and eventlet do."""
    return type(threading.Lock())


class Timed(Protocol):
    """An object with timers, which the timer thread calls.

    Attributes:
        removed: the timer thread calls it no more; to be set before `TimerThread.remove`.
    """

    removed: bool

    def on_timer(self) -> float | None:
        """Do what is due. Returns the seconds until the next call, or None."""
        ...


#: Seconds that the thread stays without work: programs reconnect. Not longer, because a program may replace its
#: threads by green ones after its connections have ended.
STAYS = 0.02
#: Longest wait of the timer thread, in seconds: no wait is without a timeout. A timer that is further away than this
#: does not wake the thread, which would cost more than the wait that ends anyway: the deadlines of connecting and
#: disconnecting, for example.
_LONGEST_WAIT = 5.0
#: How many outdated entries the heap may hold before they are removed.
_MAX_OUTDATED = 64


class TimerThread:
    """The timer thread: see the module. It ends `STAYS` seconds after the last object was removed."""

    def __init__(self) -> None:
        # Not the default RLock: eventlet replaces the RLocks that it finds, even while a thread holds one.
        self._changed = threading.Condition(threading.Lock())
        #: Each object, with the time of its next call; None while it is called.
        self._next_calls: dict[Timed, float | None] = {}
        # A heap, earliest first. An entry whose time differs from the one in `_next_calls` is outdated and skipped.
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0
        self._idle_since = 0.0

    def remove(self, timed: Timed) -> None:
        """Remove an object. A call of its `on_timer` that has begun may still be running."""
        with self._changed:
            if self._next_calls.pop(timed, _MISSING) is not _MISSING and not self._next_calls:
                self._heap.clear()
                self._idle_since = time.monotonic()
                if self._wakes_at > self._idle_since + STAYS:
                    self._changed.notify()

    def call_within(self, timed: Timed, seconds: float) -> None:
        """Call `timed.on_timer` within this many seconds. Of several requests the earliest counts.

        The object stays registered until `remove`.
        """
        when = time.monotonic() + seconds
        with self._changed:
            if self._schedule(timed, when):
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="stomp-timer", daemon=True)
                    self._thread.start()
                if when < self._wakes_at:
                    self._changed.notify()

    def _schedule(self, timed: Timed, when: float) -> bool:
        """Schedule a call; False if one that is early enough is scheduled. The caller holds the lock."""
        scheduled = self._next_calls.get(timed)
        if timed.removed or (scheduled is not None and scheduled <= when):
            return False
        self._next_calls[timed] = when
        if len(self._heap) > 2 * len(self._next_calls) + _MAX_OUTDATED:
            self._remove_outdated()
        heapq.heappush(self._heap, (when, next(self._order), timed))
        return True

    def _remove_outdated(self) -> None:
        """Remove the outdated entries from the heap. The caller holds the lock."""
        self._heap = [entry for entry in self._heap if self._next_calls.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)

    def _run(self) -> None:
        changed = self._changed
        timed: Timed | None = None
        again: float | None = None
        while (timed := self._next(changed, timed, again)) is not None:
            try:
                again = timed.on_timer()
            except Exception:
                # A bug there must not stop the timers of all other connections.
                log.exception("a timer failed for %r", timed)
                again = None

    def _next(self, changed: threading.Condition, last: Timed | None, again: float | None) -> Timed | None:
        """Wait until an object is due and return it; None when there has been no object for `STAYS` seconds.

        Args:
            changed: the condition that this thread started with; a forked child has another one.
            last: the object that was called last.
            again: in how many seconds to call it again; None for not at all.
        """
        with changed:
            if last is not None and again is not None and self._changed is changed:
                self._schedule(last, time.monotonic() + again)
            # Green threads go on running in a forked child: there the timer thread of the parent ends, see `_reset`.
            while self._changed is changed:
                now = time.monotonic()
                wait = _LONGEST_WAIT
                if not self._next_calls:
                    wait = self._idle_since + STAYS - now
                    if wait <= 0.0:
                        self._thread = None
                        return None
                elif self._heap:
                    when, _, timed = self._heap[0]
                    if when <= now:
                        heapq.heappop(self._heap)
                        if self._next_calls.get(timed) == when:
                            self._next_calls[timed] = None
                            return timed
                        continue
                    wait = min(wait, when - now)
                self._wakes_at = now + wait
                changed.wait(wait)
                if self._changed is changed:
                    self._wakes_at = 0.0
        return None


_MISSING = object()

#: One timer thread for each kind of threads that the program has had: native, and those of gevent or eventlet.
_TIMER_THREADS: dict[type, TimerThread] = {}


def timer_thread() -> TimerThread:
    """The timer thread for a connection that is created now."""
    kind = kind_of_threads()
    found = _TIMER_THREADS.get(kind)
    if found is not None:
        return found
    if LINKS:
        log.warning(
            "the threads of this program were replaced while a connection was open, which may stop working;"
            " patch before you connect, or connect again"
        )
    return _TIMER_THREADS.setdefault(kind, TimerThread())


def _reset() -> None:
    """In a forked child, which has none of the parent's threads, but may have a lock that one of them held."""
    for each in list(_TIMER_THREADS.values()):
        each.__init__()  # type: ignore[misc]  # in place: links of the parent refer to it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
