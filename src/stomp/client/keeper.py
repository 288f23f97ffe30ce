"""The keeper: one thread for the clocks of all connections of a process.

It sends heart-beats, notices silence, gives up overdue receipts and writes what senders left behind, while
the receiving threads wait for the network or are busy in a handler. It never runs code of the user and never
waits for a socket, so no connection can make another one late.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from typing import Protocol

log = logging.getLogger("stomp.py")


class Charge(Protocol):
    """What the keeper looks after."""

    def attend(self) -> float | None:
        """Do what is due; return in how many seconds to come again, or None."""
        ...


#: The keeper looks up from its sleep at least this often, in seconds: no wait is without end.
_LONGEST_SLEEP = 60.0


class Keeper:
    """See the module. Its thread lives while there is a charge."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._charges: set[Charge] = set()
        self._agenda: list[tuple[float, int, Charge]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0

    def add(self, charge: Charge) -> None:
        """Look after a charge until `remove`."""
        with self._changed:
            self._charges.add(charge)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stomp-keeper", daemon=True)
                self._thread.start()

    def remove(self, charge: Charge) -> None:
        """Forget a charge. It may still be attended to once, if that has begun."""
        with self._changed:
            self._charges.discard(charge)
            if not self._charges:
                self._agenda.clear()
                self._changed.notify()

    def attend_in(self, charge: Charge, seconds: float) -> None:
        """Attend to a charge so many seconds from now, too."""
        when = time.monotonic() + seconds
        with self._changed:
            heapq.heappush(self._agenda, (when, next(self._order), charge))
            if when < self._wakes_at:
                self._changed.notify()

    def _run(self) -> None:
        while (charge := self._next()) is not None:
            try:
                again = charge.attend()
            except Exception:
                # A defect there must not stop the clocks of all the others.
                log.exception("the keeper failed for %r", charge)
                continue
            if again is not None:
                self.attend_in(charge, again)

    def _next(self) -> Charge | None:
        """Wait for the next charge to attend to; None when there are no charges left."""
        with self._changed:
            while self._charges:
                now = time.monotonic()
                wait = _LONGEST_SLEEP
                if self._agenda:
                    when, _, charge = self._agenda[0]
                    if when <= now:
                        heapq.heappop(self._agenda)
                        if charge in self._charges:
                            return charge
                        continue
                    wait = min(wait, when - now)
                self._wakes_at = now + wait
                self._changed.wait(wait)
                self._wakes_at = 0.0
            self._thread = None
            return None


KEEPER = Keeper()

# A forked child has none of its parent's threads, and perhaps a lock that one of them held.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=KEEPER.__init__)  # type: ignore[misc]
