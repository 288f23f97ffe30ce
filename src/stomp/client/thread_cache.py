"""Daemon threads that are used again: starting one takes as long as all the rest of a connection's life.

A thread whose work is done waits a moment for more. Nobody can tell it from a new one: its work has a context of its
own, and a thread that somebody has asked for (see `WorkItem.thread`), to join it perhaps, gets no more work.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable

#: A thread of ours that has nothing to do stays so many seconds: programs connect again, and a thread costs more than
#: connecting. No longer, as a program may want to have its threads replaced by green ones when its connections end.
STAYS = 0.02


class WorkItem:
    """One piece of work of a thread."""

    __slots__ = ("_name", "_run", "_worker", "asked", "over")

    def __init__(self, run: Callable[[], object], name: str, worker: _Worker) -> None:
        self._run: Callable[[], object] | None = run
        self._name = name
        self._worker = worker
        self.asked = False  #: somebody wants to know the thread
        self.over = False

    @property
    def thread(self) -> threading.Thread:
        """The thread; it will end with this work."""
        with _deciding:
            self.asked = True
            return _Ended(name=self._name, daemon=True) if self.over else self._worker.thread

    def work(self) -> bool:
        """Do it; True if the thread may do more."""
        run, self._run = self._run, None
        assert run is not None
        contextvars.Context().run(run)
        with _deciding:
            self.over = not self.asked
        return self.over


class _Ended(threading.Thread):
    """Stands for a thread that has other work by now: it is over."""

    def is_alive(self) -> bool:
        return False

    def join(self, timeout: float | None = None) -> None:
        pass


class _Worker:
    """A thread. It is in the list `free` while it waits."""

    __slots__ = ("_called", "_free", "_stint", "thread")

    def __init__(self, free: list[_Worker]) -> None:
        self._free = free
        self._called = threading.Lock()
        self._called.acquire()
        self._stint: WorkItem | None = None
        self.thread = threading.Thread(target=self._live, daemon=True)

    def give(self, run: Callable[[], object], name: str) -> WorkItem:
        """Have it do some work next."""
        stint = self._stint = WorkItem(run, name, self)
        self.thread.name = name
        return stint

    def call(self) -> None:
        """Have it begin."""
        self._called.release()

    def _live(self) -> None:
        while self._next():
            # Known to who starts something now, or to this thread alone: nobody gives work to one that ends.
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


#: By the kind of threads that the program had: those of another kind cannot be woken.
_FREE: dict[type, list[_Worker]] = {}
_deciding = threading.Lock()


def kind_of_threads() -> type:
    """Tells whether `threading` has been replaced since the last call: then the answer is another one."""
    return type(threading.Lock())


def lend_daemon(run: Callable[[], object], name: str = "stomp-receiver") -> WorkItem:
    """Have a daemon thread run this, one that waits for work if there is one."""
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
    """A forked child has none of its parent's threads."""
    global _deciding
    _FREE.clear()
    _deciding = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
