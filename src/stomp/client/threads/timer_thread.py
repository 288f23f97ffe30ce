"""The keeper: one thread for the clocks of all connections of a process.

A program that has its threads replaced by green ones, as gevent and eventlet do, gets another keeper from then on:
locks of the one kind do not hold up threads of the other.

It sends heart-beats, notices silence, gives up overdue receipts and writes what senders left behind, while
the receiving threads wait for the network or are busy in a handler. It never runs code of the user and never
waits for a socket, so no connection can make another one late.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from typing import Protocol

from stomp.client.logging import connections as log
from stomp.client.thread_cache import STAYS, kind_of_threads
from stomp.client.threads.open_links import LINKS


class Timed(Protocol):
    """What the keeper looks after.

    Attributes:
        parted: it wants to be looked after no more; to be set before `TimerThread.remove`.
    """

    removed: bool

    def attend(self) -> float | None:
        """Do what is due; return in how many seconds to come again, or None."""
        ...


#: The keeper looks up from its sleep at least this often, in seconds: no wait is without end. What is further away than
#: this need not wake it, which costs more than to look up: the deadlines of connecting and of leaving, for two.
_LONGEST_SLEEP = 5.0
#: So many entries that count no more are borne before the agenda is tidied.
_UNTIDY = 64


class TimerThread:
    """See the module. Its thread lives while there is a charge, and a moment longer."""

    def __init__(self) -> None:
        # Not the usual RLock: eventlet swaps those that it finds, also under a thread that holds one.
        self._changed = threading.Condition(threading.Lock())
        #: Each charge, with the moment of the next visit.
        self._charges: dict[Timed, float | None] = {}
        # Earliest first. An entry whose moment is not the charge's next one any more is passed over.
        self._agenda: list[tuple[float, int, Timed]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0
        self._idle_since = 0.0

    def remove(self, charge: Timed) -> None:
        """Forget a charge. It may still be attended to once, if that has begun."""
        with self._changed:
            if self._charges.pop(charge, _MISSING) is not _MISSING and not self._charges:
                self._agenda.clear()
                self._idle_since = time.monotonic()
                if self._wakes_at > self._idle_since + STAYS:
                    self._changed.notify()

    def attend_in(self, charge: Timed, seconds: float) -> None:
        """Attend to a charge within so many seconds, and look after it until `remove`. The earliest wish counts."""
        when = time.monotonic() + seconds
        with self._changed:
            if self._plan(charge, when):
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="stomp-keeper", daemon=True)
                    self._thread.start()
                if when < self._wakes_at:
                    self._changed.notify()

    def _plan(self, charge: Timed, when: float) -> bool:
        """Put a visit on the agenda; False if there is no need. The caller has the lock."""
        planned = self._charges.get(charge)
        if charge.removed or (planned is not None and planned <= when):
            return False
        self._charges[charge] = when
        if len(self._agenda) > 2 * len(self._charges) + _UNTIDY:
            self._tidy()
        heapq.heappush(self._agenda, (when, next(self._order), charge))
        return True

    def _tidy(self) -> None:
        """Drop the entries that would be passed over. The caller has the lock."""
        self._agenda = [entry for entry in self._agenda if self._charges.get(entry[2]) == entry[0]]
        heapq.heapify(self._agenda)

    def _run(self) -> None:
        changed = self._changed
        charge: Timed | None = None
        again: float | None = None
        while (charge := self._next(changed, charge, again)) is not None:
            try:
                again = charge.attend()
            except Exception:
                # A defect there must not stop the clocks of all the others.
                log.exception("the keeper failed for %r", charge)
                again = None

    def _next(self, changed: threading.Condition, last: Timed | None, again: float | None) -> Timed | None:
        """Wait for the next charge to attend to; None when there has been no charge for a moment.

        `last` was attended to, and wants that `again` in so many seconds.
        """
        with changed:
            if last is not None and again is not None and self._changed is changed:
                self._plan(last, time.monotonic() + again)
            # Green threads live on in a forked child: the keeper of the parent has nothing to do there, see `_reset`.
            while self._changed is changed:
                now = time.monotonic()
                wait = _LONGEST_SLEEP
                if not self._charges:
                    wait = self._idle_since + STAYS - now
                    if wait <= 0.0:
                        self._thread = None
                        return None
                elif self._agenda:
                    when, _, charge = self._agenda[0]
                    if when <= now:
                        heapq.heappop(self._agenda)
                        if self._charges.get(charge) == when:
                            self._charges[charge] = None
                            return charge
                        continue
                    wait = min(wait, when - now)
                self._wakes_at = now + wait
                changed.wait(wait)
                if self._changed is changed:
                    self._wakes_at = 0.0
        return None


_MISSING = object()

#: One for each kind of threads that the program has had.
_KEEPERS: dict[type, TimerThread] = {}


def keeper() -> TimerThread:
    """The keeper for connections that are made now."""
    kind = kind_of_threads()
    found = _KEEPERS.get(kind)
    if found is not None:
        return found
    if LINKS:
        log.warning(
            "the threads of this program were replaced while a connection was open: nobody can promise that"
            " it goes on; patch before you connect, or connect again"
        )
    return _KEEPERS.setdefault(kind, TimerThread())


def _reset() -> None:
    """A forked child has none of its parent's threads, and perhaps a lock that one of them held."""
    for each in list(_KEEPERS.values()):
        each.__init__()  # type: ignore[misc]  # in place: links that are left over know it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
