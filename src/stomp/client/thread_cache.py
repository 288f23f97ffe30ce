"""A cache of daemon threads: starting a thread takes as long as everything else in the life of a connection.

Rules of this file: a thread whose work is done waits `STAYS` seconds for more. A cached thread behaves like a new one:
each work item runs in an empty context, and a thread that was requested through `WorkItem.thread`, perhaps to join it,
gets no more work.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable

#: Seconds that a cached thread without work stays: programs reconnect, and starting a thread costs more than
#: connecting. Not longer, because a program may replace its threads by green ones after its connections have ended.
STAYS = 0.02


class WorkItem:
    """A callable that a cached thread runs once."""

    __slots__ = ("_name", "_run", "_worker", "asked", "over")

    def __init__(self, run: Callable[[], object], name: str, worker: _Worker) -> None:
        self._run: Callable[[], object] | None = run
        self._name = name
        self._worker = worker
        self.asked = False  #: `thread` was read, so the thread is not used again
        self.over = False

    @property
    def thread(self) -> threading.Thread:
        """The thread, which ends after this work. A finished stand-in if the thread has gone on to other work."""
        with _deciding:
            self.asked = True
            return _Ended(name=self._name, daemon=True) if self.over else self._worker.thread

    def work(self) -> bool:
        """Run the callable. True if the thread may be used again."""
        run, self._run = self._run, None
        assert run is not None
        contextvars.Context().run(run)
        with _deciding:
            self.over = not self.asked
        return self.over


class _Ended(threading.Thread):
    """Stands in for a thread that has other work by now, and looks like a finished thread."""

    def is_alive(self) -> bool:
        return False

    def join(self, timeout: float | None = None) -> None:
        pass


class _Worker:
    """A cached thread. It is in the list `free` while it waits for work."""

    __slots__ = ("_called", "_free", "_stint", "thread")

    def __init__(self, free: list[_Worker]) -> None:
        self._free = free
        self._called = threading.Lock()
        self._called.acquire()
        self._stint: WorkItem | None = None
        self.thread = threading.Thread(target=self._live, daemon=True)

    def give(self, run: Callable[[], object], name: str) -> WorkItem:
        """Set the next work item."""
        stint = self._stint = WorkItem(run, name, self)
        self.thread.name = name
        return stint

    def call(self) -> None:
        """Wake the thread to run its work item."""
        self._called.release()

    def _live(self) -> None:
        while self._next():
            # The one that removes the worker from the list decides: `lend_daemon`, which gives it work, or this
            # thread, which ends then. So a thread that ends never gets work.
            self._free.append(self)
            if not self._called.acquire(timeout=STAYS):
                try:
                    self._free.remove(self)
                    return
                except ValueError:
                    self._called.acquire()

    def _next(self) -> bool:
        stint, self._stint = self._stint, None
        return stint is not None and stint.work()


#: Idle workers by the kind of threads that the program had: those of another kind cannot be woken.
_FREE: dict[type, list[_Worker]] = {}
_deciding = threading.Lock()


def kind_of_threads() -> type:
    """The lock type of `threading`. It changes when a program replaces its threads, as gevent and eventlet do."""
    return type(threading.Lock())


def lend_daemon(run: Callable[[], object], name: str = "stomp-receiver") -> WorkItem:
    """Run a callable on a daemon thread, on an idle one of the cache if there is one."""
    free = _FREE.setdefault(kind_of_threads(), [])
    try:
        worker = free.pop()
    except IndexError:
        worker = _Worker(free)
        stint = worker.give(run, name)
        worker.thread.start()
    else:
        stint = worker.give(run, name)
        worker.call()
    return stint


def _reset() -> None:
    """In a forked child, which has none of its parent's threads."""
    global _deciding
    _FREE.clear()
    _deciding = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
